#include "tokenizer/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tokenizer/plain_token.h"

/* Bytes that may be looked at for each byte of a text, and some more: texts of tokens that begin alike at
 * each place are no usual ones. */
enum { WORK_FIRST = 1000000, WORK_A_BYTE = 200 };

/* What Unicode calls a character of words: PCRE2's class, and a set of what is newer. */
#define WORD_CLASS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200c}\\x{200d}"

/* ---- Reading ---- */

typedef struct added_reading {
    fg_added_tokens *added;
    const fg_vocabulary *model;
    const fg_component *normalizer;
    uint64_t next; /* the next free id, as HF tokenizers counts */
} added_reading;

static fg_status read_flags(const fg_tokenizer_json *c, fg_added_token *token, fg_error *err) {
    FG_CALL(fg_tokenizer_json_flag(c, "single_word", false, &token->single_word, err));
    FG_CALL(fg_tokenizer_json_flag(c, "lstrip", false, &token->lstrip, err));
    FG_CALL(fg_tokenizer_json_flag(c, "rstrip", false, &token->rstrip, err));
    FG_CALL(fg_tokenizer_json_flag(c, "special", false, &token->special, err));
    return fg_tokenizer_json_flag(c, "normalized", !token->special, &token->normalized, err);
}

static fg_status read_normalized(fg_added_token *token, const fg_component *normalizer, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0}, spare = {0};
    if (!token->normalized) return FG_OK;
    FG_TRY(fg_buffer_add(&text, token->content, token->length, err));
    FG_TRY(fg_component_normalize(normalizer, fg_growth_limit(token->length), &text, &spare, err));
    if (text.length == token->length && memcmp(text.data, token->content, token->length) == 0) goto done;
    FG_TRY_NEW(token->normalized_content, fg_strndup(text.length ? text.data : "", text.length, err));
    token->normalized_length = text.length;
done:
    fg_buffer_free(&text);
    fg_buffer_free(&spare);
    return status;
}

static void free_token(fg_added_token *token) {
    fg_free(token->content);
    fg_free(token->normalized_content);
    *token = (fg_added_token){0};
}

static void find_next_id(added_reading *r) {
    r->next = r->model->count;
    for (size_t i = 0; i < r->added->count; i++) {
        if (r->added->tokens[i].id >= r->next) r->next = (uint64_t)r->added->tokens[i].id + 1;
    }
}

/* Puts a token where its id says, replacing one that has it. Takes over the token's memory. */
static fg_status put_token(fg_added_tokens *added, fg_added_token *token, fg_error *err) {
    while (token->id >= added->id_capacity)
        FG_CALL(fg_grow(&added->by_id, added->id_capacity, &added->id_capacity, sizeof *added->by_id, err));
    uint32_t index = added->by_id[token->id];
    if (index) {
        free_token(&added->tokens[index - 1]);
    } else {
        FG_CALL(fg_grow(&added->tokens, added->count, &added->capacity, sizeof *added->tokens, err));
        index = added->by_id[token->id] = (uint32_t)++added->count;
    }
    if (fg_vocabulary_find(&added->names, token->content, token->length) == FG_ID_ABSENT)
        FG_CALL(fg_vocabulary_add(&added->names, token->content, token->length, token->id, err));
    added->tokens[index - 1] = *token;
    *token = (fg_added_token){0};
    return FG_OK;
}

/* Gives the token its id and puts it there. Takes over its memory. */
static fg_status place_token(added_reading *r, fg_added_token *token, int64_t declared, const char *file,
                             const char *list, fg_error *err) {
    if (!token->length) return FG_OK; /* HF tokenizers ignores it */
    if (token->length > FG_ADDED_TOKEN_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: a token of %zu bytes is longer than the %d that are read",
                       file, list, token->length, FG_ADDED_TOKEN_LIMIT);
    token->id = fg_vocabulary_find(&r->added->names, token->content, token->length);
    if (token->id == FG_ID_ABSENT) token->id = fg_vocabulary_find(r->model, token->content, token->length);
    if (token->id == FG_ID_ABSENT) {
        if (r->next >= FG_ID_LIMIT) return fg_fail(err, FG_ERR_INPUT, "%s: too many tokens", file);
        token->id = (uint32_t)r->next++;
    }
    if (declared != (int64_t)token->id)
        fg_warn("%s: the added token \"%.60s\" has the id %lld in the file but gets %u, the next id", file,
                token->content, (long long)declared, token->id);
    FG_CALL(read_normalized(token, r->normalizer, err));
    return put_token(r->added, token, err);
}

static fg_status add_token(added_reading *r, const fg_tokenizer_json *c, int64_t declared, fg_error *err) {
    fg_status status = FG_OK;
    fg_added_token token = {0};
    FG_TRY(fg_tokenizer_json_keys(c, "id content single_word lstrip rstrip normalized special __type", err));
    FG_TRY(fg_tokenizer_json_copy(c, "content", &token.content, &token.length, err));
    FG_TRY(read_flags(c, &token, err));
    FG_TRY(place_token(r, &token, declared, c->file, c->name, err));
done:
    free_token(&token);
    return status;
}

static fg_status add_plain(added_reading *r, const fg_json_scan *s, const fg_plain_token *plain,
                           int64_t declared, const char *list, fg_error *err) {
    fg_status status = FG_OK;
    fg_added_token token = {.length = plain->content.length,
                            .single_word = fg_plain_token_flag(plain, FG_TOKEN_SINGLE_WORD, false),
                            .lstrip = fg_plain_token_flag(plain, FG_TOKEN_LSTRIP, false),
                            .rstrip = fg_plain_token_flag(plain, FG_TOKEN_RSTRIP, false),
                            .special = fg_plain_token_flag(plain, FG_TOKEN_SPECIAL, false)};
    token.normalized = fg_plain_token_flag(plain, FG_TOKEN_NORMALIZED, !token.special);
    FG_TRY_NEW(token.content, fg_strndup(s->text + plain->content.begin, token.length, err));
    FG_TRY(place_token(r, &token, declared, s->name, list, err));
done:
    free_token(&token);
    return status;
}

/* ---- Lists of tokens ---- */

static fg_status add_listed(added_reading *r, const fg_tokenizer_json *c, size_t index, fg_error *err) {
    const json_t *id = json_object_get(c->json, "id");
    if (!json_is_integer(id))
        return fg_fail(err, FG_ERR_INPUT, "%s: added_tokens/%zu: \"id\": found %s, expected an integer",
                       c->file, index, fg_json_kind(id));
    return add_token(r, c, json_integer_value(id), err);
}

static fg_status read_list(added_reading *r, const json_t *list, const char *file, fg_error *err) {
    if (list && !json_is_null(list) && !json_is_array(list))
        return fg_fail(err, FG_ERR_INPUT, "%s: added_tokens: found %s, expected an array", file,
                       fg_json_kind(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        fg_tokenizer_json c = {.json = json_array_get(list, i), .file = file, .name = "added_tokens"};
        FG_CALL(add_listed(r, &c, i, err));
    }
    return FG_OK;
}

/* The same, a token at a time. */
static fg_status read_text(added_reading *r, const fg_json_scan *text, const char *file, fg_error *err) {
    fg_status status = FG_OK;
    fg_json_scan scan = *text;
    scan.name = file;
    json_t *token = NULL;
    bool more;
    FG_CALL(fg_json_scan_enter(&scan, '[', err));
    for (size_t i = 0; status == FG_OK; i++) {
        fg_plain_token plain;
        FG_CALL(fg_json_scan_next(&scan, NULL, &more, err));
        if (!more) break;
        fg_json_scan begin = scan;
        if (fg_plain_token_read(&scan, &plain) && plain.has_id) {
            status = add_plain(r, &scan, &plain, plain.id, "added_tokens", err);
            continue;
        }
        scan = begin;
        FG_CALL(fg_json_scan_value(&scan, &token, err));
        fg_tokenizer_json c = {.json = token, .file = file, .name = "added_tokens"};
        status = add_listed(r, &c, i, err);
        json_decref(token);
    }
    return status;
}

typedef struct declared_token {
    int64_t id;
    size_t begin; /* in the text */
} declared_token;

typedef struct declared_tokens {
    declared_token *items; /* owned */
    size_t count, capacity;
} declared_tokens;

static int by_declared_id(const void *a, const void *b) {
    int64_t left = ((const declared_token *)a)->id, right = ((const declared_token *)b)->id;
    return (left > right) - (left < right);
}

/* Passes over the next member of added_tokens_decoder. */
static fg_status find_declared(declared_tokens *declared, fg_json_scan *scan, fg_buffer *key, bool *more,
                               fg_error *err) {
    char *end;
    FG_CALL(fg_json_scan_next(scan, key, more, err));
    if (!*more) return FG_OK;
    int64_t id = strtoll(key->data, &end, 10);
    if (end == key->data || *end)
        return fg_fail(err, FG_ERR_INPUT, "%s: added_tokens_decoder: the key \"%.40s\" is not a token id",
                       scan->name, key->data);
    FG_CALL(fg_grow(&declared->items, declared->count, &declared->capacity, sizeof *declared->items, err));
    declared->items[declared->count++] = (declared_token){id, scan->at};
    return fg_json_scan_skip(scan, err);
}

static fg_status add_declared(added_reading *r, const declared_token *declared, fg_json_scan *scan,
                              fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    fg_plain_token plain;
    scan->at = declared->begin;
    if (fg_plain_token_read(scan, &plain))
        return add_plain(r, scan, &plain, declared->id, "added_tokens_decoder", err);
    scan->at = declared->begin;
    FG_CALL(fg_json_scan_value(scan, &value, err));
    fg_tokenizer_json c = {.json = value, .file = scan->name, .name = "added_tokens_decoder"};
    status = add_token(r, &c, declared->id, err);
    json_decref(value);
    return status;
}

/* The objects of added_tokens_decoder in the order of their ids. */
static fg_status read_decoder(added_reading *r, const fg_buffer *decoder, const char *file, fg_error *err) {
    fg_status status = FG_OK;
    declared_tokens declared = {0};
    fg_buffer key = {0};
    fg_json_scan scan = {.name = file, .text = decoder->data, .length = decoder->length};
    bool more = true;
    if (!decoder->length) return FG_OK;
    FG_TRY(fg_json_scan_enter(&scan, '{', err));
    while (more) FG_TRY(find_declared(&declared, &scan, &key, &more, err));
    qsort(declared.items, declared.count, sizeof *declared.items, by_declared_id);
    find_next_id(r);
    for (size_t i = 0; i < declared.count; i++) FG_TRY(add_declared(r, &declared.items[i], &scan, err));
done:
    fg_free(declared.items);
    fg_buffer_free(&key);
    return status;
}

static fg_status build_tries(fg_added_tokens *added, fg_error *err) {
    for (size_t i = 0; i < added->count; i++) {
        const fg_added_token *token = &added->tokens[i];
        const char *text = token->normalized_content ? token->normalized_content : token->content;
        size_t length = token->normalized_content ? token->normalized_length : token->length;
        if (length)
            FG_CALL(fg_token_trie_add(token->normalized ? &added->normalized : &added->plain, text, length,
                                      (uint32_t)i, err));
        if (token->single_word && !added->word)
            FG_CALL(fg_pattern_class(&added->word, WORD_CLASS, "word", err));
    }
    return FG_OK;
}

fg_status fg_added_tokens_read(fg_added_tokens *added, const json_t *list, const fg_json_scan *text,
                               const fg_buffer *decoder, const fg_vocabulary *model,
                               const fg_component *normalizer, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    char *first = NULL, *second = NULL;
    added_reading r = {.added = added, .model = model, .normalizer = normalizer};
    *added = (fg_added_tokens){0};
    FG_TRY_NEW(first, fg_strformat(err, "%s/tokenizer.json", directory));
    FG_TRY_NEW(second, fg_strformat(err, "%s/tokenizer_config.json", directory));
    find_next_id(&r);
    FG_TRY(text ? read_text(&r, text, first, err) : read_list(&r, list, first, err));
    FG_TRY(read_decoder(&r, decoder, second, err));
    FG_TRY(build_tries(added, err));
done:
    fg_free(first);
    fg_free(second);
    if (status != FG_OK) fg_added_tokens_free(added);
    return status;
}

const fg_added_token *fg_added_tokens_at(const fg_added_tokens *added, uint32_t id) {
    return id < added->id_capacity && added->by_id[id] ? &added->tokens[added->by_id[id] - 1] : NULL;
}

void fg_added_tokens_free(fg_added_tokens *added) {
    for (size_t i = 0; i < added->count; i++) free_token(&added->tokens[i]);
    fg_free(added->tokens);
    fg_free(added->by_id);
    fg_vocabulary_free(&added->names);
    fg_token_trie_free(&added->plain);
    fg_token_trie_free(&added->normalized);
    fg_pattern_free(&added->word);
    *added = (fg_added_tokens){0};
}

/* ---- Finding ---- */

static bool is_space(int32_t code) {
    return (code >= 9 && code <= 13) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
           (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
           code == 0x205f || code == 0x3000;
}

/* Where the character before `at` begins. */
static size_t step_back(const char *text, size_t at) {
    do at--;
    while (at && ((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

/* Where the spaces before `at` begin; not before `least`. */
static size_t spaces_before(const char *text, size_t at, size_t least) {
    while (at > least) {
        size_t before = step_back(text, at);
        const char *here = text + before;
        if (before < least || !is_space(fg_utf8_next(&here, text + at))) break;
        at = before;
    }
    return at;
}

static size_t spaces_behind(const char *text, size_t at, size_t length) {
    while (at < length) {
        const char *here = text + at;
        if (!is_space(fg_utf8_next(&here, text + length))) break;
        at = (size_t)(here - text);
    }
    return at;
}

/* Whether there is no word character on either side. */
static fg_status stands_alone(const fg_added_tokens *added, const char *text, size_t length, size_t start,
                              size_t end, bool *alone, fg_error *err) {
    bool before = false, behind = false;
    if (start) {
        size_t at = step_back(text, start);
        FG_CALL(fg_pattern_begins(added->word, text + at, start - at, &before, err));
    }
    if (end < length)
        FG_CALL(fg_pattern_begins(added->word, text + end, fg_utf8_size(text[end]), &behind, err));
    *alone = !before && !behind;
    return FG_OK;
}

static fg_status add_part(fg_text_parts *parts, size_t start, size_t end, uint32_t id, fg_error *err) {
    fg_status status = fg_grow(&parts->parts, parts->count, &parts->capacity, sizeof *parts->parts, err);
    if (status == FG_OK) parts->parts[parts->count++] = (fg_text_part){start, end, id};
    return status;
}

/* Takes a token found at [start, end): the spaces that it strips go with it. `covered` is where what is taken
 * already ends; a token that lies before it and strips to its left is part of what was stripped. */
static fg_status take_match(const fg_added_token *token, const char *text, size_t length, size_t start,
                            size_t end, size_t *covered, fg_text_parts *parts, fg_error *err) {
    if (token->lstrip) start = *covered < start ? spaces_before(text, start, *covered) : *covered;
    if (token->rstrip) end = spaces_behind(text, end, length);
    if (start >= end) return FG_OK;
    if (*covered < start) FG_CALL(add_part(parts, *covered, start, FG_ID_ABSENT, err));
    FG_CALL(add_part(parts, start, end, token->id, err));
    *covered = end;
    return FG_OK;
}

fg_status fg_added_tokens_find(const fg_added_tokens *added, bool normalized, const char *text, size_t length,
                               fg_text_parts *parts, fg_error *err) {
    const fg_token_trie *trie = normalized ? &added->normalized : &added->plain;
    size_t covered = 0;
    uint64_t work = 0, allowed = WORK_FIRST + (uint64_t)length * WORK_A_BYTE;
    parts->count = 0;
    for (size_t at = 0; at < length && trie->node_count;) {
        size_t size = 0;
        uint32_t index = trie->begins[(unsigned char)text[at]]
                             ? fg_token_trie_longest(trie, text + at, text + length, &size, &work)
                             : FG_TRIE_NONE;
        if (work > allowed)
            return fg_fail(err, FG_ERR_INPUT, "a text of %zu bytes takes too long to search for added tokens",
                           length);
        if (index == FG_TRIE_NONE) {
            at++;
            continue;
        }
        const fg_added_token *token = &added->tokens[index];
        bool alone = true;
        if (token->single_word) FG_CALL(stands_alone(added, text, length, at, at + size, &alone, err));
        if (alone) FG_CALL(take_match(token, text, length, at, at + size, &covered, parts, err));
        at += size;
    }
    if (covered < length) FG_CALL(add_part(parts, covered, length, FG_ID_ABSENT, err));
    return FG_OK;
}
