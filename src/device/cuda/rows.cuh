/* What the GPU computes row by row and number by number: the functions of device/device.h of that kind.
 * Sums of a row are taken in float64 by a tree whose shape follows from the row's size alone.
 */
#ifndef FG_CUDA_ROWS_CUH
#define FG_CUDA_ROWS_CUH

#include "gpu.cuh"

/* The same as gpu_softmax for each of `heads`. */
void softmax_heads(gpu *c, fg_real *scores, uint64_t heads, uint64_t rows, uint64_t columns,
                   const fg_band *band);

void gpu_softmax(void *state, fg_real *scores, uint64_t rows, uint64_t columns, const fg_band *band);
void gpu_rms_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                   float epsilon, fg_real *to);
void gpu_layer_norm(void *state, const fg_real *from, const fg_heads *shape, const fg_real *weight,
                     float epsilon, fg_real *to);
void gpu_rotate(void *state, fg_real *values, const fg_heads *shape, const fg_rotation *rotation);
void gpu_activate(void *state, fg_activation activation, fg_real *values, uint64_t count);
void gpu_multiply(void *state, fg_real *values, const fg_real *by, uint64_t count);
void gpu_add(void *state, fg_real *values, uint64_t stride, const fg_real *added, uint64_t added_stride,
              uint64_t rows, uint64_t columns);
void gpu_scale(void *state, fg_real *values, uint64_t count, float by);
void gpu_shift(void *state, fg_real *values, uint64_t count, float by);
void gpu_cap(void *state, fg_real *values, uint64_t count, float most);
void gpu_clear(void *state, fg_real *values, uint64_t count);
void gpu_gather(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, uint64_t count,
                 fg_real *to);
void gpu_scatter(void *state, const fg_real *from, uint64_t size, const uint64_t *rows, const float *weights,
                  uint64_t count, fg_real *to);

#endif
