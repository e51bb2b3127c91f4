/* Entries of a table of tensors, worked out for one configuration: of the "tensors" of a converter, or of the
 * "parameters" of emitted code. An entry with "split" gives a template for each part.
 *
 * Invariant: together they stand for at most FG_TENSORS_MAX tensors; the rows of the parts of a tensor are
 * together its rows.
 */
#ifndef FG_MAPPING_TENSOR_TEMPLATE_H
#define FG_MAPPING_TENSOR_TEMPLATE_H

#include "mapping/tensor_map.h"

/* Where templates stand. All borrowed. */
typedef struct fg_tensor_table {
    const json_t *entries;  /* name template -> rule */
    const char *file, *key; /* for messages */
    const char *model_type; /* what $model_type means in expressions; may be NULL */
} fg_tensor_table;

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
    const char
        *whole; /* borrowed; the tensor that is split into this and others; NULL: it is one by itself */
    uint64_t whole_rows; /* of that tensor */
    size_t parts;        /* how many it is split into; 0: this is not the last of them */
} fg_tensor_template;

typedef struct fg_tensor_templates {
    fg_tensor_template *items; /* owned */
    size_t count;
} fg_tensor_templates;

/* `config` is what the expressions are over. Counts and shapes that are not whole numbers of 0 or more are
 * FG_ERR_INPUT. */
fg_status fg_tensor_templates_new(fg_tensor_templates *templates, const fg_tensor_table *table,
                                  const json_t *config, fg_error *err);
void fg_tensor_templates_free(fg_tensor_templates *templates);

/* What is done with a name that is tied and the name that it is tied to. */
typedef fg_status (*fg_tied_function)(void *context, const char *name, const char *to, fg_error *err);
/* Each of them in turn. */
fg_status fg_tensor_templates_tied(const fg_tensor_templates *templates, fg_tied_function function,
                                   void *context, fg_error *err);

/* A template's name for one block: in place of what `name` holds, or newly allocated. */
fg_status fg_tensor_name_put(const char *name_template, uint64_t block, fg_buffer *name, fg_error *err);
char *fg_tensor_name_of(const char *name_template, uint64_t block, fg_error *err);
/* Whether the template gives this name to some block, which need not exist; `block` is set if it repeats. */
bool fg_tensor_template_matches(const char *name_template, const char *name, uint64_t *block);

#endif
