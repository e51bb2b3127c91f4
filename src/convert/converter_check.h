/* Load-time checks of the parts of a converter file that are not config declarations: top-level keys,
 * tensors, name rules. */
#ifndef FG_CONVERT_CONVERTER_CHECK_H
#define FG_CONVERT_CONVERTER_CHECK_H

#include "convert/inherit.h"

/* Keys and kinds of the merged document. An abstract file may lack what only a complete one needs. */
fg_status fg_converter_check_shape(const json_t *document, const fg_layers *layers, bool abstract,
                                   fg_error *err);

/* Each declared tensor's name goes to the target and back, no two meet, names under "also_read" come back to
 * it, drop patterns compile and take none of them, and each rule is used by one of these names. `rules` by
 * direction; `to` are their keys. */
fg_status fg_converter_check_names(const json_t *document, const fg_layers *layers,
                                   fg_name_rules *const rules[2], const char *const to[2], fg_error *err);

#endif
