/* A tree of texts by their bytes, for finding the longest that begins at a place. Start from {0}.
 *
 * Invariant: node 0 is the root; a node that ends a text carries its value.
 */
#ifndef FG_TOKENIZER_TOKEN_TRIE_H
#define FG_TOKENIZER_TOKEN_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FG_TRIE_NONE UINT32_MAX

typedef struct fg_token_trie {
    struct fg_trie_edge *edges; /* owned; open addressing by node and byte */
    size_t edge_capacity, edge_count;
    uint32_t *values; /* owned; of each node; FG_TRIE_NONE: none */
    size_t node_count, node_capacity;
    bool begins[256]; /* bytes that some text begins with */
} fg_token_trie;

/* Adds a text that is not empty; of equal texts the last counts. */
fg_status fg_token_trie_add(fg_token_trie *trie, const char *text, size_t length, uint32_t value,
                            fg_error *err);
/* The value of the longest text that `at` begins with, and its length; FG_TRIE_NONE if there is none. `work`
 * is raised by the bytes that were looked at. */
uint32_t fg_token_trie_longest(const fg_token_trie *trie, const char *at, const char *end, size_t *length,
                               uint64_t *work);
void fg_token_trie_free(fg_token_trie *trie);

#endif
