/* The texts of a model's tokens and their ids, in both directions.
 *
 * Invariant: texts are bytes with a length (a token may hold NUL); they are copied.
 */
#ifndef FG_TOKENIZER_VOCABULARY_H
#define FG_TOKENIZER_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum { FG_ID_LIMIT = 1 << 24 }; /* ids are smaller: tables are as long as the largest id */
#define FG_ID_ABSENT UINT32_MAX

typedef struct fg_vocabulary {
    fg_buffer texts;                     /* all texts, one behind the other */
    struct fg_vocabulary_entry *entries; /* owned; in the order they came */
    size_t count, capacity;
    uint32_t *slots; /* owned; open addressing: entry index + 1, 0 free */
    size_t slot_count;
    uint32_t *by_id; /* owned; entry index + 1, 0 if no token has that id */
    size_t id_capacity;
} fg_vocabulary;

/* Adds a token whose text is new. An id of FG_ID_LIMIT or more is FG_ERR_INPUT. Of two texts with one id the
 * later is the id's text. */
fg_status fg_vocabulary_add(fg_vocabulary *vocabulary, const char *text, size_t length, uint64_t id,
                            fg_error *err);
/* The id, or FG_ID_ABSENT. */
uint32_t fg_vocabulary_find(const fg_vocabulary *vocabulary, const char *text, size_t length);
/* The text of an id, borrowed until the next token is added, or NULL. */
const char *fg_vocabulary_text(const fg_vocabulary *vocabulary, uint32_t id, size_t *length);
void fg_vocabulary_free(fg_vocabulary *vocabulary);

#endif
