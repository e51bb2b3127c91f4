#include "language/template.h"

enum { TEMPLATE_DEPTH = 32 };

static fg_status check_inside(const json_t *value, bool every, const char *where, unsigned depth,
                              fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    const char *text = json_string_value(value);
    json_t *item;
    if (depth == TEMPLATE_DEPTH) FG_FAIL(err, FG_ERR_INPUT, "%s: values are nested too deeply", where);
    if (fg_expression_is(value))
        text += 2;
    else if (!every)
        text = NULL;
    if (text) FG_TRY(fg_expression_parse(&expression, text, where, err));
    FG_JSON_EACH(value, i, item) FG_TRY(check_inside(item, every, where, depth + 1, err));
    FG_JSON_MEMBERS(value, key, item) FG_TRY(check_inside(item, every, where, depth + 1, err));
done:
    fg_expression_free(&expression);
    return status;
}

fg_status fg_template_check(const json_t *value, bool every, const char *where, fg_error *err) {
    return check_inside(value, every, where, 0, err);
}

fg_status fg_template_value(const json_t *value, const fg_scope *scope, const char *where, json_t **result,
                            fg_error *err) {
    fg_status status = FG_OK;
    json_t *item, *inner;
    *result = NULL;
    if (!json_is_array(value) && !json_is_object(value))
        return fg_expression_value(value, scope, where, result, err);
    *result = json_is_array(value) ? json_array() : json_object();
    if (!*result) FG_FAIL(err, FG_ERR_MEMORY, "%s: out of memory", where);
    FG_JSON_EACH(value, i, item) {
        FG_TRY(fg_template_value(item, scope, where, &inner, err));
        FG_TRY(fg_json_push(*result, inner, err));
    }
    FG_JSON_MEMBERS(value, key, item) {
        FG_TRY(fg_template_value(item, scope, where, &inner, err));
        FG_TRY(fg_json_put(*result, key, inner, err));
    }
done:
    if (status != FG_OK) {
        json_decref(*result);
        *result = NULL;
    }
    return status;
}
