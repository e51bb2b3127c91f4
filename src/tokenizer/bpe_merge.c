#include "tokenizer/bpe_merge.h"

#include <string.h>

#include "base/alloc.h"

/* 16 bytes, so that a look-up touches one line of the processor's cache. */
struct fg_merge_slot {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank; /* NO_RANK: free */
    uint32_t made;
};

enum { SHORT_WORD = 24, HEAP_WIDTH = 4 };
#define NO_RANK UINT32_MAX
#define NO_PART UINT32_MAX

/* ---- The table ---- */

static size_t home_of(uint64_t pair, size_t slots) {
    uint64_t hash = pair * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 32) & (slots - 1);
}

static struct fg_merge_slot *slot_of(const fg_bpe *bpe, uint64_t pair) {
    size_t i = home_of(pair, bpe->merge_slots);
    while (bpe->merges[i].rank != NO_RANK && bpe->merges[i].pair != pair)
        i = (i + 1) & (bpe->merge_slots - 1);
    return &bpe->merges[i];
}

fg_status fg_merges_reserve(fg_bpe *bpe, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    size_t slots = 16;
    while (slots < count * 2) slots *= 2;
    FG_TRY_NEW(bpe->merges, fg_alloc_buffer(slots * sizeof *bpe->merges, err));
    bpe->merge_slots = slots;
    for (size_t i = 0; i < slots; i++) bpe->merges[i] = (struct fg_merge_slot){0, NO_RANK, 0};
    FG_NEW(bpe->merged, count);
done:
    return status;
}

void fg_merges_add(fg_bpe *bpe, uint32_t left, uint32_t right, uint32_t made) {
    uint64_t pair = (uint64_t)left << 32 | right;
    bpe->merged[bpe->merge_count] = made;
    *slot_of(bpe, pair) = (struct fg_merge_slot){pair, (uint32_t)bpe->merge_count++, made};
}

static uint32_t rank_of(const fg_bpe *bpe, uint32_t left, uint32_t right) {
    return slot_of(bpe, (uint64_t)left << 32 | right)->rank;
}

/* ---- Short words: look at all pairs each time ---- */

static void merge_short(const fg_bpe *bpe, uint32_t *ids, size_t *count) {
    uint32_t ranks[SHORT_WORD];
    size_t n = *count;
    for (size_t i = 0; i + 1 < n; i++) ranks[i] = rank_of(bpe, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (ranks[i] < ranks[best]) best = i;
        }
        if (ranks[best] == NO_RANK) break;
        ids[best] = bpe->merged[ranks[best]];
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        if (best + 2 < n) memmove(ranks + best, ranks + best + 1, (n - best - 2) * sizeof *ranks);
        n--;
        if (best) ranks[best - 1] = rank_of(bpe, ids[best - 1], ids[best]);
        if (best + 1 < n) ranks[best] = rank_of(bpe, ids[best], ids[best + 1]);
    }
    *count = n;
}

/* ---- Long words: a heap of pairs, linked parts ---- */

static fg_status heap_push(fg_bpe_scratch *s, uint32_t rank, uint32_t position, fg_error *err) {
    if (s->heap_count == s->heap_capacity) {
        fg_status status = fg_grow(&s->heap, s->heap_count, &s->heap_capacity, sizeof *s->heap, err);
        if (status != FG_OK) return status;
    }
    uint64_t key = (uint64_t)rank << 32 | position;
    size_t at = s->heap_count++;
    for (; at && s->heap[(at - 1) / HEAP_WIDTH] > key; at = (at - 1) / HEAP_WIDTH)
        s->heap[at] = s->heap[(at - 1) / HEAP_WIDTH];
    s->heap[at] = key;
    return FG_OK;
}

static void sift_down(uint64_t *heap, size_t count, size_t at) {
    uint64_t key = heap[at];
    for (;;) {
        size_t first = at * HEAP_WIDTH + 1, least = first;
        if (first >= count) break;
        size_t end = first + HEAP_WIDTH < count ? first + HEAP_WIDTH : count;
        for (size_t i = first + 1; i < end; i++) {
            if (heap[i] < heap[least]) least = i;
        }
        if (heap[least] >= key) break;
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = key;
}

static uint64_t heap_pop(fg_bpe_scratch *s) {
    uint64_t top = s->heap[0];
    s->heap[0] = s->heap[--s->heap_count];
    if (s->heap_count) sift_down(s->heap, s->heap_count, 0);
    return top;
}

static fg_status reserve_links(fg_bpe_scratch *s, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    if (count <= s->link_capacity) return FG_OK;
    fg_free(s->next);
    fg_free(s->previous);
    s->next = s->previous = NULL;
    s->link_capacity = 0;
    FG_TRY_NEW(s->next, fg_alloc_buffer(count * sizeof *s->next, err));
    FG_TRY_NEW(s->previous, fg_alloc_buffer(count * sizeof *s->previous, err));
    s->link_capacity = count;
done:
    return status;
}

static fg_status push_pair(const fg_bpe *bpe, fg_bpe_scratch *s, uint32_t position, fg_error *err) {
    const uint32_t *ids = s->symbols.ids;
    uint32_t rank = rank_of(bpe, ids[position], ids[s->next[position]]);
    return rank == NO_RANK ? FG_OK : heap_push(s, rank, position, err);
}

/* Fills the links and the heap with all pairs, then orders the heap at once. */
static fg_status begin_long(const fg_bpe *bpe, fg_bpe_scratch *s, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(reserve_links(s, count, err));
    s->heap_count = 0;
    for (size_t i = 0; i < count; i++) {
        s->next[i] = i + 1 < count ? (uint32_t)i + 1 : NO_PART;
        s->previous[i] = i ? (uint32_t)i - 1 : NO_PART;
        if (i + 1 == count) break;
        uint32_t rank = rank_of(bpe, s->symbols.ids[i], s->symbols.ids[i + 1]);
        if (rank == NO_RANK) continue;
        if (s->heap_count == s->heap_capacity)
            FG_TRY(fg_grow(&s->heap, s->heap_count, &s->heap_capacity, sizeof *s->heap, err));
        s->heap[s->heap_count++] = (uint64_t)rank << 32 | i;
    }
    for (size_t i = s->heap_count / HEAP_WIDTH + 1; i-- > 0;) {
        if (i < s->heap_count) sift_down(s->heap, s->heap_count, i);
    }
done:
    return status;
}

static fg_status merge_long(const fg_bpe *bpe, fg_bpe_scratch *s, size_t *count, fg_error *err) {
    fg_status status = FG_OK;
    uint32_t *ids = s->symbols.ids;
    FG_TRY(begin_long(bpe, s, *count, err));
    uint32_t *next = s->next, *previous = s->previous;
    while (s->heap_count) {
        uint64_t top = heap_pop(s);
        uint32_t rank = (uint32_t)(top >> 32), at = (uint32_t)top, right = next[at];
        /* An entry is out of date when its part is gone (id absent) or it or its neighbour has changed. */
        if (ids[at] == FG_ID_ABSENT || right == NO_PART || rank_of(bpe, ids[at], ids[right]) != rank)
            continue;
        ids[at] = bpe->merged[rank];
        ids[right] = FG_ID_ABSENT;
        next[at] = next[right];
        if (next[at] != NO_PART) previous[next[at]] = at;
        if (previous[at] != NO_PART) FG_TRY(push_pair(bpe, s, previous[at], err));
        if (next[at] != NO_PART) FG_TRY(push_pair(bpe, s, at, err));
    }
    size_t left = 0;
    for (uint32_t at = 0; at != NO_PART; at = next[at]) ids[left++] = ids[at];
    *count = left;
done:
    return status;
}

fg_status fg_bpe_merge(fg_bpe *bpe, fg_error *err) {
    fg_id_list *symbols = &bpe->scratch->symbols;
    if (symbols->count >= UINT32_MAX)
        return fg_fail(err, FG_ERR_INPUT, "a text of %zu characters without a break is too long to encode",
                       symbols->count);
    if (symbols->count > SHORT_WORD) return merge_long(bpe, bpe->scratch, &symbols->count, err);
    merge_short(bpe, symbols->ids, &symbols->count);
    return FG_OK;
}

void fg_bpe_scratch_free(fg_bpe_scratch *s) {
    if (!s) return;
    fg_id_list_free(&s->symbols);
    fg_free(s->next);
    fg_free(s->previous);
    fg_free(s->heap);
    fg_free(s);
}
