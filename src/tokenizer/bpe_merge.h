/* The merging of neighbours, for bpe.c, and the table of merges.
 *
 * Invariant: ranks and positions fit in 32 bits.
 */
#ifndef FG_TOKENIZER_BPE_MERGE_H
#define FG_TOKENIZER_BPE_MERGE_H

#include "tokenizer/bpe.h"

enum { FG_MERGE_LIMIT = 1 << 26 }; /* merges in one file */

/* Room for `count` merges. */
fg_status fg_merges_reserve(fg_bpe *bpe, size_t count, fg_error *err);
/* The next merge (its rank is the number of those before): `left` and `right` become `made`. Of two merges of
 * one pair the later counts. There must be room. */
void fg_merges_add(fg_bpe *bpe, uint32_t left, uint32_t right, uint32_t made);

/* Where a word is taken apart and put together; memory is kept between words. */
typedef struct fg_bpe_scratch {
    fg_id_list symbols;        /* ids of the word's parts so far */
    uint32_t *next, *previous; /* of long words: links between the parts that are left */
    size_t link_capacity;
    uint64_t *heap; /* rank << 32 | position */
    size_t heap_count, heap_capacity;
} fg_bpe_scratch;

/* Merges scratch->symbols in place, until no pair of neighbours has a merge. */
fg_status fg_bpe_merge(fg_bpe *bpe, fg_error *err);
void fg_bpe_scratch_free(fg_bpe_scratch *scratch);

#endif
