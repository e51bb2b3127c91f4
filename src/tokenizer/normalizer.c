#include "tokenizer/normalizer.h"

#include <string.h>

#include "base/alloc.h"
#include "tokenizer/nfc.h"

/* ---- Reading ---- */

static fg_status content(fg_normalizer_step *step, const fg_tokenizer_json *c, const char *key,
                         fg_error *err) {
    const char *text = NULL;
    fg_status status = fg_tokenizer_json_string(c, key, &text, &step->length, err);
    if (status != FG_OK) return status;
    step->content = fg_strndup(text, step->length, err);
    return step->content ? FG_OK : FG_ERR_MEMORY;
}

static fg_status read_step(fg_normalizer *n, const fg_tokenizer_json *c, const char *type, fg_error *err) {
    fg_status status = FG_OK;
    if (n->count == FG_COMPONENT_STEPS)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: more than %d steps", c->file, c->name, FG_COMPONENT_STEPS);
    fg_normalizer_step *step = &n->steps[n->count++];
    if (strcmp(type, "NFC") == 0) {
        step->kind = FG_NORMALIZER_NFC;
        FG_TRY(fg_tokenizer_json_keys(c, "type", err));
    } else if (strcmp(type, "Prepend") == 0) {
        step->kind = FG_NORMALIZER_PREPEND;
        FG_TRY(fg_tokenizer_json_keys(c, "type prepend", err));
        FG_TRY(content(step, c, "prepend", err));
    } else if (strcmp(type, "Replace") == 0) {
        step->kind = FG_NORMALIZER_REPLACE;
        FG_TRY(fg_tokenizer_json_keys(c, "type pattern content", err));
        FG_TRY(content(step, c, "content", err));
        FG_TRY(fg_pattern_read(&step->pattern, c, err));
    } else {
        FG_TRY(fg_tokenizer_json_unknown(c, type, "NFC, Prepend, Replace, Sequence", err));
    }
done:
    return status;
}

static fg_status read_any(fg_normalizer *n, const fg_tokenizer_json *c, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    const char *type = NULL;
    const json_t *list = NULL;
    FG_TRY(fg_tokenizer_json_type(c, &type, err));
    if (strcmp(type, "Sequence") != 0) return read_step(n, c, type, err);
    FG_TRY(fg_tokenizer_json_keys(c, "type normalizers", err));
    FG_TRY(fg_tokenizer_json_list(c, "normalizers", &list, err));
    if (depth == FG_COMPONENT_DEPTH)
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: sequences are nested too deeply", c->file, c->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fg_tokenizer_json part = {json_array_get(list, i), c->file, c->name};
        FG_TRY(read_any(n, &part, depth + 1, err));
    }
done:
    return status;
}

fg_status fg_normalizer_read(fg_normalizer *n, const json_t *json, const char *file, fg_error *err) {
    *n = (fg_normalizer){0};
    if (!json || json_is_null(json)) return FG_OK;
    fg_tokenizer_json c = {json, file, "normalizer"};
    fg_status status = read_any(n, &c, 0, err);
    if (status != FG_OK) fg_normalizer_free(n);
    return status;
}

void fg_normalizer_free(fg_normalizer *n) {
    for (size_t i = 0; i < n->count; i++) {
        fg_pattern_free(&n->steps[i].pattern);
        fg_free(n->steps[i].content);
    }
    fg_buffer_free(&n->spare);
    *n = (fg_normalizer){0};
}

/* ---- Applying ---- */

fg_status fg_replace_all(const fg_pattern *pattern, const char *text, size_t length, const char *content,
                         size_t content_length, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_matches m = {.text = text, .length = length};
    size_t copied = 0;
    bool found = length > 0;
    while (found) {
        FG_TRY(fg_pattern_next(pattern, &m, &found, err));
        if (!found) break;
        FG_TRY(fg_buffer_add(out, text + copied, m.start - copied, err));
        FG_TRY(fg_buffer_add(out, content, content_length, err));
        copied = m.end;
    }
    if (length) FG_TRY(fg_buffer_add(out, text + copied, length - copied, err));
done:
    return status;
}

static fg_status apply_step(const fg_normalizer_step *step, const fg_buffer *text, fg_buffer *out,
                            fg_error *err) {
    fg_status status = FG_OK;
    switch (step->kind) {
    case FG_NORMALIZER_NFC:
        return fg_compose(text->data, text->length, out, err);
    case FG_NORMALIZER_PREPEND:
        FG_TRY(fg_buffer_add(out, step->content, step->length, err));
        return fg_buffer_add(out, text->data, text->length, err);
    default:
        return fg_replace_all(step->pattern, text->data, text->length, step->content, step->length, out, err);
    }
done:
    return status;
}

fg_status fg_normalizer_apply(fg_normalizer *n, fg_buffer *text, fg_error *err) {
    for (size_t i = 0; i < n->count && text->length; i++) {
        fg_buffer_clear(&n->spare);
        fg_status status = apply_step(&n->steps[i], text, &n->spare, err);
        if (status != FG_OK) return status;
        fg_buffer keep = *text;
        *text = n->spare;
        n->spare = keep;
    }
    return FG_OK;
}
