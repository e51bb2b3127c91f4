/* The patterns of tokenizer files: plain strings, or regular expressions in the syntax of HF tokenizers
 * (Oniguruma's), run by PCRE2.
 *
 * The expressions are translated. Known are: characters, escapes (\r \n \t \f \v \s \S \d \D and escaped
 * punctuation), \p{X}, \P{X}, \p{^X} for the general categories of fg_code_sets, classes [...] of these,
 * groups (?:...) (...) (?i:...) (?-i:...) (?=...) (?!...) (?<=...) (?<!...) (?>...), (?i), |, the quantifiers
 * ? * + {n} {n,} {n,m} with a following ? and + (not + after braces, which Oniguruma reads otherwise than
 * PCRE2), . ^ $ (lines) \A \z. Anything else is an error that shows it. \s is White_Space, and characters
 * assigned after Unicode 14 belong to their categories whatever the version of PCRE2.
 *
 * Invariant: patterns come from hostile files: the work of all searches is bounded by the length of the texts
 * searched, and passing the bound is FG_ERR_INPUT.
 */
#ifndef FG_TOKENIZER_PATTERN_H
#define FG_TOKENIZER_PATTERN_H

#include <stdbool.h>

#include "base/buffer.h"

typedef struct fg_pattern fg_pattern;

/* `where` is for messages ("DIR/tokenizer.json: pre_tokenizer"). */
fg_status fg_pattern_compile(fg_pattern **pattern, const char *expression, size_t length, const char *where,
                             fg_error *err);
/* A plain string; an empty one matches nowhere. */
fg_status fg_pattern_literal(fg_pattern **pattern, const char *text, size_t length, fg_error *err);
/* One character: of a class in PCRE2's own syntax, or of a set of fg_code_sets. */
fg_status fg_pattern_class(fg_pattern **pattern, const char *inside, const char *set, fg_error *err);
/* Reads {"String": text} or {"Regex": expression}. */
struct fg_tokenizer_json;
fg_status fg_pattern_read(fg_pattern **pattern, const struct fg_tokenizer_json *component, fg_error *err);

/* A walk over the matches of one text. Start from {.text = ..., .length = ...}. */
typedef struct fg_matches {
    const char *text; /* valid UTF-8 */
    size_t length;
    size_t start, end; /* of the match found */
    size_t at;         /* where the search goes on */
    bool any;          /* one was found before */
} fg_matches;

/* Finds the next match: *found false at the end. Matches do not overlap; an empty match right behind another
 * match is skipped, other empty ones count. */
fg_status fg_pattern_next(const fg_pattern *pattern, fg_matches *matches, bool *found, fg_error *err);
/* Whether it matches at the very beginning of the text. */
fg_status fg_pattern_begins(const fg_pattern *pattern, const char *text, size_t length, bool *found,
                            fg_error *err);
void fg_pattern_free(fg_pattern **pattern);

enum { FG_PATTERN_LIBRARY = 64 };
/* The version of PCRE2 that is loaded; returns `text`. */
const char *fg_pattern_library(char text[FG_PATTERN_LIBRARY]);

#endif
