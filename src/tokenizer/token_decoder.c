#include "tokenizer/token_decoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/normalizer.h"

enum { BYTE_TOKEN = 6 }; /* "<0x0A>" */
#define REPLACEMENT "\xef\xbf\xbd"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "<0x0A>", or -1. Rust's number reader, HF's, also takes a sign. */
static int byte_of(const char *token, size_t length) {
    if (length != BYTE_TOKEN || memcmp(token, "<0x", 3) != 0 || token[5] != '>') return -1;
    int low = hex_digit(token[4]), high = token[3] == '+' ? 0 : hex_digit(token[3]);
    return low < 0 || high < 0 ? -1 : high << 4 | low;
}

/* A run of bytes: their text, or one U+FFFD for each when they make none. */
static fg_status add_bytes(const fg_buffer *bytes, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    if (!bytes->length) return FG_OK;
    if (fg_utf8_valid(bytes->data, bytes->length)) return fg_spans_add(out, bytes->data, bytes->length, err);
    for (size_t i = 0; i < bytes->length; i++) FG_TRY(fg_spans_add(out, REPLACEMENT, 3, err));
done:
    return status;
}

static fg_status byte_fallback(const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer bytes = {0};
    for (size_t i = 0; i < tokens->count; i++) {
        const char *text = fg_spans_text(tokens, i);
        size_t length = tokens->pieces[i].length;
        int byte = byte_of(text, length);
        if (byte >= 0) {
            FG_TRY(fg_buffer_add(&bytes, &(char){(char)byte}, 1, err));
            continue;
        }
        FG_TRY(add_bytes(&bytes, out, err));
        fg_buffer_clear(&bytes);
        FG_TRY(fg_spans_add(out, text, length, err));
    }
    FG_TRY(add_bytes(&bytes, out, err));
done:
    fg_buffer_free(&bytes);
    return status;
}

static fg_status byte_level(const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer bytes = {0};
    for (size_t i = 0; i < tokens->count; i++)
        FG_TRY(fg_byte_level_read(fg_spans_text(tokens, i), tokens->pieces[i].length, &bytes, err));
    if (bytes.length) FG_TRY(fg_utf8_replace_invalid(bytes.data, bytes.length, &out->text, err));
    FG_TRY(fg_spans_cut(out, 0, out->text.length, err));
done:
    fg_buffer_free(&bytes);
    return status;
}

static fg_status fuse(const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < tokens->count; i++)
        FG_TRY(fg_buffer_add(&out->text, fg_spans_text(tokens, i), tokens->pieces[i].length, err));
    FG_TRY(fg_spans_cut(out, 0, out->text.length, err));
done:
    return status;
}

static fg_status strip(const fg_decoder_step *step, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    size_t size = strlen(step->mark);
    for (size_t i = 0; i < tokens->count; i++) {
        const char *text = fg_spans_text(tokens, i);
        size_t start = 0, end = tokens->pieces[i].length;
        for (uint64_t n = 0; n < step->from_start && end - start >= size; n++, start += size) {
            if (memcmp(text + start, step->mark, size) != 0) break;
        }
        for (uint64_t n = 0; n < step->from_end && end - start >= size; n++, end -= size) {
            if (memcmp(text + end - size, step->mark, size) != 0) break;
        }
        FG_TRY(fg_spans_add(out, text + start, end - start, err));
    }
done:
    return status;
}

/* Marks become spaces; those of the first token go where one was put in front of the text. */
static fg_status metaspace(const fg_decoder_step *step, const fg_spans *tokens, fg_spans *out,
                           fg_error *err) {
    fg_status status = FG_OK;
    size_t size = strlen(step->mark);
    for (size_t i = 0; i < tokens->count; i++) {
        const char *at = fg_spans_text(tokens, i), *end = at + tokens->pieces[i].length;
        size_t start = out->text.length;
        while (at < end) {
            size_t step_size = fg_utf8_size(*at);
            bool mark = (size_t)(end - at) >= size && memcmp(at, step->mark, size) == 0;
            if (!mark) FG_TRY(fg_buffer_add(&out->text, at, fg_min(step_size, (size_t)(end - at)), err));
            if (mark && !(i == 0 && step->drop_first)) FG_TRY(fg_buffer_add(&out->text, " ", 1, err));
            at += mark ? size : fg_min(step_size, (size_t)(end - at));
        }
        FG_TRY(fg_spans_cut(out, start, out->text.length - start, err));
    }
done:
    return status;
}

static fg_status replace(const fg_decoder_step *step, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < tokens->count; i++) {
        size_t start = out->text.length;
        FG_TRY(fg_replace_all(step->pattern, fg_spans_text(tokens, i), tokens->pieces[i].length,
                              step->content, step->length, &out->text, err));
        FG_TRY(fg_spans_cut(out, start, out->text.length - start, err));
    }
done:
    return status;
}

static fg_status apply_step(const fg_decoder_step *step, const fg_spans *tokens, fg_spans *out,
                            fg_error *err) {
    switch (step->kind) {
    case FG_DECODER_BYTE_LEVEL:
        return byte_level(tokens, out, err);
    case FG_DECODER_BYTE_FALLBACK:
        return byte_fallback(tokens, out, err);
    case FG_DECODER_FUSE:
        return fuse(tokens, out, err);
    case FG_DECODER_REPLACE:
        return replace(step, tokens, out, err);
    case FG_DECODER_STRIP:
        return strip(step, tokens, out, err);
    default:
        return metaspace(step, tokens, out, err);
    }
}

fg_status fg_token_decoder_apply(const fg_token_decoder *decoder, fg_spans *tokens, fg_buffer *out,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_spans next = {0};
    FG_TRY(fg_buffer_add(&tokens->text, "", 0, err));
    for (size_t i = 0; i < decoder->count; i++) {
        fg_spans_clear(&next);
        FG_TRY(fg_buffer_add(&next.text, "", 0, err));
        FG_TRY(apply_step(&decoder->steps[i], tokens, &next, err));
        fg_spans_swap(tokens, &next);
    }
    for (size_t i = 0; i < tokens->count; i++) {
        if (i && !decoder->present) FG_TRY(fg_buffer_add(out, " ", 1, err));
        FG_TRY(fg_buffer_add(out, fg_spans_text(tokens, i), tokens->pieces[i].length, err));
    }
done:
    fg_spans_free(&next);
    return status;
}

void fg_token_decoder_free(fg_token_decoder *decoder) {
    for (size_t i = 0; i < decoder->count; i++) {
        fg_pattern_free(&decoder->steps[i].pattern);
        fg_free(decoder->steps[i].content);
    }
    *decoder = (fg_token_decoder){0};
}
