/* The destination: DST.partial while it grows, DST when it is complete.
 *
 * Invariant: DST appears by one rename of a complete, synced directory, or not at all. An existing DST, an
 * existing DST.partial and a missing parent are FG_ERR_USAGE (the message says what to do). A stage that
 * replaces a directory is exchanged with it instead: at every moment the old one or the new one is complete
 * under some name, and a message says which where a run was interrupted. The old one is removed last.
 * DST.partial is locked (copy/partial_lock.h) from its beginning to its end. With --resume it may be there
 * already, with a journal (copy/journal.h), and stays when the run is interrupted.
 *
 * Functions that create or rename hold a lock that fg_stage_abandon takes, so that a signal thread can clean
 * up at any moment and nothing appears afterwards: they fail with FG_ERR_SYSTEM "stopped" then.
 */
#ifndef FG_COPY_PUBLISH_H
#define FG_COPY_PUBLISH_H

#include "base/json.h"
#include "plan/plan.h"

typedef struct fg_stage {
    char *destination;  /* owned; DST without trailing slashes */
    char *partial;      /* owned; DST.partial */
    char *old;          /* owned; DST.old: what DST is called from when it is replaced to its removal */
    const char *former; /* `old` or `partial`: where what was replaced lies now; NULL: nothing was */
    char *aside;        /* owned; DST.partial.journal: where the journal is while DST.partial becomes DST */
    char *parent;       /* owned; where DST lies */
    bool sync;          /* fsync (not --no-fsync) */
    bool begun;         /* DST.partial is ours: created, or taken over */
    bool resumes;       /* DST.partial may be there with a journal (--resume) */
    bool found;         /* it is */
    bool keeps;         /* it has a journal of this run: an interruption leaves it */
    bool replaces;      /* DST is there and will be replaced */
    json_t *outputs;    /* owned; paths of other files that the run makes, for a later one; NULL: none */
    struct fg_stage_lock *lock; /* owned */
} fg_stage;

/* Checks DST, its parent and DST.partial; creates nothing. The stage is to be freed whatever comes back.
 * A DST.partial is refused with what is known about it: whose it is, whether that run is over, whether it
 * has a journal. */
fg_status fg_stage_check(fg_stage *stage, const char *destination, bool sync, fg_error *err);
/* The same for a run that resumes, and syncs: sets `found` if DST.partial is there, its run is over, and it
 * has a journal, which then is in it. One with nothing but its lock is taken as it is. */
fg_status fg_stage_check_resume(fg_stage *stage, const char *destination, fg_error *err);
/* The same for a directory that is to be replaced. Links on the way to it are followed: it is replaced where
 * it lies. */
fg_status fg_stage_check_replace(fg_stage *stage, const char *directory, bool sync, fg_error *err);
/* FG_ERR_USAGE when DST would lie inside the source directory: what is read must not change. */
fg_status fg_stage_check_apart(const fg_stage *stage, const char *source_directory, fg_error *err);
/* Free bytes on the file system of the parent. */
fg_status fg_stage_room(const fg_stage *stage, uint64_t *bytes, fg_error *err);
/* FG_ERR_SYSTEM unless `bytes` are free on the file system of the parent. */
fg_status fg_stage_check_room(const fg_stage *stage, uint64_t bytes, fg_error *err);
fg_status fg_stage_begin(fg_stage *stage, fg_error *err); /* creates DST.partial, or takes it over */
/* Creates a shard with its header, at full size; the data is sparse until it is written. Of one that is
 * there the header is written again. */
fg_status fg_stage_create_shard(const fg_stage *stage, const fg_plan *plan, size_t shard, fg_error *err);
/* A file; "FOLDER/FILE" makes the folders too, as in all that follows. */
fg_status fg_stage_write(const fg_stage *stage, const char *name, const void *bytes, size_t size,
                         fg_error *err);
fg_status fg_stage_copy_file(const fg_stage *stage, const char *source, const char *name,
                             fg_error *err); /* byte for byte, links followed */
/* A symbolic link in the stage itself to another file of it, which it reaches wherever DST is moved. */
fg_status fg_stage_link(const fg_stage *stage, const char *target, const char *name, fg_error *err);
fg_status fg_stage_sync_shard(const fg_stage *stage, const fg_plan *plan, size_t shard,
                              fg_error *err); /* fsync of a shard, if `sync` */
/* fsync of the folder, rename to DST, fsync of the parent. A directory that was replaced is removed then; if
 * that fails, a warning says where it is. */
fg_status fg_stage_publish(fg_stage *stage, fg_error *err);
/* Whether DST is there, whole, even if publishing or something after it failed. */
bool fg_stage_published(const fg_stage *stage);
/* Removes DST.partial if it is ours, was not published and is not kept. Safe from another thread, and more
 * than once. */
void fg_stage_abandon(fg_stage *stage);
/* From here on DST.partial has a journal and is kept / is of no use to a later run and is not kept. After
 * fg_stage_abandon nothing changes: `keeps` says whether it has left DST.partial. */
void fg_stage_keep(fg_stage *stage, bool keep);
void fg_stage_free(fg_stage *stage); /* abandons what was not published */

#endif
