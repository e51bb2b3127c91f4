#include "write.h"

#include <string.h>

#include "base/alloc.h"

static fg_status encode(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage, fg_buffer *text,
                        fg_buffer *place, fg_error *err) {
    if (ranks->rank != 0) return FG_OK;
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
    uint64_t *blocks; /* digest of every block of every output; this rank's entries, zero elsewhere */
} writing;

static fg_status write_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                            void *progress_context, fg_error *err) {
    writing *w = context;
    bool stopped = false; /* the loop ends before the next item then */
    return fg_copier_run(w->copier, item, w->blocks, progress, progress_context, &stopped, err);
}

/* Every node must see the same files as rank 0: a path on a local disk would otherwise give a checkpoint with
 * holes. */
static fg_status check_visible(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                               fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    fg_file_stamp stamp;
    if (ranks->node_rank != 0 || plan->shard_count == 0) goto done;
    FG_TRY_NEW(path, fg_path_join(stage->partial, plan->shard_files[0], err));
    if (fg_file_stamp_of(path, &stamp, NULL) != FG_OK || stamp.size != plan->shard_bytes[0]) {
        status = fg_fail(err, FG_ERR_SYSTEM, "%s, which rank 0 created, is not visible on this node", path);
        fg_hint(err, "put the destination on a file system that all nodes share");
    }
done:
    fg_free(path);
    return status;
}

static fg_status sync_shards(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                             fg_error *err) {
    uint32_t *node_of = NULL;
    int turn = 0;
    fg_status status = fg_distribute_shards(plan, ranks->node_count, &node_of, err);
    for (size_t s = 0; status == FG_OK && s < plan->shard_count; s++) {
        if (node_of[s] != (uint32_t)ranks->node_index) continue;
        if (turn++ % ranks->node_size == ranks->node_rank) status = fg_stage_sync_shard(stage, plan, s, err);
    }
    fg_free(node_of);
    return fg_ranks_agree(ranks, err);
}

/* Joins the ranks' block digests; rank 0 makes one digest an output of them. */
static fg_status join_digests(const fg_ranks *ranks, const fg_plan *plan, const uint64_t *first_block,
                              uint64_t *blocks, uint64_t **digests, fg_error *err) {
    fg_status status = FG_OK;
    fg_ranks_sum_u64(ranks, blocks, first_block[plan->output_count]);
    if (ranks->rank == 0) {
        FG_NEW(*digests, plan->output_count + 1);
        for (size_t o = 0; o < plan->output_count; o++)
            (*digests)[o] = fg_digest_of(blocks, first_block[o], first_block[o + 1] - first_block[o]);
    }
done:
    fg_ranks_agree(ranks, err);
    return status == FG_OK ? (fg_status)err->status : status;
}

static void join_totals(const fg_ranks *ranks, fg_copy_totals mine, fg_copy_totals *all) {
    uint64_t sums[] = {mine.bytes_read, mine.bytes_written, mine.bytes_skipped, mine.overflows};
    fg_ranks_sum_u64(ranks, sums, 4);
    *all = (fg_copy_totals){
        .bytes_read = sums[0], .bytes_written = sums[1], .bytes_skipped = sums[2], .overflows = sums[3]};
}

static fg_status open_writing(writing *w, const fg_plan *plan, const fg_stage *stage, uint64_t **first_block,
                              fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_digest_blocks(plan, first_block, err));
    FG_NEW(w->blocks, (*first_block)[plan->output_count] + 1);
    FG_TRY(fg_copier_new(&w->copier, plan, stage->partial, err));
done:
    return status;
}

fg_status fg_write_shards(const fg_ranks *ranks, const fg_plan *plan, const fg_stage *stage,
                          fg_progress_style style, fg_write_result *result, fg_error *err) {
    writing w = {0};
    uint64_t *first_block = NULL;
    double begun = fg_seconds();
    fg_item_task task = {.carry_out = write_item, .context = &w, .what = "writing", .style = style};
    *result = (fg_write_result){0};
    check_visible(ranks, plan, stage, err);
    if (err->status == FG_OK) open_writing(&w, plan, stage, &first_block, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) status = fg_distribute(ranks, plan, &task, err);
    if (status == FG_OK) join_totals(ranks, fg_copier_totals(w.copier), &result->totals);
    fg_copier_free(&w.copier);
    double synced = fg_seconds();
    if (status == FG_OK && stage->sync) status = sync_shards(ranks, plan, stage, err);
    result->sync_seconds = fg_seconds() - synced;
    if (status == FG_OK) status = join_digests(ranks, plan, first_block, w.blocks, &result->digests, err);
    result->seconds = fg_seconds() - begun;
    fg_free(first_block);
    fg_free(w.blocks);
    return status;
}
