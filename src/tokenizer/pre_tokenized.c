#include "tokenizer/pre_tokenized.h"

#include <string.h>

#include "base/alloc.h"

struct fg_split_part {
    size_t start, end; /* in the text */
    bool match;
};

static fg_status add_part(fg_pre_tokenized *t, size_t *count, size_t start, size_t end, bool match,
                          fg_error *err) {
    if (*count == t->part_capacity)
        FG_CALL(fg_grow(&t->parts, *count, &t->part_capacity, sizeof *t->parts, err));
    t->parts[(*count)++] = (struct fg_split_part){start, end, match};
    return FG_OK;
}

/* The matches and what lies between them, covering the piece. */
static fg_status find_parts(fg_pre_tokenized *t, const fg_pattern *pattern, bool invert, fg_span piece,
                            size_t *count, fg_error *err) {
    fg_matches m = {.text = t->pieces.text.data + piece.start, .length = piece.length};
    size_t covered = 0;
    bool found = piece.length > 0;
    *count = 0;
    while (found) {
        FG_CALL(fg_pattern_next(pattern, &m, &found, err));
        size_t start = found ? m.start : piece.length, end = found ? m.end : piece.length;
        if (start > covered)
            FG_CALL(add_part(t, count, piece.start + covered, piece.start + start, invert, err));
        if (found) FG_CALL(add_part(t, count, piece.start + start, piece.start + end, !invert, err));
        covered = end;
    }
    return FG_OK;
}

/* Joins parts in place as the behavior says. Parts that join the one behind are looked at from the end. */
static size_t join_parts(struct fg_split_part *parts, size_t count, fg_split_behavior behavior) {
    size_t kept = 0;
    bool before = false;
    if (behavior == FG_SPLIT_NEXT) {
        kept = count;
        for (size_t i = count; i-- > 0;) {
            bool match = parts[i].match;
            if (match && !before && kept < count)
                parts[kept].start = parts[i].start;
            else
                parts[--kept] = parts[i];
            before = match;
        }
        memmove(parts, parts + kept, (count - kept) * sizeof *parts);
        return count - kept;
    }
    for (size_t i = 0; i < count; i++) {
        bool match = parts[i].match;
        bool joins = behavior == FG_SPLIT_CONTIGUOUS ? match == before
                     : behavior == FG_SPLIT_PREVIOUS ? match && !before
                                                     : false;
        if (joins && kept)
            parts[kept - 1].end = parts[i].end;
        else
            parts[kept++] = parts[i];
        before = match;
    }
    return kept;
}

fg_status fg_pre_tokenized_begin(fg_pre_tokenized *t, const char *bytes, size_t length, size_t limit,
                                 bool beginning, fg_error *err) {
    t->pieces.text.limit = t->spare.text.limit = limit;
    t->beginning = beginning;
    fg_spans_clear(&t->pieces);
    return fg_spans_add(&t->pieces, bytes, length, err);
}

fg_status fg_pre_tokenized_cut(fg_pre_tokenized *t, const fg_pattern *pattern, fg_split_behavior behavior,
                               bool invert, fg_error *err) {
    fg_spans *out = &t->spare;
    out->count = 0;
    for (size_t i = 0; i < t->pieces.count; i++) {
        size_t count;
        FG_CALL(find_parts(t, pattern, invert, t->pieces.pieces[i], &count, err));
        count = join_parts(t->parts, count, behavior);
        for (size_t k = 0; k < count; k++) {
            const struct fg_split_part *part = &t->parts[k];
            bool removed = behavior == FG_SPLIT_REMOVED && part->match;
            if (!removed && part->end > part->start)
                FG_CALL(fg_spans_cut(out, part->start, part->end - part->start, err));
        }
    }
    /* The text stays: only the lists of pieces are swapped. */
    fg_buffer text = t->pieces.text;
    t->pieces.text = out->text;
    out->text = text;
    fg_spans_swap(&t->pieces, out);
    return FG_OK;
}

fg_status fg_pre_tokenized_rewrite(fg_pre_tokenized *t,
                                   fg_status (*rewrite)(const void *settings, const char *piece,
                                                        size_t length, bool first, fg_buffer *out,
                                                        fg_error *err),
                                   const void *settings, fg_error *err) {
    fg_spans *out = &t->spare;
    fg_spans_clear(out);
    for (size_t i = 0; i < t->pieces.count; i++) {
        size_t start = out->text.length;
        FG_CALL(rewrite(settings, fg_spans_text(&t->pieces, i), t->pieces.pieces[i].length,
                        t->beginning && i == 0, &out->text, err));
        FG_CALL(fg_spans_cut(out, start, out->text.length - start, err));
    }
    fg_spans_swap(&t->pieces, out);
    return FG_OK;
}

void fg_pre_tokenized_free(fg_pre_tokenized *t) {
    fg_free(t->parts);
    fg_spans_free(&t->pieces);
    fg_spans_free(&t->spare);
    *t = (fg_pre_tokenized){0};
}
