/* NVIDIA's GPUs: the device of a module of its own, which is loaded when it is asked for. A build
 * with -DFGCONV_CUDA=ON makes it.
 */
#ifndef FG_DEVICE_CUDA_H
#define FG_DEVICE_CUDA_H

#include "device/device.h"

/* What --device says. */
typedef enum fg_device_choice { FG_DEVICE_CPU, FG_DEVICE_CUDA } fg_device_choice;

/* The module's file, owned by the caller: in the program's folder, or where an installation has it
 * (../lib/fgconv). NULL: it is nowhere. */
fg_status fg_device_cuda_find(char **path, fg_error *err);
/* The device of GPU `local_rank` modulo the GPUs that this process sees; it stays loaded until the process
 * ends. FG_ERR_USAGE: no module, no driver or no GPU. */
fg_status fg_device_cuda_load(int local_rank, const fg_device **device, fg_error *err);

#endif
