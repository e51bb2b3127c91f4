/* A text and the pieces it is cut into: what normalizers, pre-tokenizers and decoders work on.
 *
 * Invariant: pieces lie inside the text, in order; a step reads one fg_pieces and fills another.
 */
#ifndef FG_VOCAB_PIECES_H
#define FG_VOCAB_PIECES_H

#include "base/alloc.h"
#include "base/text.h"

typedef struct fg_piece {
    size_t start, length; /* bytes */
} fg_piece;

typedef struct fg_pieces {
    fg_text text;
    fg_piece *pieces; /* owned */
    size_t count, capacity;
} fg_pieces;

/* Adds a piece of the text that is there already. */
static inline fg_status fg_pieces_cut(fg_pieces *p, size_t start, size_t length, fg_error *err) {
    if (p->count == p->capacity) {
        fg_status status = fg_grow(&p->pieces, p->count, &p->capacity, sizeof *p->pieces, err);
        if (status != FG_OK) return status;
    }
    p->pieces[p->count++] = (fg_piece){start, length};
    return FG_OK;
}

/* Adds text and a piece that is this text. */
static inline fg_status fg_pieces_add(fg_pieces *p, const char *text, size_t length, fg_error *err) {
    fg_status status = fg_text_add(&p->text, text, length, err);
    return status == FG_OK ? fg_pieces_cut(p, p->text.length - length, length, err) : status;
}

static inline const char *fg_pieces_text(const fg_pieces *p, size_t index) {
    return p->text.data + p->pieces[index].start;
}

static inline void fg_pieces_clear(fg_pieces *p) {
    fg_text_clear(&p->text);
    p->count = 0;
}

static inline void fg_pieces_swap(fg_pieces *a, fg_pieces *b) {
    fg_pieces keep = *a;
    *a = *b;
    *b = keep;
}

static inline void fg_pieces_free(fg_pieces *p) {
    fg_text_free(&p->text);
    fg_free(p->pieces);
    *p = (fg_pieces){0};
}

#endif
