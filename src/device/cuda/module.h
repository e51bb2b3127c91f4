/* The border between the program and the module that computes on NVIDIA's GPUs (`--device cuda`). The module
 * is a shared object of its own, loaded when it is asked for, so that a program without it needs nothing of
 * CUDA. It uses no symbol of the program: what it needs of it is handed over here.
 *
 * Invariant: program and module are of one build; FG_CUDA_VERSION says so.
 */
#ifndef FG_DEVICE_CUDA_MODULE_H
#define FG_DEVICE_CUDA_MODULE_H

#include <stdint.h>

#include "device/device.h"

/* Rises with each change of this header or of device/device.h. */
enum { FG_CUDA_VERSION = 3 };

/* The program's functions: base/error.h, store/cast.h. */
typedef struct fg_cuda_host {
    fg_status (*fail)(fg_error *err, fg_status status, const char *format, ...);
    fg_status (*hint)(fg_error *err, const char *format, ...);
    void (*cast_to_f32)(fg_dtype from, const void *source, float *target, size_t count);
    size_t (*dtype_size)(fg_dtype dtype);
} fg_cuda_host;

/* The module's only symbol, fg_cuda_module. Takes GPU `local_rank` modulo the number of GPUs for this
 * process. FG_ERR_USAGE: another version, no driver or no GPU. */
typedef fg_status fg_cuda_module_open(int version, const fg_cuda_host *host, int local_rank,
                                      const fg_device **device, fg_error *err);

#endif
