/* The image of a prompt on its way through the vision encoders of the models that run: the stage that embeds
 * makes the rows that image tokens get. Blocks of an encoder are streamed one after the other.
 */
#ifndef FG_MPI_VISION_PASS_H
#define FG_MPI_VISION_PASS_H

#include "pipeline.h"

/* Collective over stage 0. Fills a model's pipeline->image_rows; digests and the dump get what is on the way.
 * Does nothing for a prompt without an image. */
fg_status fg_vision_pass_run(fg_pipeline *pipeline, unsigned model, fg_error *err);
/* Puts them in place of the embeddings of image tokens, in `hidden` [count, hidden] of the tokens
 * [position, position + count), and frees them with the last token. */
void fg_vision_pass_place(fg_pipeline *pipeline, unsigned model, uint64_t position, uint64_t count,
                          float *hidden);
/* This rank's part of the weights that it reads, as float32. */
uint64_t fg_vision_pass_weight_bytes(const fg_pipeline *pipeline);
/* About what it allocates on a rank of stage 0. */
uint64_t fg_vision_pass_bytes(const fg_pipeline *pipeline);

#endif
