/* What the ranks compute with: device, processors, and kernels for products. */
#ifndef FG_MPI_HARDWARE_H
#define FG_MPI_HARDWARE_H

#include <jansson.h>

#include "device/device.h"
#include "ranks.h"

typedef struct fg_hardware {
    const char *device;  /* its name */
    const char *kernels; /* of the CPU's products, as OpenBLAS calls them; NULL: they are the device's own */
    json_t *processors;  /* owned; rank 0: the name of each kind, sorted */
} fg_hardware;

/* Collective. Where the ranks' processors made OpenBLAS choose different kernels, all take those that every
 * processor can run, so that a sum is the same on each; FG_ERR_USAGE if OpenBLAS cannot. To be freed in any
 * case. */
fg_status fg_hardware_agree(const fg_ranks *ranks, const fg_device *device, fg_hardware *hardware,
                            fg_error *err);
/* Rank 0: its part "hardware". */
fg_status fg_hardware_report(const fg_hardware *hardware, json_t *report, fg_error *err);
/* Processors that this rank may use for itself: those it is bound to, at most its share of the node's. */
unsigned fg_hardware_own_processors(const fg_ranks *ranks);
void fg_hardware_free(fg_hardware *hardware);

#endif
