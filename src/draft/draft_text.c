#include "draft/draft_text.h"

enum { WIDTH = 120, INDENT = 2 };

/* In one line if that is short enough, behind so many columns. */
static fg_status write_line(const json_t *value, size_t column, fg_buffer *text, bool *fits, fg_error *err) {
    fg_buffer line = {0};
    fg_status status = fg_json_write(value, FG_JSON_COMPACT | FG_JSON_UTF8, &line, err);
    *fits = status == FG_OK &&
            (column + line.length <= WIDTH || !(json_object_size(value) + json_array_size(value)));
    if (*fits) status = fg_buffer_add(text, line.data, line.length, err);
    fg_buffer_free(&line);
    return status;
}

static fg_status begin_line(size_t depth, bool first, fg_buffer *text, fg_error *err) {
    return fg_buffer_printf(text, err, "%s\n%*s", first ? "" : ",", (int)(INDENT * depth), "");
}

static fg_status write_value(const json_t *value, size_t depth, size_t column, fg_buffer *text,
                             fg_error *err) {
    bool fits, first = true, list = json_is_array(value);
    json_t *inner;
    FG_CALL(write_line(value, depth ? column : WIDTH, text, &fits, err));
    if (fits) return FG_OK;
    FG_CALL(fg_buffer_put(text, list ? "[" : "{", err));
    FG_JSON_MEMBERS(value, key, inner) {
        json_t *name = json_string(key);
        FG_CALL(begin_line(depth + 1, first, text, err));
        size_t start = text->length;
        fg_status status =
            name ? fg_json_write(name, FG_JSON_COMPACT | FG_JSON_UTF8, text, err) : FG_ERR_MEMORY;
        json_decref(name);
        if (status == FG_OK) status = fg_buffer_put(text, ": ", err);
        if (status != FG_OK) return fg_fail(err, status, "out of memory");
        FG_CALL(write_value(inner, depth + 1, INDENT * (depth + 1) + text->length - start, text, err));
        first = false;
    }
    FG_JSON_EACH(value, i, inner) {
        FG_CALL(begin_line(depth + 1, first, text, err));
        FG_CALL(write_value(inner, depth + 1, INDENT * (depth + 1), text, err));
        first = false;
    }
    FG_CALL(begin_line(depth, true, text, err));
    return fg_buffer_put(text, list ? "]" : "}", err);
}

fg_status fg_draft_text(const json_t *document, fg_buffer *text, fg_error *err) {
    FG_CALL(write_value(document, 0, 0, text, err));
    return fg_buffer_put(text, "\n", err);
}
