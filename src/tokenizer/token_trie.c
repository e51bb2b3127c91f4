#include "tokenizer/token_trie.h"

#include "base/alloc.h"

struct fg_trie_edge {
    uint64_t key;  /* (node << 8 | byte) + 1; 0: free */
    uint32_t node; /* where it leads */
};

enum { FIRST_EDGES = 256 };

static struct fg_trie_edge *find_edge(struct fg_trie_edge *edges, size_t capacity, uint64_t key) {
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = (hash ^ hash >> 32) & (capacity - 1);; i = (i + 1) & (capacity - 1)) {
        if (!edges[i].key || edges[i].key == key) return &edges[i];
    }
}

static fg_status enlarge(fg_token_trie *trie, fg_error *err) {
    fg_status status = FG_OK;
    struct fg_trie_edge *edges = NULL;
    size_t capacity = trie->edge_capacity ? trie->edge_capacity * 2 : FIRST_EDGES;
    FG_NEW(edges, capacity);
    for (size_t i = 0; i < trie->edge_capacity; i++) {
        if (trie->edges[i].key) *find_edge(edges, capacity, trie->edges[i].key) = trie->edges[i];
    }
    fg_free(trie->edges);
    trie->edges = edges;
    trie->edge_capacity = capacity;
done:
    return status;
}

static fg_status add_node(fg_token_trie *trie, uint32_t *node, fg_error *err) {
    if (trie->node_count >= UINT32_MAX)
        return fg_fail(err, FG_ERR_INPUT, "the added tokens have too many bytes");
    FG_CALL(fg_grow(&trie->values, trie->node_count, &trie->node_capacity, sizeof *trie->values, err));
    *node = (uint32_t)trie->node_count++;
    trie->values[*node] = FG_TRIE_NONE;
    return FG_OK;
}

fg_status fg_token_trie_add(fg_token_trie *trie, const char *text, size_t length, uint32_t value,
                            fg_error *err) {
    uint32_t node = 0;
    if (!trie->node_count) FG_CALL(add_node(trie, &node, err));
    for (size_t i = 0; i < length; i++) {
        if (trie->edge_count * 2 >= trie->edge_capacity) FG_CALL(enlarge(trie, err));
        uint64_t key = ((uint64_t)node << 8 | (unsigned char)text[i]) + 1;
        struct fg_trie_edge *edge = find_edge(trie->edges, trie->edge_capacity, key);
        if (!edge->key) {
            FG_CALL(add_node(trie, &edge->node, err));
            edge->key = key;
            trie->edge_count++;
        }
        node = edge->node;
    }
    trie->values[node] = value;
    trie->begins[(unsigned char)text[0]] = true;
    return FG_OK;
}

uint32_t fg_token_trie_longest(const fg_token_trie *trie, const char *at, const char *end, size_t *length,
                               uint64_t *work) {
    uint32_t node = 0, best = FG_TRIE_NONE;
    for (const char *here = at; here < end && trie->edge_capacity; here++, ++*work) {
        uint64_t key = ((uint64_t)node << 8 | (unsigned char)*here) + 1;
        const struct fg_trie_edge *edge = find_edge(trie->edges, trie->edge_capacity, key);
        if (!edge->key) break;
        node = edge->node;
        if (trie->values[node] == FG_TRIE_NONE) continue;
        best = trie->values[node];
        *length = (size_t)(here + 1 - at);
    }
    return best;
}

void fg_token_trie_free(fg_token_trie *trie) {
    fg_free(trie->edges);
    fg_free(trie->values);
    *trie = (fg_token_trie){0};
}
