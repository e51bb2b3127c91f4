/* Dimensions in the notation of format/distributed_modules.h, with the sizes of a configuration. */
#ifndef FG_FORMAT_DISTRIBUTED_DIMS_H
#define FG_FORMAT_DISTRIBUTED_DIMS_H

#include "format/distributed_parameters.h"

/* What a module takes from outside. */
typedef struct fg_module_surroundings {
    uint64_t tensor_parallel, hidden, output, vocab;
    bool vocab_divided;
} fg_module_surroundings;

typedef struct fg_dims_reader {
    const fg_module *module;
    const json_t *config; /* the module's */
    const fg_module_surroundings *around;
    const char *where; /* file and path of the configuration, for messages */
} fg_dims_reader;

/* Fills rank, dims, shape, elements, local and divided of a parameter. FG_ERR_INPUT: a size is no positive
 * integer, is not divisible, or the product overflows. */
fg_status fg_dims_read(const fg_dims_reader *reader, const char *dims, fg_parameter *parameter,
                       fg_error *err);
/* The same for the first dimension of `dims` alone: what a bias has. */
fg_status fg_dims_read_first(const fg_dims_reader *reader, const char *dims, fg_parameter *parameter,
                             fg_error *err);
/* The same with the first two dimensions in each other's place. */
void fg_dims_transpose(fg_parameter *parameter);

#endif
