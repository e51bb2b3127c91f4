/* What the GPU computes along the tokens (device/device.h). Each channel, or each column of a head's state,
 * is one thread's, which does what the CPU does in the same order.
 */
#ifndef FG_CUDA_RECURRENCES_CUH
#define FG_CUDA_RECURRENCES_CUH

extern "C" {
#include "device/device.h"
}

void gpu_convolve(void *state, const fg_convolution *convolution);
void gpu_repeat_heads(void *state, const fg_real *from, const fg_heads *shape, uint64_t times, fg_real *to);
void gpu_selective_scan(void *state, const fg_selective_scan *scan);
void gpu_delta_rule(void *state, const fg_delta_rule *rule);

#endif
