/* Tensors that are tied: two names of one weight. */
#ifndef FG_MAPPING_TENSOR_TIED_H
#define FG_MAPPING_TENSOR_TIED_H

#include "store/tensors.h"

/* Holds dtype, shape and every byte of two tensors against each other, streamed; a difference is FG_ERR_INPUT
 * that names both. */
fg_status fg_tied_compare(const fg_tensors *table, const fg_tensor *a, const fg_tensor *b, fg_error *err);

#endif
