/* What is known of a distributed checkpoint, its tensors aside: fg_assembly.facts. Its members:
 *   fast_llm_version        as metadata.yaml has it
 *   ranks, tensor_parallel, data_parallel, pipeline_parallel, pipeline_first, layers_per_stage
 *   layers, stages          how many
 *   parameters, frozen_parameters, copies   how many tensors; of those that are stored more than once
 *   parameter_order         an object (format/distributed_order.h)
 *   optimizer_shards        names of other vectors that the files hold, which are not read
 *   completed_steps, documents_seen         of the run, if metadata.yaml says
 *   consumed_tokens, consumed_tokens_from   of the run, if its files say (format/consumed_tokens.h)
 *   lr_scale                an object: path in base_model -> its learning rate scale, where one is set
 */
#ifndef FG_FORMAT_DISTRIBUTED_FACTS_H
#define FG_FORMAT_DISTRIBUTED_FACTS_H

#include "format/distributed_layout.h"

/* `directory` has metadata.yaml, which is `document`; `order` is what fg_distributed_order gave. */
fg_status fg_distributed_facts(const char *directory, const json_t *document,
                               const fg_distributed_layout *layout, json_t *order, fg_assembly *assembly,
                               fg_error *err);

#endif
