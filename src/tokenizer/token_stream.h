/* Text of ids that come one after the other: what has become certain is handed out at once.
 *
 * A token's text depends on the tokens before it (a word's space, the rest of a character). So each new one
 * is decoded together with the few before it, and the text that they gave already is taken off.
 *
 * Invariant: the pieces put together are the text of all ids behind the first ones, without special tokens; a
 * piece never ends inside a character: bytes that are none yet (U+FFFD at the end) are held back until more
 * ids complete them, or the end has come.
 */
#ifndef FG_TOKENIZER_TOKEN_STREAM_H
#define FG_TOKENIZER_TOKEN_STREAM_H

#include "tokenizer/tokenizer.h"

typedef struct fg_token_stream {
    const fg_tokenizer *tokenizer; /* borrowed */
    fg_id_list ids;                /* owned */
    size_t from, read;       /* ids before `from` need not be looked at; those before `read` are written */
    fg_buffer before, after; /* owned; scratch */
} fg_token_stream;

/* Starts behind `count` ids that are not written (a prompt). To be freed whatever comes back. */
fg_status fg_token_stream_begin(fg_token_stream *stream, const fg_tokenizer *tokenizer, const uint32_t *ids,
                                size_t count, fg_error *err);
/* Appends what the id makes certain to `text`. */
fg_status fg_token_stream_add(fg_token_stream *stream, uint32_t id, fg_buffer *text, fg_error *err);
/* Appends what was held back. */
fg_status fg_token_stream_end(fg_token_stream *stream, fg_buffer *text, fg_error *err);
void fg_token_stream_free(fg_token_stream *stream);

#endif
