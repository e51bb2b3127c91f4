/* Load-time checks of the parts of a converter file that are not config declarations: top-level keys,
 * tensors, name rules. */
#ifndef FG_LANGUAGE_CONVERTER_CHECK_H
#define FG_LANGUAGE_CONVERTER_CHECK_H

#include "language/inherit.h"
#include "language/name_rules.h"

/* The templates of a table like "tensors", the member `key`, without the members that only tensors of a
 * source have ("also_read", "vocabulary"). */
fg_status fg_templates_check(const json_t *templates, const char *key, const fg_layers *layers,
                             fg_error *err);
/* Keys and kinds of the merged document. An abstract file may lack what only a complete one needs. */
fg_status fg_converter_check_shape(const json_t *document, const fg_layers *layers, bool abstract,
                                   fg_error *err);

/* Each declared tensor's name goes to the target and back, no two meet, names under "also_read" come back to
 * it, drop patterns compile and take none of them, and each rule is used by one of these names. `rules` by
 * direction; `to` are their keys. */
fg_status fg_converter_check_names(const json_t *document, const fg_layers *layers,
                                   fg_name_rules *const rules[2], const char *const to[2], fg_error *err);

#endif
