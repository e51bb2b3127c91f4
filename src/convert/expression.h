/* Small expressions over a JSON configuration, as converter files use them: "= hidden_size / num_attention_heads".
 *
 *   expression := or                       or  := and ("or" and)*        and := not ("and" not)*      not := "not" not | comparison
 *   comparison := sum (("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in") sum)?
 *   sum := product (("+" | "-") product)*  product := unary (("*" | "/") unary)*     unary := "-" unary | atom
 *   atom := number | 'text' | true | false | null | path | $variable | [list] | function(arguments) | (expression)
 * A path is a key, or keys joined with "." or "/", with "../" for the parent object and a leading "/" for the root; a path that
 * leads nowhere is null. "/" directly between names without spaces is a path, with spaces it divides.
 * Integers stay integers: "/" demands an exact quotient, overflow is an error. "+" also joins strings. Comparing is by value (1 == 1.0).
 * Functions: len(list | string | object), all(list, value): every element equals value (true for an empty list), has(path): present, null too,
 * coalesce(a, b, ...): the first that is not null, min, max, starts_with(text, prefix), power(a, b), log(a) (of a positive number; reals),
 * ceil_div(a, b): a / b rounded up, for whole numbers above 0, first(list | object): its first element or key, null if it is empty,
 * each_in(list, b): every element of the list is "in" b.
 * Truth: false, null, 0, "" and empty lists and objects are false. "a or b" is a if that is true, else b; "a and b" is a if that is
 * false, else b; what is not needed is not evaluated. "in" looks for an element of a list or a key of an object.
 */
#ifndef FG_CONVERT_EXPRESSION_H
#define FG_CONVERT_EXPRESSION_H

#include "base/json.h"

typedef struct fg_expression fg_expression;

/* What names in an expression mean. All borrowed. */
typedef struct fg_scope {
    const json_t *here;            /* object in which plain paths start */
    const struct fg_scope *parent; /* for "../"; NULL at the root */
    const json_t *root;            /* for a leading "/"; NULL: the outermost `here` */
    const json_t *variables;       /* object with what $name means; may be NULL */
} fg_scope;

/* Whether a JSON value is an expression: a string that begins with "= " (the two characters are not a part of it). */
bool fg_expression_is(const json_t *value);

/* Errors carry `where` (file and rule) and the column. Nesting is limited to 64. */
fg_status fg_expression_parse(fg_expression **expression, const char *text, const char *where, fg_error *err);
/* A new reference in `value`. Wrong operand types, an inexact quotient and division by zero are FG_ERR_INPUT with the text of the expression
 * and the operands. */
fg_status fg_expression_evaluate(const fg_expression *expression, const fg_scope *scope, json_t **value,
                                 fg_error *err);
bool fg_expression_truth(const json_t *value);
/* Adds what the paths of an expression lead to, each once, as "heads = 4, /hidden_size = 32". */
fg_status fg_expression_facts(const fg_expression *expression, const fg_scope *scope, fg_buffer *text,
                              fg_error *err);
void fg_expression_free(fg_expression **expression);

/* A value or, if fg_expression_is, what it evaluates to. New reference. */
fg_status fg_expression_value(const json_t *value_or_expression, const fg_scope *scope, const char *where,
                              json_t **value, fg_error *err);
/* The same where an expression needs no "= " in front, as in "shape": any text is one. */
fg_status fg_expression_given(const json_t *given, const fg_scope *scope, const char *where, json_t **value,
                              fg_error *err);
/* The whole number of 0 or more that it gives; another value is FG_ERR_INPUT. */
fg_status fg_expression_size(const json_t *given, const fg_scope *scope, const char *where, uint64_t *size,
                             fg_error *err);

#endif
