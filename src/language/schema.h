/* The schema of objects in converter files: which members an object may have, and what each must be.
 *
 * Invariant: one alphabet for all of them.
 *
 *   s  string, not empty           o  object                 e  expression
 *   m  string, or a list of them   a  list                   x  list of expressions, integers too
 *   n  list of strings             l  list, not empty        X  object of expressions
 *   h  like m, or ""               b  true or false          E  expressions at any depth
 *   d  order of dimensions         t  true                   v  any value, in which expressions begin with "=
 * " D  sections by name            c  a section, or D        q  conditions [expression, message]: a list or
 * object r  a section, or list of rows  Q  list of conditions
 *
 * Strings in them are not empty, nor are lists of them.
 */
#ifndef FG_LANGUAGE_SCHEMA_H
#define FG_LANGUAGE_SCHEMA_H

#include "language/inherit.h"

typedef struct fg_member_row {
    const char *key; /* "to_*": each key that begins so */
    char kind;
    bool needed;
} fg_member_row;

/* Where an object is. */
typedef struct fg_schema_place {
    const fg_layers *layers;
    const char *parent; /* its path; or, with a label, that of the object around it */
    const char
        *label; /* NULL, or its name there: errors name the object, and not the member, as their place */
} fg_schema_place;

#define FG_ROWS(rows) (rows), sizeof(rows) / sizeof *(rows)

/* FG_ERR_INPUT with file, line and rule: the object has a member that no row has or of another kind, or, if
 * `complete`, lacks one that is needed. */
fg_status fg_schema_check(const json_t *object, const fg_member_row *rows, size_t count,
                          const fg_schema_place *at, bool complete, fg_error *err);
/* The same for the value of one member. */
fg_status fg_schema_check_member(const json_t *value, char kind, const char *key, const fg_schema_place *at,
                                 fg_error *err);
/* FG_ERR_INPUT: there is no such member. */
fg_status fg_schema_unknown(const char *key, const fg_schema_place *at, fg_error *err);
/* Whether a value is of a kind; expressions in it are not looked at. */
bool fg_schema_is(const json_t *value, char kind);

#endif
