/* What the CPU computes along the tokens: the functions of fg_device_cpu of that kind (device/device.h).
 *
 * Invariant: a token's numbers follow from those before it by the same operations, wherever a call begins.
 */
#ifndef FG_DEVICE_CPU_RECURRENCES_H
#define FG_DEVICE_CPU_RECURRENCES_H

#include "device/device.h"

void fg_cpu_convolve(void *state, const fg_convolution *convolution);
void fg_cpu_repeat_heads(void *state, const fg_real *from, const fg_heads *shape, uint64_t times,
                         fg_real *to);
void fg_cpu_selective_scan(void *state, const fg_selective_scan *scan);
void fg_cpu_delta_rule(void *state, const fg_delta_rule *rule);

#endif
