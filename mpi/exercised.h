/* What the prompt of a proof did not exercise: parts of a model that it could not reach, of which equal
 * logits say nothing.
 */
#ifndef FG_MPI_EXERCISED_H
#define FG_MPI_EXERCISED_H

#include "pipeline.h"

/* Collective, after fg_pipeline_run: rank 0 gets a new object, the others NULL. Its members are there only if
 * there is something to say:
 *
 *   "windows"  [{"window": TOKENS, "blocks": NUMBER}]: sliding windows that are not shorter than the prompt
 *   "mixers"   [{"block": INDEX, "mixers": [NAME, ...]}]: mixers of a stochastic one that never run
 *   "experts"  [{"block": INDEX, "of": NUMBER, "experts": [INDEX, ...]}]: experts that no token was routed
 *              to
 *   "image"    true: the model has a vision encoder, but no prompt had an image
 */
fg_status fg_exercised_gaps(const fg_pipeline *pipeline, json_t **gaps, fg_error *err);

#endif
