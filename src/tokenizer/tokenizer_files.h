/* The tokenizer files of a directory: tokenizer.json, tokenizer_config.json, special_tokens_map.json.
 *
 * tokenizer.json stays text, for it is large and little of it is wanted outside of tokenizing; the other two
 * are documents. Of tokenizer_config.json the object added_tokens_decoder stays text, too: it may declare
 * hundreds of thousands of tokens.
 */
#ifndef FG_TOKENIZER_TOKENIZER_FILES_H
#define FG_TOKENIZER_TOKENIZER_FILES_H

#include "base/json.h"

typedef struct fg_tokenizer_files {
    char *directory;      /* owned; for messages */
    fg_buffer tokenizer;  /* tokenizer.json; length 0: there is none */
    json_t *config, *map; /* owned objects; NULL: there is no such file */
    fg_buffer decoder;    /* the object added_tokens_decoder, {} in config; length 0: there is none */
} fg_tokenizer_files;

/* Files that are missing are no error; kinds of values other than objects are FG_ERR_INPUT. */
fg_status fg_tokenizer_files_read(fg_tokenizer_files *files, const char *directory, fg_error *err);
/* The text of tokenizer_config.json, with the newline at its end. `config` is files->config, or a copy with
 * other members. */
fg_status fg_tokenizer_files_write_config(const fg_tokenizer_files *files, const json_t *config,
                                          fg_buffer *text, fg_error *err);
void fg_tokenizer_files_free(fg_tokenizer_files *files);

#endif
