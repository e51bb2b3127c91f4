/* How many tokens a run of Fast-LLM had trained on when it saved a checkpoint.
 *
 * Facts: metadata.yaml has metrics/training/consumed_tokens if the step was one that the trainer logged. It
 * is completed_steps times the tokens of a batch, which are (fast_llm/engine/training/trainer.py)
 *     data/micro_batch_size * schedule/depth_first_micro_batches (default 1)
 *         * schedule/breadth_first_micro_batches (default 1) * data ranks that have sequences of their own
 * with the numbers of config.yaml; before March 2026 batch/batch_size * batch/sequence_length.
 */
#ifndef FG_FORMAT_CONSUMED_TOKENS_H
#define FG_FORMAT_CONSUMED_TOKENS_H

#include "format/distributed_layout.h"

/* Adds "consumed_tokens" and "consumed_tokens_from", which says where the number comes from: "metadata.yaml",
 * or "config.yaml" for one that is computed. Neither if the files do not say it. `run` is `metadata` in the
 * metadata.yaml of the directory `checkpoint`. */
fg_status fg_consumed_tokens_put(const char *checkpoint, const json_t *run, const fg_rank_grid *grid,
                                 json_t *facts, fg_error *err);

#endif
