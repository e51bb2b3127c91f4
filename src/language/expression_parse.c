/* Parsing expressions: recursive descent, the grammar is in expression.h. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8_text.h"
#include "language/expression_tree.h"

typedef struct expression_parser {
    fg_expression *expression;
    const char *text, *at;
    unsigned depth; /* of the recursion */
    fg_error *err;
} expression_parser;

/* ---- reading characters ---- */

static bool is_start(char c) {
    return isalpha((unsigned char)c) || c == '_';
}

static bool is_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

static void skip_space(expression_parser *p) {
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') p->at++;
}

static unsigned column_of(const expression_parser *p, const char *at) {
    return (unsigned)(at - p->text) + 1;
}

static fg_status wrong_at(const expression_parser *p, const char *at, const char *what) {
    return fg_fail(p->err, FG_ERR_INPUT, "%s: expression \"%.300s\": column %u: %s", p->expression->where,
                   p->text, column_of(p, at), what);
}

/* "expected WHAT, found ..." at the parser's position. */
static fg_status expected(const expression_parser *p, const char *what) {
    char said[160];
    size_t length = 1;
    while (is_word(*p->at) && is_word(p->at[length]) && length < 40) length++;
    if (!*p->at)
        snprintf(said, sizeof said, "expected %s, found the end", what);
    else
        snprintf(said, sizeof said, "expected %s, found \"%.*s\"", what, (int)length, p->at);
    return wrong_at(p, p->at, said);
}

/* Whether the word or the sign comes next; skips it then. */
static bool take(expression_parser *p, const char *text) {
    size_t length = strlen(text);
    skip_space(p);
    if (strncmp(p->at, text, length) != 0 || (is_word(*text) && is_word(p->at[length]))) return false;
    p->at += length;
    return true;
}

/* ---- nodes ---- */

static fg_status new_node(expression_parser *p, fg_node_kind kind, const char *at, size_t *index) {
    fg_error *err = p->err;
    fg_expression *e = p->expression;
    FG_CALL(fg_grow(&e->nodes, e->count, &e->capacity, sizeof *e->nodes, err));
    e->nodes[e->count] = (fg_node){.kind = kind, .column = column_of(p, at), .depth = 1};
    *index = e->count++;
    return FG_OK;
}

/* Puts `child` behind the other children of `parent` (`last` is the one before it, 0 for the first). */
static fg_status adopt(expression_parser *p, size_t parent, size_t last, size_t child) {
    fg_node *nodes = p->expression->nodes;
    if (last)
        nodes[last].next = child;
    else
        nodes[parent].first = child;
    if (nodes[child].depth >= nodes[parent].depth) nodes[parent].depth = nodes[child].depth + 1;
    if (nodes[parent].depth > FG_EXPRESSION_DEPTH)
        return wrong_at(p, p->text + nodes[parent].column - 1, "nested more than 64 deep");
    return FG_OK;
}

static fg_status join(expression_parser *p, fg_operator op, const char *at, size_t left, size_t right,
                      size_t *index) {
    fg_error *err = p->err;
    FG_CALL(new_node(p, FG_NODE_OPERATOR, at, index));
    p->expression->nodes[*index].op = op;
    FG_CALL(adopt(p, *index, 0, left));
    return adopt(p, *index, left, right);
}

/* ---- atoms ---- */

/* The operators, the loosest level first. Each level but one is a chain, joined from the left. */
typedef enum operator_level { OR, AND, COMPARISON, SUM, PRODUCT } operator_level;

static fg_status parse_level(expression_parser *p, operator_level level, size_t *index);

static fg_status add_value(expression_parser *p, const char *at, json_t *value, size_t *index) {
    fg_status status = value ? FG_OK : fg_fail(p->err, FG_ERR_MEMORY, "out of memory in an expression");
    if (status == FG_OK) status = new_node(p, FG_NODE_VALUE, at, index);
    if (status == FG_OK)
        p->expression->nodes[*index].value = value;
    else
        json_decref(value);
    return status;
}

static fg_status parse_number(expression_parser *p, size_t *index) {
    const char *begin = p->at, *at = begin;
    while (isdigit((unsigned char)*at)) at++;
    bool real = *at == '.' && isdigit((unsigned char)at[1]);
    if (real) {
        at++;
        while (isdigit((unsigned char)*at)) at++;
    }
    bool scaled = *at == 'e' || *at == 'E';
    const char *power = scaled && (at[1] == '-' || at[1] == '+') ? at + 2 : at + 1;
    if (scaled && isdigit((unsigned char)*power)) {
        real = true;
        at = power;
        while (isdigit((unsigned char)*at)) at++;
    }
    if (is_word(*at) || *at == '.') return wrong_at(p, begin, "not a number");
    p->at = at;
    errno = 0;
    double number = strtod(begin, NULL); /* reads the same characters */
    long long integer = real ? 0 : strtoll(begin, NULL, 10);
    if ((real && !isfinite(number)) || (!real && errno == ERANGE))
        return wrong_at(p, begin, "the number is too large");
    return add_value(p, begin, real ? json_real(number) : json_integer(integer), index);
}

static fg_status parse_text(expression_parser *p, size_t *index) {
    const char *begin = p->at + 1, *end = strchr(begin, '\'');
    if (!end) return wrong_at(p, p->at, "the text does not end: a ' is missing");
    const char *at = p->at;
    p->at = end + 1;
    return add_value(p, at, json_stringn(begin, (size_t)(end - begin)), index);
}

/* Expressions up to `close`, as children of `parent` behind the child `last` (0: the first ones). */
static fg_status parse_items(expression_parser *p, size_t parent, size_t last, const char *close,
                             unsigned *count) {
    fg_error *err = p->err;
    size_t child = 0;
    *count = 0;
    do {
        FG_CALL(parse_level(p, OR, &child));
        FG_CALL(adopt(p, parent, last, child));
        last = child;
        ++*count;
    } while (take(p, ","));
    if (!take(p, close)) FG_CALL(expected(p, close[0] == ')' ? "\",\" or \")\"" : "\",\" or \"]\""));
    return FG_OK;
}

/* The name of a variable, as the text of a node. */
static fg_status parse_variable_name(expression_parser *p, size_t index) {
    fg_error *err = p->err;
    const char *begin = p->at + 1, *end = begin;
    if (*p->at != '$' || !is_start(*begin))
        FG_CALL(wrong_at(p, p->at, "expected the name of a variable after \"$\""));
    while (is_word(*end)) end++;
    FG_CALL_NEW(p->expression->nodes[index].text, fg_strndup(begin, (size_t)(end - begin), err));
    p->at = end;
    return FG_OK;
}

/* What follows behind "[expression for": `item` is the expression. */
static fg_status parse_each(expression_parser *p, const char *begin, size_t item, size_t *index) {
    fg_error *err = p->err;
    size_t list = 0, condition = 0;
    FG_CALL(new_node(p, FG_NODE_EACH, begin, index));
    skip_space(p);
    FG_CALL(parse_variable_name(p, *index));
    if (!take(p, "in")) FG_CALL(expected(p, "\"in\""));
    FG_CALL(parse_level(p, OR, &list));
    FG_CALL(adopt(p, *index, 0, list));
    FG_CALL(adopt(p, *index, list, item));
    if (take(p, "if")) {
        FG_CALL(parse_level(p, OR, &condition));
        FG_CALL(adopt(p, *index, item, condition));
    }
    return take(p, "]") ? FG_OK : expected(p, "\"]\"");
}

static fg_status parse_list(expression_parser *p, size_t *index) {
    fg_error *err = p->err;
    unsigned count;
    size_t first = 0;
    const char *begin = p->at++;
    if (take(p, "]")) return new_node(p, FG_NODE_LIST, begin, index);
    FG_CALL(parse_level(p, OR, &first));
    if (take(p, "for")) return parse_each(p, begin, first, index);
    FG_CALL(new_node(p, FG_NODE_LIST, begin, index));
    FG_CALL(adopt(p, *index, 0, first));
    if (take(p, ",")) return parse_items(p, *index, first, "]", &count);
    return take(p, "]") ? FG_OK : expected(p, "\",\" or \"]\"");
}

static fg_status no_function(const expression_parser *p, size_t length) {
    char what[200];
    snprintf(what, sizeof what,
             "there is no function \"%.*s\" (there are len, all, has, coalesce, min, max, starts_with, "
             "power, log, ceil_div, first, each_in, range)",
             length > 40 ? 40 : (int)length, p->at);
    return wrong_at(p, p->at, what);
}

/* NAME( arguments ), the name having `length` bytes. */
static fg_status parse_call(expression_parser *p, size_t length, size_t *index) {
    fg_error *err = p->err;
    const char *begin = p->at;
    char what[160];
    unsigned count = 0;
    const fg_function *function = fg_function_find(begin, length);
    if (!function) return no_function(p, length);
    FG_CALL(new_node(p, FG_NODE_CALL, begin, index));
    p->expression->nodes[*index].function = function;
    p->at += length + 1;
    if (!take(p, ")")) FG_CALL(parse_items(p, *index, 0, ")", &count));
    if (count < function->least || count > function->most) {
        snprintf(what, sizeof what, "%s takes %s%u argument%s, found %u", function->name,
                 function->most == UINT32_MAX ? "at least " : "", function->least,
                 function->least == 1 ? "" : "s", count);
        FG_CALL(wrong_at(p, begin, what));
    }
    const fg_node *nodes = p->expression->nodes;
    if (function->of_path && nodes[nodes[*index].first].kind != FG_NODE_PATH)
        FG_CALL(wrong_at(p, begin, "the argument of has must be a path"));
    return FG_OK;
}

/* The end of the path that begins at `at`: keys, and "." or "/" where another key follows directly. After "."
 * a key may be an index. */
static const char *path_end(const char *at) {
    for (;;) {
        while (is_word(*at)) at++;
        bool goes_on = (*at == '.' && is_word(at[1])) || (*at == '/' && is_start(at[1]));
        if (!goes_on) return at;
        at++;
    }
}

static fg_status parse_path(expression_parser *p, size_t *index) {
    fg_error *err = p->err;
    const char *begin = p->at, *at = begin;
    unsigned ups = 0;
    bool absolute = *at == '/';
    if (absolute) at++;
    for (; !absolute && strncmp(at, "../", 3) == 0; at += 3) ups++;
    if (!is_start(*at)) FG_CALL(wrong_at(p, at, "expected a key: a path ends in the name of a key"));
    const char *end = path_end(at);
    FG_CALL(new_node(p, FG_NODE_PATH, begin, index));
    fg_node *node = &p->expression->nodes[*index];
    node->ups = ups;
    node->absolute = absolute;
    FG_CALL_NEW(node->text, fg_strndup(begin, (size_t)(end - begin), err));
    FG_CALL_NEW(node->path, fg_strndup(at, (size_t)(end - at), err));
    for (char *c = node->path; *c; c++) {
        if (*c == '.') *c = '/';
    }
    p->at = end;
    return FG_OK;
}

static fg_status parse_variable(expression_parser *p, size_t *index) {
    fg_error *err = p->err;
    FG_CALL(new_node(p, FG_NODE_VARIABLE, p->at, index));
    return parse_variable_name(p, *index);
}

/* true, false, null, a function or a path. */
static fg_status parse_name(expression_parser *p, size_t *index) {
    static const char *const reserved[] = {"and", "or", "not", "in"};
    const char *begin = p->at;
    size_t length = 1;
    while (is_word(begin[length])) length++;
    if (begin[length] == '(') return parse_call(p, length, index);
    if (take(p, "true")) return add_value(p, begin, json_true(), index);
    if (take(p, "false")) return add_value(p, begin, json_false(), index);
    if (take(p, "null")) return add_value(p, begin, json_null(), index);
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strlen(reserved[i]) == length && memcmp(begin, reserved[i], length) == 0)
            return expected(p, "a value");
    }
    return parse_path(p, index);
}

static fg_status parse_atom(expression_parser *p, size_t *index) {
    skip_space(p);
    char c = *p->at;
    if (isdigit((unsigned char)c)) return parse_number(p, index);
    if (c == '\'') return parse_text(p, index);
    if (c == '$') return parse_variable(p, index);
    if (c == '[') return parse_list(p, index);
    if (c == '/' || strncmp(p->at, "../", 3) == 0) return parse_path(p, index);
    if (is_start(c)) return parse_name(p, index);
    if (c != '(') return expected(p, "a value");
    p->at++;
    fg_status status = parse_level(p, OR, index);
    if (status == FG_OK && !take(p, ")")) status = expected(p, "\")\"");
    return status;
}

/* An atom and any number of indices behind it, of which each is a level of brackets. */
static fg_status parse_indexed(expression_parser *p, size_t *index) {
    fg_error *err = p->err;
    size_t inner = 0, outer;
    FG_CALL(parse_atom(p, index));
    for (;;) {
        skip_space(p);
        const char *at = p->at;
        if (!take(p, "[")) return FG_OK;
        FG_CALL(parse_level(p, OR, &inner));
        if (!take(p, "]")) FG_CALL(expected(p, "\"]\""));
        FG_CALL(new_node(p, FG_NODE_INDEX, at, &outer));
        FG_CALL(adopt(p, outer, 0, *index));
        FG_CALL(adopt(p, outer, *index, inner));
        *index = outer;
    }
}

/* ---- operators ---- */

static fg_status enter(expression_parser *p) {
    /* Each level of brackets passes here twice: in parse_prefixed. */
    if (++p->depth > 2 * FG_EXPRESSION_DEPTH) return wrong_at(p, p->at, "nested more than 64 deep");
    return FG_OK;
}

/* Any number of prefix operators: "not" in front of a comparison, "-" in front of an atom. */
static fg_status parse_prefixed(expression_parser *p, bool negative, size_t *index) {
    fg_error *err = p->err;
    fg_status status = FG_OK;
    size_t below = 0;
    FG_TRY(enter(p));
    skip_space(p);
    const char *begin = p->at;
    if (take(p, negative ? "-" : "not")) {
        FG_TRY(parse_prefixed(p, negative, &below));
        FG_TRY(new_node(p, negative ? FG_NODE_NEGATE : FG_NODE_NOT, begin, index));
        FG_TRY(adopt(p, *index, 0, below));
    } else {
        FG_TRY(negative ? parse_indexed(p, index) : parse_level(p, COMPARISON, index));
    }
done:
    p->depth--;
    return status;
}

static fg_status parse_operand(expression_parser *p, operator_level level, size_t *index) {
    if (level == AND || level == PRODUCT) return parse_prefixed(p, level == PRODUCT, index);
    return parse_level(p, level + 1, index);
}

static fg_operator take_operator(expression_parser *p, operator_level level) {
    static const struct {
        operator_level level;
        const char *sign, *second; /* "" or a second word */
        fg_operator op;
    } rows[] = {
        {OR, "or", "", FG_OP_OR},
        {AND, "and", "", FG_OP_AND},
        {COMPARISON, "==", "", FG_OP_EQUAL},
        {COMPARISON, "!=", "", FG_OP_NOT_EQUAL},
        {COMPARISON, "<=", "", FG_OP_LESS_EQUAL},
        {COMPARISON, "<", "", FG_OP_LESS},
        {COMPARISON, ">=", "", FG_OP_GREATER_EQUAL},
        {COMPARISON, ">", "", FG_OP_GREATER},
        {COMPARISON, "in", "", FG_OP_IN},
        {COMPARISON, "not", "in", FG_OP_NOT_IN},
        {SUM, "+", "", FG_OP_ADD},
        {SUM, "-", "", FG_OP_SUBTRACT},
        {PRODUCT, "*", "", FG_OP_MULTIPLY},
        {PRODUCT, "/", "", FG_OP_DIVIDE},
        {PRODUCT, "%", "", FG_OP_REMAINDER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *before = p->at;
        if (rows[i].level != level) continue;
        if (take(p, rows[i].sign) && take(p, rows[i].second)) return rows[i].op;
        p->at = before;
    }
    return FG_OP_NONE;
}

static fg_status parse_level(expression_parser *p, operator_level level, size_t *index) {
    fg_error *err = p->err;
    size_t right = 0;
    FG_CALL(parse_operand(p, level, index));
    for (;;) {
        skip_space(p);
        const char *at = p->at;
        fg_operator op = take_operator(p, level);
        if (op == FG_OP_NONE) return FG_OK;
        FG_CALL(parse_operand(p, level, &right));
        FG_CALL(join(p, op, at, *index, right, index));
        if (level == COMPARISON) return FG_OK; /* a < b < c is an error */
    }
}

/* ---- the whole ---- */

fg_status fg_expression_parse(fg_expression **expression, const char *text, const char *where,
                              fg_error *err) {
    fg_status status = FG_OK;
    size_t unused;
    *expression = NULL;
    if (strlen(text) > FG_EXPRESSION_LENGTH || !fg_utf8_valid(text, strlen(text))) {
        return fg_fail(err, FG_ERR_INPUT, "%s: expression \"%.40s...\": not UTF-8, or longer than %d bytes",
                       where, text, FG_EXPRESSION_LENGTH);
    }
    FG_NEW(*expression, 1);
    expression_parser p = {.expression = *expression, .text = text, .at = text, .err = err};
    FG_TRY_NEW((*expression)->text, fg_strdup(text, err));
    FG_TRY_NEW((*expression)->where, fg_strdup(where, err));
    FG_TRY(new_node(&p, FG_NODE_LIST, text, &unused)); /* number 0 means none */
    FG_TRY(parse_level(&p, OR, &(*expression)->root));
    skip_space(&p);
    if (*p.at) FG_TRY(expected(&p, "an operator or the end"));
done:
    if (status != FG_OK) fg_expression_free(expression);
    return status;
}

void fg_expression_free(fg_expression **expression) {
    fg_expression *e = *expression;
    if (!e) return;
    for (size_t i = 0; i < e->count; i++) {
        json_decref(e->nodes[i].value);
        fg_free(e->nodes[i].text);
        fg_free(e->nodes[i].path);
    }
    fg_free(e->nodes);
    fg_free(e->text);
    fg_free(e->where);
    fg_free(e);
    *expression = NULL;
}
