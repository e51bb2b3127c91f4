/* Metaspace, a pre-tokenizer and a decoder: spaces become a visible character, which may also be put before
 * the text or before each piece, and words are cut in front of it. */
#include <string.h>

#include "base/checked.h"
#include "base/utf8_text.h"
#include "tokenizer/component.h"

typedef enum prepend_scheme { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER } prepend_scheme;

typedef struct metaspace_settings {
    char mark[FG_UTF8_MOST + 1]; /* the character */
    size_t size;                 /* its bytes */
    prepend_scheme scheme;
    fg_pattern *pattern; /* owned; NULL: it does not cut */
} metaspace_settings;

/* add_prefix_space false is the older spelling of never. */
static fg_status read_scheme(metaspace_settings *s, const fg_tokenizer_json *c, fg_error *err) {
    static const char *const schemes[] = {"always", "first", "never"};
    size_t choice = PREPEND_ALWAYS;
    bool prefix, given = json_object_get(c->json, "prepend_scheme") != NULL;
    if (given)
        FG_CALL(fg_tokenizer_json_choice(c, "prepend_scheme", schemes, sizeof schemes / sizeof *schemes,
                                         &choice, err));
    FG_CALL(fg_tokenizer_json_flag(c, "add_prefix_space", true, &prefix, err));
    s->scheme = prefix ? (prepend_scheme)choice : PREPEND_NEVER;
    if (given && s->scheme != (prepend_scheme)choice)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: add_prefix_space false contradicts prepend_scheme",
                       c->file, c->name);
    return FG_OK;
}

static fg_status read_metaspace(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    metaspace_settings *s = settings;
    bool cuts;
    FG_CALL(fg_tokenizer_json_character(c, "replacement", s->mark, err));
    s->size = strlen(s->mark);
    FG_CALL(read_scheme(s, c, err));
    FG_CALL(fg_tokenizer_json_flag(c, "split", true, &cuts, err));
    if (cuts) FG_CALL(fg_pattern_literal(&s->pattern, s->mark, s->size, err));
    return FG_OK;
}

static void free_metaspace(void *settings) {
    fg_pattern_free(&((metaspace_settings *)settings)->pattern);
}

static fg_status mark_piece(const void *settings, const char *text, size_t length, bool first, fg_buffer *out,
                            fg_error *err) {
    const metaspace_settings *s = settings;
    const char *end = text + length;
    bool begins = length && (*text == ' ' || (length >= s->size && memcmp(text, s->mark, s->size) == 0));
    if (!begins && (s->scheme == PREPEND_ALWAYS || (s->scheme == PREPEND_FIRST && first)))
        FG_CALL(fg_buffer_add(out, s->mark, s->size, err));
    for (const char *at = text; at < end;) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        FG_CALL(fg_buffer_add(out, at, (size_t)((space ? space : end) - at), err));
        if (space) FG_CALL(fg_buffer_add(out, s->mark, s->size, err));
        at = space ? space + 1 : end;
    }
    return FG_OK;
}

static fg_status pre_tokenize(const void *settings, fg_pre_tokenized *text, fg_error *err) {
    const metaspace_settings *s = settings;
    fg_status status = fg_pre_tokenized_rewrite(text, mark_piece, s, err);
    if (status != FG_OK || !s->pattern) return status;
    return fg_pre_tokenized_cut(text, s->pattern, FG_SPLIT_NEXT, false, err);
}

/* Marks become spaces; those of the first token go where one was put in front of the text. */
static fg_status decode(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    const metaspace_settings *s = settings;
    for (size_t i = 0; i < tokens->count; i++) {
        const char *at = fg_spans_text(tokens, i), *end = at + tokens->pieces[i].length;
        size_t start = out->text.length;
        while (at < end) {
            size_t left = (size_t)(end - at), size = fg_min(fg_utf8_size(*at), left);
            bool mark = left >= s->size && memcmp(at, s->mark, s->size) == 0;
            if (!mark) FG_CALL(fg_buffer_add(&out->text, at, size, err));
            if (mark && (i || s->scheme == PREPEND_NEVER)) FG_CALL(fg_buffer_add(&out->text, " ", 1, err));
            at += mark ? s->size : size;
        }
        FG_CALL(fg_spans_cut(out, start, out->text.length - start, err));
    }
    return FG_OK;
}

/* str_rep is what old files call the mark in addition. */
#define KEYS "type replacement add_prefix_space prepend_scheme split str_rep"

const fg_component_kind fg_metaspace = {.family = FG_PRE_TOKENIZER,
                                        .type = "Metaspace",
                                        .keys = KEYS,
                                        .size = sizeof(metaspace_settings),
                                        .read = read_metaspace,
                                        .free = free_metaspace,
                                        .pre_tokenize = pre_tokenize};
const fg_component_kind fg_metaspace_decoder = {.family = FG_DECODER,
                                                .type = "Metaspace",
                                                .keys = KEYS,
                                                .size = sizeof(metaspace_settings),
                                                .read = read_metaspace,
                                                .free = free_metaspace,
                                                .decode = decode};
