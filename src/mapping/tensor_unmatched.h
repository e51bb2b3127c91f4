/* Tensors that a converter expects and the source lacks, and tensors of the source that no rule covers: one
 * message for both, which says what is probably wrong.
 */
#ifndef FG_MAPPING_TENSOR_UNMATCHED_H
#define FG_MAPPING_TENSOR_UNMATCHED_H

#include "base/json.h"
#include "store/tensors.h"

/* All borrowed. */
typedef struct fg_unmatched {
    const fg_tensors *source;
    const char *prefix; /* base_model_prefix; NULL: the names are not those of hf, or the family has none */
    bool lacking;       /* no name of the source has it */
    size_t expected;    /* how many tensors the converter expects */
    const json_t *missing, *unexpected; /* arrays of names, as the source calls them */
} fg_unmatched;

/* FG_ERR_INPUT if there is anything, with a hint where the cause is known (the caller adds its own otherwise:
 * the first one counts). */
fg_status fg_unmatched_check(const fg_unmatched *unmatched, fg_error *err);

#endif
