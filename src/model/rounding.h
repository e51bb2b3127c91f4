/* Weights rounded to a narrower type, as a cast would have stored them, and back to float32. */
#ifndef FG_MODEL_ROUNDING_H
#define FG_MODEL_ROUNDING_H

#include "model/weight_source.h"

/* Wraps `weights` in place: what is read from now on is rounded to `dtype` (one of F16, BF16, F32). Closing
 * closes both. */
fg_status fg_weight_source_round_to(fg_weight_source *weights, fg_dtype dtype, fg_error *err);

#endif
