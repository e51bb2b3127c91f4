/* Small expressions over a JSON configuration, as converter files use them: "= hidden_size /
 * num_attention_heads". Operators and functions are described in docs/adding-a-model.md ("Expressions").
 *
 *   expression := or
 *   or         := and ("or" and)*
 *   and        := not ("and" not)*
 *   not        := "not" not | comparison
 *   comparison := sum (("==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in") sum)?
 *   sum        := product (("+" | "-") product)*
 *   product    := unary (("*" | "/" | "%") unary)*
 *   unary      := "-" unary | indexed
 *   indexed    := atom ("[" expression "]")*
 *   atom       := number | 'text' | true | false | null | path | $variable | [list] | function(arguments)
 *                 | (expression) | [expression "for" $variable "in" expression ("if" expression)?]
 *
 * "for" goes through the elements of a list or the keys of an object. A list is indexed by a whole number
 * from 0, an object by a text or the number that its key is; what is not there is null, of null too.
 *
 * Invariant: evaluating has no effect, ends (lists are gone through for at most FG_EXPRESSION_STEPS elements
 * together), and gives an error in place of an inexact quotient or an overflow.
 */
#ifndef FG_LANGUAGE_EXPRESSION_H
#define FG_LANGUAGE_EXPRESSION_H

#include "base/json.h"

typedef struct fg_expression fg_expression;

/* What names in an expression mean. All borrowed. */
typedef struct fg_scope {
    const json_t *here;            /* object in which plain paths start */
    const struct fg_scope *parent; /* for "../"; NULL at the root */
    const json_t *root;            /* for a leading "/"; NULL: the outermost `here` */
    const json_t *variables;       /* object with what $name means; may be NULL */
} fg_scope;

enum {
    FG_EXPRESSION_STEPS = 1 << 22,
    FG_EXPRESSION_RANGE = 1 << 16, /* the largest end of a range */
};

/* Whether a JSON value is an expression: a string that begins with "= " (the two characters are not a part of
 * it). */
bool fg_expression_is(const json_t *value);

/* Errors carry `where` (file and rule) and the column. Nesting is limited to 64. */
fg_status fg_expression_parse(fg_expression **expression, const char *text, const char *where, fg_error *err);
/* A new reference in `value`. Wrong operand types, an inexact quotient and division by zero are FG_ERR_INPUT
 * with the text of the expression and the operands. */
fg_status fg_expression_evaluate(const fg_expression *expression, const fg_scope *scope, json_t **value,
                                 fg_error *err);
bool fg_expression_truth(const json_t *value);
/* Whether each path of an expression leads to a value other than null; true of a value that is no
 * expression. */
fg_status fg_expression_has_operands(const json_t *value_or_expression, const fg_scope *scope, bool *has,
                                     fg_error *err);
void fg_expression_free(fg_expression **expression);

/* A value or, if fg_expression_is, what it evaluates to. New reference. */
fg_status fg_expression_value(const json_t *value_or_expression, const fg_scope *scope, const char *where,
                              json_t **value, fg_error *err);
/* The same where an expression needs no "= " in front, as in "shape": any text is one. */
fg_status fg_expression_given(const json_t *given, const fg_scope *scope, const char *where, json_t **value,
                              fg_error *err);
/* Whether what `condition`, a text, evaluates to is true. */
fg_status fg_expression_holds(const char *condition, const fg_scope *scope, const char *where, bool *holds,
                              fg_error *err);
/* The same for a condition that is demanded: without a value (text where a number belongs) it does not hold.
 * Where it does not, `facts` gets what its paths lead to, each once: "heads = 4, /hidden_size = 32". */
fg_status fg_expression_check(const char *condition, const fg_scope *scope, const char *where, bool *holds,
                              fg_buffer *facts, fg_error *err);
/* The whole number of 0 or more that it gives; another value is FG_ERR_INPUT. */
fg_status fg_expression_size(const json_t *given, const fg_scope *scope, const char *where, uint64_t *size,
                             fg_error *err);

#endif
