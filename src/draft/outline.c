#include "draft/outline.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "translate/rotary_settings.h"

/* A part between dots that is a number; NULL: there is none. */
static const char *number_in(const char *name, size_t *length) {
    for (const char *part = name; part; part = strchr(part, '.') ? strchr(part, '.') + 1 : NULL) {
        *length = strspn(part, "0123456789");
        if (*length && (part[*length] == '.' || !part[*length])) return part;
    }
    return NULL;
}

char *fg_outline_pattern(const char *name, fg_error *err) {
    size_t length;
    const char *number = number_in(name, &length);
    if (!number) return fg_strdup(name, err);
    return fg_strformat(err, "%.*s{i}%s", (int)(number - name), name, number + length);
}

static fg_status add_tensor(json_t *tensors, const fg_tensor *tensor, fg_error *err) {
    fg_status status = FG_OK;
    char *pattern = NULL;
    FG_TRY_NEW(pattern, fg_outline_pattern(tensor->name, err));
    if (!json_object_get(tensors, pattern))
        FG_TRY(fg_json_put_u64s(tensors, pattern, tensor->shape, tensor->rank, err));
done:
    fg_free(pattern);
    return status;
}

/* What is wrong with rotary settings is for a conversion to say. */
static fg_status spell(fg_outline *outline, const json_t *config, fg_error *err) {
    fg_error wrong = {0};
    FG_CALL_NEW(outline->config, fg_json_deep_copy(config, err));
    fg_status status = fg_rotary_settings_to_older(outline->config, "config.json", &wrong);
    if (status == FG_OK) return FG_OK;
    if (status != FG_ERR_INPUT) return fg_fail_again(err, &wrong);
    json_decref(outline->config);
    FG_CALL_NEW(outline->config, fg_json_deep_copy(config, err));
    return FG_OK;
}

fg_status fg_outline_make(fg_outline *outline, const json_t *config, const fg_tensors *tensors,
                          fg_error *err) {
    *outline = (fg_outline){0};
    FG_CALL(spell(outline, config, err));
    FG_CALL_NEW(outline->tensors, json_object());
    for (size_t i = 0; i < tensors->count; i++)
        FG_CALL(add_tensor(outline->tensors, &tensors->items[i], err));
    return FG_OK;
}

void fg_outline_free(fg_outline *outline) {
    json_decref(outline->config);
    json_decref(outline->tensors);
    *outline = (fg_outline){0};
}
