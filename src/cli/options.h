/* What a command line asks for: the arguments and the value of each option.
 *
 * Invariant: an option that was not given has the default of fg_options_default.
 */
#ifndef FG_CLI_OPTIONS_H
#define FG_CLI_OPTIONS_H

#include "device/cuda.h"
#include "format/assembly.h"
#include "format/checkpoint.h"
#include "model/forward.h"
#include "model/profile.h"
#include "report/progress.h"

typedef enum fg_validate {
    FG_VALIDATE_AUTO =
        0, /* not given: logits, or bytes if the converter says that the models cannot be run */
    FG_VALIDATE_LOGITS,
    FG_VALIDATE_BYTES,
    FG_VALIDATE_NONE
} fg_validate;
typedef enum fg_help_form { FG_HELP_TEXT = 0, FG_HELP_MARKDOWN, FG_HELP_MAN, FG_HELP_VERSION } fg_help_form;

struct fg_command;

typedef struct fg_options {
    const struct fg_command *command; /* the row of the table */
    const char *source,
        *destination;   /* arguments: SRC DST, A B, DIR, FILE; NULL if absent. Borrowed from argv */
    const char **files; /* owned array; all positional arguments (lint takes several) */
    size_t file_count;
    const fg_format *from, *to; /* NULL: not given */
    bool reverse;
    const char *model_type;
    fg_dtype dtype;      /* FG_DTYPE_NONE: not given */
    uint64_t max_length; /* 0: not given */
    const char *checkpoint_path;
    fg_parameter_order parameter_order; /* FG_ORDER_BY_VALUES: not given */
    bool allow_unfinished;              /* a training checkpoint of an experiment may lack `ok` */
    const char *add_tokens, *chat_template, *prompt, *image, *hf_base; /* NULL: not given */
    bool skip_default_tokens, generation_test;
    const char *stop_tokens, *generation_config; /* of finalize; NULL: not given */
    bool no_auto_stop_tokens, keep_optimizer, root_copy;
    bool in_place; /* of update-vocab: the result replaces the source: `destination` is `source` */
    const char *arch, *from_version, *to_version; /* of update; NULL: not given */
    bool no_strict;                               /* of update: tensors may be missing or unexpected */
    uint64_t max_new_tokens;                      /* 64 */
    bool sample;
    double temperature, top_p; /* negative: not given */
    int64_t seed;              /* the same */
    uint32_t *token_ids;       /* owned; NULL: not given */
    size_t token_count;
    fg_mask mask;
    const char **converter_paths; /* owned array */
    size_t converter_path_count;
    const char **ignore_keys; /* owned array */
    size_t ignore_key_count;
    uint64_t max_shard_size; /* bytes; 5 GB */
    int hf_version;          /* 4 or 5 */
    bool debug_params, dry_run, no_fsync, no_code;
    bool resume, trust_journal;
    fg_validate validate;
    double atol; /* negative: not given */
    fg_profile_kind profile;
    const char *dump, *report, *html;
    bool stats;     /* of inspect */
    uint64_t ranks; /* to start; 0: not given */
    int verbosity;  /* -1 quiet, 0, 1 verbose */
    bool json;
    bool safetensors; /* accepted to no effect */
    fg_device_choice device;
    bool decode, special, jsonl; /* of tokenize */
    fg_progress_style progress;
    fg_help_form help_form;              /* what "fgconv help" prints */
    const struct fg_command *help_topic; /* and of which command; NULL: of the program */
} fg_options;

/* Those of a command line without any. */
fg_options fg_options_default(void);
/* Adds a borrowed item to one of the arrays. */
fg_status fg_options_append(const char ***items, size_t *count, const char *item, fg_error *err);
/* What options mean together, whatever the command: directions, prompt, generation, dump. `detail` is the
 * first option about generating that was given; NULL: none. FG_ERR_USAGE. */
fg_status fg_options_check(const fg_options *options, const char *detail, fg_error *err);
void fg_options_free(fg_options *options);

#endif
