/* What can be seen of a model that no converter is for: its configuration and its tensors, by the patterns of
 * their names.
 */
#ifndef FG_DRAFT_OUTLINE_H
#define FG_DRAFT_OUTLINE_H

#include "base/json.h"
#include "store/tensors.h"

typedef struct fg_outline {
    json_t *config;  /* owned; rotary settings in the older spelling, where they can be brought into it */
    json_t *tensors; /* owned; NAME -> shape (list of sizes); "{i}" is the block, of which the first counts */
} fg_outline;

fg_status fg_outline_make(fg_outline *outline, const json_t *config, const fg_tensors *tensors,
                          fg_error *err);
void fg_outline_free(fg_outline *outline);

/* The name with its first number as "{i}". Newly allocated. */
char *fg_outline_pattern(const char *name, fg_error *err);

#endif
