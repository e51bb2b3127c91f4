/* What a conversion is asked for, whoever asks: a command line, the report of an earlier run, a journal.
 *
 * Invariant: with the same recipe, source and converters the same bytes are written. What only says how the
 * run goes (ranks, proof, progress) does not belong here.
 */
#ifndef FG_CONVERSION_RECIPE_H
#define FG_CONVERSION_RECIPE_H

#include "base/json.h"
#include "format/format.h"
#include "store/dtype.h"

typedef enum fg_recipe_kind {
    FG_RECIPE_CONVERT = 0,
    FG_RECIPE_UPDATE,
    FG_RECIPE_FINALIZE,
    FG_RECIPE_UPDATE_VOCAB
} fg_recipe_kind;

/* Texts and documents are borrowed from who asks, and outlive the recipe. */
typedef struct fg_recipe {
    fg_recipe_kind kind;
    const char *source, *destination; /* directories; destination NULL: of a dry run */
    const fg_format *from, *to;       /* NULL: not given */
    bool reverse;                     /* the source is declared to be a Forgather directory */
    const char *model_type;           /* NULL: not given, as what follows */
    const char *checkpoint_path, *hf_base;
    const char *parameter_order; /* "older" or "newer" */
    bool allow_unfinished;       /* a training checkpoint of an experiment may lack `ok` */
    const char *weights_choice;  /* for the report: why these weights, "given" or "latest"; NULL: not said */
    fg_dtype dtype;              /* FG_DTYPE_NONE: each tensor keeps its own */
    uint64_t max_length;         /* 0: not given */
    uint64_t max_shard_size;     /* bytes */
    int hf_version;              /* 4 or 5 */
    const char **ignore_keys;    /* owned array */
    size_t ignore_key_count;
    const char *add_tokens, *chat_template;
    const json_t *tokens; /* the request for tokens of an earlier run, in place of add_tokens; NULL: none */
    bool skip_default_tokens, no_code;
    const char *arch, *from_version, *to_version; /* of an update */
    bool no_strict;                               /* of an update: tensors may be missing or unexpected */
    const char *stop_tokens, *generation_config;  /* of finalize, as what follows */
    bool no_auto_stop_tokens, keep_optimizer, root_copy;
    bool in_place; /* of update-vocab: the destination replaces the source */
} fg_recipe;

/* Adds the members of the recipe to an object; `whole`: all of them, else those that a report holds. */
fg_status fg_recipe_put(const fg_recipe *recipe, bool whole, json_t *object, fg_error *err);
/* Adds to what is asked for what the recipe in `held` asked for, which fg_recipe_put made; what the recipe
 * has already stays. A default counts as not given. `file` is for messages. Texts are then borrowed from
 * `held`. Wrong kinds are FG_ERR_INPUT. */
fg_status fg_recipe_recall(fg_recipe *recipe, const json_t *held, const char *file, fg_error *err);
/* The kind with such a name ("update-vocab"); `otherwise` for an unknown one. */
fg_recipe_kind fg_recipe_kind_find(const char *name, fg_recipe_kind otherwise);
void fg_recipe_free(fg_recipe *recipe);

#endif
