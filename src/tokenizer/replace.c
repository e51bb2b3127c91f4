/* Replace, a normalizer and a decoder: another text in place of each match of a pattern. */
#include "tokenizer/component.h"

typedef struct replacement {
    fg_pattern *pattern; /* owned */
    char *content;       /* owned */
    size_t length;
} replacement;

static fg_status read_replacement(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    replacement *r = settings;
    FG_CALL(fg_tokenizer_json_copy(c, "content", &r->content, &r->length, err));
    return fg_pattern_read(&r->pattern, c, err);
}

static void free_replacement(void *settings) {
    replacement *r = settings;
    fg_pattern_free(&r->pattern);
    fg_free(r->content);
}

static fg_status replace_all(const replacement *r, const char *text, size_t length, fg_buffer *out,
                             fg_error *err) {
    fg_matches m = {.text = text, .length = length};
    size_t copied = 0;
    bool found = length > 0;
    while (found) {
        FG_CALL(fg_pattern_next(r->pattern, &m, &found, err));
        if (!found) break;
        FG_CALL(fg_buffer_add(out, text + copied, m.start - copied, err));
        FG_CALL(fg_buffer_add(out, r->content, r->length, err));
        copied = m.end;
    }
    if (length) FG_CALL(fg_buffer_add(out, text + copied, length - copied, err));
    return FG_OK;
}

static fg_status normalize(const void *settings, const fg_buffer *text, fg_buffer *out, fg_error *err) {
    return replace_all(settings, text->data, text->length, out, err);
}

static fg_status decode(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    for (size_t i = 0; i < tokens->count; i++) {
        size_t start = out->text.length;
        FG_CALL(replace_all(settings, fg_spans_text(tokens, i), tokens->pieces[i].length, &out->text, err));
        FG_CALL(fg_spans_cut(out, start, out->text.length - start, err));
    }
    return FG_OK;
}

const fg_component_kind fg_replace_normalizer = {.family = FG_NORMALIZER,
                                                 .type = "Replace",
                                                 .keys = "type pattern content",
                                                 .size = sizeof(replacement),
                                                 .read = read_replacement,
                                                 .free = free_replacement,
                                                 .normalize = normalize};
const fg_component_kind fg_replace_decoder = {.family = FG_DECODER,
                                              .type = "Replace",
                                              .keys = "type pattern content",
                                              .size = sizeof(replacement),
                                              .read = read_replacement,
                                              .free = free_replacement,
                                              .decode = decode};
