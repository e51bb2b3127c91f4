/* The decisions of a conversion: everything that rank 0 computes before the first byte is written.
 *
 * Each part uses only results of earlier ones: open the source, decide the steps, translate the config,
 * decide which tokens are added, plan the tensors, resolve token ids, lay out shards. Nothing is written and
 * no weight is read (except two tied tensors that must be equal).
 *
 * Every converter maps hf to one other format. A conversion between two others is a chain of two steps
 * through hf, whose plans are composed: the source is read once, the destination written once, and both steps
 * cover every key and tensor.
 *
 * finalize and update-vocab keep the format: they are a round trip, both directions of one converter. So they
 * refuse what a conversion refuses, and the result is the source with the requested changes: its own
 * configuration, with other token ids and vocabulary size. An update applies migrations before that.
 */
#ifndef FG_CONVERSION_CONVERSION_H
#define FG_CONVERSION_CONVERSION_H

#include "cli/options.h"
#include "copy/publish.h"
#include "language/migrations.h"
#include "mapping/tensor_plan.h"
#include "tokenizer/tokenizer_files.h"
#include "tokens/new_tokens.h"
#include "translate/translate.h"

/* A file of the destination that is not copied from the source. */
typedef struct fg_made_file {
    char *name;             /* owned; inside the destination */
    fg_buffer text;         /* owned */
    const fg_buffer *given; /* borrowed; in place of `text`, unless NULL */
} fg_made_file;

/* From hf to another format (import), or back (export); or a migration of Forgather's schema, which stays in
 * the format. */
typedef struct fg_route_step {
    const fg_migration *migration; /* borrowed; NULL: the step of a converter, of which the next three are */
    fg_direction direction;
    const fg_format *other; /* the format that is not hf */
    const fg_converter *converter;
    fg_translation translation; /* owned; of a migration result and left_out alone */
} fg_route_step;

/* What `fgconv update` adds to a conversion (conversion_update.c). */
typedef struct fg_update {
    char *arch; /* owned; architecture */
    fg_version from, to;
    fg_version current;            /* of its converter */
    const fg_converter *converter; /* of the current version */
    fg_migrations migrations;
    fg_migration_chain chain; /* from `from` to `to`, in the order of the steps */
    fg_migration_chain rest;  /* and on to `current`, where `to` comes before it */
    const char *
        unreadable; /* why a model of the source's or the destination's version cannot be run; NULL: it can */
    json_t *config; /* owned; the source's configuration, stamped */
    char begun[32]; /* when, for the audit file */
    fg_tensor_gaps gaps; /* owned arrays; tensors that --no-strict allowed to be missing or unexpected */
} fg_update;

/* --hf-base: what a Hugging Face directory adds to the source. */
typedef struct fg_hf_base {
    fg_checkpoint checkpoint; /* its configuration alone; empty: the option is not given */
    bool tokenizer;           /* its tokenizer is used, since the source has none */
    json_t *files;            /* owned; array of names that are copied from it */
    json_t *keys;             /* owned; array of paths in config.json that come from it */
} fg_hf_base;

/* The model code of a Forgather destination (conversion_code.c). */
typedef enum fg_code_origin { FG_CODE_NONE, FG_CODE_OF_CONVERTER, FG_CODE_OF_SOURCE } fg_code_origin;
typedef struct fg_destination_code {
    fg_code_origin origin;
    const char *why_none; /* NULL: there is some */
    bool checked;         /* it makes exactly the parameters that are written, and reads the keys */
    uint64_t lacking;     /* parameters that it makes and nothing writes (--no-strict) */
} fg_destination_code;

typedef struct fg_conversion {
    fg_checkpoint source; /* its tensor table moves into the plan */
    char *config_file;    /* owned; the file with its configuration */
    fg_hf_base base;
    const fg_format *to;
    fg_update *update;    /* owned; NULL: a conversion */
    fg_route_step *steps; /* owned */
    size_t step_count, step_capacity;
    json_t *config; /* owned: config.json of the destination; of a Fast-LLM one "config" of its metadata */
    char *fast_llm_version; /* owned; towards Fast-LLM, the version whose classes are followed; else NULL */
    json_t *generation_config;    /* owned: what the destination's generation_config.json holds; NULL: none */
    fg_tokenizer_files tokenizer; /* what the destination's tokenizer files hold; tokenizer.json only if
                                     tokens were added (it is large) */
    fg_token_request request;     /* tokens that were asked for; without a document: none */
    fg_new_tokens tokens;         /* and the resulting ids and rows */
    fg_made_file *made;           /* owned: side files that are not copied */
    size_t made_count, made_capacity;
    json_t *index_metadata; /* owned: metadata of the index other than total_size (param_sharing), or NULL */
    fg_plan plan;           /* with shards */
    fg_destination_code code;
    bool keeps_format; /* `to` is the format of the source */
    bool always_index; /* an index is written even for a single shard */
    char *checkpoint;  /* owned: the folder of the destination that gets the weights
                          ("checkpoints/checkpoint-3"), to which links then lead; NULL: they are next to
                          config.json */
    char *optimizer;   /* owned: the file with the optimizer's state that is kept, or NULL */
    uint64_t optimizer_bytes;
    json_t *stop_tokens; /* owned; of finalize: the stop tokens and the reason for each
                            (fg_stop_tokens_describe) */
    bool casts;          /* some output has another dtype than its source */
} fg_conversion;

/* Fills a zeroed conversion. FG_ERR_USAGE and FG_ERR_INPUT say what is wrong; it must be freed in any case.
 * `catalogue` is borrowed. */
fg_status fg_conversion_prepare(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                const char *version, fg_error *err);
void fg_conversion_free(fg_conversion *c);

#define FG_CONVERSION_INDEX "model.safetensors.index.json"
/* Whether the destination gets such an index. */
bool fg_conversion_has_index(const fg_conversion *c);

/* The last of the steps: it makes the destination. */
const fg_route_step *fg_conversion_last(const fg_conversion *c);
/* The model family, as the source and as the destination name it. */
const char *fg_conversion_source_type(const fg_conversion *c);
const char *fg_conversion_destination_type(const fg_conversion *c);

/* ---- conversion_steps.c: parts of fg_conversion_prepare ---- */

/* Decides the steps. Their converters are loaded during translation, since the second depends on the first's
 * result. */
fg_status fg_conversion_decide_steps(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                     fg_error *err);
fg_status fg_conversion_add_step(fg_conversion *c, const fg_route_step *step, fg_error *err);
/* Translates the configuration step by step. */
fg_status fg_conversion_translate_steps(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                        const char *version, fg_error *err);
/* The same; then decides which tokens are added, and makes c->config. */
fg_status fg_conversion_translate(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                  const char *version, fg_error *err);
/* Plans the tensors of each step and joins the plans. */
fg_status fg_conversion_plan(fg_conversion *c, const fg_options *options, fg_error *err);

/* ---- conversion_code.c ---- */

/* Decides where the code of a Forgather destination comes from. Code that the converter declares must make
 * exactly the parameters that the plan writes, and read the keys that change what is computed: else
 * FG_ERR_INPUT. After the plan. */
fg_status fg_conversion_check_code(fg_conversion *c, const fg_options *options, fg_error *err);
/* Writes the converter's code, if the destination gets it. */
fg_status fg_conversion_write_code(const fg_conversion *c, fg_stage *stage, fg_error *err);
fg_status fg_conversion_report_code(const fg_conversion *c, json_t *report, fg_error *err);

/* ---- conversion_update.c: the same for an update ---- */

/* Architecture, versions and steps: migrations, then, if the current version is reached, a round trip through
 * hf, which covers configuration and tensors. */
fg_status fg_conversion_decide_update(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                      fg_error *err);
/* The configuration after the last step: the migrated one, with rewritten keys that describe the code. */
fg_status fg_conversion_keep_config(fg_conversion *c, fg_error *err);
/* Tied tensors that migrations have rewritten must still be equal: `plan` makes those that the step `index`
 * reads. */
fg_status fg_conversion_check_ties(const fg_conversion *c, size_t index, const fg_plan *plan, fg_error *err);
/* forgather_update.json. */
fg_status fg_conversion_audit(const fg_conversion *c, json_t **audit, fg_error *err);
/* Revises a spec of the current version (model/spec.h) with what migrations declare for the source's or the
 * destination's version. */
fg_status fg_conversion_revise_spec(const fg_conversion *c, bool source, json_t *spec, fg_error *err);
void fg_update_free(fg_update **update);

/* ---- conversion_tokens.c: the same ---- */

/* Which tokens are added (--add-tokens, or a pad token towards Forgather), after the first translation.
 * Changes c->tokenizer; `grown` tells whether the vocabulary gets more rows. */
fg_status fg_conversion_decide_tokens(fg_conversion *c, const fg_options *options, bool *grown,
                                      fg_error *err);
/* The tokenizer files that the destination has or would have: `source`, the source's, or what this run makes
 * of them. */
const fg_tokenizer_files *fg_conversion_tokenizer_files(const fg_conversion *c,
                                                        const fg_tokenizer_files *source);
/* Token ids of config.json and generation_config.json. It warns, so it is called after everything that may
 * refuse. */
fg_status fg_conversion_resolve_tokens(fg_conversion *c, const fg_options *options, fg_error *err);

/* ---- conversion_finalize.c: parts of fg_conversion_prepare for finalize, and its files ---- */

/* Moves the plan's shards into a training checkpoint (not with --root-copy), and finds the optimizer state
 * with --keep-optimizer. */
fg_status fg_conversion_lay_out_checkpoint(fg_conversion *c, const fg_options *options, fg_error *err);
/* generation_config.json and the stop tokens; `ids` are those of the destination's tokenizer. */
fg_status fg_conversion_resolve_generation(fg_conversion *c, const fg_options *options,
                                           const fg_token_ids *ids, fg_error *err);
/* Makes checkpoint_manifest.json. */
fg_status fg_conversion_make_manifest(fg_conversion *c, fg_error *err);
/* Writes links to the weights, and a copy of the optimizer state. */
fg_status fg_conversion_write_checkpoint(const fg_conversion *c, fg_stage *stage, json_t *copied,
                                         fg_error *err);
/* Adds to `left` the names of files in the training checkpoint that are not copied. */
fg_status fg_conversion_left_state(const fg_conversion *c, json_t *left, fg_error *err);

/* ---- hf_base.c: --hf-base; without the option these do nothing ---- */

/* FG_ERR_USAGE: the source is not a Fast-LLM checkpoint, or the base not a Hugging Face one. */
fg_status fg_conversion_open_base(fg_conversion *c, const fg_options *options, fg_error *err);
/* After the first step's translation: a vocabulary of another size is a warning; a tokenizer with more tokens
 * than the model has rows, FG_ERR_INPUT. */
fg_status fg_conversion_check_base(const fg_conversion *c, fg_error *err);
/* Adds missing keys to the hf configuration that the first step made of Fast-LLM's. */
fg_status fg_conversion_fill_from_base(fg_conversion *c, fg_catalogue *catalogue, json_t *hf, fg_error *err);
/* The directory of the tokenizer that the destination gets. Borrowed. */
const char *fg_conversion_tokenizer_directory(const fg_conversion *c);
/* The "hf_base" part of the report. */
fg_status fg_conversion_report_base(const fg_conversion *c, json_t *report, fg_error *err);
void fg_hf_base_free(fg_hf_base *base);

/* ---- conversion_fast_llm.c: towards Fast-LLM ---- */

/* Makes c->config, a base model's configuration, that of a model: {"type", "base_model"}. */
fg_status fg_conversion_wrap_config(fg_conversion *c, fg_catalogue *catalogue, fg_error *err);
/* Gives the plan's shards the names that Fast-LLM uses. */
fg_status fg_conversion_name_shards(fg_conversion *c, fg_error *err);
/* The settings that a step to Fast-LLM (`index`) restores: those that the step before it left out, or those
 * in the source's file; NULL: none. New reference. */
fg_status fg_conversion_carried(const fg_conversion *c, size_t index, json_t **carried, fg_error *err);
/* The content of the destination's FG_CARRIED_FILE; NULL: it gets none. New reference. */
fg_status fg_conversion_to_carry(const fg_conversion *c, json_t **document, fg_error *err);
/* metadata.yaml: configuration, the file of each tensor, and settings of the source that Fast-LLM cannot
 * hold. */
fg_status fg_conversion_metadata(const fg_conversion *c, fg_buffer *text, fg_error *err);

/* ---- conversion_files.c ---- */

/* FG_ERR_INPUT unless every file in the source's directory is read, copied, or rewritten, so that the result
 * may replace it. */
fg_status fg_conversion_check_replaceable(const fg_conversion *c, fg_error *err);
/* Adds a file to the destination; its text is empty and owned by the conversion. */
fg_status fg_conversion_add_made(fg_conversion *c, const char *name, fg_buffer **text, fg_error *err);
/* Makes the side files that the run changes: tokenizer files, generation_config.json, chat template. */
fg_status fg_conversion_make_files(fg_conversion *c, const fg_options *options, fg_error *err);
/* Writes everything but tensors into the stage: config.json, index, emitted code (not with --no-code), the
 * side files that were made, and copies of the others. `copied` (an array) gets the names of these. */
fg_status fg_conversion_write_files(const fg_conversion *c, const fg_options *options, fg_stage *stage,
                                    json_t *copied, fg_error *err);

/* The last file, which marks the directory as complete: Fast-LLM's "ok". */
fg_status fg_conversion_finish_files(const fg_conversion *c, fg_stage *stage, fg_error *err);

/* Fills the parts of the report that are decided here: source, destination, options, converter, config,
 * tokens, dropped, left files. */
fg_status fg_conversion_report(const fg_conversion *c, const fg_options *options, json_t *report,
                               fg_error *err);
/* Into one side of a report: where its weights lie and, if that is a training checkpoint, which one;
 * `chosen`: "given" (with -c), "latest", or NULL. */
fg_status fg_conversion_report_weights(const fg_checkpoint *checkpoint, const char *chosen, json_t *side,
                                       fg_error *err);
/* The "tensors" part; `digests` (one an output) may be NULL. */
fg_status fg_conversion_report_tensors(const fg_conversion *c, const uint64_t *digests, json_t *report,
                                       fg_error *err);

/* The table of names (--debug-params): "source name -> destination name", one a line. */
fg_status fg_conversion_names(const fg_conversion *c, fg_buffer *out, fg_error *err);

#endif
