/* Name rules: recursive regular-expression lists `[pattern, replacement, [children]]` that rename tensors.
 *
 * A pattern (PCRE2, UTF-8, JIT where there is one) is anchored at the start of what is left of the name; its
 * replacement may refer to groups (\1 .. \9). The children get the rest. Siblings are tried in order; the
 * first that matches, and whose children take the rest, wins. A rule without children copies the rest
 * unchanged. In a list, a string "@NAME" means the rules of the list NAME, so that converter files share and
 * extend parts.
 *
 * Invariant: a compiled set is immutable but for the counters of uses; matching is linear-bounded (PCRE2
 * match limit).
 */
#ifndef FG_LANGUAGE_NAME_RULES_H
#define FG_LANGUAGE_NAME_RULES_H

#include "base/buffer.h"
#include "base/json.h"

typedef struct fg_name_rules fg_name_rules;

/* Compiles `names` (an array). `lists` maps list names to arrays and may be NULL. `file` and `place`
 * ("to_hf/names") are for messages; `text` is the file's text for line numbers and may be NULL. Broken
 * patterns, replacements that name a missing group, unknown lists, lists that contain themselves, other
 * shapes and nesting beyond 32 are FG_ERR_INPUT with file, line, rule. */
fg_status fg_name_rules_compile(fg_name_rules **rules, const json_t *names, const json_t *lists,
                                const char *file, const char *place, const fg_buffer *text, fg_error *err);

/* The new name in `out` (cleared first); `matched` false, and FG_OK, if no rule takes the whole name. */
fg_status fg_name_rules_apply(fg_name_rules *rules, const char *name, fg_buffer *out, bool *matched,
                              fg_error *err);

/* Rules that no call of fg_name_rules_apply has used in a successful match since they were compiled: one line
 * each with line and pattern. */
fg_status fg_name_rules_unused(const fg_name_rules *rules, fg_buffer *out, size_t *count, fg_error *err);

void fg_name_rules_free(fg_name_rules **rules);

#endif
