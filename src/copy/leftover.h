/* A DST.partial that is there already: what is known about it, and what of it a run that resumes keeps.
 *
 * Invariant: nothing in it is touched before it is certain that its run is over.
 */
#ifndef FG_COPY_LEFTOVER_H
#define FG_COPY_LEFTOVER_H

#include "plan/plan.h"

typedef enum fg_leftover {
    FG_LEFTOVER_NONE,    /* there is no DST.partial */
    FG_LEFTOVER_BARE,    /* of an interrupted run that had made no more than the lock */
    FG_LEFTOVER_JOURNAL, /* of an interrupted run, with its journal */
} fg_leftover;

/* What `partial` is. The journal is in it, or is the file `aside`. Unless the run resumes, all but
 * FG_LEFTOVER_NONE is FG_ERR_USAGE; in any case one without a journal is, and one that a run still
 * writes to. */
fg_status fg_leftover_look(const char *partial, const char *aside, bool resumes, fg_leftover *leftover,
                           fg_error *err);
/* Whether a shard of the plan is in `partial`: a file, no link, of its full size. */
fg_status fg_leftover_has_shard(const char *partial, const fg_plan *plan, size_t shard, bool *has,
                                fg_error *err);
/* Removes all but shards, lock and journal. */
fg_status fg_leftover_clear(const char *partial, const fg_plan *plan, fg_error *err);

#endif
