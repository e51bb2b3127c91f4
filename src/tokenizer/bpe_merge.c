#include "tokenizer/bpe_merge.h"

#include <string.h>

#include "base/alloc.h"
#include "tokenizer/vocabulary.h"

/* 16 bytes, so that a look-up touches one line of the processor's cache. */
struct fg_merge_slot {
    uint64_t pair; /* left << 32 | right */
    uint32_t rank; /* NO_RANK: free */
};

enum { SHORT_WORD = 24, HEAP_WIDTH = 4 };
#define NO_RANK UINT32_MAX
#define NO_PART UINT32_MAX

/* ---- The table ---- */

static size_t home_of(uint64_t pair, size_t slots) {
    uint64_t hash = pair * UINT64_C(0x9e3779b97f4a7c15);
    return (hash ^ hash >> 32) & (slots - 1);
}

static struct fg_merge_slot *slot_of(const fg_merges *m, uint64_t pair) {
    size_t i = home_of(pair, m->slot_count);
    while (m->slots[i].rank != NO_RANK && m->slots[i].pair != pair) i = (i + 1) & (m->slot_count - 1);
    return &m->slots[i];
}

fg_status fg_merges_reserve(fg_merges *m, size_t count, fg_error *err) {
    fg_status status = FG_OK;
    size_t slots = 16;
    while (slots < count * 2) slots *= 2;
    FG_TRY_NEW(m->slots, fg_alloc_buffer(slots * sizeof *m->slots, err));
    m->slot_count = slots;
    for (size_t i = 0; i < slots; i++) m->slots[i] = (struct fg_merge_slot){0, NO_RANK};
    FG_NEW(m->merged, count);
done:
    return status;
}

void fg_merges_add(fg_merges *m, uint32_t left, uint32_t right, uint32_t made) {
    uint64_t pair = (uint64_t)left << 32 | right;
    m->merged[m->count] = made;
    *slot_of(m, pair) = (struct fg_merge_slot){pair, (uint32_t)m->count++};
}

static uint32_t rank_of(const fg_merges *m, uint32_t left, uint32_t right) {
    return slot_of(m, (uint64_t)left << 32 | right)->rank;
}

/* ---- Short words: look at all pairs each time ---- */

static void merge_short(const fg_merges *m, uint32_t *ids, size_t *count) {
    uint32_t ranks[SHORT_WORD];
    size_t n = *count;
    for (size_t i = 0; i + 1 < n; i++) ranks[i] = rank_of(m, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (ranks[i] < ranks[best]) best = i;
        }
        if (ranks[best] == NO_RANK) break;
        ids[best] = m->merged[ranks[best]];
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        if (best + 2 < n) memmove(ranks + best, ranks + best + 1, (n - best - 2) * sizeof *ranks);
        n--;
        if (best) ranks[best - 1] = rank_of(m, ids[best - 1], ids[best]);
        if (best + 1 < n) ranks[best] = rank_of(m, ids[best], ids[best + 1]);
    }
    *count = n;
}

/* ---- Long words: a heap of pairs, linked parts ---- */

static fg_status heap_push(fg_merges *m, uint32_t rank, uint32_t position, fg_error *err) {
    if (m->heap_count == m->heap_capacity)
        FG_CALL(fg_grow(&m->heap, m->heap_count, &m->heap_capacity, sizeof *m->heap, err));
    uint64_t key = (uint64_t)rank << 32 | position;
    size_t at = m->heap_count++;
    for (; at && m->heap[(at - 1) / HEAP_WIDTH] > key; at = (at - 1) / HEAP_WIDTH)
        m->heap[at] = m->heap[(at - 1) / HEAP_WIDTH];
    m->heap[at] = key;
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

static uint64_t heap_pop(fg_merges *m) {
    uint64_t top = m->heap[0];
    m->heap[0] = m->heap[--m->heap_count];
    if (m->heap_count) sift_down(m->heap, m->heap_count, 0);
    return top;
}

static fg_status reserve_links(fg_merges *m, size_t count, fg_error *err) {
    if (count <= m->link_capacity) return FG_OK;
    fg_free(m->next);
    fg_free(m->previous);
    m->next = m->previous = NULL;
    m->link_capacity = 0;
    FG_CALL_NEW(m->next, fg_alloc_buffer(count * sizeof *m->next, err));
    FG_CALL_NEW(m->previous, fg_alloc_buffer(count * sizeof *m->previous, err));
    m->link_capacity = count;
    return FG_OK;
}

static fg_status push_pair(fg_merges *m, uint32_t position, fg_error *err) {
    const uint32_t *ids = m->symbols.ids;
    uint32_t rank = rank_of(m, ids[position], ids[m->next[position]]);
    return rank == NO_RANK ? FG_OK : heap_push(m, rank, position, err);
}

/* Fills the links and the heap with all pairs, then orders the heap at once. */
static fg_status begin_long(fg_merges *m, size_t count, fg_error *err) {
    FG_CALL(reserve_links(m, count, err));
    m->heap_count = 0;
    for (size_t i = 0; i < count; i++) {
        m->next[i] = i + 1 < count ? (uint32_t)i + 1 : NO_PART;
        m->previous[i] = i ? (uint32_t)i - 1 : NO_PART;
        if (i + 1 == count) break;
        uint32_t rank = rank_of(m, m->symbols.ids[i], m->symbols.ids[i + 1]);
        if (rank == NO_RANK) continue;
        if (m->heap_count == m->heap_capacity)
            FG_CALL(fg_grow(&m->heap, m->heap_count, &m->heap_capacity, sizeof *m->heap, err));
        m->heap[m->heap_count++] = (uint64_t)rank << 32 | i;
    }
    for (size_t i = m->heap_count / HEAP_WIDTH + 1; i-- > 0;) {
        if (i < m->heap_count) sift_down(m->heap, m->heap_count, i);
    }
    return FG_OK;
}

static fg_status merge_long(fg_merges *m, size_t *count, fg_error *err) {
    uint32_t *ids = m->symbols.ids;
    FG_CALL(begin_long(m, *count, err));
    uint32_t *next = m->next, *previous = m->previous;
    while (m->heap_count) {
        uint64_t top = heap_pop(m);
        uint32_t rank = (uint32_t)(top >> 32), at = (uint32_t)top, right = next[at];
        /* An entry is out of date when its part is gone (id absent) or it or its neighbour has changed. */
        if (ids[at] == FG_ID_ABSENT || right == NO_PART || rank_of(m, ids[at], ids[right]) != rank) continue;
        ids[at] = m->merged[rank];
        ids[right] = FG_ID_ABSENT;
        next[at] = next[right];
        if (next[at] != NO_PART) previous[next[at]] = at;
        if (previous[at] != NO_PART) FG_CALL(push_pair(m, previous[at], err));
        if (next[at] != NO_PART) FG_CALL(push_pair(m, at, err));
    }
    size_t left = 0;
    for (uint32_t at = 0; at != NO_PART; at = next[at]) ids[left++] = ids[at];
    *count = left;
    return FG_OK;
}

fg_status fg_merges_apply(fg_merges *m, fg_error *err) {
    if (m->symbols.count >= UINT32_MAX)
        return fg_fail(err, FG_ERR_INPUT, "a text of %zu characters without a break is too long to encode",
                       m->symbols.count);
    if (m->symbols.count > SHORT_WORD) return merge_long(m, &m->symbols.count, err);
    merge_short(m, m->symbols.ids, &m->symbols.count);
    return FG_OK;
}

void fg_merges_free(fg_merges *m) {
    fg_free(m->slots);
    fg_free(m->merged);
    fg_id_list_free(&m->symbols);
    fg_free(m->next);
    fg_free(m->previous);
    fg_free(m->heap);
    *m = (fg_merges){0};
}
