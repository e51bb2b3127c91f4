/* Carrying out a plan: bytes of outputs from boxes of sources, with casts. Where the source has a hole, the
 * output gets one.
 *
 * The source side of FG_PIECE_MEAN (`from`, `from_stride`) counts in the mean row: elements of the source
 * divided by shape[0]; a stride of 0 repeats it.
 *
 * Invariant: the bytes of an output depend on the plan and the sources only: not on ranks, items or buffers.
 * One copier per thread; its buffers stay under 16 MiB together whatever the model.
 */
#ifndef FG_COPY_COPIER_H
#define FG_COPY_COPIER_H

#include "plan/plan.h"

/* A bounded part of the work: elements [first, first + count) of one output, or (count 0) `outputs` whole
 * small outputs in a row. */
typedef struct fg_work_item {
    uint32_t output, outputs;
    uint64_t first, count;
    uint64_t bytes; /* of output */
} fg_work_item;

typedef struct fg_work {
    fg_work_item *items; /* owned; shard by shard in turn, each in file order */
    size_t count, capacity;
} fg_work;

/* A part of a plan. */
typedef struct fg_work_choice {
    const uint32_t *owner_of; /* of each shard; NULL: all shards */
    uint32_t owner;           /* whose shards are chosen */
    const uint64_t *first_block;
    const bool *blocks; /* which checksum blocks are chosen; NULL: all */
} fg_work_choice;

/* Cuts what is chosen into items of at most `item_bytes` (with chosen blocks: FG_WORK_ITEM_BYTES). Cuts lie
 * at multiples of item_bytes of an output, so that checksums do not depend on who wrote what. */
enum { FG_WORK_ITEM_BYTES = 32 << 20 };
fg_status fg_work_split(const fg_plan *plan, const fg_work_choice *choice, uint64_t item_bytes, fg_work *work,
                        fg_error *err);
void fg_work_free(fg_work *work);
/* Which of `owners` gets each shard: entry s is less than `owners`. The largest first, by its bytes that are
 * chosen, to the one that has least. Deterministic. Newly allocated. */
fg_status fg_work_owners(const fg_plan *plan, const fg_work_choice *choice, uint32_t owners,
                         uint32_t **owner_of, fg_error *err);

typedef struct fg_copier fg_copier;

/* Of values in outputs. */
typedef struct fg_value_counts {
    uint64_t overflows;  /* finite values that a cast made infinite */
    uint64_t non_finite; /* values that are NaN or infinite, these included; 0 if they are not counted */
} fg_value_counts;

typedef struct fg_copy_totals {
    uint64_t bytes_read, bytes_written, bytes_skipped; /* skipped: holes that stayed holes */
    fg_value_counts values;                            /* in what fg_copier_run wrote */
} fg_copy_totals;

/* Opens for writing the shard files under `directory` as they are needed (they must exist, at full size).
 * `directory` NULL: nothing is written, and fg_copier_run computes what would be. Borrows the plan. */
fg_status fg_copier_new(fg_copier **copier, const fg_plan *plan, const char *directory, fg_error *err);
/* Writes one item. `digests`, unless NULL, has an entry per output element block: see fg_digest_count;
 * entries of this item are set. `progress`, unless NULL, is called about once a MiB with the output bytes
 * done since the last call and may return false to stop (the call then returns FG_OK with `*stopped`
 * true). */
typedef bool (*fg_copy_progress)(void *context, uint64_t bytes);
fg_status fg_copier_run(fg_copier *copier, const fg_work_item *item, uint64_t *digests,
                        fg_copy_progress progress, void *context, bool *stopped, fg_error *err);
/* Elements [first, first + count) of an output, in its dtype, into `buffer`: what would be written there. */
fg_status fg_copier_read(fg_copier *copier, size_t output, uint64_t first, uint64_t count, void *buffer,
                         fg_error *err);
/* From now on counts non-finite values: each number is looked at once more. */
void fg_copier_count_non_finite(fg_copier *copier);
fg_copy_totals fg_copier_totals(const fg_copier *copier);
const fg_plan *fg_copier_plan(const fg_copier *copier); /* borrowed */
/* Closes the shards that were written, after the last item. FG_ERR_SYSTEM if the system says only now that
 * bytes did not arrive. */
fg_status fg_copier_finish(fg_copier *copier, fg_error *err);
void fg_copier_free(fg_copier **copier);

/* Checksums: XXH3-64 of each block of FG_WORK_ITEM_BYTES of an output; a tensor's digest is that of its only
 * block, or XXH3-64 of its blocks' digests (little-endian) in order. `first_block[o]` is where output o's
 * blocks begin; it has output_count + 1 entries. */
fg_status fg_digest_blocks(const fg_plan *plan, uint64_t **first_block, fg_error *err);
/* The blocks [*first, *end) of an item that consists of whole ones. */
void fg_work_blocks(const fg_plan *plan, const uint64_t *first_block, const fg_work_item *item,
                    uint64_t *first, uint64_t *end);
uint64_t fg_digest_of(const uint64_t *digests, uint64_t first, uint64_t count);

/* Compares the tensors of `other` (an opened checkpoint's table) with the plan, byte by byte, for one item:
 * what `fgconv verify` does. A difference is FG_ERR_DIFFER that names tensor, index, found and expected. */
fg_status fg_copier_verify(fg_copier *copier, const fg_work_item *item, const fg_tensors *other,
                           fg_reader *reader, fg_error *err);

#endif
