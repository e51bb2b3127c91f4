#include "tensor_stats.h"

#include <math.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "distribute.h"
#include "store/cast.h"

enum { CHUNK = 256 << 10 }; /* elements that are read at once */

typedef struct measuring {
    const fg_plan *plan;
    fg_copier *copier;
    uint64_t *first_block;   /* owned; of each output, as fg_digest_blocks gives it */
    fg_tensor_stats *blocks; /* owned; those of this rank's items, zero elsewhere */
    unsigned char *bytes;    /* owned */
    float *values;           /* owned */
} measuring;

/* ---- numbers ---- */

static void add_value(fg_tensor_stats *stats, double value) {
    if (isnan(value)) {
        stats->nan++;
        return;
    }
    if (isinf(value)) {
        stats->infinite++;
        return;
    }
    if (!stats->finite || value < stats->least) stats->least = value;
    if (!stats->finite || value > stats->most) stats->most = value;
    stats->finite++;
    stats->zeros += value == 0;
    stats->sum += value;
    stats->squares += value * value;
}

void fg_tensor_stats_join(fg_tensor_stats *into, const fg_tensor_stats *more) {
    if (more->finite && (!into->finite || more->least < into->least)) into->least = more->least;
    if (more->finite && (!into->finite || more->most > into->most)) into->most = more->most;
    into->finite += more->finite;
    into->zeros += more->zeros;
    into->nan += more->nan;
    into->infinite += more->infinite;
    into->sum += more->sum;
    into->squares += more->squares;
}

double fg_tensor_stats_mean(const fg_tensor_stats *stats) {
    return stats->finite ? stats->sum / (double)stats->finite : 0;
}

double fg_tensor_stats_deviation(const fg_tensor_stats *stats) {
    double mean = fg_tensor_stats_mean(stats);
    double variance = stats->finite ? stats->squares / (double)stats->finite - mean * mean : 0;
    return variance > 0 ? sqrt(variance) : 0; /* rounding can make it negative */
}

/* ---- blocks ---- */

static fg_status measure_range(measuring *m, size_t o, uint64_t first, uint64_t count, fg_tensor_stats *into,
                               fg_error *err) {
    for (uint64_t at = first, some; at < first + count; at += some) {
        some = fg_min(CHUNK, first + count - at);
        FG_CALL(fg_copier_read(m->copier, o, at, some, m->bytes, err));
        fg_cast_to_f32(m->plan->outputs[o].dtype, m->bytes, m->values, some);
        for (uint64_t i = 0; i < some; i++) add_value(into, (double)m->values[i]);
    }
    return FG_OK;
}

/* A block, or small tensors, each of one block. */
static fg_status measure_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                              void *progress_context, fg_error *err) {
    measuring *m = context;
    uint64_t block, end;
    if (item->count) {
        fg_work_blocks(m->plan, m->first_block, item, &block, &end);
        FG_CALL(measure_range(m, item->output, item->first, item->count, &m->blocks[block], err));
    }
    for (uint32_t i = 0; !item->count && i < item->outputs; i++) {
        size_t o = item->output + i;
        if (m->first_block[o] == m->first_block[o + 1]) continue; /* of no elements */
        FG_CALL(measure_range(m, o, 0, m->plan->outputs[o].elements, &m->blocks[m->first_block[o]], err));
    }
    progress(progress_context, item->bytes);
    return FG_OK;
}

static void join_blocks(void *into, const void *from, size_t count) {
    fg_tensor_stats *blocks = into;
    const fg_tensor_stats *more = from;
    for (size_t i = 0; i < count; i++) fg_tensor_stats_join(&blocks[i], &more[i]);
}

/* On this rank. */
static fg_status prepare(measuring *m, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_digest_blocks(m->plan, &m->first_block, err));
    FG_NEW(m->blocks, m->first_block[m->plan->output_count] + 1);
    FG_NEW(m->bytes, CHUNK * sizeof(double));
    FG_NEW(m->values, CHUNK);
    FG_TRY(fg_copier_new(&m->copier, m->plan, NULL, err));
done:
    return status;
}

fg_status fg_tensor_stats_measure(const fg_ranks *ranks, const fg_plan *plan, fg_progress_style style,
                                  fg_tensor_stats *stats, fg_error *err) {
    measuring m = {.plan = plan};
    const fg_item_task task = {.carry_out = measure_item, .context = &m, .what = "reading", .style = style};
    prepare(&m, err);
    fg_status status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) status = fg_distribute(ranks, plan, &task, err);
    if (status == FG_OK)
        status = fg_ranks_reduce(ranks, m.blocks, m.first_block[plan->output_count], sizeof *m.blocks,
                                 join_blocks, err);
    for (size_t o = 0; status == FG_OK && o < plan->output_count; o++) {
        for (uint64_t b = m.first_block[o]; b < m.first_block[o + 1]; b++)
            fg_tensor_stats_join(&stats[o], &m.blocks[b]);
    }
    fg_copier_free(&m.copier);
    fg_free(m.first_block);
    fg_free(m.blocks);
    fg_free(m.bytes);
    fg_free(m.values);
    return status;
}
