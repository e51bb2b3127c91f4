/* Tensors that a converter expects and the source lacks, and tensors of the source that no rule covers: one
 * message for both, which says what is probably wrong.
 */
#ifndef FG_MAPPING_TENSOR_UNMATCHED_H
#define FG_MAPPING_TENSOR_UNMATCHED_H

#include "store/tensors.h"

/* Arrays are owned, names and the table borrowed. */
typedef struct fg_unmatched {
    const fg_tensors *source;
    const char *prefix;   /* base_model_prefix; NULL: the names are not those of hf, or the family has none */
    bool lacking;         /* no name of the source has it */
    size_t expected;      /* how many tensors the converter expects */
    const char **missing; /* as the source would call them */
    size_t missing_count, missing_capacity;
    uint32_t *unexpected; /* indices of source tensors */
    size_t unexpected_count, unexpected_capacity;
} fg_unmatched;

fg_status fg_unmatched_add_missing(fg_unmatched *unmatched, const char *name, fg_error *err);
fg_status fg_unmatched_add_unexpected(fg_unmatched *unmatched, uint32_t source, fg_error *err);
/* FG_ERR_INPUT if there is anything, with a hint where the cause is known (the caller adds its own otherwise:
 * the first one counts). */
fg_status fg_unmatched_check(const fg_unmatched *unmatched, fg_error *err);
void fg_unmatched_free(fg_unmatched *unmatched);

#endif
