#include "base/visible_json.h"

#include <string.h>

#include "base/alloc.h"
#include "base/visible_text.h"

static fg_status visible_string(const json_t *value, json_t **visible, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_visible_add(json_string_value(value), json_string_length(value), FG_VISIBLE_LINE, &text, err));
    FG_TRY_NEW(*visible, json_stringn(text.data ? text.data : "", text.length));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status fill_array(const json_t *from, json_t *to, fg_error *err) {
    json_t *value, *visible;
    FG_JSON_EACH(from, i, value) {
        FG_CALL(fg_visible_json(value, &visible, err));
        FG_CALL(fg_json_push(to, visible, err));
    }
    return FG_OK;
}

static fg_status fill_object(const json_t *from, json_t *to, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    json_t *value, *visible;
    FG_JSON_MEMBERS(from, key, value) {
        fg_buffer_clear(&text);
        FG_TRY(fg_visible_add(key, strlen(key), FG_VISIBLE_LINE, &text, err));
        FG_TRY(fg_visible_json(value, &visible, err));
        FG_TRY(fg_json_put(to, text.length ? text.data : "", visible, err));
    }
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_visible_json(const json_t *value, json_t **visible, fg_error *err) {
    fg_status status = FG_OK;
    *visible = NULL;
    if (json_is_string(value)) return visible_string(value, visible, err);
    if (!json_is_array(value) && !json_is_object(value)) {
        FG_CALL_NEW(*visible, fg_json_copy(value, err));
        return FG_OK;
    }
    if (json_is_array(value)) {
        FG_TRY_NEW(*visible, json_array());
        FG_TRY(fill_array(value, *visible, err));
    } else {
        FG_TRY_NEW(*visible, json_object());
        FG_TRY(fill_object(value, *visible, err));
    }
done:
    if (status != FG_OK) {
        json_decref(*visible);
        *visible = NULL;
    }
    return status;
}
