/* A Fast-LLM checkpoint directory: metadata.yaml and the safetensors files that its state_index names. For
 * checkpoint.c.
 *
 * Of state_index only the set of file names counts, as for Fast-LLM itself; the headers say which tensors
 * there are. Their keys are NAME/SHARD: those of the shard "weights" are the model's, as NAME; others (an
 * optimizer's state) are left out. A missing file `ok`, which Fast-LLM writes last, is a warning and no
 * error: a cut-off file shows in its own header, and a directory that was put together by other means may
 * well have none.
 */
#ifndef FG_FORMAT_FAST_LLM_H
#define FG_FORMAT_FAST_LLM_H

#include "base/json.h"
#include "store/tensors.h"

#define FG_FAST_LLM_METADATA "metadata.yaml"
#define FG_FAST_LLM_OK "ok"

/* The metadata of the directory as JSON, a new reference. FG_ERR_INPUT: it is not that of a checkpoint in
 * Fast-LLM's own format with `config/base_model`; for the format "distributed" the message says what to
 * run. */
fg_status fg_fast_llm_metadata_read(const char *directory, json_t **metadata, fg_error *err);

/* Whether the directory's metadata.yaml can be Fast-LLM's: some repositories have another file of that
 * name. */
fg_status fg_fast_llm_is_metadata(const char *directory, bool *is, fg_error *err);

/* Adds the tensors of the directory to the table. */
fg_status fg_fast_llm_weights_read(const char *directory, const json_t *metadata, fg_tensors *table,
                                   fg_error *err);

/* A warning if the directory has no file "ok". */
fg_status fg_fast_llm_warn_if_unfinished(const char *directory, fg_error *err);

#endif
