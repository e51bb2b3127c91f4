/* Reading one step of a pre-tokenizer, and the fields that the decoder Metaspace shares with it. */
#ifndef FG_TOKENIZER_PRE_TOKENIZER_READ_H
#define FG_TOKENIZER_PRE_TOKENIZER_READ_H

#include "tokenizer/pre_tokenizer.h"

/* The fields of a Metaspace: its character, when it is put in front, whether it cuts (may be NULL). */
fg_status fg_metaspace_read(const fg_tokenizer_json *component, char mark[FG_UTF8_MOST + 1],
                            fg_prepend_scheme *scheme, bool *split, fg_error *err);

#endif
