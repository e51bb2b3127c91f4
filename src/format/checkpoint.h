/* A checkpoint directory, opened: format, configs and the tensor table. Reads JSON files and headers only.
 *
 * Where weights are looked for (the first that exists): in an HF directory as transformers does,
 * model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json; in a
 * Forgather directory as Forgather does, model.safetensors.index.json, pytorch_model.bin.index.json,
 * pytorch_model.bin, model.safetensors. A Forgather directory with a folder `checkpoints/` and no
 * `checkpoint_path` takes the latest of it (store/training_checkpoint.h); none with weights is an error.
 * A Fast-LLM directory has no choice: store/fast_llm.h.
 * An index must agree with the headers: each name of weight_map in the file it names, no tensor besides;
 * total_size that differs is a warning. Names in an index are plain file names of the same directory (no "/",
 * no ".."); symbolic links (hub caches) are followed.
 */
#ifndef FG_FORMAT_CHECKPOINT_H
#define FG_FORMAT_CHECKPOINT_H

#include "base/json.h"
#include "format/format.h"
#include "store/tensors.h"

/* Where fgconv notes the HF family in the metadata of a Fast-LLM directory that it makes. */
#define FG_CHECKPOINT_ORIGIN "metadata/fgconv/model_type"
/* What of the HF configuration Fast-LLM's has no field for: an array as fg_translation.left_out. */
#define FG_CHECKPOINT_CARRIED "metadata/fgconv/left_out"
/* How that HF configuration spells rotary settings: true for rope_parameters. */
#define FG_CHECKPOINT_NEWER_ROTARY "metadata/fgconv/rope_parameters"

/* What Fast-LLM's configuration said about a model that now lies in another format's directory: {"fast_llm":
 * the same array}. */
#define FG_CHECKPOINT_CARRIED_FILE "fgconv_carried.json"
/* The folder of named chat templates. */
#define FG_CHECKPOINT_TEMPLATES "additional_chat_templates"

typedef struct fg_checkpoint {
    char *directory;         /* owned, as given */
    char *weights_directory; /* owned; where the weights lie: `directory` or a training checkpoint */
    const fg_format *format;
    char *model_type; /* owned; HF family (config.json model_type, or hf_model_type of a Forgather
                         directory); NULL if the directory does not say (a Fast-LLM one: unless fgconv
                         noted it there) */
    json_t *config;   /* owned; config.json as it is in the file; of a Fast-LLM directory `config` of its
                         metadata, with base_model inside */
    json_t *metadata; /* owned; the whole metadata.yaml of a Fast-LLM directory, else NULL */
    json_t *generation_config; /* owned or NULL */
    json_t *tokenizer_config;  /* owned or NULL */
    json_t *index_metadata;    /* owned or NULL: `metadata` of the index */
    fg_tensors tensors;        /* owned */
    fg_names side_files;       /* owned; names in `directory` that travel with a model unchanged: tokenizer
                             files, chat templates (some as "additional_chat_templates/NAME.jinja"),
                             generation_config.json, licences, FG_CHECKPOINT_CARRIED_FILE; sorted */
    fg_names code_files;       /* owned; *.py in `directory`, the code that a model brings; sorted */
    fg_names other_files;      /* owned; names that are neither weights, config, emitted code nor side files:
                             left behind */
} fg_checkpoint;

typedef struct fg_checkpoint_options {
    const fg_format *format;     /* NULL: detected (a config.json with hf_model_type, or
                                    model_type "forgather-...", is Forgather; a metadata.yaml with no
                                    config.json next to it, or that tells of Fast-LLM, is Fast-LLM; else
                                    HF) */
    const char *checkpoint_path; /* -c, as fg_training_find takes it; NULL: the rule above */
    bool config_only;            /* no weights wanted: the tensor table stays empty */
    bool unfinished; /* what says that a directory is whole is not expected yet (Fast-LLM's "ok") */
} fg_checkpoint_options;

/* A missing directory (that of `checkpoint_path` too) is FG_ERR_USAGE; what is wrong inside is FG_ERR_INPUT.
 * `options` may be NULL. With config_only `weights_directory` is the model directory or `checkpoint_path`. On
 * failure the checkpoint is empty and need not be closed. */
fg_status fg_checkpoint_open(fg_checkpoint *checkpoint, const char *directory,
                             const fg_checkpoint_options *options, fg_error *err);
/* Whether a side file belongs to a tokenizer, chat templates included. */
bool fg_checkpoint_is_tokenizer_file(const char *name);
void fg_checkpoint_close(fg_checkpoint *checkpoint);

#endif
