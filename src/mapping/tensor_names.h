/* The tensors that a converter's "tensors" table demands for one configuration.
 *
 * Invariant: names are unique; templates with {i} are written out block by block where the first of them
 * stands.
 */
#ifndef FG_MAPPING_TENSOR_NAMES_H
#define FG_MAPPING_TENSOR_NAMES_H

#include "base/map.h"
#include "language/converter.h"

enum { FG_TENSORS_MAX = 4000000 }; /* names of one model */

/* Where templates stand: the "tensors" of a converter, or the "parameters" of emitted code. All borrowed. */
typedef struct fg_tensor_table {
    const json_t *entries;   /* name template -> rule */
    const char *file, *key;  /* for messages */
    const json_t *variables; /* what $name means in expressions; may be NULL */
} fg_tensor_table;

/* One entry of "tensors", worked out. */
typedef struct fg_tensor_template {
    const char *name;    /* borrowed; with {i} if it repeats */
    const json_t *rule;  /* borrowed */
    bool present;        /* its "if" is true, or it has none */
    bool tied;           /* its "tied_if" is true */
    const char *tied_to; /* borrowed; NULL if it is never tied */
    bool vocabulary;     /* its rows are the tokens of the vocabulary */
    bool repeats;
    uint64_t count; /* how often; 1 without "repeat" */
    uint32_t rank;
    uint64_t shape[FG_MAX_DIMS];
} fg_tensor_template;

typedef struct fg_tensor_name {
    char *hf;                /* owned */
    uint32_t template_index; /* into templates */
    uint32_t block;          /* the value of {i} */
} fg_tensor_name;

typedef struct fg_tensor_names {
    fg_tensor_template *templates; /* owned */
    size_t template_count;
    fg_tensor_name *items; /* owned; in the order of the state dict */
    size_t count, capacity;
    fg_map by_name; /* hf name -> index of item */
} fg_tensor_names;

/* `hf` is the completed configuration. Counts and shapes that are not whole numbers of 0 or more are
 * FG_ERR_INPUT. */
fg_status fg_tensor_names_new(fg_tensor_names *names, const fg_converter *converter, const json_t *hf,
                              fg_error *err);
/* The templates alone; no names. */
fg_status fg_tensor_templates_new(fg_tensor_names *names, const fg_converter *converter, const json_t *hf,
                                  fg_error *err);
/* The templates of another table; `config` is what its expressions are over. */
fg_status fg_tensor_table_templates(fg_tensor_names *names, const fg_tensor_table *table,
                                    const json_t *config, fg_error *err);
void fg_tensor_names_free(fg_tensor_names *names);

/* A template's name for one block. Newly allocated. */
char *fg_tensor_name_of(const char *name_template, uint64_t block, fg_error *err);
/* The template that has this name for some block, which need not exist, or NULL. `block` is set if it
 * repeats. */
const fg_tensor_template *fg_tensor_names_template(const fg_tensor_names *names, const char *hf,
                                                   uint64_t *block);
/* The texts of the shape's expressions, ", " between, for messages; `buffer` is returned. */
const char *fg_tensor_template_shape(const fg_tensor_template *t, char *buffer, size_t size);

#endif
