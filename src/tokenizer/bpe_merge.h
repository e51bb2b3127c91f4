/* The merges of byte pair encoding: as long as there is one, the pair of neighbours whose merge is first in
 * the list (leftmost first) becomes one token. Start from {0}.
 *
 * Invariant: ranks and positions fit in 32 bits. Merging uses scratch memory in the table.
 */
#ifndef FG_TOKENIZER_BPE_MERGE_H
#define FG_TOKENIZER_BPE_MERGE_H

#include "tokenizer/id_list.h"

enum { FG_MERGE_LIMIT = 1 << 26 }; /* merges in one file */

typedef struct fg_merges {
    struct fg_merge_slot *slots; /* owned; open addressing by pair of ids */
    size_t slot_count;
    uint32_t *merged; /* owned; the id that the merge of a rank makes */
    size_t count;
    /* Where a word is taken apart and put together; memory is kept between words. */
    fg_id_list symbols;        /* ids of the word's parts so far */
    uint32_t *next, *previous; /* of long words: links between the parts that are left */
    size_t link_capacity;
    uint64_t *heap; /* rank << 32 | position */
    size_t heap_count, heap_capacity;
} fg_merges;

/* Room for `count` merges. */
fg_status fg_merges_reserve(fg_merges *merges, size_t count, fg_error *err);
/* The next merge (its rank is the number of those before): `left` and `right` become `made`. Of two merges
 * of one pair the later counts. There must be room. */
void fg_merges_add(fg_merges *merges, uint32_t left, uint32_t right, uint32_t made);
/* Merges merges->symbols in place, until no pair of neighbours has a merge. */
fg_status fg_merges_apply(fg_merges *merges, fg_error *err);
void fg_merges_free(fg_merges *merges);

#endif
