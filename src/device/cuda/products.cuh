/* Products and attention on the GPU.
 *
 * Invariant: each number is summed in an order that follows from the length of the sum alone (of a product of
 * one token, which reads weights once and in another order, too): neither from how many rows or tokens a call
 * has, nor from where its memory lies. Weights become float32 where they are multiplied, so that those stored
 * in 16 bits are read as such and give the same sums.
 */
#ifndef FG_CUDA_PRODUCTS_CUH
#define FG_CUDA_PRODUCTS_CUH

extern "C" {
#include "device/device.h"
}

fg_status gpu_linear(void *state, fg_panel panel, uint64_t rows, uint64_t columns, const fg_real *input,
                     uint64_t count, fg_real *output, uint64_t stride, fg_error *err);
void gpu_attend(void *state, const fg_attention_tile *tile);

#endif
