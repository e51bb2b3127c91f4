/* The checksums of what shards hold, as they lie on the disk: what a run that resumes compares with the
 * journal. */
#ifndef FG_COPY_RECHECK_H
#define FG_COPY_RECHECK_H

#include "copy/copier.h"

typedef struct fg_recheck fg_recheck;

/* Reads shards in the directory `partial`, each of full size. One per thread; borrows the plan. */
fg_status fg_recheck_new(fg_recheck **recheck, const fg_plan *plan, const char *partial, fg_error *err);
/* Sets the entries of the item's blocks (fg_work_blocks) in `digests`. `progress` is called for each block
 * and may return false: the blocks after it are not read then. */
fg_status fg_recheck_run(fg_recheck *recheck, const fg_work_item *item, uint64_t *digests,
                         fg_copy_progress progress, void *context, fg_error *err);
void fg_recheck_free(fg_recheck **recheck);

#endif
