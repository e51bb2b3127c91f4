/* A token's object in added_tokens or added_tokens_decoder that is written the usual way. It is read without
 * a parser, as files have hundreds of thousands of them; what is not as usual is left to those who read all
 * JSON.
 */
#ifndef FG_TOKENIZER_PLAIN_TOKEN_H
#define FG_TOKENIZER_PLAIN_TOKEN_H

#include "base/json_scan.h"

typedef enum fg_token_flag {
    FG_TOKEN_SINGLE_WORD,
    FG_TOKEN_LSTRIP,
    FG_TOKEN_RSTRIP,
    FG_TOKEN_NORMALIZED,
    FG_TOKEN_SPECIAL,
    FG_TOKEN_FLAGS
} fg_token_flag;

typedef struct fg_plain_token {
    fg_json_span content; /* in the scanned text; printable ASCII without escapes */
    int64_t id;           /* of at most 18 digits */
    uint8_t given, set;   /* a bit a flag: whether the object has it, and whether it is true */
    bool has_content, has_id;
} fg_plain_token;

const char *fg_token_flag_name(size_t flag);

/* Reads the object that comes next: its keys are content, id and flags, none twice, and it has a content.
 * False if it is anything else; the scan is then somewhere in it. */
bool fg_plain_token_read(fg_json_scan *scan, fg_plain_token *token);
/* `missing` where the object does not have the flag. */
bool fg_plain_token_flag(const fg_plain_token *token, fg_token_flag flag, bool missing);

#endif
