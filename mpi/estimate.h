/* What a conversion needs of its machine, before it runs: free space, memory of a rank, time. Rank 0.
 */
#ifndef FG_MPI_ESTIMATE_H
#define FG_MPI_ESTIMATE_H

#include "conversion/conversion.h"
#include "proof_run.h"

/* The report's "disk". With a destination FG_ERR_SYSTEM unless there is room for it. */
fg_status fg_estimate_disk(const fg_conversion *conversion, const fg_stage *stage, json_t *report,
                           fg_error *err);
/* FG_ERR_SYSTEM unless there is room for a dump of so many bytes at its reserved path, next to the
 * destination if that lies on the same file system (`conversion` NULL: nothing else is written). */
fg_status fg_estimate_dump(const char *path, uint64_t bytes, const fg_conversion *conversion,
                           const fg_stage *stage, fg_error *err);
/* The report's "memory", of the rank that needs most. */
fg_status fg_estimate_memory(const fg_plan *plan, const fg_proof_run *proof, json_t *report, fg_error *err);
/* The report's "estimate", from a few reads of the source: how long writing takes, and with `verifies`
 * reading it back. */
fg_status fg_estimate_time(const fg_plan *plan, bool verifies, json_t *report, fg_error *err);

#endif
