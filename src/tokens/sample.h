/* From logits to a token: greedy decoding or sampling.
 *
 * Drawing: logits are divided by the temperature; of them the `top_k` largest stay (and those equal to the
 * last of these), and of those the fewest whose probabilities together reach `top_p`, at least one. The
 * filters and their order are those of transformers; its random numbers are not.
 *
 * Random numbers are counted, not remembered: number i of a seed is SplitMix64's mixing function (Steele,
 * Lea, Flood 2014) of the mixed seed plus i times its odd constant; the upper 53 bits make a number below 1.
 *
 * Invariant: the same logits, settings, seed and number of the draw give the same token, everywhere. Logits
 * that are not finite are never chosen.
 */
#ifndef FG_TOKENS_SAMPLE_H
#define FG_TOKENS_SAMPLE_H

#include "tokens/sampling.h"

/* The largest of finite logits [count], the lowest index of equals; false if there is none. */
bool fg_sample_best(const float *logits, uint64_t count, uint64_t *best);

/* FG_ERR_DIFFER if no logit is finite: there is nothing that could be compared. */
fg_status fg_sample_draw(const fg_sampling *sampling, uint64_t draw, const float *logits, uint64_t count,
                         uint32_t *token, fg_error *err);

/* For both: the error when no logit is finite. */
fg_status fg_sample_nothing(uint64_t draw, fg_error *err);

#endif
