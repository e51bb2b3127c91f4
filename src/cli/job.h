/* A conversion, decided: everything that rank 0 works out before the first byte is written.
 *
 * The steps in order, each using only what came before: open the source, decide direction and converter,
 * translate the config, settle token ids, plan the tensors, lay out shards. Nothing is written and no weight
 * is read (but for two tied tensors that must agree).
 */
#ifndef FG_CLI_JOB_H
#define FG_CLI_JOB_H

#include "cli/options.h"
#include "convert/tensor_plan.h"
#include "copy/publish.h"

typedef struct fg_job {
    fg_checkpoint source; /* its tensor table moves into the plan */
    fg_format to;
    fg_direction direction;
    char *model_type; /* owned; the HF family */
    fg_converter *converter;
    fg_translation translation;
    json_t *config;            /* owned: config.json of the destination */
    json_t *generation_config; /* owned: generation_config.json of the destination if it is not a copy of the
                                  source's; else NULL */
    json_t *index_metadata; /* owned: what goes into the index beside total_size (param_sharing), or NULL */
    fg_plan plan;           /* with shards */
    bool always_index;      /* an index is written even for a single shard */
    bool casts;             /* some output has another dtype than its source */
} fg_job;

/* Fills a zeroed job. FG_ERR_USAGE and FG_ERR_INPUT say what is wrong; the job is to be freed in any case.
 * `dirs` is borrowed. */
fg_status fg_job_prepare(fg_job *job, const fg_options *options, const fg_converter_dirs *dirs,
                         const char *version, fg_error *err);
void fg_job_free(fg_job *job);

/* Writes everything but tensors into the stage: config.json, generation_config.json, index, emitted code (not
 * with --no-code), and copies of the side files. `copied` (an array) gets the names. */
fg_status fg_job_write_files(const fg_job *job, const fg_options *options, fg_stage *stage, json_t *copied,
                             fg_error *err);

/* Fills the parts of the report that are decided here: source, destination, options, converter, config,
 * dropped, left files. */
fg_status fg_job_report(const fg_job *job, const fg_options *options, json_t *report, fg_error *err);
/* The "tensors" part; `digests` (one an output) may be NULL. */
fg_status fg_job_report_tensors(const fg_job *job, const uint64_t *digests, json_t *report, fg_error *err);

/* The table of names (--debug-params): "source name -> destination name", one a line. */
fg_status fg_job_names(const fg_job *job, fg_text *out, fg_error *err);

#endif
