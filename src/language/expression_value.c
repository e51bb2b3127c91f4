/* Expressions as text: values that may be one, conditions, sizes, and what their paths lead to. */
#include <string.h>

#include "base/buffer.h"
#include "language/expression_tree.h"

enum { BRIEF = 80 };

bool fg_expression_is(const json_t *value) {
    return json_is_string(value) && fg_starts_with(json_string_value(value), "= ");
}

static fg_status evaluate_text(const char *text, const fg_scope *scope, const char *where, json_t **value,
                               fg_error *err) {
    fg_expression *expression = NULL;
    *value = NULL;
    fg_status status = fg_expression_parse(&expression, text, where, err);
    if (status == FG_OK) status = fg_expression_evaluate(expression, scope, value, err);
    fg_expression_free(&expression);
    return status;
}

static bool occurs_before(const fg_expression *expression, size_t index) {
    for (size_t i = 1; i < index; i++) {
        const fg_node *node = &expression->nodes[i];
        if (node->kind == FG_NODE_PATH && strcmp(node->text, expression->nodes[index].text) == 0) return true;
    }
    return false;
}

/* What the paths of an expression lead to. */
static fg_status add_facts(const fg_expression *expression, const fg_scope *scope, fg_buffer *text,
                           fg_error *err) {
    char brief[BRIEF];
    bool any = false;
    for (size_t i = 1; i < expression->count; i++) {
        const fg_node *node = &expression->nodes[i];
        if (node->kind != FG_NODE_PATH || occurs_before(expression, i)) continue;
        FG_CALL(fg_buffer_printf(text, err, "%s%s = %s", any ? ", " : "", node->text,
                                 fg_json_brief(fg_expression_look_up(scope, node), brief, sizeof brief)));
        any = true;
    }
    return FG_OK;
}

fg_status fg_expression_has_operands(const json_t *value_or_expression, const fg_scope *scope, bool *has,
                                     fg_error *err) {
    fg_expression *expression = NULL;
    *has = true;
    if (!fg_expression_is(value_or_expression)) return FG_OK;
    fg_status status = fg_expression_parse(&expression, json_string_value(value_or_expression) + 2, "", err);
    for (size_t i = 1; status == FG_OK && i < expression->count; i++) {
        const fg_node *node = &expression->nodes[i];
        const json_t *found = node->kind == FG_NODE_PATH ? fg_expression_look_up(scope, node) : NULL;
        *has &= node->kind != FG_NODE_PATH || (found && !json_is_null(found));
    }
    fg_expression_free(&expression);
    return status;
}

fg_status fg_expression_value(const json_t *value_or_expression, const fg_scope *scope, const char *where,
                              json_t **value, fg_error *err) {
    if (fg_expression_is(value_or_expression))
        return evaluate_text(json_string_value(value_or_expression) + 2, scope, where, value, err);
    *value = json_incref((json_t *)(uintptr_t)value_or_expression);
    return FG_OK;
}

fg_status fg_expression_given(const json_t *given, const fg_scope *scope, const char *where, json_t **value,
                              fg_error *err) {
    if (!json_is_string(given) || fg_expression_is(given))
        return fg_expression_value(given, scope, where, value, err);
    return evaluate_text(json_string_value(given), scope, where, value, err);
}

fg_status fg_expression_holds(const char *condition, const fg_scope *scope, const char *where, bool *holds,
                              fg_error *err) {
    json_t *value;
    FG_CALL(evaluate_text(condition, scope, where, &value, err));
    *holds = fg_expression_truth(value);
    json_decref(value);
    return FG_OK;
}

fg_status fg_expression_check(const char *condition, const fg_scope *scope, const char *where, bool *holds,
                              fg_buffer *facts, fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    json_t *value = NULL;
    fg_error why = {0};
    FG_TRY(fg_expression_parse(&expression, condition, where, err));
    status = fg_expression_evaluate(expression, scope, &value, &why);
    if (status != FG_OK && status != FG_ERR_INPUT) FG_TRY(fg_fail_again(err, &why));
    *holds = status == FG_OK && fg_expression_truth(value);
    status = *holds ? FG_OK : add_facts(expression, scope, facts, err);
done:
    json_decref(value);
    fg_expression_free(&expression);
    return status;
}

fg_status fg_expression_size(const json_t *given, const fg_scope *scope, const char *where, uint64_t *size,
                             fg_error *err) {
    char found[BRIEF], written[BRIEF];
    json_t *value = NULL;
    fg_status status = fg_expression_given(given, scope, where, &value, err);
    if (status == FG_OK && json_is_integer(value) && json_integer_value(value) >= 0)
        *size = (uint64_t)json_integer_value(value);
    else if (status == FG_OK)
        status = fg_fail(
            err, FG_ERR_INPUT, "%s: %s is %s for this configuration, expected a whole number of 0 or more",
            where, fg_json_brief(given, written, sizeof written), fg_json_brief(value, found, sizeof found));
    json_decref(value);
    return status;
}
