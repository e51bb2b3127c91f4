/* BPE, a model: byte pair encoding.
 *
 * A word (what the pre-tokenizer leaves whole) becomes its characters' tokens, which are merged. A
 * character without a token becomes the tokens of its bytes (byte_fallback: "<0x0A>"), or the unknown token
 * (fuse_unk: one for a run of them), or nothing where there is no unknown token.
 *
 * Not supported: dropout, prefixes or suffixes of sub-words, merges of tokens that are not there.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8_text.h"
#include "tokenizer/bpe_lists.h"
#include "tokenizer/bpe_merge.h"
#include "tokenizer/component.h"
#include "tokenizer/word_cache.h"

typedef struct bpe_settings {
    fg_vocabulary vocabulary;
    fg_merges merges;
    uint32_t byte_ids[256]; /* "<0x00>" ...; FG_ID_ABSENT */
    uint32_t unknown;       /* FG_ID_ABSENT: none */
    bool byte_fallback, fuse_unknown;
    bool whole_words; /* ignore_merges: a word that is a token is that token */
    fg_word_cache cache;
} bpe_settings;

/* ---- Reading ---- */

static fg_status read_vocabulary(bpe_settings *bpe, const fg_tokenizer_json *model, fg_error *err) {
    fg_status status = FG_OK;
    if (model->lists) {
        bpe->vocabulary = model->lists->vocabulary;
        model->lists->vocabulary = (fg_vocabulary){0};
        return FG_OK;
    }
    json_t *vocab = json_object_get(model->json, "vocab"), *id;
    if (!json_is_object(vocab))
        return fg_fail(err, FG_ERR_INPUT, "%s: model: \"vocab\": found %s, expected an object", model->file,
                       fg_json_kind(vocab));
    FG_JSON_MEMBERS(vocab, text, id) {
        if (!json_is_integer(id) || json_integer_value(id) < 0)
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s: model: \"vocab\": the id of \"%.60s\": found %s, expected a non-negative integer",
                    model->file, text, fg_json_kind(id));
        if (json_integer_value(id) >= FG_ID_LIMIT)
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s: model: \"vocab\": the id of \"%.60s\": found %lld, expected less than %d",
                    model->file, text, (long long)json_integer_value(id), FG_ID_LIMIT);
        FG_TRY(
            fg_vocabulary_add(&bpe->vocabulary, text, strlen(text), (uint64_t)json_integer_value(id), err));
    }
done:
    if (status == FG_ERR_INPUT) fg_where(err, "reading the vocabulary of %s", model->file);
    return status;
}

typedef struct merge_halves {
    const char *left, *right;
    size_t left_length, right_length;
} merge_halves;

/* Both spellings: "a b" and ["a", "b"]. */
static fg_status read_halves(const char *file, const json_t *merge, size_t index, merge_halves *h,
                             fg_error *err) {
    if (json_is_string(merge)) {
        const char *text = json_string_value(merge), *end = text + json_string_length(merge);
        const char *space = memchr(text, ' ', (size_t)(end - text));
        if (space && !memchr(space + 1, ' ', (size_t)(end - space - 1))) {
            *h = (merge_halves){text, space + 1, (size_t)(space - text), (size_t)(end - space - 1)};
            return FG_OK;
        }
    }
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right)) {
        *h = (merge_halves){json_string_value(left), json_string_value(right), json_string_length(left),
                            json_string_length(right)};
        return FG_OK;
    }
    char brief[60];
    return fg_fail(
        err, FG_ERR_INPUT,
        "%s: model: \"merges\": merge %zu: found %s, expected two tokens, as \"a b\" or [\"a\", \"b\"]", file,
        index, fg_json_brief(merge, brief, sizeof brief));
}

static fg_status find_token(const bpe_settings *bpe, const char *file, size_t index, const char *text,
                            size_t length, uint32_t *id, fg_error *err) {
    *id = fg_vocabulary_find(&bpe->vocabulary, text, length);
    if (*id != FG_ID_ABSENT) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: model: \"merges\": merge %zu: the token \"%.*s\" is not in the vocabulary", file,
                   index, (int)(length < 60 ? length : 60), text);
}

static fg_status add_merge(bpe_settings *bpe, const char *file, const merge_halves *h, size_t index,
                           fg_buffer *joined, fg_error *err) {
    uint32_t left, right, made;
    FG_CALL(find_token(bpe, file, index, h->left, h->left_length, &left, err));
    FG_CALL(find_token(bpe, file, index, h->right, h->right_length, &right, err));
    fg_buffer_clear(joined);
    FG_CALL(fg_buffer_add(joined, h->left, h->left_length, err));
    FG_CALL(fg_buffer_add(joined, h->right, h->right_length, err));
    FG_CALL(find_token(bpe, file, index, joined->data, joined->length, &made, err));
    fg_merges_add(&bpe->merges, left, right, made);
    return FG_OK;
}

static fg_status reserve_merges(bpe_settings *bpe, const char *file, size_t count, fg_error *err) {
    if (count > FG_MERGE_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: model: \"merges\": %zu merges, at most %d are read", file,
                       count, FG_MERGE_LIMIT);
    return fg_merges_reserve(&bpe->merges, count, err);
}

static fg_status read_listed_merges(bpe_settings *bpe, const fg_tokenizer_json *model, fg_buffer *joined,
                                    fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer left = {0}, right = {0};
    FG_TRY(reserve_merges(bpe, model->file, model->lists->merge_count, err));
    for (size_t index = 0; index < model->lists->merge_count; index++) {
        FG_TRY(fg_bpe_lists_next(model->lists, &left, &right, err));
        const merge_halves h = {left.data, right.data, left.length, right.length};
        if (left.length) FG_TRY(add_merge(bpe, model->file, &h, index, joined, err));
    }
done:
    fg_buffer_free(&left);
    fg_buffer_free(&right);
    return status;
}

static fg_status read_json_merges(bpe_settings *bpe, const fg_tokenizer_json *model, fg_buffer *joined,
                                  fg_error *err) {
    const json_t *list = NULL;
    json_t *merge;
    FG_CALL(fg_tokenizer_json_list(model, "merges", &list, err));
    FG_CALL(reserve_merges(bpe, model->file, json_array_size(list), err));
    FG_JSON_EACH(list, index, merge) {
        merge_halves h = {0};
        /* The first line of a merges.txt, which old files carry along. */
        if (json_is_string(merge) && fg_starts_with(json_string_value(merge), "#version")) continue;
        FG_CALL(read_halves(model->file, merge, index, &h, err));
        FG_CALL(add_merge(bpe, model->file, &h, index, joined, err));
    }
    return FG_OK;
}

static fg_status read_merges(bpe_settings *bpe, const fg_tokenizer_json *model, fg_error *err) {
    fg_buffer joined = {0};
    fg_status status = model->lists ? read_listed_merges(bpe, model, &joined, err)
                                    : read_json_merges(bpe, model, &joined, err);
    if (status == FG_ERR_INPUT) fg_where(err, "reading the merges of %s", model->file);
    fg_buffer_free(&joined);
    return status;
}

/* What is there but changes nothing may be null, "" or 0. */
static fg_status refuse(const fg_tokenizer_json *model, const char *key, fg_error *err) {
    const json_t *value = json_object_get(model->json, key);
    bool nothing = !value || json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
                   (json_is_number(value) && json_number_value(value) == 0.0);
    if (nothing) return FG_OK;
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT, "%s: model: \"%s\": %s is not supported", model->file, key,
                   fg_json_brief(value, brief, sizeof brief));
}

static fg_status nullable_flag(const fg_tokenizer_json *model, const char *key, bool *flag, fg_error *err) {
    *flag = false;
    if (json_is_null(json_object_get(model->json, key))) return FG_OK;
    return fg_tokenizer_json_flag(model, key, false, flag, err);
}

static fg_status read_unknown(bpe_settings *bpe, const fg_tokenizer_json *model, fg_error *err) {
    const char *text;
    size_t length;
    const json_t *value = json_object_get(model->json, "unk_token");
    bpe->unknown = FG_ID_ABSENT;
    if (!value || json_is_null(value)) return FG_OK;
    FG_CALL(fg_tokenizer_json_string(model, "unk_token", &text, &length, err));
    bpe->unknown = fg_vocabulary_find(&bpe->vocabulary, text, length);
    if (bpe->unknown != FG_ID_ABSENT) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: model: unk_token \"%.60s\" is not in the vocabulary", model->file,
                   text);
}

static fg_status read_settings(bpe_settings *bpe, const fg_tokenizer_json *model, fg_error *err) {
    static const char *const refused[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) FG_CALL(refuse(model, refused[i], err));
    FG_CALL(nullable_flag(model, "byte_fallback", &bpe->byte_fallback, err));
    FG_CALL(nullable_flag(model, "fuse_unk", &bpe->fuse_unknown, err));
    return nullable_flag(model, "ignore_merges", &bpe->whole_words, err);
}

static fg_status read_bpe(void *settings, const fg_tokenizer_json *model, fg_error *err) {
    bpe_settings *bpe = settings;
    FG_CALL(read_settings(bpe, model, err));
    FG_CALL(read_vocabulary(bpe, model, err));
    FG_CALL(read_merges(bpe, model, err));
    FG_CALL(read_unknown(bpe, model, err));
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        int length = snprintf(name, sizeof name, "<0x%02X>", byte);
        bpe->byte_ids[byte] = fg_vocabulary_find(&bpe->vocabulary, name, (size_t)length);
    }
    return FG_OK;
}

static void free_bpe(void *settings) {
    bpe_settings *bpe = settings;
    fg_vocabulary_free(&bpe->vocabulary);
    fg_merges_free(&bpe->merges);
    fg_word_cache_free(&bpe->cache);
}

static const fg_vocabulary *vocabulary(const void *settings) {
    return &((const bpe_settings *)settings)->vocabulary;
}

/* ---- Encoding ---- */

static bool has_byte_tokens(const bpe_settings *bpe, const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (bpe->byte_ids[(unsigned char)bytes[i]] == FG_ID_ABSENT) return false;
    }
    return true;
}

/* The tokens of a word's characters. As in HF tokenizers, an unknown run that is not ended yet comes behind
 * the byte tokens of the characters after it. */
static fg_status split_word(bpe_settings *bpe, const char *word, size_t length, fg_error *err) {
    fg_id_list *symbols = &bpe->merges.symbols;
    bool unknown = false;
    symbols->count = 0;
    for (size_t at = 0, size; at < length; at += size) {
        size = fg_utf8_size(word[at]);
        uint32_t id = fg_vocabulary_find(&bpe->vocabulary, word + at, size);
        if (id != FG_ID_ABSENT) {
            if (unknown) FG_CALL(fg_id_list_add(symbols, bpe->unknown, err));
            unknown = false;
            FG_CALL(fg_id_list_add(symbols, id, err));
        } else if (bpe->byte_fallback && has_byte_tokens(bpe, word + at, size)) {
            for (size_t i = 0; i < size; i++)
                FG_CALL(fg_id_list_add(symbols, bpe->byte_ids[(unsigned char)word[at + i]], err));
        } else if (bpe->unknown != FG_ID_ABSENT) {
            if (unknown && !bpe->fuse_unknown) FG_CALL(fg_id_list_add(symbols, bpe->unknown, err));
            unknown = true;
        }
    }
    if (unknown) FG_CALL(fg_id_list_add(symbols, bpe->unknown, err));
    return FG_OK;
}

static fg_status encode(void *settings, const char *word, size_t length, fg_id_list *ids, fg_error *err) {
    bpe_settings *bpe = settings;
    bool found = false, cached = length <= FG_CACHED_WORD;
    const fg_id_list *symbols = &bpe->merges.symbols;
    if (cached) FG_CALL(fg_word_cache_get(&bpe->cache, word, length, &found, ids, err));
    if (found) return FG_OK;
    uint32_t whole = bpe->whole_words ? fg_vocabulary_find(&bpe->vocabulary, word, length) : FG_ID_ABSENT;
    if (whole != FG_ID_ABSENT) {
        bpe->merges.symbols.count = 0;
        FG_CALL(fg_id_list_add(&bpe->merges.symbols, whole, err));
    } else {
        FG_CALL(split_word(bpe, word, length, err));
        FG_CALL(fg_merges_apply(&bpe->merges, err));
    }
    if (cached) FG_CALL(fg_word_cache_put(&bpe->cache, word, length, symbols->ids, symbols->count, err));
    return fg_id_list_append(ids, symbols->ids, symbols->count, err);
}

const fg_component_kind fg_bpe = {
    .family = FG_MODEL,
    .type = "BPE",
    .keys = "type vocab merges dropout unk_token continuing_subword_prefix end_of_word_suffix fuse_unk "
            "byte_fallback ignore_merges",
    .size = sizeof(bpe_settings),
    .read = read_bpe,
    .free = free_bpe,
    .encode = encode,
    .vocabulary = vocabulary};
