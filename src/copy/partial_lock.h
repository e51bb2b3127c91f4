/* Which run works in DST.partial: its file `lock` has host, process and time, and every rank of the run holds
 * it (flock).
 *
 * Invariant: while a process of the run is alive, no other run takes DST.partial over, on every host with
 * which the file system shares its locks. Where it has none, a process of this host is looked for by its id,
 * and one of another host cannot be told from a dead one.
 */
#ifndef FG_COPY_PARTIAL_LOCK_H
#define FG_COPY_PARTIAL_LOCK_H

#include "base/file.h"
#include "base/json.h"

#define FG_PARTIAL_LOCK_FILE "lock"

typedef enum fg_partial_state {
    FG_PARTIAL_UNLOCKED,    /* without a lock: something else made it, or a run that is about to lock it */
    FG_PARTIAL_INTERRUPTED, /* no process of its run is left */
    FG_PARTIAL_RUNNING,
    FG_PARTIAL_UNKNOWN, /* of another user; of another host, on a file system without locks */
} fg_partial_state;

enum { FG_PARTIAL_OWNER = 200 };

/* The state of the directory `partial`, and whose it is or was: "process 7 on host a, begun ..."; "" if
 * nobody knows. */
fg_status fg_partial_lock_look(const char *partial, fg_partial_state *state, char owner[FG_PARTIAL_OWNER],
                               fg_error *err);
/* Rank 0: makes the lock this run's, a new one or that of an interrupted run. `outputs`, a list of paths or
 * NULL, is noted in it. FG_ERR_USAGE: another run was quicker. `lock` is to be closed when the run is
 * over. */
fg_status fg_partial_lock_take(const char *partial, const json_t *outputs, fg_file *lock, fg_error *err);
/* Whether that path is among the outputs that are noted in the lock. */
fg_status fg_partial_lock_notes(const char *partial, const char *path, bool *noted, fg_error *err);
/* The other ranks: hold it, too, as long as they write. */
fg_status fg_partial_lock_join(const char *partial, fg_file *lock, fg_error *err);

#endif
