/* Which parameters Fast-LLM's modules have, and how tensor parallelism divides them: tables, from the
 * constructors of its classes (fast_llm/layers, commit 7d61a1b).
 *
 * Invariant: the rows of a module are in the order of torch.nn.Module.parameters(): its own parameters
 * first, then those of its children, depth first.
 *
 * The notation of `dims`: dimensions with ", " between; a dimension is a product of sizes ("head_groups
 * head_size") or a sum of products with " + " between, whose parts lie one after the other; sizes before
 * a "(" multiply the whole sum: "experts ( intermediate_size* + intermediate_size* )". A size is a number, a
 * key of the module's configuration, one of `sizes`, or "hidden", "output" or "vocab" (fg_module_surroundings
 * in distributed_parameters.h). A mark says that tensor parallelism divides it:
 *   *      always
 *   *>1    unless it is 1
 *   *else  where the size with *>1 in the same product is 1
 *   *vocab if there is more than one tensor rank, and embeddings/vocab_parallel is set
 */
#ifndef FG_FORMAT_DISTRIBUTED_MODULES_H
#define FG_FORMAT_DISTRIBUTED_MODULES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fg_module_row_kind {
    FG_ROW_PARAMETER = 0, /* of its own; `dims`: all */
    FG_ROW_OPTIONAL,      /* the same; exists only if its configuration has `enabled` */
    FG_ROW_LINEAR,        /* weight and bias; `dims`: output and input */
    FG_ROW_TRANSPOSED,    /* the same, and the weight has its input first */
    FG_ROW_WEIGHT_ONLY,   /* a linear layer that never has a bias */
    FG_ROW_NORM,          /* weight and bias, by its type; `dims`: the size that is normalized */
    FG_ROW_MODULE,        /* a child; its module by its configuration's type */
    FG_ROW_MODULES,       /* the same for each member of an object, sorted by name */
} fg_module_row_kind;

/* Whether weight decay applies to a parameter. The order of parameters follows from it. */
typedef enum fg_decay {
    FG_DECAY_LATER_NOT = 0, /* until commit 288513c (June 2026), not since: biases, norms, scales */
    FG_DECAY_ALWAYS,
    FG_DECAY_NEVER,
} fg_decay;

typedef struct fg_module_row {
    const char *name; /* in the names of tensors */
    fg_module_row_kind kind;
    const char *config; /* key of its configuration; "a|b": b where a is null */
    const char *dims;
    const char *when;  /* a boolean key of the module's configuration; "!key": if it is false; NULL: always */
    const char *bias;  /* boolean key: whether there is a bias if `bias/enabled` does not say; NULL: no */
    fg_decay decay;    /* of an own parameter */
    bool beside_vocab; /* not sequence parallel where the vocabulary is divided */
} fg_module_row;

/* A size that is computed from two keys. */
typedef struct fg_module_size {
    const char *name, *left;
    char operator; /* '/': `left` must be a multiple; '-' */
    const char *right;
} fg_module_size;

typedef struct fg_module {
    const char *name; /* the dynamic type in a configuration; what has none is named for its place */
    const fg_module_row *rows;
    size_t row_count;
    const fg_module_size *sizes;
    size_t size_count;
} fg_module;

/* NULL: there is none of that name. */
const fg_module *fg_module_find(const char *name);

/* Which parameters a norm of a type has. */
typedef struct fg_norm_type {
    const char *name;
    bool weight, bias;
} fg_norm_type;
const fg_norm_type *fg_norm_type_find(const char *name);

#endif
