/* The files of a `distributed` checkpoint: rank_0.safetensors, rank_1.safetensors ..., each with the vector
 * `weights_shard` and a copy of the configuration in its header.
 *
 * Invariant: there is a file for each rank and no other; no file says that it is another rank's, or of a run
 * of another model or layout. Whether lengths and dtypes fit is for those who know the layout.
 */
#ifndef FG_FORMAT_DISTRIBUTED_FILES_H
#define FG_FORMAT_DISTRIBUTED_FILES_H

#include "format/distributed_layout.h"

/* Adds a tensor "rank_N" a file, in the order of ranks. `document` is metadata.yaml of the directory. */
fg_status fg_distributed_files_read(const char *directory, const json_t *document,
                                    const fg_layout_settings *settings, fg_tensors *vectors, fg_error *err);

#endif
