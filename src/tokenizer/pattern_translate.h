/* From the regular expressions of tokenizer files to PCRE2's; see pattern.h for what is known. */
#ifndef FG_TOKENIZER_PATTERN_TRANSLATE_H
#define FG_TOKENIZER_PATTERN_TRANSLATE_H

#include "base/buffer.h"

/* Appends the translation, for PCRE2_UTF, PCRE2_UCP and PCRE2_MULTILINE. FG_ERR_INPUT shows what is not
 * known and its byte offset. */
fg_status fg_pattern_translate(const char *expression, size_t length, const char *where, fg_buffer *out,
                               fg_error *err);
/* Appends the ranges of a set of fg_code_sets, for use inside a class. */
fg_status fg_pattern_code_set(const char *name, fg_buffer *out, fg_error *err);

#endif
