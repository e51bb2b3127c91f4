/* The normalizer of a tokenizer.json: NFC, Prepend, Replace, and Sequence of them.
 *
 * Invariant: text that comes in is valid UTF-8 and so is what comes out.
 */
#ifndef FG_TOKENIZER_NORMALIZER_H
#define FG_TOKENIZER_NORMALIZER_H

#include "tokenizer/pattern.h"
#include "tokenizer/tokenizer_json.h"

typedef enum fg_normalizer_kind {
    FG_NORMALIZER_NFC,
    FG_NORMALIZER_PREPEND,
    FG_NORMALIZER_REPLACE
} fg_normalizer_kind;

typedef struct fg_normalizer_step {
    fg_normalizer_kind kind;
    fg_pattern *pattern; /* owned; of replace */
    char *content;       /* owned; of prepend and replace */
    size_t length;
} fg_normalizer_step;

typedef struct fg_normalizer {
    fg_normalizer_step steps[FG_COMPONENT_STEPS];
    size_t count;
    fg_buffer spare; /* scratch */
} fg_normalizer;

/* `json` may be null or NULL: nothing is changed. Types and fields that are not known are FG_ERR_INPUT. */
fg_status fg_normalizer_read(fg_normalizer *normalizer, const json_t *json, const char *file, fg_error *err);
/* Changes `text` in place. */
fg_status fg_normalizer_apply(fg_normalizer *normalizer, fg_buffer *text, fg_error *err);
void fg_normalizer_free(fg_normalizer *normalizer);

/* Appends `text` with each match replaced (the decoder Replace does it too). */
fg_status fg_replace_all(const fg_pattern *pattern, const char *text, size_t length, const char *content,
                         size_t content_length, fg_buffer *out, fg_error *err);

#endif
