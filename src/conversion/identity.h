/* The identity of a conversion: what decides the bytes that it writes. A journal holds it, so that only a run
 * that writes the same continues it.
 *
 *     fgconv    version of the program
 *     command   and `from`, `to`: the formats
 *     options   those of the recipe, as they were given
 *     source    each file that is read: size, times of the last change of contents and of attributes
 *     plan      a hash of what comes from where; neither paths nor times are in it
 *
 * Invariant: runs of one identity write the same bytes into their shards.
 */
#ifndef FG_CONVERSION_IDENTITY_H
#define FG_CONVERSION_IDENTITY_H

#include "conversion/conversion.h"

/* A new object. `version` is fgconv's. */
fg_status fg_identity_make(const fg_conversion *conversion, const fg_recipe *recipe, const char *version,
                           json_t **identity, fg_error *err);
/* FG_ERR_USAGE, which names the first thing that differs, unless `held` (from `partial`) is the same. */
fg_status fg_identity_check(const json_t *held, const json_t *now, const char *partial, fg_error *err);

#endif
