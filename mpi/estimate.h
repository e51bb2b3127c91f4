/* What a conversion needs of its machine, before it runs: free space, memory of a rank, time. Rank 0.
 */
#ifndef FG_MPI_ESTIMATE_H
#define FG_MPI_ESTIMATE_H

#include "base/json.h"
#include "copy/publish.h"
#include "plan/plan.h"

/* What the destination of a plan takes, with room for small files and for `copied` bytes of large ones. */
uint64_t fg_estimate_bytes(const fg_plan *plan, uint64_t copied);
/* The report's "disk". */
fg_status fg_estimate_disk(uint64_t needed, const fg_stage *stage, json_t *report, fg_error *err);
/* With a destination FG_ERR_SYSTEM unless there is room for so many bytes. */
fg_status fg_estimate_check_disk(uint64_t needed, const fg_stage *stage, fg_error *err);
/* FG_ERR_SYSTEM unless there is room for a dump of so many bytes at its reserved path, next to the
 * destination, which takes `needed`, if that lies on the same file system (`stage` NULL: there is none).
 * Does nothing without a path. */
fg_status fg_estimate_dump(const char *path, uint64_t bytes, uint64_t needed, const fg_stage *stage,
                           fg_error *err);
/* The report's "memory", of the rank that needs most: to write, and more for the proof and for the
 * generation (0: not run). */
fg_status fg_estimate_memory(const fg_plan *plan, uint64_t proof, uint64_t generation, json_t *report,
                             fg_error *err);
/* The report's "estimate", from a few reads of the source: how long writing takes, and with `verifies`
 * reading it back. */
fg_status fg_estimate_time(const fg_plan *plan, bool verifies, json_t *report, fg_error *err);

#endif
