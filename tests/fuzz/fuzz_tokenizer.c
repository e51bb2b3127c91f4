/* Fuzzing of tokenizers with libFuzzer. An input is either a tokenizer.json (it begins with "{"), which must
 * be read or refused and then encodes and decodes a text; or a text, which a tokenizer made here encodes,
 * without a failure, to ids that it decodes. The first byte of a text chooses among three tokenizers.
 */
#include <stdint.h>

#include "base/log.h"
#include "base/utf8_text.h"
#include "fuzz_folder.h"
#include "tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 3 };

static const char MODEL[] = "\"model\": {\"type\": \"BPE\", \"unk_token\": \"u\", \"fuse_unk\": true, "
                            "\"byte_fallback\": true, \"vocab\": {\"u\": 0, "
                            "\"a\": 1, \"b\": 2, \"ab\": 3, \"aab\": 4, \"\\u0120\": 5, \"\\u0120a\": 6, "
                            "\"\\u2581\": 7, \"\\u2581a\": 8, \"aa\": 9, "
                            "\"<0xE2>\": 10, \"<0x96>\": 11, \"\\u00c3\": 12, \"\\u00a9\": 13, "
                            "\"\\u00c3\\u00a9\": 14}, \"merges\": [\"a b\", \"a a\", "
                            "\"a ab\", \"\\u0120 a\", \"\\u2581 a\", \"\\u00c3 \\u00a9\"]}";

static const char *const PARTS[KINDS] = {
    "\"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": "
    "[{\"type\": \"Split\", "
    "\"pattern\": {\"Regex\": "
    "\"(?i:'s|'t|'re)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, \"behavior\": "
    "\"Isolated\"}, {\"type\": "
    "\"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}, \"decoder\": {\"type\": "
    "\"ByteLevel\"}",
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": "
    "\"\\u2581\"}, {\"type\": "
    "\"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\\u2581\"}]}, \"decoder\": {\"type\": "
    "\"Sequence\", "
    "\"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\\u2581\"}, \"content\": \" \"}, "
    "{\"type\": "
    "\"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, "
    "\"stop\": 0}]}",
    "\"added_tokens\": [{\"id\": 15, \"content\": \"ba\", \"lstrip\": true, \"rstrip\": true, "
    "\"normalized\": false}, {\"id\": 16, "
    "\"content\": \"b b\", \"single_word\": true, \"normalized\": true}], \"pre_tokenizer\": {\"type\": "
    "\"Sequence\", "
    "\"pretokenizers\": [{\"type\": \"Digits\", \"individual_digits\": false}, {\"type\": \"Metaspace\", "
    "\"replacement\": "
    "\"\\u2581\", \"prepend_scheme\": \"first\"}]}, \"decoder\": {\"type\": \"Metaspace\", \"replacement\": "
    "\"\\u2581\"}",
};

static fg_tokenizer *open_text(const char *text, size_t size, fg_error *err) {
    fg_tokenizer *tokenizer = NULL;
    fuzz_put("tokenizer.json", text, size);
    fuzz_expect(fg_tokenizer_open(&tokenizer, fuzz_folder(), err), err);
    return tokenizer;
}

/* Encodes, decodes, and checks what must hold whatever the tokenizer. */
static void go_round(fg_tokenizer *tokenizer, const char *text, size_t size, bool must_work) {
    fg_error err = {0};
    fg_id_list ids = {0};
    fg_buffer back = {0};
    fg_status status = fg_tokenizer_encode(tokenizer, text, size, true, &ids, &err);
    if (status == FG_OK) status = fg_tokenizer_decode(tokenizer, ids.ids, ids.count, true, &back, &err);
    if (status != FG_OK && (must_work || status != FG_ERR_INPUT)) abort();
    const char *at = back.data, *end = back.length ? at + back.length : at;
    while (status == FG_OK && must_work && at < end) {
        if (fg_utf8_next(&at, end) == FG_UTF8_INVALID) abort();
    }
    fg_id_list_free(&ids);
    fg_buffer_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fg_tokenizer *made[KINDS];
    static const char sample[] = "ab a\xcc\x81 <s>x 12  b\n\xe2\x96\x81\xff";
    fg_error err = {0};
    fg_log_level_set(FG_LOG_QUIET);
    fg_log_silence();
    if (!size) return 0;
    if (data[0] == '{') {
        fg_tokenizer *tokenizer = open_text((const char *)data, size, &err);
        if (tokenizer) go_round(tokenizer, sample, sizeof sample - 1, false);
        fg_tokenizer_free(&tokenizer);
        fg_log_end();
        return 0;
    }
    unsigned kind = data[0] % KINDS;
    if (!made[kind]) {
        char text[2400];
        snprintf(text, sizeof text, "{%s, %s}", PARTS[kind], MODEL);
        made[kind] = open_text(text, strlen(text), &err);
        if (!made[kind]) {
            fprintf(stderr, "%s\n", err.text);
            abort();
        }
    }
    go_round(made[kind], (const char *)data + 1, size - 1, true);
    return 0;
}
