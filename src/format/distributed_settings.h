/* What metadata.yaml says of the layout, and whether the header of a rank's file says the same.
 *
 * Keys and their defaults: distributed/world_size (must be there), tensor_parallel 1, pipeline_parallel 1,
 * pipeline_first false, sequence_data_parallel 1, compute_dtype and optimization_dtype float32;
 * multi_stage/layers_per_stage 1.0, stages_per_pipeline_stage 1,
 * store_frozen_weights_in_optimization_precision true. No other key changes a byte of the weights, the
 * model's configuration aside.
 */
#ifndef FG_FORMAT_DISTRIBUTED_SETTINGS_H
#define FG_FORMAT_DISTRIBUTED_SETTINGS_H

#include "format/distributed_layout.h"

/* `config` is the document's `config`, `file` its name for messages. FG_ERR_INPUT: a value that Fast-LLM
 * refuses, or a contradiction. */
fg_status fg_layout_settings_read(const json_t *config, const char *file, fg_layout_settings *settings,
                                  fg_error *err);

/* FG_ERR_INPUT: what decides the layout in `repeated`, the configuration in the header of the file of `rank`,
 * is not what `config` says; or the rank in it is another. `file` is the rank's. */
fg_status fg_layout_settings_compare(const json_t *config, const json_t *repeated,
                                     const fg_layout_settings *settings, uint64_t rank, const char *file,
                                     fg_error *err);

#endif
