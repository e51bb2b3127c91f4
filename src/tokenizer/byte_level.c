/* ByteLevel: each byte is written as a visible character. A pre-tokenizer, whose pattern is GPT-2's; a
 * decoder; and a post-processor that changes offsets only. */
#include <string.h>

#include "base/utf8_text.h"
#include "tokenizer/component.h"

#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

enum { FIRST_FREE = 256, HIDDEN = 68, BUFFER = 512 };

/* ---- the alphabet ---- */

/* Bytes that are no visible Latin-1 character have the characters from U+0100 on, in order. */
static bool is_visible(unsigned byte) {
    return (byte > ' ' && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}

static uint32_t character_of(unsigned byte) {
    if (is_visible(byte)) return byte;
    if (byte <= ' ') return FIRST_FREE + byte;
    return byte == 0xad ? FIRST_FREE + HIDDEN - 1 : FIRST_FREE + ' ' + 1 + (byte - 0x7f);
}

/* FG_UTF8_INVALID for a character that encodes no byte. */
static int byte_of(int32_t code) {
    if (code < 0 || code >= FIRST_FREE + HIDDEN) return FG_UTF8_INVALID;
    if (code < FIRST_FREE) return is_visible((unsigned)code) ? code : FG_UTF8_INVALID;
    if (code <= FIRST_FREE + ' ') return code - FIRST_FREE;
    return code == FIRST_FREE + HIDDEN - 1 ? 0xad : code - FIRST_FREE - ' ' - 1 + 0x7f;
}

static fg_status write_bytes(const void *settings, const char *bytes, size_t length, bool first,
                             fg_buffer *out, fg_error *err) {
    (void)settings, (void)first;
    char buffer[BUFFER];
    size_t filled = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte > ' ' && byte < 0x7f)
            buffer[filled++] = (char)byte;
        else
            filled += fg_utf8_put(character_of(byte), buffer + filled);
        if (filled + FG_UTF8_MOST <= BUFFER && i + 1 < length) continue;
        FG_CALL(fg_buffer_add(out, buffer, filled, err));
        filled = 0;
    }
    return FG_OK;
}

/* Appends the bytes that the characters stand for; a text with another character is appended as it is. */
static fg_status read_bytes(const char *text, size_t length, fg_buffer *out, fg_error *err) {
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        if (byte_of(fg_utf8_next(&at, end)) < 0) return fg_buffer_add(out, text, length, err);
    }
    for (const char *at = text; at < end;) {
        char byte = (char)byte_of(fg_utf8_next(&at, end));
        FG_CALL(fg_buffer_add(out, &byte, 1, err));
    }
    return FG_OK;
}

/* ---- the pre-tokenizer ---- */

typedef struct byte_level_settings {
    bool prefix_space;
    fg_pattern *pattern; /* owned; NULL: it does not cut */
} byte_level_settings;

static fg_status read_byte_level(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    byte_level_settings *s = settings;
    bool use_regex, trim;
    FG_CALL(fg_tokenizer_json_flag(c, "add_prefix_space", true, &s->prefix_space, err));
    FG_CALL(fg_tokenizer_json_flag(c, "trim_offsets", true, &trim, err)); /* of offsets, which are not used */
    FG_CALL(fg_tokenizer_json_flag(c, "use_regex", true, &use_regex, err));
    if (use_regex)
        FG_CALL(
            fg_pattern_compile(&s->pattern, GPT2_PATTERN, strlen(GPT2_PATTERN), "the GPT-2 pattern", err));
    return FG_OK;
}

static void free_byte_level(void *settings) {
    fg_pattern_free(&((byte_level_settings *)settings)->pattern);
}

static fg_status prefix_space(const void *settings, const char *text, size_t length, bool first,
                              fg_buffer *out, fg_error *err) {
    (void)settings, (void)first;
    if (*text != ' ') FG_CALL(fg_buffer_add(out, " ", 1, err));
    return fg_buffer_add(out, text, length, err);
}

static fg_status pre_tokenize(const void *settings, fg_pre_tokenized *text, fg_error *err) {
    const byte_level_settings *s = settings;
    if (s->prefix_space) FG_CALL(fg_pre_tokenized_rewrite(text, prefix_space, s, err));
    if (s->pattern) FG_CALL(fg_pre_tokenized_cut(text, s->pattern, FG_SPLIT_ISOLATED, false, err));
    return fg_pre_tokenized_rewrite(text, write_bytes, s, err);
}

/* ---- the decoder ---- */

static fg_status decode(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer bytes = {0};
    (void)settings;
    for (size_t i = 0; i < tokens->count; i++)
        FG_TRY(read_bytes(fg_spans_text(tokens, i), tokens->pieces[i].length, &bytes, err));
    if (bytes.length) FG_TRY(fg_utf8_replace_invalid(bytes.data, bytes.length, &out->text, err));
    FG_TRY(fg_spans_cut(out, 0, out->text.length, err));
done:
    fg_buffer_free(&bytes);
    return status;
}

#define KEYS "type add_prefix_space trim_offsets use_regex"

const fg_component_kind fg_byte_level = {.family = FG_PRE_TOKENIZER,
                                         .type = "ByteLevel",
                                         .keys = KEYS,
                                         .size = sizeof(byte_level_settings),
                                         .read = read_byte_level,
                                         .free = free_byte_level,
                                         .pre_tokenize = pre_tokenize};
const fg_component_kind fg_byte_level_decoder = {
    .family = FG_DECODER, .type = "ByteLevel", .keys = KEYS, .decode = decode};
const fg_component_kind fg_byte_level_processor = {
    .family = FG_POST_PROCESSOR, .type = "ByteLevel", .keys = KEYS};
