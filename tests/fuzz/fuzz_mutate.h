/* A mutator for targets that read JSON documents: it changes values, keys and places, so that what is tried
 * stays JSON. One try in eight is libFuzzer's own, on bytes.
 *
 * Invariant: the same document and seed give the same result.
 */
#ifndef FG_FUZZ_MUTATE_H
#define FG_FUZZ_MUTATE_H

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

enum { FUZZ_NODES = 20000, FUZZ_STEPS = 3 };

/* A value and the object or array that holds it. */
typedef struct fuzz_node {
    json_t *holder, *value;
    const char *key; /* in an object */
    size_t index;    /* in an array */
} fuzz_node;

typedef struct fuzz_nodes {
    fuzz_node items[FUZZ_NODES];
    size_t count;
    unsigned seed;
} fuzz_nodes;

static inline size_t fuzz_pick(fuzz_nodes *nodes, size_t count) {
    nodes->seed = nodes->seed * 1103515245 + 12345;
    return (nodes->seed >> 8) % count;
}

static inline void fuzz_list(fuzz_nodes *nodes, json_t *holder) {
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach(holder, key, value) {
        if (nodes->count == FUZZ_NODES) return;
        nodes->items[nodes->count++] = (fuzz_node){.holder = holder, .value = value, .key = key};
        fuzz_list(nodes, value);
    }
    json_array_foreach(holder, i, value) {
        if (nodes->count == FUZZ_NODES) return;
        nodes->items[nodes->count++] = (fuzz_node){.holder = holder, .value = value, .index = i};
        fuzz_list(nodes, value);
    }
}

/* Takes over `value`. */
static inline void fuzz_set(const fuzz_node *node, json_t *value) {
    if (node->key)
        json_object_set_new(node->holder, node->key, value);
    else
        json_array_set_new(node->holder, node->index, value);
}

/* A value of any type; now and then one of the document's own. */
static inline json_t *fuzz_value(fuzz_nodes *nodes) {
    switch (fuzz_pick(nodes, 14)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(fuzz_pick(nodes, 2));
    case 2:
        return json_integer((json_int_t)fuzz_pick(nodes, 9) - 1);
    case 3:
        return json_integer(fuzz_pick(nodes, 2) ? INT64_MAX : INT64_MIN);
    case 4:
        return json_real(0.5);
    case 5:
        return json_string("");
    case 6:
        return json_array();
    case 7:
        return json_object();
    case 8:
        return json_pack("[n]");
    case 9:
        return json_pack("{s:n}", "a");
    default:
        return json_deep_copy(nodes->items[fuzz_pick(nodes, nodes->count)].value);
    }
}

/* One change at a place that was picked. A document is small: its nodes are listed again for each. */
static inline void fuzz_change(fuzz_nodes *nodes, json_t *document) {
    nodes->count = 0;
    fuzz_list(nodes, document);
    if (!nodes->count) return;
    const fuzz_node node = nodes->items[fuzz_pick(nodes, nodes->count)],
                    other = nodes->items[fuzz_pick(nodes, nodes->count)];
    json_t *copy = fuzz_value(nodes);
    switch (fuzz_pick(nodes, 7)) {
    case 0: /* without the member */
        if (node.key)
            json_object_del(node.holder, node.key);
        else
            json_array_remove(node.holder, node.index);
        break;
    case 1: /* one more member, with a key that the document has */
        if (json_is_array(node.value)) json_array_append(node.value, copy);
        if (json_is_object(node.value)) json_object_set(node.value, other.key ? other.key : "a", copy);
        break;
    case 2: /* under another key */
        if (node.key && other.key) {
            json_incref(node.value);
            json_object_set(node.holder, other.key, node.value);
            json_object_del(node.holder, node.key);
            json_decref(node.value);
        }
        break;
    case 3: /* one deeper */
        fuzz_set(&node, json_pack("[O]", node.value));
        break;
    case 4: /* another text */
        if (json_is_string(node.value) && json_is_string(other.value))
            fuzz_set(&node, json_string(json_string_value(other.value)));
        break;
    default:
        fuzz_set(&node, json_incref(copy));
    }
    json_decref(copy);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    static fuzz_nodes nodes;
    nodes.seed = seed;
    json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (!document || fuzz_pick(&nodes, 8) == 0) {
        json_decref(document);
        return LLVMFuzzerMutate(data, size, max_size);
    }
    for (size_t i = 1 + fuzz_pick(&nodes, FUZZ_STEPS); i; i--) fuzz_change(&nodes, document);
    char *text = json_dumps(document, JSON_COMPACT | JSON_ENCODE_ANY);
    size_t length = text ? strlen(text) : 0;
    if (length && length <= max_size) memcpy(data, text, length);
    free(text);
    json_decref(document);
    return length && length <= max_size ? length : LLVMFuzzerMutate(data, size, max_size);
}

#endif
