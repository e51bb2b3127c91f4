/* What a checkpoint format is: one constant struct of facts and functions for each. The program asks the
 * struct and never which format it is; a new format is one file and one row of fg_formats.
 *
 * The words: the *document* is what the file `config_file` of a directory holds; somewhere in it is the
 * *configuration* of the checkpoint, and in that the *model's*, which converters translate. For most
 * formats the three are one.
 *
 * Invariant: every function here takes plain arguments and knows neither converters nor conversions. A
 * format that can only be read has no write_config; fg_format_check_writable refuses it as a destination.
 */
#ifndef FG_FORMAT_FORMAT_H
#define FG_FORMAT_FORMAT_H

#include "base/json.h"

struct fg_checkpoint;
struct fg_assembly;
struct fg_assembly_options;

/* When the weights get an index file of their own. */
typedef enum fg_index_policy { FG_INDEX_NEVER, FG_INDEX_IF_SEVERAL, FG_INDEX_ALWAYS } fg_index_policy;

/* What the files of a destination say, tensors aside. All borrowed. */
typedef struct fg_format_contents {
    const json_t *config; /* the configuration of the checkpoint */
    const json_t *before; /* the document of a source in the same format: what else it says stays; or NULL */
    const char *family;   /* the HF family */
    const char *library_version;  /* of the library whose classes the configuration follows, or NULL */
    const json_t *carried;        /* what the format has no place for, as fg_translation.left_out */
    bool newer_rotary;            /* the HF configuration spells rotary settings as rope_parameters */
    const json_t *weight_map;     /* object: the name of a tensor inside its file -> the file's name */
    uint64_t elements, bytes;     /* of all tensors */
    const json_t *index_metadata; /* what else the index says, or NULL */
} fg_format_contents;

typedef struct fg_format {
    /* ---- its names ---- */
    const char *name;   /* in options and reports: "hf", "forgather", "fast_llm" */
    const char *alias;  /* another name that options take, or NULL */
    const char *title;  /* in messages: "Hugging Face" */
    const char *schema; /* the folder of its converters, and its side in models/; formats may share one */
    const char *spec;   /* the one file of models/ for all its families; NULL: each has a file */

    /* ---- its configuration; paths as fg_json_at takes them ---- */
    const char *config_file; /* "config.json"; a name that ends in .yaml is YAML */
    const char *config_path; /* the configuration in the document; NULL: the document is it */
    const char *model_path;  /* the model's in the configuration; NULL: the configuration is it */
    const char *family_key;  /* the HF family in the document */
    const char *architecture_path, *vocabulary_path; /* in the configuration; in the model's */
    const char
        *carried_path; /* what the format has no place for, in the document; NULL: it travels in the file
                                      FG_CARRIED_FILE (carried.h) */
    const char *newer_rotary_path; /* fg_format_contents.newer_rotary in the document, or NULL */

    /* ---- its other files ---- */
    const char *const
        *weight_files;       /* where weights are looked for, the first that exists; NULL at the end */
    const char *name_suffix; /* of a tensor's name inside a file: "/weights"; NULL: none */
    fg_index_policy index;
    const char *index_file; /* NULL: FG_INDEX_NEVER */
    const char *last_file;  /* empty; tells that the directory is whole; NULL: there is none */

    /* ---- what is particular to it ---- */
    bool hub;             /* every converter leads from this format to another one, and back */
    bool emits_code;      /* model code lies next to the weights */
    bool names_dtype;     /* the configuration says the dtype of the weights */
    bool has_token_ids;   /* the configuration says bos, eos and pad; otherwise they are carried */
    bool lists_ties;      /* the index says which tensors are one ("param_sharing") */
    bool needs_pad_token; /* a tokenizer without a pad token gets one */
    bool takes_base;      /* --hf-base completes what it lacks */
    bool infers_family;   /* a source that names no family is one that can hold it */
    bool holds_training;  /* training checkpoints can lie in the directory */
    bool opens_latest;    /* and the latest of them is read by default */

    /* ---- functions ---- */
    /* Whether a directory that has `config_file` is of this format; NULL: only the document tells. */
    fg_status (*recognise)(const char *directory, bool *is, fg_error *err);
    /* Whether a document says that it is of this format; asked only among formats that may have written
     * it. */
    bool (*recognise_document)(const json_t *document);
    /* The document of a directory, a new reference. FG_ERR_INPUT: it is missing. */
    fg_status (*read)(const char *directory, json_t **document, fg_error *err);
    /* FG_ERR_INPUT: the document of a directory is not of this format; NULL: any object is. `path` is for
     * messages. */
    fg_status (*check)(const char *path, const json_t *document, fg_error *err);
    /* FG_ERR_INPUT: what names the family is no string; NULL: then it names none. `path` is for messages. */
    fg_status (*check_family)(const char *path, const json_t *document, fg_error *err);
    /* Fills tensors and index_metadata from weights_directory. `unfinished`: `last_file` is not expected
     * yet. */
    fg_status (*read_weights)(struct fg_checkpoint *checkpoint, bool unfinished, fg_error *err);
    /* How the model's tensors are put together from the vectors that read_weights found (format/assembly.h);
     * NULL: what it found are the model's tensors. `completed` is the model's configuration with every field
     * (absent ones with their defaults) and every dynamic type. FG_ERR_INPUT: files and configuration do not
     * belong together. On failure the assembly is empty. */
    fg_status (*assemble)(const struct fg_checkpoint *checkpoint, const json_t *completed,
                          const struct fg_assembly_options *options, struct fg_assembly *assembly,
                          fg_error *err);

    /* The configuration around a model's, a new reference; `type` (or NULL) is what a converter says of
     * the model. NULL: they are the same. */
    fg_status (*wrap_config)(const char *type, const json_t *model, json_t **config, fg_error *err);
    /* The name of a file of weights, newly allocated. */
    char *(*shard_name)(size_t index, size_t count, fg_error *err);
    /* Append the bytes of `config_file` and of `index_file` (NULL if there is none). */
    fg_status (*write_config)(const fg_format_contents *contents, fg_buffer *text, fg_error *err);
    fg_status (*write_index)(const fg_format_contents *contents, fg_buffer *text, fg_error *err);
} fg_format;

/* Those that something is only for; others are known to fg_formats alone. */
extern const fg_format fg_format_hf, fg_format_forgather, fg_format_fast_llm, fg_format_distributed;

/* All of them; the first takes what no other claims. */
extern const fg_format *const fg_formats[];
extern const size_t fg_format_count;

/* The format with this name; NULL: there is none. */
const fg_format *fg_format_find(const char *name);
/* The formats that converters are for, from 0; of those that share a schema the first. NULL behind the
 * last. */
const fg_format *fg_format_target(size_t index);
/* The one of them with this schema; NULL: there is none. */
const fg_format *fg_format_target_find(const char *schema);

/* The format whose `config_file` a directory has, as far as `recognise` tells: the document may tell more.
 * The first of fg_formats if no other is found. With `asked` (or NULL) only the file of that format is looked
 * for. */
fg_status fg_format_of_directory(const char *directory, const fg_format *asked, const fg_format **format,
                                 fg_error *err);
/* The format that a document is in. With `like` (or NULL), the format of the directory, only formats with the
 * same `config_file` are asked, and after one that recognised the directory only those behind it. */
const fg_format *fg_format_of_document(const json_t *document, const fg_format *like);

/* A file of configuration as it is, JSON or YAML by its name; a new reference. FG_ERR_INPUT: it is no such
 * thing. */
fg_status fg_format_read_file(const char *path, json_t **document, fg_error *err);
/* The configuration in a document, and the model's in a configuration. Borrowed; NULL: there is none. */
json_t *fg_format_config(const fg_format *format, const json_t *document);
json_t *fg_format_model_config(const fg_format *format, const json_t *config);
/* What is left of a path into the configuration inside of the model's; NULL: it leads elsewhere. */
const char *fg_format_inside_model(const fg_format *format, const char *path);
/* Puts a model's configuration where the document has it, everything else left out. A new reference. */
fg_status fg_format_document(const fg_format *format, json_t *model, json_t **document, fg_error *err);

/* Whether a destination with this number of files of weights gets `index_file`. */
bool fg_format_has_index(const fg_format *format, size_t files);
/* FG_ERR_USAGE: the format can only be read. */
fg_status fg_format_check_writable(const fg_format *format, fg_error *err);

#endif
