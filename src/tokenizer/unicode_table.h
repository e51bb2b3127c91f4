/* Characters that HF tokenizers know and PCRE2 or utf8proc of Unicode 14 do not, or the other way round. The
 * sets are named: a general category ("L", "Nd"): what Oniguruma (Unicode 16) has beyond Unicode 14; "digit":
 * numbers of Unicode 17 beyond 14 (the pre-tokenizer Digits); "word": characters of words beyond 14
 * (single_word); "inert": what NFC of Unicode 9, HF's, leaves alone.
 *
 * Adding a set to a class is right with a newer PCRE2 too.
 */
#ifndef FG_TOKENIZER_UNICODE_TABLE_H
#define FG_TOKENIZER_UNICODE_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct fg_code_range {
    uint32_t first, last;
} fg_code_range;

typedef struct fg_code_set {
    const char *name;
    const fg_code_range *ranges; /* ascending */
    size_t count;
} fg_code_set;

extern const fg_code_set fg_code_sets[];
extern const size_t fg_code_set_count;

/* The set of this name; NULL: there is none. */
static inline const fg_code_set *fg_code_set_find(const char *name) {
    for (size_t i = 0; i < fg_code_set_count; i++) {
        if (strcmp(fg_code_sets[i].name, name) == 0) return &fg_code_sets[i];
    }
    return NULL;
}

#endif
