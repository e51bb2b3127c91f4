/* The parameters of a Fast-LLM model in the order of its layers, each with its shape, how tensor parallelism
 * divides it, and what decides its place in a vector. Worked out from the completed configuration and the
 * tables of format/distributed_modules.h.
 *
 * Invariant: tensor parallelism divides at most one factor of a product, and every divided factor is a
 * multiple of the tensor ranks; no count of elements overflows.
 */
#ifndef FG_FORMAT_DISTRIBUTED_PARAMETERS_H
#define FG_FORMAT_DISTRIBUTED_PARAMETERS_H

#include "base/json.h"
#include "format/distributed_modules.h"

enum {
    FG_DIVIDED_FACTORS = 3, /* of a product */
    FG_DIVIDED_PARTS = 4,   /* of a sum */
    FG_DIVIDED_DIMS = 3,
    FG_PARAMETERS_MAX = 1 << 16, /* in a model: far more than real ones have */
};

typedef struct fg_divided_factor {
    uint64_t size;
    bool divided; /* by tensor parallelism, also among one rank */
} fg_divided_factor;

typedef struct fg_divided_product {
    uint32_t count;
    fg_divided_factor factors[FG_DIVIDED_FACTORS]; /* outermost first */
} fg_divided_product;

/* A dimension: `outer` times the sum of the parts. */
typedef struct fg_divided_dim {
    fg_divided_product outer; /* may have no factors: 1 */
    uint32_t part_count;
    fg_divided_product parts[FG_DIVIDED_PARTS];
} fg_divided_dim;

typedef struct fg_parameter {
    char *name; /* owned; of the tensor in the format fast_llm */
    uint32_t rank;
    fg_divided_dim dims[FG_DIVIDED_DIMS];
    uint64_t shape[FG_DIVIDED_DIMS];
    uint64_t elements, local; /* of the whole; on one tensor rank */
    bool divided;
    bool frozen;              /* a learning rate scale on the way to it is 0 */
    bool decay, decay_older;  /* weight decay in programs since commit 288513c, and before */
    bool sequence;            /* sequence parallel, if that is switched on */
    bool norm, zero_centered; /* the weight of a norm; it is 1 + what is stored */
    bool vocabulary;          /* one of the matrices that may be tied: word embeddings, output weights */
    bool tied;                /* stored nowhere: the first of the tied ones is */
} fg_parameter;

/* A layer: what a stage holds or does not hold. */
typedef struct fg_layer_span {
    size_t first, count; /* its parameters */
    double weight;       /* in the count of layers per stage */
} fg_layer_span;

/* Start from zeros. */
typedef struct fg_parameters {
    fg_parameter *items; /* owned */
    size_t count, capacity;
    fg_layer_span *layers; /* owned */
    size_t layer_count, layer_capacity;
    bool sets_decay; /* some parameter has a weight_decay of its own */
} fg_parameters;

/* Fills the list from `model`, a completed base_model, for so many tensor ranks. `file` is for messages.
 * FG_ERR_INPUT names what is wrong with the configuration, and what tensor_parallel does not divide. */
fg_status fg_parameters_list(const json_t *model, uint64_t tensor_parallel, const char *file,
                             fg_parameters *parameters, fg_error *err);
void fg_parameters_free(fg_parameters *parameters);

/* The size of a factor on one of so many tensor ranks. */
uint64_t fg_divided_factor_local(const fg_divided_factor *factor, uint64_t tensor_parallel);
uint64_t fg_divided_product_size(const fg_divided_product *product, uint64_t tensor_parallel);
uint64_t fg_divided_dim_size(const fg_divided_dim *dim, uint64_t tensor_parallel);

#endif
