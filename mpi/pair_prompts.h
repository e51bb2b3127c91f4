/* What the models of a pair run on: a text; and, where they have a vision encoder, the same text around an
 * image.
 *
 * Invariant: every rank has the same tokens, both vocabularies have all of them, and a prompt with an image
 * has an image token for each of its patches.
 */
#ifndef FG_MPI_PAIR_PROMPTS_H
#define FG_MPI_PAIR_PROMPTS_H

#include "model_pair.h"

/* Collective. Fills the prompts of a pair, whose models are bound.
 *
 * Text: rank 0's tokens, over and over where more are needed; without any, the same drawn ones everywhere.
 * Image: task->image or a made-up one, and the tokens of the text with image tokens behind the first few, in
 * place of as many where it is long enough; or task->tokens as they are.
 *
 * FG_ERR_USAGE: an id that a vocabulary lacks; an image that the models cannot take, or whose patches are not
 * as many as the image tokens. */
fg_status fg_pair_prompts_share(fg_model_pair *pair, fg_error *err);
void fg_pair_prompts_free(fg_model_pair *pair);

#endif
