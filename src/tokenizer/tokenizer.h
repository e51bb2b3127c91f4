/* A tokenizer as the families here ship it: tokenizer.json and tokenizer_config.json of one directory. Text
 * becomes ids and ids become text as in HF `tokenizers`: added tokens, normalizer, pre-tokenizer, BPE,
 * post-processor; decoder.
 *
 * Input that is not valid UTF-8 is taken as Python's bytes.decode("utf-8", errors="replace") would hand it to
 * HF: each run of bytes that begins a character and does not end it, and each other bad byte, is U+FFFD.
 *
 * Invariant: files are hostile until checked; a type or field that is not known is an error that names it.
 * "truncation" and "padding" are not applied (transformers overrides them with each call). One tokenizer
 * serves one thread: encoding uses memory inside it.
 */
#ifndef FG_TOKENIZER_TOKENIZER_H
#define FG_TOKENIZER_TOKENIZER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "tokenizer/id_list.h"
#include "tokenizer/tokenizer_files.h"

typedef struct fg_tokenizer fg_tokenizer;

/* From files that were read (tokenizer_config.json may be missing). No tokenizer.json is FG_ERR_INPUT with a
 * hint. fg_tokenizer_free gives the result back. */
fg_status fg_tokenizer_new(fg_tokenizer **tokenizer, const fg_tokenizer_files *files, fg_error *err);
/* The same for a directory. */
fg_status fg_tokenizer_open(fg_tokenizer **tokenizer, const char *directory, fg_error *err);
/* Appends the ids of a text. `special`: with what the post-processor puts around it (bos, eos). Special
 * tokens that are in the text are found either way. */
fg_status fg_tokenizer_encode(fg_tokenizer *tokenizer, const char *text, size_t length, bool special,
                              fg_id_list *ids, fg_error *err);
/* Appends the text of ids, with the special tokens if `special`. Spaces are not cleaned up; ids that no
 * token has are left out, as HF does. */
fg_status fg_tokenizer_decode(const fg_tokenizer *tokenizer, const uint32_t *ids, size_t count, bool special,
                              fg_buffer *text, fg_error *err);
/* Whether a token has the id. */
bool fg_tokenizer_knows(const fg_tokenizer *tokenizer, uint32_t id);
void fg_tokenizer_free(fg_tokenizer **tokenizer);

#endif
