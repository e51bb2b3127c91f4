/* Load-time checks of the parts of a converter file that are not config declarations: top-level keys,
 * tensors, name rules. */
#ifndef FG_LANGUAGE_CONVERTER_CHECK_H
#define FG_LANGUAGE_CONVERTER_CHECK_H

#include "language/inherit.h"
#include "language/name_rules.h"

/* What a member of an object must be: 's' string, 'o' object, 'a' list, 'b' boolean, 'e' expression text, 'x'
 * list of expressions, 'n' list of strings, 'f' one string or a list of them, 'p' a permutation, 'v' any
 * value. */
typedef struct fg_member_row {
    const char *key;
    char kind;
    bool needed;
} fg_member_row;

/* FG_ERR_INPUT with file, line and rule: the object at `parent` has a member that no row has or of another
 * kind, or, if `complete`, lacks one that is needed. "to_..." at the top is let through. */
fg_status fg_members_check(const json_t *object, const fg_member_row *rows, size_t count,
                           const fg_layers *layers, const char *parent, bool complete, fg_error *err);
/* Whether it is a list of strings, none of them empty, and not empty itself. */
bool fg_strings_are(const json_t *array);
/* The templates of a table like "tensors", the member `key`, without the members that only tensors of a
 * source have ("also_read", "vocabulary"). */
fg_status fg_templates_check(const json_t *templates, const char *key, const fg_layers *layers,
                             fg_error *err);
/* Whether it is an order of dimensions: each number below the length of the list once. */
bool fg_permutation_is(const json_t *order);

/* Keys and kinds of the merged document. An abstract file may lack what only a complete one needs. */
fg_status fg_converter_check_shape(const json_t *document, const fg_layers *layers, bool abstract,
                                   fg_error *err);

/* Each declared tensor's name goes to the target and back, no two meet, names under "also_read" come back to
 * it, drop patterns compile and take none of them, and each rule is used by one of these names. `rules` by
 * direction; `to` are their keys. */
fg_status fg_converter_check_names(const json_t *document, const fg_layers *layers,
                                   fg_name_rules *const rules[2], const char *const to[2], fg_error *err);

#endif
