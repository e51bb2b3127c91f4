/* A prefix that the tensor names of one checkpoint have and those of another lack: "model." of a model with a
 * head next to its base model, "module." and "_orig_mod." of wrappers.
 */
#ifndef FG_CONVERSION_MISSING_PREFIX_H
#define FG_CONVERSION_MISSING_PREFIX_H

#include "store/tensors.h"

typedef struct fg_missing_prefix {
    char *prefix;        /* owned; NULL: none */
    bool lacking_first;  /* the first table's names lack it, not the second's */
    fg_buffer full_name; /* owned; the last name with the prefix */
} fg_missing_prefix;

/* A prefix of at least half the names of one table and of none in the other. */
fg_status fg_missing_prefix_find(fg_missing_prefix *missing, const fg_tensors *first,
                                 const fg_tensors *second, fg_error *err);
/* The tensor of `table` that is called `name`, else the one that is called so but for the prefix; NULL.
 * `first`: `table` is the first one. */
fg_status fg_missing_prefix_counterpart(fg_missing_prefix *missing, const fg_tensors *table, bool first,
                                        const char *name, const fg_tensor **counterpart, fg_error *err);
void fg_missing_prefix_free(fg_missing_prefix *missing);

#endif
