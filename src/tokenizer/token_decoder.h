/* The decoder of a tokenizer.json: from the texts of tokens to a text. ByteLevel, ByteFallback, Fuse,
 * Replace, Strip, Metaspace, and Sequence of them.
 *
 * Invariant: what comes out is valid UTF-8 when the tokens are; bytes that make no character become U+FFFD.
 */
#ifndef FG_TOKENIZER_TOKEN_DECODER_H
#define FG_TOKENIZER_TOKEN_DECODER_H

#include "base/utf8_text.h"
#include "tokenizer/pattern.h"
#include "tokenizer/spans.h"
#include "tokenizer/tokenizer_json.h"

typedef enum fg_decoder_kind {
    FG_DECODER_BYTE_LEVEL,
    FG_DECODER_BYTE_FALLBACK,
    FG_DECODER_FUSE,
    FG_DECODER_REPLACE,
    FG_DECODER_STRIP,
    FG_DECODER_METASPACE,
} fg_decoder_kind;

typedef struct fg_decoder_step {
    fg_decoder_kind kind;
    fg_pattern *pattern;           /* owned; of replace */
    char *content;                 /* owned; of replace */
    size_t length;                 /* of content */
    char mark[FG_UTF8_MOST + 1];   /* of strip and metaspace: a character */
    uint64_t from_start, from_end; /* of strip: how many of them go */
    bool drop_first;               /* of metaspace: the marks of the first token go */
} fg_decoder_step;

typedef struct fg_token_decoder {
    fg_decoder_step steps[FG_COMPONENT_STEPS];
    size_t count;
    bool present; /* without a decoder, tokens are joined with spaces */
} fg_token_decoder;

/* `json` may be null or NULL. Types and fields that are not known are FG_ERR_INPUT. */
fg_status fg_token_decoder_read(fg_token_decoder *decoder, const json_t *json, const char *file,
                                fg_error *err);
/* Appends the text of the tokens, which are overwritten. */
fg_status fg_token_decoder_apply(const fg_token_decoder *decoder, fg_spans *tokens, fg_buffer *out,
                                 fg_error *err);
void fg_token_decoder_free(fg_token_decoder *decoder);

#endif
