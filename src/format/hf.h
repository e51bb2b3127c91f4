/* A directory of Hugging Face's kind: config.json, and weights in model.safetensors or several files with
 * an index. Forgather's directories are of the same kind; what they share with hf is here, for
 * forgather.c.
 */
#ifndef FG_FORMAT_HF_H
#define FG_FORMAT_HF_H

#include "format/format.h"

#define FG_HF_CONFIG "config.json"
#define FG_HF_INDEX "model.safetensors.index.json"

/* Members of fg_format. */
fg_status fg_hf_read(const char *directory, json_t **document, fg_error *err);
fg_status fg_hf_check_family(const char *path, const json_t *document, fg_error *err);
fg_status fg_hf_read_weights(struct fg_checkpoint *checkpoint, bool unfinished, fg_error *err);
char *fg_hf_shard_name(size_t index, size_t count, fg_error *err);
fg_status fg_hf_write_config(const fg_format_contents *contents, fg_buffer *text, fg_error *err);
fg_status fg_hf_write_index(const fg_format_contents *contents, fg_buffer *text, fg_error *err);

#endif
