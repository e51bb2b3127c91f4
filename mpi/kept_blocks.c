#include "kept_blocks.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "copy/recheck.h"
#include "distribute.h"

fg_status fg_kept_blocks_begin(fg_kept_blocks *kept, const fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_digest_blocks(plan, &kept->first_block, err));
    kept->blocks = kept->first_block[plan->output_count];
    FG_NEW(kept->entries, kept->blocks + 1);
    kept->journal = true;
done:
    return status;
}

void fg_kept_blocks_free(fg_kept_blocks *kept) {
    fg_free(kept->first_block);
    fg_free(kept->entries);
    *kept = (fg_kept_blocks){0};
}

void fg_kept_blocks_count(fg_kept_blocks *kept, const fg_plan *plan) {
    kept->bytes = 0;
    for (size_t o = 0; o < plan->output_count; o++) {
        uint64_t bytes = fg_output_bytes(&plan->outputs[o]), at = 0;
        for (uint64_t b = kept->first_block[o]; b < kept->first_block[o + 1]; b++, at += FG_WORK_ITEM_BYTES)
            if (kept->entries[b].count) kept->bytes += fg_min(FG_WORK_ITEM_BYTES, bytes - at);
    }
}

/* Blocks that were written together have the same values: those of all of them. */
void fg_kept_blocks_add_values(const fg_kept_blocks *kept, fg_value_counts *values) {
    for (uint64_t b = 0; kept->journal && b < kept->blocks; b++) {
        const fg_journal_entry *entry = &kept->entries[b];
        if (!entry->count || entry->first != b) continue;
        values->overflows += entry->values.overflows;
        values->non_finite += entry->values.non_finite;
    }
}

fg_status fg_kept_blocks_share(const fg_ranks *ranks, const fg_plan *plan, fg_kept_blocks *kept,
                               fg_error *err) {
    uint64_t facts[] = {kept->journal, kept->trusted, kept->bytes};
    fg_ranks_share(ranks, facts, sizeof facts);
    if (!facts[0]) return FG_OK;
    if (ranks->rank != 0) fg_kept_blocks_begin(kept, plan, err);
    FG_CALL(fg_ranks_agree(ranks, err));
    kept->trusted = facts[1];
    kept->bytes = facts[2];
    if (kept->bytes) fg_ranks_share(ranks, kept->entries, kept->blocks * sizeof *kept->entries);
    return FG_OK;
}

/* ---- comparing ---- */

typedef struct recheck_run {
    fg_recheck *recheck;
    bool *kept; /* owned; by block */
    uint64_t *digests, *differ;
    const fg_kept_blocks *what;
    const fg_plan *plan;
} recheck_run;

static fg_status compare_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                              void *progress_context, fg_error *err) {
    recheck_run *c = context;
    uint64_t first, end;
    fg_work_blocks(c->plan, c->what->first_block, item, &first, &end);
    FG_CALL(fg_recheck_run(c->recheck, item, c->digests, progress, progress_context, err));
    for (uint64_t b = first; b < end; b++) c->differ[b] = c->digests[b] != c->what->entries[b].digest;
    return FG_OK;
}

static fg_status open_comparison(recheck_run *c, const char *partial, fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(c->kept, c->what->blocks + 1);
    FG_NEW(c->digests, c->what->blocks + 1);
    FG_NEW(c->differ, c->what->blocks + 1);
    for (uint64_t b = 0; b < c->what->blocks; b++) c->kept[b] = c->what->entries[b].count > 0;
    FG_TRY(fg_recheck_new(&c->recheck, c->plan, partial, err));
done:
    return status;
}

static const fg_output *output_of(const fg_plan *plan, const uint64_t *first_block, uint64_t block) {
    size_t o = 0;
    while (block >= first_block[o + 1]) o++;
    return &plan->outputs[o];
}

static void forget_refused(const recheck_run *c, fg_kept_blocks *kept, bool warns) {
    uint64_t first = kept->blocks;
    for (uint64_t b = kept->blocks; b-- > 0;) {
        if (!c->differ[b]) continue;
        first = b;
        kept->refused++;
    }
    if (first < kept->blocks && warns) {
        const fg_output *o = output_of(c->plan, kept->first_block, first);
        fg_warn("%llu parts of what an earlier run wrote do not have the checksums of its journal and are "
                "written again; the first is in tensor \"%s\" in %s",
                (unsigned long long)kept->refused, o->name, c->plan->shard_files[o->shard]);
    }
    for (uint64_t b = 0; b < kept->blocks; b++)
        if (c->differ[b]) fg_journal_forget(kept->entries, b);
    fg_kept_blocks_count(kept, c->plan);
}

fg_status fg_kept_blocks_check(const fg_ranks *ranks, const fg_plan *plan, const char *partial,
                               fg_progress_style style, fg_kept_blocks *kept, fg_error *err) {
    recheck_run c = {.what = kept, .plan = plan};
    if (!kept->journal || kept->trusted || !kept->bytes) return FG_OK;
    open_comparison(&c, partial, err);
    fg_item_task task = {.carry_out = compare_item,
                         .context = &c,
                         .what = "checking",
                         .style = style,
                         .first_block = kept->first_block,
                         .blocks = c.kept};
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) status = fg_distribute(ranks, plan, &task, err);
    if (status == FG_OK) {
        fg_ranks_sum_u64(ranks, c.differ, kept->blocks);
        forget_refused(&c, kept, ranks->rank == 0);
    }
    fg_recheck_free(&c.recheck);
    fg_free(c.kept);
    fg_free(c.digests);
    fg_free(c.differ);
    return status;
}
