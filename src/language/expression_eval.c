/* Evaluating expressions over JSON values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression_tree.h"

enum { BRIEF = 80 };

/* What a variable of "for" means now. */
typedef struct loop_variable {
    const char *name;
    json_t *value;
    const struct loop_variable *outer; /* NULL: there is none */
} loop_variable;

typedef struct evaluator {
    const fg_expression *expression;
    const fg_scope *scope;
    const loop_variable *loop; /* the innermost; NULL outside */
    unsigned *steps;           /* elements that loops have gone through */
    fg_error *err;
} evaluator;

static fg_status evaluate(const evaluator *e, size_t index, json_t **value);

/* ---- messages ---- */

static fg_status wrong(const evaluator *e, const fg_node *node, const char *what) {
    return fg_fail(e->err, FG_ERR_INPUT, "%s: expression \"%.300s\": column %u: %s", e->expression->where,
                   e->expression->text, node->column, what);
}

/* "WHAT, found VALUE". */
static fg_status wrong_value(const evaluator *e, const fg_node *node, const char *what, const json_t *found) {
    char brief[BRIEF], said[BRIEF + 160];
    snprintf(said, sizeof said, "%s, found %s", what, fg_json_brief(found, brief, sizeof brief));
    return wrong(e, node, said);
}

/* "WHAT: LEFT and RIGHT". */
static fg_status wrong_pair(const evaluator *e, const fg_node *node, const char *what, const json_t *left,
                            const json_t *right) {
    char a[BRIEF], b[BRIEF], said[2 * BRIEF + 160];
    snprintf(said, sizeof said, "%s: %s and %s", what, fg_json_brief(left, a, sizeof a),
             fg_json_brief(right, b, sizeof b));
    return wrong(e, node, said);
}

static fg_status give(const evaluator *e, json_t *made, json_t **value) {
    *value = made;
    return made ? FG_OK : fg_fail(e->err, FG_ERR_MEMORY, "out of memory while evaluating an expression");
}

/* ---- paths ---- */

json_t *fg_expression_look_up(const fg_scope *scope, const fg_node *node) {
    if (node->absolute) {
        const json_t *root = scope->root;
        while (scope->parent) scope = scope->parent;
        return fg_json_at(root ? root : scope->here, node->path);
    }
    for (unsigned i = 0; i < node->ups && scope; i++) scope = scope->parent;
    return scope ? fg_json_at(scope->here, node->path) : NULL;
}

static fg_status read_variable(const evaluator *e, const fg_node *node, json_t **value) {
    char said[160];
    const loop_variable *loop = e->loop;
    while (loop && strcmp(loop->name, node->text) != 0) loop = loop->outer;
    json_t *found = loop ? loop->value : json_object_get(e->scope->variables, node->text);
    if (found) {
        *value = json_incref(found);
        return FG_OK;
    }
    snprintf(said, sizeof said, "there is no variable \"$%.100s\" here", node->text);
    return wrong(e, node, said);
}

/* ---- arithmetic ---- */

static fg_status calculate_integers(const evaluator *e, const fg_node *node, const json_t *left,
                                    const json_t *right, json_t **value) {
    json_int_t a = json_integer_value(left), b = json_integer_value(right), c = 0;
    bool overflow = false;
    switch (node->op) {
    case FG_OP_ADD:
        overflow = __builtin_add_overflow(a, b, &c);
        break;
    case FG_OP_SUBTRACT:
        overflow = __builtin_sub_overflow(a, b, &c);
        break;
    case FG_OP_MULTIPLY:
        overflow = __builtin_mul_overflow(a, b, &c);
        break;
    case FG_OP_REMAINDER:
        if (a < 0 || b <= 0)
            return wrong_pair(e, node, "\"%\" expects 0 or more, and a divisor above 0", left, right);
        c = a % b;
        break;
    default:
        if (b == 0) return wrong_pair(e, node, "division by zero", left, right);
        if (b == -1)
            overflow = __builtin_sub_overflow((json_int_t)0, a, &c);
        else if (a % b)
            return wrong_pair(e, node, "the quotient of integers is not exact", left, right);
        else
            c = a / b;
    }
    if (overflow) return wrong_pair(e, node, "the result does not fit into 64 bits", left, right);
    return give(e, json_integer(c), value);
}

static fg_status calculate_reals(const evaluator *e, const fg_node *node, const json_t *left,
                                 const json_t *right, json_t **value) {
    double a = json_number_value(left), b = json_number_value(right);
    if (node->op == FG_OP_REMAINDER && (a < 0 || b <= 0))
        return wrong_pair(e, node, "\"%\" expects 0 or more, and a divisor above 0", left, right);
    if (node->op == FG_OP_DIVIDE && b == 0.0) return wrong_pair(e, node, "division by zero", left, right);
    double c = node->op == FG_OP_ADD         ? a + b
               : node->op == FG_OP_SUBTRACT  ? a - b
               : node->op == FG_OP_MULTIPLY  ? a * b
               : node->op == FG_OP_REMAINDER ? fmod(a, b)
                                             : a / b;
    if (!isfinite(c)) return wrong_pair(e, node, "the result is not a finite number", left, right);
    return give(e, json_real(c), value);
}

static fg_status calculate(const evaluator *e, const fg_node *node, const json_t *left, const json_t *right,
                           json_t **value) {
    fg_error *err = e->err;
    if (json_is_integer(left) && json_is_integer(right))
        return calculate_integers(e, node, left, right, value);
    if (json_is_number(left) && json_is_number(right)) return calculate_reals(e, node, left, right, value);
    if (node->op == FG_OP_ADD && json_is_string(left) && json_is_string(right))
        return give(e, json_sprintf("%s%s", json_string_value(left), json_string_value(right)), value);
    if (node->op == FG_OP_ADD && json_is_array(left) && json_is_array(right)) {
        FG_CALL(give(e, json_array(), value));
        return json_array_extend(*value, (json_t *)(uintptr_t)left) == 0 &&
                       json_array_extend(*value, (json_t *)(uintptr_t)right) == 0
                   ? FG_OK
                   : fg_fail(err, FG_ERR_MEMORY, "out of memory while evaluating an expression");
    }
    return wrong_pair(e, node,
                      node->op == FG_OP_ADD ? "expected two numbers, two texts or two lists"
                                            : "expected two numbers",
                      left, right);
}

static fg_status negate(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    json_t *operand = NULL;
    json_int_t negative;
    FG_CALL(evaluate(e, node->first, &operand));
    fg_status status = FG_OK;
    if (json_is_real(operand))
        status = give(e, json_real(-json_real_value(operand)), value);
    else if (!json_is_integer(operand))
        status = wrong_value(e, node, "\"-\" expects a number", operand);
    else if (__builtin_sub_overflow((json_int_t)0, json_integer_value(operand), &negative))
        status = wrong_value(e, node, "the result does not fit into 64 bits", operand);
    else
        status = give(e, json_integer(negative), value);
    json_decref(operand);
    return status;
}

/* ---- comparing ---- */

/* -1, 0 or 1 in `order`; two numbers or two texts. */
static fg_status compare(const evaluator *e, const fg_node *node, const json_t *left, const json_t *right,
                         int *order) {
    if (json_is_integer(left) && json_is_integer(right)) {
        json_int_t a = json_integer_value(left), b = json_integer_value(right);
        *order = (a > b) - (a < b);
    } else if (json_is_number(left) && json_is_number(right)) {
        double a = json_number_value(left), b = json_number_value(right);
        *order = (a > b) - (a < b);
    } else if (json_is_string(left) && json_is_string(right)) {
        *order = strcmp(json_string_value(left), json_string_value(right));
    } else {
        return wrong_pair(e, node, "only two numbers or two texts can be ordered", left, right);
    }
    return FG_OK;
}

static bool list_holds(const json_t *list, const json_t *value) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (fg_json_equal(json_array_get(list, i), value)) return true;
    }
    return false;
}

static fg_status contains(const evaluator *e, const fg_node *node, const json_t *value,
                          const json_t *container, bool *inside) {
    if (json_is_array(container))
        *inside = list_holds(container, value);
    else if (json_is_object(container) && json_is_string(value))
        *inside = json_object_get(container, json_string_value(value)) != NULL;
    else
        return wrong_value(e, node, "\"in\" expects a list (or a text and an object) on its right",
                           container);
    return FG_OK;
}

static fg_status decide(const evaluator *e, const fg_node *node, const json_t *left, const json_t *right,
                        bool *answer) {
    fg_status status = FG_OK;
    int order = 0;
    switch (node->op) {
    case FG_OP_EQUAL:
        *answer = fg_json_equal(left, right);
        return FG_OK;
    case FG_OP_NOT_EQUAL:
        *answer = !fg_json_equal(left, right);
        return FG_OK;
    case FG_OP_IN:
        return contains(e, node, left, right, answer);
    case FG_OP_NOT_IN:
        status = contains(e, node, left, right, answer);
        *answer = !*answer;
        return status;
    default:
        break;
    }
    status = compare(e, node, left, right, &order);
    if (node->op == FG_OP_LESS)
        *answer = order < 0;
    else if (node->op == FG_OP_LESS_EQUAL)
        *answer = order <= 0;
    else if (node->op == FG_OP_GREATER)
        *answer = order > 0;
    else
        *answer = order >= 0;
    return status;
}

/* ---- functions ---- */

static size_t characters(const json_t *text) {
    size_t count = 0;
    for (const char *at = json_string_value(text); *at; at++) count += (*at & 0xc0) != 0x80;
    return count;
}

static fg_status call_len(const evaluator *e, const fg_node *node, const json_t *of, const json_t *unused,
                          json_t **value) {
    (void)unused;
    size_t length;
    if (json_is_array(of))
        length = json_array_size(of);
    else if (json_is_object(of))
        length = json_object_size(of);
    else if (json_is_string(of))
        length = characters(of);
    else
        return wrong_value(e, node, "len expects a list, a text or an object", of);
    return give(e, json_integer((json_int_t)length), value);
}

static fg_status call_all(const evaluator *e, const fg_node *node, const json_t *list, const json_t *wanted,
                          json_t **value) {
    bool all = true;
    if (!json_is_array(list)) return wrong_value(e, node, "all expects a list", list);
    for (size_t i = 0; i < json_array_size(list) && all; i++)
        all = fg_json_equal(json_array_get(list, i), wanted);
    *value = json_boolean(all);
    return FG_OK;
}

/* The elements of a list, or the keys of an object: a new reference. Other values are refused with `what`. */
static fg_status elements_of(const evaluator *e, const fg_node *node, const char *what, const json_t *of,
                             json_t **list) {
    fg_error *err = e->err;
    json_t *unused;
    *list = NULL;
    if (json_is_array(of)) return give(e, json_incref((json_t *)(uintptr_t)of), list);
    if (!json_is_object(of)) return wrong_value(e, node, what, of);
    FG_CALL(give(e, json_array(), list));
    FG_JSON_MEMBERS(of, key, unused) FG_CALL(fg_json_push(*list, json_string(key), err));
    return FG_OK;
}

static fg_status call_each_in(const evaluator *e, const fg_node *node, const json_t *of,
                              const json_t *container, json_t **value) {
    fg_error *err = e->err;
    fg_status status = FG_OK;
    bool inside = true;
    json_t *list;
    FG_TRY(elements_of(e, node, "each_in expects a list or an object", of, &list));
    for (size_t i = 0; i < json_array_size(list) && inside; i++)
        FG_TRY(contains(e, node, json_array_get(list, i), container, &inside));
    *value = json_boolean(inside);
done:
    json_decref(list);
    return status;
}

static fg_status call_starts_with(const evaluator *e, const fg_node *node, const json_t *text,
                                  const json_t *prefix, json_t **value) {
    if (!json_is_string(text) || !json_is_string(prefix))
        return wrong_pair(e, node, "starts_with expects two texts", text, prefix);
    *value = json_boolean(fg_starts_with(json_string_value(text), json_string_value(prefix)));
    return FG_OK;
}

static fg_status call_ceil_div(const evaluator *e, const fg_node *node, const json_t *a, const json_t *b,
                               json_t **value) {
    if (json_integer_value(a) < 1 || json_integer_value(b) < 1)
        return wrong_pair(e, node, "ceil_div expects whole numbers above 0", a, b);
    return give(e, json_integer((json_integer_value(a) - 1) / json_integer_value(b) + 1), value);
}

static fg_status call_first(const evaluator *e, const fg_node *node, const json_t *of, const json_t *unused,
                            json_t **value) {
    (void)unused;
    void *entry = json_object_iter((json_t *)(uintptr_t)of);
    if (!json_is_array(of) && !json_is_object(of))
        return wrong_value(e, node, "first expects a list or an object", of);
    if (entry) return give(e, json_string(json_object_iter_key(entry)), value);
    json_t *element = json_array_get(of, 0);
    *value = element ? json_incref(element) : json_null();
    return FG_OK;
}

/* The whole numbers from 0, or from the first of two, to below the last. */
static fg_status call_range(const evaluator *e, const fg_node *node, const json_t *first,
                            const json_t *second, json_t **value) {
    fg_error *err = e->err;
    json_int_t from = second ? json_integer_value(first) : 0,
               to = json_integer_value(second ? second : first);
    if (!json_is_integer(first) || (second && !json_is_integer(second)) || from < 0 || to < 0 ||
        to > FG_EXPRESSION_RANGE)
        return wrong_pair(e, node, "range expects whole numbers of 0 or more, and not too large ones", first,
                          second);
    FG_CALL(give(e, json_array(), value));
    for (; from < to; from++) FG_CALL(fg_json_push(*value, json_integer(from), err));
    return FG_OK;
}

/* power(of, exponent), or log(of). */
static fg_status call_real(const evaluator *e, const fg_node *node, const json_t *of, const json_t *exponent,
                           json_t **value) {
    double number = json_number_value(of);
    if (!json_is_number(of) || number <= 0 || (exponent && !json_is_number(exponent)))
        return wrong_value(e, node, "power and log expect a number above 0", of);
    double result = exponent ? pow(number, json_number_value(exponent)) : log(number);
    if (!isfinite(result)) return wrong_value(e, node, "the result is not a finite number", of);
    return give(e, json_real(result), value);
}

static fg_status call_has(const evaluator *e, const fg_node *node, const json_t *first, const json_t *second,
                          json_t **value) {
    (void)first, (void)second;
    *value = json_boolean(fg_expression_look_up(e->scope, &e->expression->nodes[node->first]) != NULL);
    return FG_OK;
}

/* The first that is not null; what comes after it is not evaluated. */
static fg_status call_coalesce(const evaluator *e, const fg_node *node, const json_t *first,
                               const json_t *second, json_t **value) {
    (void)first, (void)second;
    for (size_t at = node->first; at; at = e->expression->nodes[at].next) {
        json_decref(*value);
        *value = NULL;
        fg_status status = evaluate(e, at, value);
        if (status != FG_OK || !json_is_null(*value)) return status;
    }
    return FG_OK;
}

static fg_status call_extreme(const evaluator *e, const fg_node *node, const json_t *first,
                              const json_t *second, json_t **value) {
    fg_error *err = e->err;
    (void)first, (void)second;
    fg_status status = FG_OK;
    json_t *other = NULL;
    int order, wanted = strcmp(node->function->name, "min") == 0 ? -1 : 1;
    for (size_t at = node->first; at; at = e->expression->nodes[at].next) {
        FG_TRY(evaluate(e, at, &other));
        if (!json_is_number(other)) FG_TRY(wrong_value(e, node, "min and max expect numbers", other));
        if (*value) FG_TRY(compare(e, node, other, *value, &order));
        if (!*value || order == wanted) {
            json_decref(*value);
            *value = json_incref(other);
        }
        json_decref(other);
        other = NULL;
    }
done:
    json_decref(other);
    return status;
}

const fg_function *fg_function_find(const char *name, size_t length) {
    static const fg_function functions[] = {
        {"len", 1, 1, false, false, call_len},
        {"all", 2, 2, false, false, call_all},
        {"has", 1, 1, true, true, call_has},
        {"coalesce", 1, UINT32_MAX, true, false, call_coalesce},
        {"min", 1, UINT32_MAX, true, false, call_extreme},
        {"max", 1, UINT32_MAX, true, false, call_extreme},
        {"starts_with", 2, 2, false, false, call_starts_with},
        {"power", 2, 2, false, false, call_real},
        {"log", 1, 1, false, false, call_real},
        {"ceil_div", 2, 2, false, false, call_ceil_div},
        {"first", 1, 1, false, false, call_first},
        {"each_in", 2, 2, false, false, call_each_in},
        {"range", 1, 2, false, false, call_range},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strlen(functions[i].name) == length && memcmp(name, functions[i].name, length) == 0)
            return &functions[i];
    }
    return NULL;
}

static fg_status call(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    fg_status status = FG_OK;
    const fg_function *function = node->function;
    size_t next = function->lazy ? 0 : e->expression->nodes[node->first].next;
    json_t *first = NULL, *second = NULL;
    if (!function->lazy) FG_TRY(evaluate(e, node->first, &first));
    if (next) FG_TRY(evaluate(e, next, &second));
    FG_TRY(function->run(e, node, first, second, value));
done:
    json_decref(first);
    json_decref(second);
    return status;
}

/* ---- the tree ---- */

static fg_status operate(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    fg_status status = FG_OK;
    json_t *left = NULL, *right = NULL;
    bool answer = false;
    FG_TRY(evaluate(e, node->first, &left));
    bool joins = node->op == FG_OP_OR || node->op == FG_OP_AND;
    if (joins && fg_expression_truth(left) == (node->op == FG_OP_OR)) {
        *value = json_incref(left);
        goto done;
    }
    FG_TRY(evaluate(e, e->expression->nodes[node->first].next, &right));
    if (joins) {
        *value = json_incref(right);
    } else if (node->op >= FG_OP_ADD) {
        FG_TRY(calculate(e, node, left, right, value));
    } else {
        FG_TRY(decide(e, node, left, right, &answer));
        *value = json_boolean(answer);
    }
done:
    json_decref(left);
    json_decref(right);
    return status;
}

/* The member of an object for a number, which may have zeros in front: {"08": ...}. */
static json_t *numbered_member(const json_t *object, json_int_t number) {
    json_t *member;
    FG_JSON_MEMBERS(object, key, member) {
        bool digits = *key && key[strspn(key, "0123456789")] == '\0';
        if (digits && strtoll(key, NULL, 10) == number) return member;
    }
    return NULL;
}

/* Null where there is no such element, and of null. */
static fg_status select_element(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    fg_status status = FG_OK;
    json_t *of = NULL, *index = NULL, *found = NULL;
    FG_TRY(evaluate(e, node->first, &of));
    FG_TRY(evaluate(e, e->expression->nodes[node->first].next, &index));
    json_int_t number = json_integer_value(index);
    if (json_is_object(of) && json_is_string(index))
        found = json_object_get(of, json_string_value(index));
    else if (json_is_object(of) && json_is_integer(index))
        found = numbered_member(of, number);
    else if (json_is_array(of) && json_is_integer(index) && number >= 0)
        found = json_array_get(of, (size_t)number);
    else if (!json_is_null(of))
        FG_TRY(wrong_pair(e, node, "an index expects a list and a whole number, or an object and a key", of,
                          index));
    *value = found ? json_incref(found) : json_null();
done:
    json_decref(of);
    json_decref(index);
    return status;
}

/* One element of a loop, unless its condition is false. */
static fg_status add_element(const evaluator *e, const fg_node *node, json_t *list) {
    fg_error *err = e->err;
    const fg_node *nodes = e->expression->nodes;
    size_t item = nodes[node->first].next, condition = nodes[item].next;
    json_t *element = NULL;
    if (++*e->steps > FG_EXPRESSION_STEPS) return wrong(e, node, "the lists are too long to go through");
    if (condition) {
        FG_CALL(evaluate(e, condition, &element));
        bool holds = fg_expression_truth(element);
        json_decref(element);
        if (!holds) return FG_OK;
    }
    FG_CALL(evaluate(e, item, &element));
    return fg_json_push(list, element, err);
}

static fg_status run_each(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    fg_status status = FG_OK;
    json_t *over = NULL, *elements = NULL;
    loop_variable loop = {.name = node->text, .outer = e->loop};
    evaluator inner = *e;
    inner.loop = &loop;
    FG_TRY(evaluate(e, node->first, &over));
    FG_TRY(elements_of(e, node, "\"for\" expects a list or an object", over, &elements));
    FG_TRY(give(e, json_array(), value));
    FG_JSON_EACH(elements, i, loop.value) FG_TRY(add_element(&inner, node, *value));
done:
    json_decref(over);
    json_decref(elements);
    return status;
}

static fg_status make_list(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    json_t *element = NULL;
    FG_CALL(give(e, json_array(), value));
    for (size_t at = node->first; at; at = e->expression->nodes[at].next) {
        FG_CALL(evaluate(e, at, &element));
        FG_CALL(fg_json_push(*value, element, err));
    }
    return FG_OK;
}

static fg_status invert(const evaluator *e, const fg_node *node, json_t **value) {
    fg_error *err = e->err;
    json_t *operand;
    FG_CALL(evaluate(e, node->first, &operand));
    *value = json_boolean(!fg_expression_truth(operand));
    json_decref(operand);
    return FG_OK;
}

/* `value` is NULL on failure. */
static fg_status evaluate(const evaluator *e, size_t index, json_t **value) {
    const fg_node *node = &e->expression->nodes[index];
    fg_status status = FG_OK;
    *value = NULL;
    switch (node->kind) {
    case FG_NODE_VALUE:
        *value = json_incref(node->value);
        break;
    case FG_NODE_PATH: {
        json_t *found = fg_expression_look_up(e->scope, node);
        *value = found ? json_incref(found) : json_null();
        break;
    }
    case FG_NODE_VARIABLE:
        status = read_variable(e, node, value);
        break;
    case FG_NODE_LIST:
        status = make_list(e, node, value);
        break;
    case FG_NODE_CALL:
        status = call(e, node, value);
        break;
    case FG_NODE_NOT:
        status = invert(e, node, value);
        break;
    case FG_NODE_NEGATE:
        status = negate(e, node, value);
        break;
    case FG_NODE_OPERATOR:
        status = operate(e, node, value);
        break;
    case FG_NODE_EACH:
        status = run_each(e, node, value);
        break;
    case FG_NODE_INDEX:
        status = select_element(e, node, value);
        break;
    }
    if (status != FG_OK) {
        json_decref(*value);
        *value = NULL;
    }
    return status;
}

fg_status fg_expression_evaluate(const fg_expression *expression, const fg_scope *scope, json_t **value,
                                 fg_error *err) {
    unsigned steps = 0;
    evaluator e = {.expression = expression, .scope = scope, .steps = &steps, .err = err};
    return evaluate(&e, expression->root, value);
}

bool fg_expression_truth(const json_t *value) {
    if (json_is_array(value)) return json_array_size(value) > 0;
    if (json_is_object(value)) return json_object_size(value) > 0;
    if (json_is_string(value)) return json_string_length(value) > 0;
    if (json_is_integer(value)) return json_integer_value(value) != 0;
    if (json_is_real(value)) return json_real_value(value) != 0.0;
    return json_is_true(value);
}
