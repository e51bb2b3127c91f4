/* A text on its way through pre-tokenizers, which cut it into the words that the model sees (HF's
 * PreTokenizedString), and what they do to it: cut pieces at the matches of a pattern, or rewrite them.
 *
 * Invariant: empty pieces are dropped; nothing merges across a cut. Start from {0}; memory is kept between
 * texts.
 */
#ifndef FG_TOKENIZER_PRE_TOKENIZED_H
#define FG_TOKENIZER_PRE_TOKENIZED_H

#include "tokenizer/pattern.h"
#include "tokenizer/spans.h"

/* What happens to the matches of a pattern. */
typedef enum fg_split_behavior {
    FG_SPLIT_ISOLATED,   /* each is a piece */
    FG_SPLIT_REMOVED,    /* gone */
    FG_SPLIT_CONTIGUOUS, /* a run of them is a piece */
    FG_SPLIT_PREVIOUS,   /* joins the piece before */
    FG_SPLIT_NEXT,       /* joins the piece behind */
} fg_split_behavior;

typedef struct fg_pre_tokenized {
    fg_spans pieces;
    bool beginning;              /* the first piece begins the whole text */
    struct fg_split_part *parts; /* scratch of one piece's cutting */
    size_t part_capacity;
    fg_spans spare;
} fg_pre_tokenized;

/* Makes a text its only piece; all pieces together must not grow to more than `limit` bytes. */
fg_status fg_pre_tokenized_begin(fg_pre_tokenized *text, const char *bytes, size_t length, size_t limit,
                                 bool beginning, fg_error *err);
/* `invert`: what does not match counts as matching. */
fg_status fg_pre_tokenized_cut(fg_pre_tokenized *text, const fg_pattern *pattern, fg_split_behavior behavior,
                               bool invert, fg_error *err);
/* Puts what `rewrite` appends to `out` in place of each piece. `first`: it begins the whole text. */
fg_status fg_pre_tokenized_rewrite(fg_pre_tokenized *text,
                                   fg_status (*rewrite)(const void *settings, const char *piece,
                                                        size_t length, bool first, fg_buffer *out,
                                                        fg_error *err),
                                   const void *settings, fg_error *err);
void fg_pre_tokenized_free(fg_pre_tokenized *text);

#endif
