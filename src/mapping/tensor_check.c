#include "mapping/tensor_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"
#include "store/cast.h"

enum { SHAPE_TEXT = 300, TENSOR_TEXT = 200 };

void fg_shape_text(uint32_t rank, const uint64_t *shape, char *buffer, size_t size) {
    size_t used = (size_t)snprintf(buffer, size, "[");
    for (uint32_t d = 0; d < rank && used < size; d++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%" PRIu64, d ? ", " : "", shape[d]);
    if (used < size) snprintf(buffer + used, size - used, "]");
}

const char *fg_shape_rule_text(const json_t *rule, char *buffer, size_t size) {
    size_t used = 0;
    char brief[80];
    json_t *part;
    buffer[0] = '\0';
    FG_JSON_EACH(rule, i, part) {
        const char *text = json_string_value(part);
        if (!text)
            text = fg_json_brief(part, brief, sizeof brief);
        else if (fg_expression_is(part))
            text += 2;
        if (used < size) used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", text);
    }
    return buffer;
}

fg_status fg_tensor_check_shape(const fg_tensors *table, const fg_tensor *tensor, uint32_t rank,
                                const uint64_t *shape, const json_t *rule, fg_error *err) {
    char found[SHAPE_TEXT], expected[SHAPE_TEXT], meaning[SHAPE_TEXT];
    if (tensor->rank == rank && memcmp(tensor->shape, shape, rank * sizeof *shape) == 0) return FG_OK;
    fg_shape_text(tensor->rank, tensor->shape, found, sizeof found);
    fg_shape_text(rank, shape, expected, sizeof expected);
    return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\": found shape %s, expected %s (%s)",
                   table->files[tensor->file], tensor->name, found, expected,
                   fg_shape_rule_text(rule, meaning, sizeof meaning));
}

bool fg_dtype_is_quantized(fg_dtype dtype) {
    return dtype == FG_F8_E4M3 || dtype == FG_F8_E5M2;
}

fg_status fg_quantized_fail(const fg_tensors *table, const fg_tensor *tensor, fg_error *err) {
    char text[TENSOR_TEXT];
    fg_fail(err, FG_ERR_INPUT, "%s: the weights are quantized: tensor \"%s\" is %s",
            table->files[tensor->file], tensor->name, fg_tensor_text(tensor, text, sizeof text));
    fg_about_found(err, "%s", fg_dtype_name(tensor->dtype));
    fg_about_expected(err, "weights that are not quantized");
    return fg_hint(
        err, "convert the checkpoint that the quantized one was made from, or dequantize it: load it with "
             "transformers, call dequantize() and save_pretrained()");
}

fg_status fg_tensor_check_dtype(const fg_tensors *table, const fg_tensor *tensor, fg_dtype wanted,
                                fg_error *err) {
    const char *file = table->files[tensor->file], *dtype = fg_dtype_name(tensor->dtype);
    if (!fg_dtype_is_float(tensor->dtype)) {
        fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\" has dtype %s, expected a float: weights are floats",
                file, tensor->name, dtype);
        return fg_hint(err, "a quantized checkpoint must be dequantized before it is converted");
    }
    if (fg_dtype_is_quantized(tensor->dtype)) return fg_quantized_fail(table, tensor, err);
    if (fg_cast_possible(tensor->dtype, wanted)) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\" of dtype %s cannot be cast to %s", file, tensor->name,
            dtype, fg_dtype_name(wanted));
    fg_about_found(err, "%s", dtype);
    return fg_about_expected(err, "a type that can be cast to %s", fg_dtype_name(wanted));
}

fg_status fg_name_list_add(fg_buffer *list, size_t *count, size_t limit, const char *name, fg_error *err) {
    if (++*count > limit) return FG_OK;
    return fg_buffer_printf(list, err, "%s\"%.150s\"", *count > 1 ? ", " : "", name);
}
