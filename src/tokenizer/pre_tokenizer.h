/* The pre-tokenizer of a tokenizer.json: how a text is cut into the words that BPE sees. Split, ByteLevel,
 * Metaspace, Digits, and Sequence of them.
 *
 * Invariant: empty pieces are dropped; nothing merges across a cut.
 */
#ifndef FG_TOKENIZER_PRE_TOKENIZER_H
#define FG_TOKENIZER_PRE_TOKENIZER_H

#include "base/utf8_text.h"
#include "tokenizer/pattern.h"
#include "tokenizer/spans.h"
#include "tokenizer/tokenizer_json.h"

/* What happens to the matches of a pattern. */
typedef enum fg_split_behavior {
    FG_SPLIT_ISOLATED,   /* each is a piece */
    FG_SPLIT_REMOVED,    /* gone */
    FG_SPLIT_CONTIGUOUS, /* a run of them is a piece */
    FG_SPLIT_PREVIOUS,   /* joins the piece before */
    FG_SPLIT_NEXT,       /* joins the piece behind */
} fg_split_behavior;

typedef enum fg_prepend_scheme { FG_PREPEND_ALWAYS, FG_PREPEND_FIRST, FG_PREPEND_NEVER } fg_prepend_scheme;

/* What one step does, in this order; each part may be absent. */
typedef struct fg_pre_step {
    char mark[FG_UTF8_MOST + 1]; /* Metaspace: spaces become this character; "": none */
    bool prepend;                /* begin each piece with `mark`, or a space without a mark */
    bool only_first;             /* only the text's first piece */
    fg_pattern *pattern;         /* owned; cut at its matches */
    fg_split_behavior behavior;
    bool invert;     /* what does not match counts as matching */
    bool byte_level; /* write the bytes in the byte-level alphabet */
} fg_pre_step;

typedef struct fg_pre_tokenizer {
    fg_pre_step steps[FG_COMPONENT_STEPS];
    size_t count;
    struct fg_split_part *parts; /* scratch of one piece's cutting */
    size_t part_capacity;
    fg_spans spare;
} fg_pre_tokenizer;

/* `json` may be null or NULL: a text stays whole. Types and fields that are not known are FG_ERR_INPUT. */
fg_status fg_pre_tokenizer_read(fg_pre_tokenizer *pre, const json_t *json, const char *file, fg_error *err);
/* Cuts the pieces. `beginning`: the first of them begins the whole text. */
fg_status fg_pre_tokenizer_apply(fg_pre_tokenizer *pre, fg_spans *pieces, bool beginning, fg_error *err);
void fg_pre_tokenizer_free(fg_pre_tokenizer *pre);

#endif
