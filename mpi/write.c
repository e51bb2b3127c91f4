#include "write.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "copy/partial_lock.h"
#include "interrupt.h"

static fg_status encode(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage, fg_buffer *text,
                        fg_buffer *place, fg_error *err) {
    if (ranks->rank != 0 || ranks->size == 1) return FG_OK;
    FG_CALL(fg_plan_encode(plan, text, err));
    return fg_buffer_printf(place, err, "%d%s", stage->sync, stage->partial ? stage->partial : "");
}

static fg_status decode(const fg_ranks *ranks, fg_plan *plan, fg_stage *stage, const fg_buffer *text,
                        const fg_buffer *place, fg_error *err) {
    if (ranks->rank == 0) return FG_OK;
    FG_CALL(fg_plan_decode(text->data, text->length, plan, err));
    stage->sync = place->data[0] == '1';
    FG_CALL_NEW(stage->partial, fg_strdup(place->data + 1, err));
    return FG_OK;
}

fg_status fg_write_share(const fg_ranks *ranks, fg_plan *plan, fg_stage *stage, fg_error *err) {
    fg_buffer text = {0}, place = {0};
    encode(ranks, plan, stage, &text, &place, err);
    fg_status status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) status = fg_ranks_share_text(ranks, &place, err);
    if (status == FG_OK) {
        decode(ranks, plan, stage, &text, &place, err);
        status = fg_ranks_agree(ranks, err);
    }
    fg_buffer_free(&text);
    fg_buffer_free(&place);
    return status;
}

typedef struct writing {
    fg_copier *copier;
    uint64_t *first_block; /* owned */
    uint64_t *blocks; /* owned; digest of every block of every output; this rank's entries, zero elsewhere */
    bool *wanted;     /* owned; the blocks that are to be written; NULL: all */
    fg_file lock;     /* that of DST.partial, on other ranks than 0 */
    fg_journal *journal; /* NULL: none is kept */
} writing;

static fg_status write_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                            void *progress_context, fg_error *err) {
    writing *w = context;
    bool stopped = false; /* the loop ends before the next item then */
    const fg_value_counts before = fg_copier_totals(w->copier).values;
    FG_CALL(fg_copier_run(w->copier, item, w->blocks, progress, progress_context, &stopped, err));
    if (stopped || !w->journal) return FG_OK;
    fg_value_counts values = fg_copier_totals(w->copier).values;
    values.overflows -= before.overflows;
    values.non_finite -= before.non_finite;
    return fg_journal_add(w->journal, item, w->blocks, &values, err);
}

/* Every node must see the same files as rank 0: a path on a local disk would otherwise give a checkpoint with
 * holes. */
static fg_status check_visible(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                               fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    fg_file_stamp stamp;
    bool there;
    if (ranks->node_rank != 0 || plan->shard_count == 0) goto done;
    FG_TRY_NEW(path, fg_path_join(stage->partial, plan->shard_files[0], err));
    FG_TRY(fg_path_exists(path, &there, err));
    if (there) FG_TRY(fg_file_stamp_of(path, &stamp, err));
    if (!there || stamp.size != plan->shard_bytes[0]) {
        status = fg_fail(err, FG_ERR_SYSTEM, "%s, which rank 0 created, is not visible on this node", path);
        fg_hint(err, "put the destination on a file system that all nodes share");
    }
done:
    fg_free(path);
    return status;
}

/* Each shard on the node that wrote it. */
static fg_status sync_shards(const writing *w, const fg_ranks *ranks, const fg_plan *plan,
                             const fg_stage *stage, fg_error *err) {
    uint32_t *node_of = NULL;
    int turn = 0;
    fg_status status =
        fg_distribute_shards(plan, ranks->node_count, w->first_block, w->wanted, &node_of, err);
    for (size_t s = 0; status == FG_OK && s < plan->shard_count; s++) {
        if (node_of[s] != (uint32_t)ranks->node_index) continue;
        if (turn++ % ranks->node_size == ranks->node_rank) status = fg_stage_sync_shard(stage, plan, s, err);
    }
    fg_free(node_of);
    return fg_ranks_agree(ranks, err);
}

/* Joins the ranks' block digests, and what is kept; rank 0 makes one digest an output of them. */
static fg_status join_digests(const fg_ranks *ranks, const fg_plan *plan, const fg_kept_blocks *kept,
                              writing *w, uint64_t **digests, fg_error *err) {
    fg_status status = FG_OK;
    const uint64_t *first = w->first_block;
    for (uint64_t b = 0; kept->journal && ranks->rank == 0 && b < kept->blocks; b++)
        if (kept->entries[b].count) w->blocks[b] = kept->entries[b].digest;
    fg_ranks_sum_u64(ranks, w->blocks, first[plan->output_count]);
    if (ranks->rank == 0) {
        FG_NEW(*digests, plan->output_count + 1);
        for (size_t o = 0; o < plan->output_count; o++)
            (*digests)[o] = fg_digest_of(w->blocks, first[o], first[o + 1] - first[o]);
    }
done:
    fg_ranks_agree(ranks, err);
    return status == FG_OK ? (fg_status)err->status : status;
}

static void join_totals(const fg_ranks *ranks, fg_copy_totals mine, fg_copy_totals *all) {
    uint64_t sums[] = {mine.bytes_read, mine.bytes_written, mine.bytes_skipped, mine.values.overflows,
                       mine.values.non_finite};
    fg_ranks_sum_u64(ranks, sums, sizeof sums / sizeof *sums);
    *all = (fg_copy_totals){.bytes_read = sums[0],
                            .bytes_written = sums[1],
                            .bytes_skipped = sums[2],
                            .values = {.overflows = sums[3], .non_finite = sums[4]}};
}

static fg_status open_writing(writing *w, const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                              const fg_kept_blocks *kept, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_digest_blocks(plan, &w->first_block, err));
    FG_NEW(w->blocks, w->first_block[plan->output_count] + 1);
    if (ranks->rank != 0) FG_TRY(fg_partial_lock_join(stage->partial, &w->lock, err));
    FG_TRY(fg_copier_new(&w->copier, plan, stage->partial, err));
    if (!kept->journal) goto done;
    FG_NEW(w->wanted, kept->blocks + 1);
    for (uint64_t b = 0; b < kept->blocks; b++) w->wanted[b] = !kept->entries[b].count;
    FG_TRY(fg_journal_open(&w->journal, stage->partial, plan, ranks->rank, err));
    fg_interrupt_guard_journal(w->journal);
done:
    return status;
}

/* A journal that cannot be flushed any more after a failure is only shorter. */
static void close_writing(writing *w, bool failed) {
    fg_interrupt_guard_journal(NULL);
    if (w->journal && failed) fg_journal_flush(w->journal, NULL);
    fg_journal_close(&w->journal);
    fg_file_close(&w->lock);
    fg_copier_free(&w->copier);
    fg_free(w->first_block);
    fg_free(w->blocks);
    fg_free(w->wanted);
}

static fg_status write_all(writing *w, const fg_ranks *ranks, const fg_plan *plan, fg_progress_style style,
                           fg_error *err) {
    fg_item_task task = {.carry_out = write_item,
                         .context = w,
                         .what = "writing",
                         .style = style,
                         .first_block = w->first_block,
                         .blocks = w->wanted};
    FG_CALL(fg_distribute(ranks, plan, &task, err));
    if (w->journal) fg_journal_finish(w->journal, err);
    return fg_ranks_agree(ranks, err);
}

fg_status fg_write_shards(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                          const fg_kept_blocks *kept, const fg_write_task *task, fg_write_result *result,
                          fg_error *err) {
    writing w = {.lock = FG_FILE_NONE};
    double begun = fg_clock_seconds();
    *result = (fg_write_result){0};
    check_visible(ranks, plan, stage, err);
    if (err->status == FG_OK) open_writing(&w, ranks, plan, stage, kept, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK && task->counts_non_finite) fg_copier_count_non_finite(w.copier);
    if (status == FG_OK) status = write_all(&w, ranks, plan, task->style, err);
    if (status == FG_OK) result->own = fg_copier_totals(w.copier);
    if (status == FG_OK) join_totals(ranks, result->own, &result->totals);
    if (status == FG_OK) fg_copier_finish(w.copier, err); /* the ranks agree when their digests are joined */
    fg_kept_blocks_add_values(kept, &result->totals.values);
    double synced = fg_clock_seconds();
    if (status == FG_OK && stage->sync) status = sync_shards(&w, ranks, plan, stage, err);
    result->sync_seconds = fg_clock_seconds() - synced;
    if (status == FG_OK) status = join_digests(ranks, plan, kept, &w, &result->digests, err);
    result->seconds = fg_clock_seconds() - begun;
    close_writing(&w, status != FG_OK);
    return status;
}

/* ---- counting alone ---- */

static fg_status count_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                            void *progress_context, fg_error *err) {
    return fg_copier_run(context, item, NULL, progress, progress_context, NULL, err);
}

fg_status fg_write_count_values(const fg_ranks *ranks, const fg_plan *plan, fg_progress_style style,
                                fg_value_counts *values, fg_error *err) {
    fg_copier *copier = NULL;
    fg_copy_totals totals;
    fg_copier_new(&copier, plan, NULL, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) {
        fg_item_task task = {.carry_out = count_item, .context = copier, .what = "counting", .style = style};
        fg_copier_count_non_finite(copier);
        status = fg_distribute(ranks, plan, &task, err);
    }
    if (status == FG_OK) {
        join_totals(ranks, fg_copier_totals(copier), &totals);
        *values = totals.values;
    }
    fg_copier_free(&copier);
    return status;
}
