/* A text and the pieces it is cut into: what normalizers, pre-tokenizers and decoders work on.
 *
 * Invariant: pieces lie inside the text, in order; a step reads one fg_spans and fills another.
 */
#ifndef FG_TOKENIZER_SPANS_H
#define FG_TOKENIZER_SPANS_H

#include "base/alloc.h"
#include "base/buffer.h"

typedef struct fg_span {
    size_t start, length; /* bytes */
} fg_span;

typedef struct fg_spans {
    fg_buffer text;
    fg_span *pieces; /* owned */
    size_t count, capacity;
} fg_spans;

/* Adds a piece of the text that is there already. */
static inline fg_status fg_spans_cut(fg_spans *p, size_t start, size_t length, fg_error *err) {
    if (p->count == p->capacity) FG_CALL(fg_grow(&p->pieces, p->count, &p->capacity, sizeof *p->pieces, err));
    p->pieces[p->count++] = (fg_span){start, length};
    return FG_OK;
}

/* Adds text and a piece that is this text. */
static inline fg_status fg_spans_add(fg_spans *p, const char *text, size_t length, fg_error *err) {
    FG_CALL(fg_buffer_add(&p->text, text, length, err));
    return fg_spans_cut(p, p->text.length - length, length, err);
}

static inline const char *fg_spans_text(const fg_spans *p, size_t index) {
    return p->text.data + p->pieces[index].start;
}

static inline void fg_spans_clear(fg_spans *p) {
    fg_buffer_clear(&p->text);
    p->count = 0;
}

static inline void fg_spans_swap(fg_spans *a, fg_spans *b) {
    fg_spans keep = *a;
    *a = *b;
    *b = keep;
}

static inline void fg_spans_free(fg_spans *p) {
    fg_buffer_free(&p->text);
    fg_free(p->pieces);
    *p = (fg_spans){0};
}

#endif
