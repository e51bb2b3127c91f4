/* Cutting a plan into work items, and where the checksums of its outputs stand (parts of copier.h). */
#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/copier.h"
#include "copy/fill.h"

static fg_status push(fg_work *work, const fg_work_item *item, fg_error *err) {
    fg_status status = fg_grow(&work->items, work->count, &work->capacity, sizeof *work->items, err);
    if (status == FG_OK) work->items[work->count++] = *item;
    return status;
}

/* Ends the row of small outputs that is being collected. */
static fg_status flush(fg_work *work, fg_work_item *row, fg_error *err) {
    fg_status status = row->outputs ? push(work, row, err) : FG_OK;
    *row = (fg_work_item){0};
    return status;
}

/* Whether the block is chosen that holds byte `at` of an output. */
static bool is_chosen(const fg_work_choice *choice, size_t output, uint64_t at) {
    return !choice->blocks || choice->blocks[choice->first_block[output] + at / FG_WORK_ITEM_BYTES];
}

static fg_status cut(fg_work *work, const fg_output *output, uint32_t index, uint64_t item_elements,
                     const fg_work_choice *choice, fg_error *err) {
    for (uint64_t first = 0; first < output->elements; first += item_elements) {
        uint64_t count = fg_min(item_elements, output->elements - first);
        if (!is_chosen(choice, index, first * fg_dtype_size(output->dtype))) continue;
        fg_work_item item = {.output = index,
                             .outputs = 1,
                             .first = first,
                             .count = count,
                             .bytes = count * fg_dtype_size(output->dtype)};
        FG_CALL(push(work, &item, err));
    }
    return FG_OK;
}

/* ---- the order ---- */

/* The items of one shard, a range of all items by place. */
typedef struct lane {
    size_t next, end;
    uint64_t left; /* bytes of items [next, end) */
} lane;

typedef struct placed {
    uint32_t shard;
    uint64_t offset; /* in the shard */
    fg_work_item item;
} placed;

static int by_place(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->item.output < y->item.output ? -1 : x->item.output > y->item.output;
}

static placed place_item(const fg_plan *plan, const fg_work_item *item) {
    const fg_output *output = &plan->outputs[item->output];
    return (placed){.shard = output->shard,
                    .offset = output->offset + item->first * fg_dtype_size(output->dtype),
                    .item = *item};
}

/* Of `all`, sorted by place: one lane a shard; returns how many. */
static size_t make_lanes(const placed *all, size_t count, lane *lanes) {
    size_t lane_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!i || all[i].shard != all[i - 1].shard) lanes[lane_count++] = (lane){.next = i};
        lanes[lane_count - 1].end = i + 1;
        lanes[lane_count - 1].left += all[i].item.bytes;
    }
    return lane_count;
}

/* The lane with most left to do, but not `last` while others have items. */
static size_t choose_lane(const lane *lanes, size_t count, size_t last) {
    size_t best = last;
    for (size_t i = 0; i < count; i++) {
        bool eligible = i != last && lanes[i].next < lanes[i].end;
        if (eligible && (best == last || lanes[i].left > lanes[best].left)) best = i;
    }
    return best;
}

/* File systems let one writer at a time into a file, and ranks take neighbouring items at the same time: so
 * neighbours belong to different shards as long as possible. Each shard is written from its beginning to its
 * end. */
static fg_status arrange(const fg_plan *plan, fg_work *work, fg_error *err) {
    fg_status status = FG_OK;
    placed *all = NULL;
    lane *lanes = NULL;
    FG_NEW(all, work->count);
    FG_NEW(lanes, work->count);
    for (size_t i = 0; i < work->count; i++) all[i] = place_item(plan, &work->items[i]);
    if (work->count) qsort(all, work->count, sizeof *all, by_place);
    size_t lane_count = make_lanes(all, work->count, lanes), last = SIZE_MAX;
    for (size_t i = 0; i < work->count; i++) {
        last = choose_lane(lanes, lane_count, last);
        work->items[i] = all[lanes[last].next++].item;
        lanes[last].left -= work->items[i].bytes;
    }
done:
    fg_free(all);
    fg_free(lanes);
    return status;
}

fg_status fg_work_split(const fg_plan *plan, const fg_work_choice *choice, uint64_t item_bytes, fg_work *work,
                        fg_error *err) {
    fg_status status = FG_OK;
    fg_work_item row = {0};
    *work = (fg_work){0};
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *output = &plan->outputs[i];
        uint64_t bytes = fg_output_bytes(output), size = fg_dtype_size(output->dtype);
        bool ours = !choice->owner_of || choice->owner_of[output->shard] == choice->owner;
        bool small = bytes <= FG_BLOCK_BYTES && bytes <= item_bytes;
        ours = ours && (!small || (bytes ? is_chosen(choice, i, 0) : !choice->blocks));
        if (!ours || !small || row.bytes + bytes > item_bytes) FG_TRY(flush(work, &row, err));
        if (!ours) continue;
        if (!small) {
            FG_TRY(cut(work, output, (uint32_t)i, fg_max(item_bytes / size, 1), choice, err));
            continue;
        }
        if (!row.outputs) row.output = (uint32_t)i;
        row.outputs++;
        row.bytes += bytes;
    }
    FG_TRY(flush(work, &row, err));
    FG_TRY(arrange(plan, work, err));
done:
    if (status != FG_OK) fg_work_free(work);
    return status;
}

void fg_work_free(fg_work *work) {
    fg_free(work->items);
    *work = (fg_work){0};
}

/* ---- shards ---- */

typedef struct by_size {
    uint64_t bytes;
    size_t shard;
} by_size;

static int largest_first(const void *a, const void *b) {
    const by_size *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->shard < y->shard ? -1 : x->shard > y->shard;
}

static uint64_t chosen_bytes(const fg_plan *plan, size_t output, const fg_work_choice *choice) {
    uint64_t bytes = fg_output_bytes(&plan->outputs[output]), chosen = 0;
    for (uint64_t at = 0; at < bytes; at += FG_WORK_ITEM_BYTES)
        if (is_chosen(choice, output, at)) chosen += fg_min(FG_WORK_ITEM_BYTES, bytes - at);
    return chosen;
}

/* Of each shard: what is chosen, with the header where all is. */
static void measure(const fg_plan *plan, const fg_work_choice *choice, by_size *shards) {
    for (size_t s = 0; s < plan->shard_count; s++)
        shards[s] = (by_size){.bytes = choice->blocks ? 0 : plan->shard_bytes[s], .shard = s};
    for (size_t o = 0; choice->blocks && o < plan->output_count; o++)
        shards[plan->outputs[o].shard].bytes += chosen_bytes(plan, o, choice);
}

fg_status fg_work_owners(const fg_plan *plan, const fg_work_choice *choice, uint32_t owners,
                         uint32_t **owner_of, fg_error *err) {
    fg_status status = FG_OK;
    by_size *order = NULL;
    uint64_t *load = NULL;
    *owner_of = NULL;
    FG_NEW(order, plan->shard_count);
    FG_NEW(load, owners);
    FG_NEW(*owner_of, plan->shard_count);
    measure(plan, choice, order);
    qsort(order, plan->shard_count, sizeof *order, largest_first);
    for (size_t i = 0; i < plan->shard_count; i++) {
        uint32_t lightest = 0;
        for (uint32_t n = 1; n < owners; n++) {
            if (load[n] < load[lightest]) lightest = n;
        }
        (*owner_of)[order[i].shard] = lightest;
        load[lightest] += order[i].bytes;
    }
done:
    fg_free(order);
    fg_free(load);
    return status;
}

/* ---- checksums ---- */

fg_status fg_digest_blocks(const fg_plan *plan, uint64_t **first_block, fg_error *err) {
    uint64_t *first, next = 0;
    FG_CALL_NEW(first, fg_alloc(plan->output_count + 1, sizeof *first, err));
    for (size_t i = 0; i < plan->output_count; i++) {
        uint64_t bytes = fg_output_bytes(&plan->outputs[i]);
        first[i] = next;
        next += bytes / FG_WORK_ITEM_BYTES + (bytes % FG_WORK_ITEM_BYTES ? 1 : 0);
    }
    first[plan->output_count] = next;
    *first_block = first;
    return FG_OK;
}

void fg_work_blocks(const fg_plan *plan, const uint64_t *first_block, const fg_work_item *item,
                    uint64_t *first, uint64_t *end) {
    const fg_output *output = &plan->outputs[item->output];
    uint64_t size = fg_dtype_size(output->dtype), begin = item->first * size;
    *first = first_block[item->output];
    *end = first_block[item->output + item->outputs];
    if (!item->count) return;
    *first += begin / FG_WORK_ITEM_BYTES;
    *end = *first + (item->count * size + FG_WORK_ITEM_BYTES - 1) / FG_WORK_ITEM_BYTES;
}

uint64_t fg_digest_of(const uint64_t *digests, uint64_t first, uint64_t count) {
    if (count == 1) return digests[first];
    return XXH3_64bits(count ? digests + first : NULL, count * sizeof *digests);
}
