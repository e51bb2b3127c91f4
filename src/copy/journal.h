/* The journal of a run that can be resumed: what of DST.partial is on the disk.
 *
 *     DST.partial/journal      "fgconv journal 1, LENGTH\n", LENGTH bytes of JSON (what is written, and from
 *                              what), then records
 *     DST.partial/journal.N    records of rank N; those of rank 0 follow the JSON
 *
 * Records are of a fixed size and name blocks: parts of outputs that have a checksum of their own (see
 * fg_digest_blocks), which do not depend on the number of ranks. So any number of ranks can continue.
 *
 * Invariant: a record is written after fsync of the shards whose blocks it names. It counts only if its check
 * holds, which covers the JSON too, and if those of all blocks that were written with it do: a torn tail or
 * foreign bytes are passed over. `journal` itself is replaced as a whole, by a rename.
 */
#ifndef FG_COPY_JOURNAL_H
#define FG_COPY_JOURNAL_H

#include "base/json.h"
#include "copy/copier.h"

#define FG_JOURNAL_FILE "journal"
#define FG_JOURNAL_NEW "journal.new" /* until it replaces `journal` */

/* Whether a file of this name, in DST.partial, is a part of the journal. */
bool fg_journal_is_name(const char *name);

/* ---- the whole journal: rank 0 ---- */

/* What is known of a block. */
typedef struct fg_journal_entry {
    uint32_t first, count;  /* the blocks that were written together; count 0: the block is not there */
    uint64_t digest;        /* of the block */
    fg_value_counts values; /* of all of them */
} fg_journal_entry;

/* Replaces the journal in `partial` by one with these entries, one a block. */
fg_status fg_journal_write(const char *partial, const json_t *identity, const fg_journal_entry *entries,
                           uint64_t blocks, fg_error *err);
/* What the journal says is written, an object to be freed. One that cannot be understood is FG_ERR_USAGE. */
fg_status fg_journal_identity(const char *partial, json_t **identity, fg_error *err);
/* Fills `entries`, one a block, from the records of all ranks. */
fg_status fg_journal_read(const char *partial, fg_journal_entry *entries, uint64_t blocks, fg_error *err);
/* Forgets a block and those that were written with it. */
void fg_journal_forget(fg_journal_entry *entries, uint64_t block);

/* ---- a rank that writes ---- */

typedef struct fg_journal fg_journal;

/* Borrows the plan. A rank's file is created when its first record is written. */
fg_status fg_journal_open(fg_journal **journal, const char *partial, const fg_plan *plan, int rank,
                          fg_error *err);
/* An item is written: its digests are in `digests`, one a block of the plan. Flushes when 1 GiB or 5 s have
 * come together, or earlier where flushing takes little time. */
fg_status fg_journal_add(fg_journal *journal, const fg_work_item *item, const uint64_t *digests,
                         const fg_value_counts *values, fg_error *err);
/* fsync of the shards, then the records. */
fg_status fg_journal_flush(fg_journal *journal, fg_error *err);
/* The same, for the last time, and what the system says when the file is closed. */
fg_status fg_journal_finish(fg_journal *journal, fg_error *err);
/* A flush for a thread that waits for signals: not while another thread is at it. */
void fg_journal_flush_last(fg_journal *journal);
void fg_journal_close(fg_journal **journal);

#endif
