/* A checkpoint directory, opened: format, configs and the tensor table. Reads JSON files and headers only.
 *
 * Where weights are looked for is the format's to say: fg_format.weight_files and read_weights. A
 * directory of a format that opens_latest with a folder `checkpoints/` and no `checkpoint_path` takes the
 * latest of it (format/training_checkpoint.h); none with weights is an error. An experiment folder of
 * Fast-LLM stands for one of its training checkpoints (format/experiment.h). An index must agree with the
 * headers: each name of weight_map in the file it names, no tensor besides; total_size that differs is a
 * warning. Names in an index are plain file names of the same directory (no "/", no ".."); symbolic links
 * (hub caches) are followed.
 */
#ifndef FG_FORMAT_CHECKPOINT_H
#define FG_FORMAT_CHECKPOINT_H

#include "base/json.h"
#include "format/format.h"
#include "store/stamped_files.h"
#include "store/tensors.h"

/* The folder of named chat templates. */
#define FG_CHECKPOINT_TEMPLATES "additional_chat_templates"

#define FG_MODEL_CARD "README.md"

typedef struct fg_checkpoint {
    char *directory;         /* owned, as given; of an experiment the folder of the training checkpoint */
    char *experiment;        /* owned; the experiment folder that was given instead; NULL: none */
    char *weights_directory; /* owned; where the weights lie: `directory` or a training checkpoint */
    const fg_format *format;
    char *model_type; /* owned; the HF family, from the format's family_key; NULL: it is not named */
    json_t *config;   /* owned; the configuration (format.h) as it is in the file */
    json_t *metadata; /* owned; the document that the configuration is a part of; NULL: it is all of it */
    const json_t *carried;          /* borrowed from metadata: what else the HF configuration said, or NULL */
    bool newer_rotary;              /* that configuration spells rotary settings as rope_parameters */
    json_t *generation_config;      /* owned or NULL */
    json_t *index_metadata;         /* owned or NULL: `metadata` of the index */
    fg_tensors tensors;             /* owned */
    fg_stamped_files files;         /* owned; those of `directory`, before any of them was read */
    fg_stamped_files weights_files; /* owned; those of `weights_directory`, if it is another one */
    fg_names side_files;    /* owned; names in `directory` that travel with a model unchanged: tokenizer
                                  files, chat templates (some as "additional_chat_templates/NAME.jinja"),
                                  generation_config.json, licences, FG_CARRIED_FILE; sorted */
    fg_names code_files;    /* owned; *.py in `directory`, the code that a model brings; sorted */
    fg_names weight_files;  /* owned; names in `directory` that weights and their indices have, read or not */
    fg_names other_files;   /* owned; names of files that are neither weights, configuration, code nor side
                                  files: the model card, another format's configuration ... */
    fg_names special_files; /* owned; what is never copied: folders ("NAME/"), links to nothing, FIFOs,
                                  what lies next to named chat templates; not the training checkpoints */
} fg_checkpoint;

typedef struct fg_checkpoint_options {
    const fg_format *format;     /* NULL: detected */
    const char *checkpoint_path; /* -c, as fg_training_find takes it; NULL: the rule above */
    bool config_only;            /* no weights wanted: the tensor table stays empty */
    bool unfinished;             /* the format's last_file is not expected yet */
    bool allow_unfinished;       /* a training checkpoint of an experiment may lack `ok` */
} fg_checkpoint_options;

/* A missing directory (that of `checkpoint_path` too) is FG_ERR_USAGE; what is wrong inside is FG_ERR_INPUT.
 * `options` may be NULL. With config_only `weights_directory` is the model directory or `checkpoint_path`. On
 * failure the checkpoint is empty and need not be closed. */
fg_status fg_checkpoint_open(fg_checkpoint *checkpoint, const char *directory,
                             const fg_checkpoint_options *options, fg_error *err);
/* Whether -c has a choice in a directory: it is an experiment, or a training checkpoint lies in it or its
 * folder of them. */
fg_status fg_checkpoint_has_steps(const char *directory, bool *has, fg_error *err);
/* Adds the weights to a checkpoint that was opened with config_only and may have been declared since. */
fg_status fg_checkpoint_read_weights(fg_checkpoint *checkpoint, const char *checkpoint_path, bool unfinished,
                                     fg_error *err);

/* The configuration alone, of a directory or of a file, whose path becomes `directory`. In a directory the
 * file of the format `asked` is preferred (NULL: detected). FG_ERR_USAGE: there is no such path. */
fg_status fg_checkpoint_open_config(fg_checkpoint *checkpoint, const char *path, const fg_format *asked,
                                    fg_error *err);
/* Gives the checkpoint another format than the first, which was detected only because no other claims it.
 * Its family is then not known. */
fg_status fg_checkpoint_declare(fg_checkpoint *checkpoint, const fg_format *format, fg_error *err);

/* FG_ERR_INPUT that names the file if one that belongs to the model changed since the checkpoint was opened:
 * configuration, index, side files, code, weights, and all of a training checkpoint; `others`: and other
 * files of `directory`. */
fg_status fg_checkpoint_check_unchanged(const fg_checkpoint *checkpoint, bool others, fg_error *err);

/* Whether a side file belongs to a tokenizer, chat templates included. */
bool fg_checkpoint_is_tokenizer_file(const char *name);
void fg_checkpoint_close(fg_checkpoint *checkpoint);

#endif
