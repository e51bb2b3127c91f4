/* Checks that every plan makes of a source's tensors, and the words of their messages. */
#ifndef FG_MAPPING_TENSOR_CHECK_H
#define FG_MAPPING_TENSOR_CHECK_H

#include "language/converter.h"

/* "[8, 16]"; `buffer` is filled and terminated. */
void fg_shape_text(uint32_t rank, const uint64_t *shape, char *buffer, size_t size);

/* The expressions of a shape, ", " between; `buffer` is returned. */
const char *fg_shape_rule_text(const json_t *rule, char *buffer, size_t size);

/* FG_ERR_INPUT unless the tensor is a float that can be cast to `wanted` / has exactly this shape, which
 * `rule` gives as expressions. */
fg_status fg_tensor_check_dtype(const fg_tensors *table, const fg_tensor *tensor, fg_dtype wanted,
                                fg_error *err);
fg_status fg_tensor_check_shape(const fg_tensors *table, const fg_tensor *tensor, uint32_t rank,
                                const uint64_t *shape, const json_t *rule, fg_error *err);

/* Whether the dtype is one that only quantized weights have. */
bool fg_dtype_is_quantized(fg_dtype dtype);
/* FG_ERR_INPUT: the weights of the table are quantized, as its tensor `tensor` shows. */
fg_status fg_quantized_fail(const fg_tensors *table, const fg_tensor *tensor, fg_error *err);

/* Appends ", "NAME"" while fewer than `limit` were listed; counts always. */
fg_status fg_name_list_add(fg_buffer *list, size_t *count, size_t limit, const char *name, fg_error *err);

#endif
