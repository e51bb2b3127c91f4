#include "tokenizer/pre_tokenizer.h"

#include <string.h>

#include "tokenizer/byte_level.h"
#include "tokenizer/pre_tokenizer_read.h"

struct fg_split_part {
    size_t start, end; /* in the text */
    bool match;
};

/* ---- Cutting ---- */

static fg_status add_part(fg_pre_tokenizer *pre, size_t *count, size_t start, size_t end, bool match,
                          fg_error *err) {
    if (*count == pre->part_capacity) {
        fg_status status = fg_grow(&pre->parts, *count, &pre->part_capacity, sizeof *pre->parts, err);
        if (status != FG_OK) return status;
    }
    pre->parts[(*count)++] = (struct fg_split_part){start, end, match};
    return FG_OK;
}

/* The matches and what lies between them, covering the piece. */
static fg_status find_parts(fg_pre_tokenizer *pre, const fg_pre_step *step, const char *text, fg_span piece,
                            size_t *count, fg_error *err) {
    fg_status status = FG_OK;
    fg_matches m = {.text = text + piece.start, .length = piece.length};
    size_t covered = 0;
    bool found = piece.length > 0;
    *count = 0;
    while (found) {
        FG_TRY(fg_pattern_next(step->pattern, &m, &found, err));
        size_t start = found ? m.start : piece.length, end = found ? m.end : piece.length;
        if (start > covered)
            FG_TRY(add_part(pre, count, piece.start + covered, piece.start + start, step->invert, err));
        if (found) FG_TRY(add_part(pre, count, piece.start + start, piece.start + end, !step->invert, err));
        covered = end;
    }
done:
    return status;
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

static fg_status cut(fg_pre_tokenizer *pre, const fg_pre_step *step, fg_spans *pieces, fg_error *err) {
    fg_status status = FG_OK;
    fg_spans *out = &pre->spare;
    out->count = 0;
    for (size_t i = 0; i < pieces->count; i++) {
        size_t count;
        FG_TRY(find_parts(pre, step, pieces->text.data, pieces->pieces[i], &count, err));
        count = join_parts(pre->parts, count, step->behavior);
        for (size_t k = 0; k < count; k++) {
            const struct fg_split_part *part = &pre->parts[k];
            bool removed = step->behavior == FG_SPLIT_REMOVED && part->match;
            if (!removed && part->end > part->start)
                FG_TRY(fg_spans_cut(out, part->start, part->end - part->start, err));
        }
    }
    /* The text stays: only the lists of pieces are swapped. */
    fg_buffer text = pieces->text;
    pieces->text = out->text;
    out->text = text;
    fg_spans_swap(pieces, out);
done:
    return status;
}

/* ---- Rewriting ---- */

/* Replaces spaces and puts a mark or a space in front. */
static fg_status mark_piece(const fg_pre_step *step, const char *text, size_t length, bool first,
                            fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    const char *mark = step->mark[0] ? step->mark : " ", *end = text + length;
    size_t size = strlen(mark);
    bool begins = length && ((size >= 1 && length >= size && memcmp(text, mark, size) == 0) || *text == ' ');
    if (step->prepend && (first || !step->only_first) && !begins) FG_TRY(fg_buffer_add(out, mark, size, err));
    for (const char *at = text; at < end;) {
        const char *space = step->mark[0] ? memchr(at, ' ', (size_t)(end - at)) : NULL;
        FG_TRY(fg_buffer_add(out, at, (size_t)((space ? space : end) - at), err));
        if (space) FG_TRY(fg_buffer_add(out, mark, size, err));
        at = space ? space + 1 : end;
    }
done:
    return status;
}

static fg_status rewrite(fg_pre_tokenizer *pre, const fg_pre_step *step, fg_spans *pieces, bool beginning,
                         bool byte_level, fg_error *err) {
    fg_status status = FG_OK;
    fg_spans *out = &pre->spare;
    fg_spans_clear(out);
    for (size_t i = 0; i < pieces->count; i++) {
        const char *text = fg_spans_text(pieces, i);
        size_t length = pieces->pieces[i].length, start = out->text.length;
        FG_TRY(byte_level ? fg_byte_level_write(text, length, &out->text, err)
                          : mark_piece(step, text, length, beginning && i == 0, &out->text, err));
        FG_TRY(fg_spans_cut(out, start, out->text.length - start, err));
    }
    fg_spans_swap(pieces, out);
done:
    return status;
}

fg_status fg_pre_tokenizer_apply(fg_pre_tokenizer *pre, fg_spans *pieces, bool beginning, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < pre->count; i++) {
        const fg_pre_step *step = &pre->steps[i];
        if (step->mark[0] || step->prepend) FG_TRY(rewrite(pre, step, pieces, beginning, false, err));
        if (step->pattern) FG_TRY(cut(pre, step, pieces, err));
        if (step->byte_level) FG_TRY(rewrite(pre, step, pieces, beginning, true, err));
    }
done:
    return status;
}

void fg_pre_tokenizer_free(fg_pre_tokenizer *pre) {
    for (size_t i = 0; i < pre->count; i++) fg_pattern_free(&pre->steps[i].pattern);
    fg_free(pre->parts);
    fg_spans_free(&pre->spare);
    *pre = (fg_pre_tokenizer){0};
}
