#define _GNU_SOURCE /* sched_getaffinity */
#include "hardware.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "device/blas_core.h"

enum { NAME_SIZE = 64 };

/* ---- kernels ---- */

static fg_status no_common_kernels(const char *wanted, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE,
            "ranks run on different processors, for which OpenBLAS chose different kernels (here %s), and it "
            "cannot change to %s",
            fg_device_cpu_kernels(), wanted);
    return fg_hint(err,
                   "set " FG_BLAS_CORE_VARIABLE "=%s for all ranks (mpirun -x " FG_BLAS_CORE_VARIABLE "=%s)",
                   wanted, wanted);
}

static fg_status agree_on_kernels(const fg_ranks *ranks, fg_error *err) {
    char lowest[NAME_SIZE] = "";
    snprintf(lowest, sizeof lowest, "%s", fg_device_cpu_kernels());
    fg_ranks_share(ranks, lowest, sizeof lowest);
    uint64_t differ[2] = {strcmp(lowest, fg_device_cpu_kernels()) != 0, fg_blas_core_first_common()};
    fg_ranks_max_u64(ranks, differ, 2);
    if (!differ[0]) return FG_OK;
    const char *wanted = fg_blas_core_common((unsigned)differ[1]);
    if (!wanted) wanted = lowest; /* processors of different architectures */
    if (!fg_blas_core_take(wanted)) no_common_kernels(wanted, err);
    return fg_ranks_agree(ranks, err);
}

/* ---- processors ---- */

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

/* `names`: of each rank, NAME_SIZE bytes each. */
static fg_status list_kinds(fg_hardware *hardware, char *names, size_t count, fg_error *err) {
    qsort(names, count, NAME_SIZE, by_name);
    for (size_t i = 0; i < count; i++) {
        const char *name = names + i * NAME_SIZE;
        if (i && strcmp(name, name - NAME_SIZE) == 0) continue;
        FG_CALL(fg_json_push(hardware->processors, json_string(name), err));
    }
    return FG_OK;
}

static fg_status collect_processors(fg_hardware *hardware, const fg_ranks *ranks, const fg_device *device,
                                    fg_error *err) {
    fg_status status = FG_OK;
    bool root = ranks->rank == 0;
    char mine[NAME_SIZE] = "", *names = NULL;
    size_t *sizes = NULL, count = (size_t)ranks->size;
    device->processor(mine, sizeof mine);
    FG_NEW(sizes, count);
    for (size_t i = 0; i < count; i++) sizes[i] = NAME_SIZE;
    if (root) FG_NEW(names, count * NAME_SIZE);
    if (root) FG_TRY_NEW(hardware->processors, json_array());
done:
    status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) {
        fg_ranks_gather(ranks, mine, sizes, names);
        if (names) list_kinds(hardware, names, count, err); /* rank 0 */
        status = fg_ranks_agree(ranks, err);
    }
    fg_free(sizes);
    fg_free(names);
    return status;
}

fg_status fg_hardware_agree(const fg_ranks *ranks, const fg_device *device, fg_hardware *hardware,
                            fg_error *err) {
    *hardware = (fg_hardware){.device = device->name};
    if (device == &fg_device_cpu) {
        FG_CALL(agree_on_kernels(ranks, err));
        hardware->kernels = fg_device_cpu_kernels();
    }
    return collect_processors(hardware, ranks, device, err);
}

fg_status fg_hardware_report(const fg_hardware *hardware, json_t *report, fg_error *err) {
    json_t *entry = json_pack("{s:s}", "device", hardware->device);
    FG_CALL(fg_json_put(report, "hardware", entry, err));
    FG_CALL(fg_json_put(entry, "processors", json_incref(hardware->processors), err));
    if (!hardware->kernels) return FG_OK;
    return fg_json_put(entry, "kernels", json_string(hardware->kernels), err);
}

unsigned fg_hardware_own_processors(const fg_ranks *ranks) {
    cpu_set_t bound;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int share = online > 0 ? (int)online / ranks->node_size : 0;
    bool known = sched_getaffinity(0, sizeof bound, &bound) == 0;
    if (known && CPU_COUNT(&bound) < share) share = CPU_COUNT(&bound);
    return share > 1 ? (unsigned)share : 1;
}

void fg_hardware_free(fg_hardware *hardware) {
    json_decref(hardware->processors);
    *hardware = (fg_hardware){0};
}
