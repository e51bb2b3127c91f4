/* The short causal convolution of recurrent mixers: of each channel along the tokens, with a bias and an
 * activation.
 *
 * Invariant: what it needs of earlier tokens lies in a window of fixed size, so a prompt may be cut anywhere.
 */
#ifndef FG_MODEL_SHORT_CONVOLUTION_H
#define FG_MODEL_SHORT_CONVOLUTION_H

#include "model/weight_lookup.h"

typedef struct fg_short_convolution {
    uint64_t kernel_size; /* tokens that an output sees, its own included */
    bool bias;
    const fg_activation *activation;
} fg_short_convolution;

/* Binds the weight [channels, kernel_size] and the bias. */
fg_status fg_short_convolution_bind(const fg_binder *binder, const char *role,
                                    const fg_short_convolution *how, uint64_t channels, fg_matrix *weight,
                                    fg_error *err);
/* Numbers of the window [kernel_size - 1, channels]. */
uint64_t fg_short_convolution_window(const fg_short_convolution *how, uint64_t channels);
/* to [count, channels] of from [count, channels]; `to` is not `from`. `window` has the tokens before, the
 * oldest first, and gets the last ones. Uses the workspace's panel and vector. */
fg_status fg_short_convolution_run(fg_workspace *w, const fg_short_convolution *how, const fg_matrix *weight,
                                   const fg_real *from, uint64_t count, fg_real *window, fg_real *to,
                                   fg_error *err);

#endif
