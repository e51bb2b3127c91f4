/* Unicode's normalization form C, as HF tokenizers have it (Unicode 9): characters that Unicode 9 does not
 * know stay where they are, whatever the version of utf8proc. */
#ifndef FG_TOKENIZER_NFC_H
#define FG_TOKENIZER_NFC_H

#include "base/buffer.h"

/* Appends the composed form of valid UTF-8. */
fg_status fg_compose(const char *text, size_t length, fg_buffer *out, fg_error *err);

#endif
