#include "tokenizer/vocabulary.h"

#include <string.h>
#include <xxhash.h>

#include "base/alloc.h"

struct fg_vocabulary_entry {
    size_t start, length; /* in texts */
    uint32_t id, hash;
};

enum { FIRST_SLOTS = 1024 };

static uint32_t hash_of(const char *text, size_t length) {
    return (uint32_t)XXH3_64bits(text, length);
}

/* The slot that has the text, or the free one where it belongs. */
static uint32_t *find(const fg_vocabulary *v, const char *text, size_t length, uint32_t hash) {
    size_t mask = v->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &v->slots[i];
        if (!*slot) return slot;
        const struct fg_vocabulary_entry *entry = &v->entries[*slot - 1];
        if (entry->hash == hash && entry->length == length &&
            memcmp(v->texts.data + entry->start, text, length) == 0)
            return slot;
    }
}

static fg_status enlarge(fg_vocabulary *v, fg_error *err) {
    fg_status status = FG_OK;
    size_t wanted = v->slot_count ? v->slot_count * 2 : FIRST_SLOTS;
    uint32_t *slots = NULL;
    FG_NEW(slots, wanted);
    for (size_t i = 0; i < v->count; i++) {
        size_t at = v->entries[i].hash & (wanted - 1);
        while (slots[at]) at = (at + 1) & (wanted - 1);
        slots[at] = (uint32_t)i + 1;
    }
    fg_free(v->slots);
    v->slots = slots;
    v->slot_count = wanted;
done:
    return status;
}

fg_status fg_vocabulary_add(fg_vocabulary *v, const char *text, size_t length, uint64_t id, fg_error *err) {
    if (id >= FG_ID_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "token \"%.*s\": found the id %llu, expected less than %d",
                       (int)(length < 60 ? length : 60), text, (unsigned long long)id, FG_ID_LIMIT);
    if (v->count * 2 >= v->slot_count) FG_CALL(enlarge(v, err));
    while (id >= v->id_capacity)
        FG_CALL(fg_grow(&v->by_id, v->id_capacity, &v->id_capacity, sizeof *v->by_id, err));
    FG_CALL(fg_grow(&v->entries, v->count, &v->capacity, sizeof *v->entries, err));
    uint32_t hash = hash_of(text, length);
    size_t start = v->texts.length;
    FG_CALL(fg_buffer_add(&v->texts, text, length, err));
    v->entries[v->count] = (struct fg_vocabulary_entry){start, length, (uint32_t)id, hash};
    uint32_t *slot = find(v, text, length, hash);
    *slot = v->by_id[id] = (uint32_t)++v->count;
    return FG_OK;
}

uint32_t fg_vocabulary_find(const fg_vocabulary *v, const char *text, size_t length) {
    if (!v->count) return FG_ID_ABSENT;
    uint32_t slot = *find(v, text, length, hash_of(text, length));
    return slot ? v->entries[slot - 1].id : FG_ID_ABSENT;
}

const char *fg_vocabulary_text(const fg_vocabulary *v, uint32_t id, size_t *length) {
    if (id >= v->id_capacity || !v->by_id[id]) return NULL;
    const struct fg_vocabulary_entry *entry = &v->entries[v->by_id[id] - 1];
    *length = entry->length;
    return v->texts.data + entry->start;
}

void fg_vocabulary_free(fg_vocabulary *v) {
    fg_buffer_free(&v->texts);
    fg_free(v->entries);
    fg_free(v->slots);
    fg_free(v->by_id);
    *v = (fg_vocabulary){0};
}
