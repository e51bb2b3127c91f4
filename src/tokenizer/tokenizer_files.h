/* The tokenizer files of a directory: tokenizer.json, tokenizer_config.json, special_tokens_map.json.
 *
 * tokenizer.json stays text, for it is large and little of it is wanted outside of tokenizing; the other two
 * are documents.
 */
#ifndef FG_TOKENIZER_TOKENIZER_FILES_H
#define FG_TOKENIZER_TOKENIZER_FILES_H

#include "base/json.h"

typedef struct fg_tokenizer_files {
    char *directory;      /* owned; for messages */
    fg_buffer tokenizer;  /* tokenizer.json; length 0: there is none */
    json_t *config, *map; /* owned objects; NULL: there is no such file */
} fg_tokenizer_files;

/* Files that are missing are no error; kinds of values other than objects are FG_ERR_INPUT. */
fg_status fg_tokenizer_files_read(fg_tokenizer_files *files, const char *directory, fg_error *err);
void fg_tokenizer_files_free(fg_tokenizer_files *files);

#endif
