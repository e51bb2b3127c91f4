/* The schema of objects in converter files: which members an object may have, and what each must be.
 *
 * Invariant: one alphabet for all of them. Texts are not empty, unless it says so.
 *
 *   s  text                        o  object                    e  expression
 *   m  text, or a list of them     a  list                      x  list of expressions, integers too
 *   n  list of texts               l  list, not empty           X  object of expressions
 *   h  like m, or the empty text   b  true or false             E  expressions at any depth
 *   d  order of dimensions         t  true                      v  any value; "= ..." is an expression
 *   D  sections by name            c  section, or D             r  section, or list of rows
 *   Q  list of conditions [expression, message]                 q  Q, or an object of them
 *   k  text whose key is an expression                          i  integer of 0 or more
 *   w  text, object, or a list of them                          u  true, or text
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
    const char *label; /* NULL, or its name there: then the place of an error is the object, not the member */
    bool removes;      /* null is a member too: the file removes one that it inherits */
} fg_schema_place;

/* The schema of the objects at one path of a document, in which "*" is any one name. Of a list there, each
 * object. */
typedef struct fg_schema_level {
    const char *path; /* "": the document itself */
    const fg_member_row *rows;
    size_t count;
    const char *(*name_at)(size_t i); /* the names that a row "*" is for, NULL behind the last; NULL: any */
} fg_schema_level;

#define FG_ROWS(rows) (rows), sizeof(rows) / sizeof *(rows)

/* FG_ERR_INPUT with file, line and rule: the object has a member that no row has or of another kind, or, if
 * `complete`, lacks one that is needed. */
fg_status fg_schema_check(const json_t *object, const fg_member_row *rows, size_t count,
                          const fg_schema_place *at, bool complete, fg_error *err);
/* The same for each object that the levels, outer ones first, reach from `object`; complete unless
 * at->removes. The object is at at->parent, which is a place like levels[0].path. */
fg_status fg_schema_check_levels(const json_t *object, const fg_schema_level *levels, size_t count,
                                 const fg_schema_place *at, fg_error *err);
/* The same for the value of one member. */
fg_status fg_schema_check_member(const json_t *value, char kind, const char *key, const fg_schema_place *at,
                                 fg_error *err);
/* FG_ERR_INPUT with the place of a member, or, with a label and `key` NULL, of the object. */
fg_status fg_schema_fail(const fg_schema_place *at, const char *key, fg_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same: there is no such member. `name_at` gives those that there are, NULL behind the last. */
fg_status fg_schema_unknown(const char *key, const char *(*name_at)(size_t i), const fg_schema_place *at,
                            fg_error *err);
/* Adds to a failure the name that a misspelt one probably stands for, if one is near. */
void fg_schema_suggest(const char *typed, const char *(*name_at)(size_t i), fg_error *err);
/* Whether a value is of a kind; expressions in it are not looked at. */
bool fg_schema_is(const json_t *value, char kind);

#endif
