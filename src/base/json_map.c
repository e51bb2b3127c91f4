#include "base/json_map.h"

#include <string.h>

#include "base/alloc.h"

static fg_status map_string(const json_t *value, const fg_json_map *map, json_t **mapped, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(map->text(map->context, json_string_value(value), json_string_length(value), &text, err));
    FG_TRY_NEW(*mapped, json_stringn(text.data ? text.data : "", text.length));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status fill_array(const json_t *from, const fg_json_map *map, json_t *to, fg_error *err) {
    json_t *value, *mapped;
    FG_JSON_EACH(from, i, value) {
        FG_CALL(fg_json_map_texts(value, map, &mapped, err));
        FG_CALL(fg_json_push(to, mapped, err));
    }
    return FG_OK;
}

static fg_status fill_object(const json_t *from, const fg_json_map *map, json_t *to, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    json_t *value, *mapped;
    FG_JSON_MEMBERS(from, key, value) {
        fg_buffer_clear(&text);
        FG_TRY(map->text(map->context, key, strlen(key), &text, err));
        FG_TRY(fg_json_map_texts(value, map, &mapped, err));
        FG_TRY(fg_json_put(to, text.length ? text.data : "", mapped, err));
    }
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_json_map_texts(const json_t *value, const fg_json_map *map, json_t **mapped, fg_error *err) {
    fg_status status = FG_OK;
    *mapped = NULL;
    if (json_is_string(value)) return map_string(value, map, mapped, err);
    if (!json_is_array(value) && !json_is_object(value)) {
        FG_CALL_NEW(*mapped, fg_json_copy(value, err));
        return FG_OK;
    }
    if (json_is_array(value)) {
        FG_TRY_NEW(*mapped, json_array());
        FG_TRY(fill_array(value, map, *mapped, err));
    } else {
        FG_TRY_NEW(*mapped, json_object());
        FG_TRY(fill_object(value, map, *mapped, err));
    }
done:
    if (status != FG_OK) {
        json_decref(*mapped);
        *mapped = NULL;
    }
    return status;
}
