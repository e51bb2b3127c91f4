#include "tokens/token_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct token_search {
    fg_token_lookup *lookup;
    fg_json_scan scan;
    fg_buffer key;
    bool has_added, has_model, has_vocabulary;
} token_search;

static fg_wanted_token *wanted(const fg_token_lookup *l, const char *text, size_t length) {
    uint32_t index = fg_vocabulary_find(&l->texts, text, length);
    return index == FG_ID_ABSENT ? NULL : &l->wanted[index];
}

/* Whether a token of the model is looked for; of equal ones the first counts. */
static fg_wanted_token *wanted_of_model(const token_search *s, const fg_buffer *text) {
    fg_wanted_token *token = wanted(s->lookup, text->data, text->length);
    return token && token->of_model == FG_NO_TOKEN ? token : NULL;
}

/* {"text": id, ...} of BPE and the like. */
static fg_status read_object(token_search *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    json_t *id = NULL;
    bool more;
    FG_TRY(fg_json_scan_enter(&s->scan, '{', err));
    for (;; s->lookup->vocabulary++) {
        FG_TRY(fg_json_scan_next(&s->scan, &text, &more, err));
        if (!more) break;
        fg_wanted_token *token = wanted_of_model(s, &text);
        if (!token) {
            FG_TRY(fg_json_scan_skip(&s->scan, err));
            continue;
        }
        json_decref(id);
        FG_TRY(fg_json_scan_value(&s->scan, &id, err));
        if (!fg_token_id_valid(id)) FG_TRY(fg_token_id_refuse(s->scan.name, text.data, id, err));
        token->of_model = json_integer_value(id);
    }
done:
    json_decref(id);
    fg_buffer_free(&text);
    return status;
}

/* [["text", score], ...] of Unigram: the place is the id. */
static fg_status read_pairs(token_search *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    bool more;
    FG_TRY(fg_json_scan_enter(&s->scan, '[', err));
    for (;; s->lookup->vocabulary++) {
        FG_TRY(fg_json_scan_next(&s->scan, NULL, &more, err));
        if (!more) break;
        FG_TRY(fg_json_scan_enter(&s->scan, '[', err));
        FG_TRY(fg_json_scan_next(&s->scan, NULL, &more, err));
        FG_TRY(fg_json_scan_string(&s->scan, &text, err));
        fg_wanted_token *token = wanted_of_model(s, &text);
        if (token && s->lookup->vocabulary < FG_ID_LIMIT) token->of_model = (int64_t)s->lookup->vocabulary;
        for (;;) {
            FG_TRY(fg_json_scan_next(&s->scan, NULL, &more, err));
            if (!more) break;
            FG_TRY(fg_json_scan_skip(&s->scan, err));
        }
    }
done:
    fg_buffer_free(&text);
    return status;
}

/* Notes that a part of the file was met, which may be there once. */
static fg_status meet(const token_search *s, bool *met, const char *part, fg_error *err) {
    if (*met) return fg_fail(err, FG_ERR_INPUT, "%s: %s is given twice", s->scan.name, part);
    *met = true;
    return FG_OK;
}

static fg_status read_vocabulary(token_search *s, fg_error *err) {
    FG_CALL(meet(s, &s->has_vocabulary, "the model's vocab", err));
    return fg_json_scan_peek(&s->scan) == '[' ? read_pairs(s, err) : read_object(s, err);
}

static fg_status read_model(token_search *s, fg_error *err) {
    bool more;
    FG_CALL(meet(s, &s->has_model, "the model", err));
    if (fg_json_scan_peek(&s->scan) != '{') return fg_json_scan_skip(&s->scan, err);
    FG_CALL(fg_json_scan_enter(&s->scan, '{', err));
    for (;;) {
        FG_CALL(fg_json_scan_next(&s->scan, &s->key, &more, err));
        if (!more) break;
        FG_CALL(strcmp(s->key.data, "vocab") == 0 ? read_vocabulary(s, err)
                                                  : fg_json_scan_skip(&s->scan, err));
    }
    return FG_OK;
}

/* "added_tokens": null is no list, and anything else is an error. */
static fg_status read_no_list(token_search *s, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    FG_CALL(fg_json_scan_value(&s->scan, &value, err));
    if (!json_is_null(value))
        status = fg_fail(err, FG_ERR_INPUT, "%s: added_tokens: found %s, expected an array", s->scan.name,
                         fg_json_kind(value));
    json_decref(value);
    return status;
}

static fg_status read_added(token_search *s, fg_error *err) {
    fg_token_lookup *l = s->lookup;
    FG_CALL(meet(s, &s->has_added, "added_tokens", err));
    char begins = fg_json_scan_peek(&s->scan);
    l->begin = s->scan.at;
    if (begins == '[')
        FG_CALL(fg_token_entries_read_list(&l->added, &s->scan, err));
    else
        FG_CALL(read_no_list(s, err));
    l->end = s->scan.at;
    return FG_OK;
}

/* Its id wins over one that was found before; the next free one lies behind it. */
static void count_token(fg_token_lookup *l, const char *text, int64_t id) {
    fg_wanted_token *token = wanted(l, text, strlen(text));
    if (token) token->id = id;
    if ((uint64_t)id >= l->next_id) l->next_id = (uint64_t)id + 1;
}

static void count_tokens(fg_token_lookup *l, const fg_token_entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        count_token(l, fg_token_entries_content(entries, i), entries->items[i].id);
}

static void count_added(fg_token_lookup *l) {
    l->next_id = l->vocabulary;
    for (size_t i = 0; i < l->texts.count; i++) l->wanted[i].id = l->wanted[i].of_model;
    count_tokens(l, &l->added);
    count_tokens(l, &l->declared);
}

/* {"32000": {"content": "<pad>", ...}, ...} */
static fg_status read_declared(fg_token_lookup *l, const fg_tokenizer_files *files, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    if (!files->decoder.length) return FG_OK;
    FG_TRY_NEW(path, fg_strformat(err, "%s/tokenizer_config.json", files->directory));
    fg_json_scan scan = {.name = path, .text = files->decoder.data, .length = files->decoder.length};
    FG_TRY(fg_token_entries_read_object(&l->declared, &scan, err));
done:
    fg_free(path);
    return status;
}

static fg_status read_text(token_search *s, fg_error *err) {
    bool more;
    FG_CALL(fg_json_scan_enter(&s->scan, '{', err));
    for (;;) {
        FG_CALL(fg_json_scan_next(&s->scan, &s->key, &more, err));
        if (!more) break;
        if (strcmp(s->key.data, "model") == 0)
            FG_CALL(read_model(s, err));
        else if (strcmp(s->key.data, "added_tokens") == 0)
            FG_CALL(read_added(s, err));
        else
            FG_CALL(fg_json_scan_skip(&s->scan, err));
    }
    if (fg_json_scan_peek(&s->scan) || s->scan.at < s->scan.length)
        return fg_fail(err, FG_ERR_INPUT, "%s: byte %zu: text after the end", s->scan.name, s->scan.at);
    return FG_OK;
}

const char *fg_token_text(const json_t *token) {
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

fg_status fg_token_lookup_want(fg_token_lookup *lookup, const char *text, fg_error *err) {
    size_t count = lookup->texts.count;
    if (!text || wanted(lookup, text, strlen(text))) return FG_OK;
    FG_CALL(fg_grow(&lookup->wanted, count, &lookup->capacity, sizeof *lookup->wanted, err));
    FG_CALL(fg_vocabulary_add(&lookup->texts, text, strlen(text), count, err));
    lookup->wanted[count] = (fg_wanted_token){.id = FG_NO_TOKEN, .of_model = FG_NO_TOKEN};
    return FG_OK;
}

fg_status fg_token_lookup_read(fg_token_lookup *lookup, const fg_tokenizer_files *files, fg_error *err) {
    fg_status status = FG_OK;
    token_search s = {.lookup = lookup};
    char *path = NULL;
    FG_TRY_NEW(path, fg_strformat(err, "%s/tokenizer.json", files->directory));
    s.scan = (fg_json_scan){.name = path, .text = files->tokenizer.data, .length = files->tokenizer.length};
    if (files->tokenizer.length) FG_TRY(read_text(&s, err));
    FG_TRY(read_declared(lookup, files, err));
    count_added(lookup);
done:
    fg_buffer_free(&s.key);
    fg_free(path);
    return status;
}

int64_t fg_token_lookup_find(const fg_token_lookup *lookup, const char *text) {
    const fg_wanted_token *token = wanted(lookup, text, strlen(text));
    return token ? token->id : FG_NO_TOKEN;
}

/* ---- ids that are used ---- */

static fg_status refuse_other(const char *text, int64_t says, int64_t id, const char *directory,
                              fg_error *err) {
    fg_fail(err, FG_ERR_INPUT,
            "%s/tokenizer.json: tokens cannot be added: the added token \"%.80s\" has the id %lld in the "
            "file, but is loaded with %lld",
            directory, text, (long long)says, (long long)id);
    return fg_hint(err, "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes the ids that are "
                        "used; --skip-default-tokens adds no default token");
}

fg_status fg_token_lookup_check(const fg_token_lookup *lookup, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    int64_t next = (int64_t)lookup->vocabulary;
    int64_t *given = NULL; /* so far, to each text */
    FG_NEW(given, lookup->texts.count);
    for (size_t i = 0; i < lookup->texts.count; i++) given[i] = lookup->wanted[i].of_model;
    for (size_t i = 0; i < lookup->added.count; i++) {
        const char *text = fg_token_entries_content(&lookup->added, i);
        uint32_t index = fg_vocabulary_find(&lookup->texts, text, strlen(text));
        if (index == FG_ID_ABSENT) FG_FAIL(err, FG_ERR_BUG, "the token \"%.80s\" was not looked for", text);
        int64_t id = given[index] == FG_NO_TOKEN ? next : given[index], says = lookup->added.items[i].id;
        if (id != says || !*text) FG_TRY(refuse_other(text, says, id, directory, err));
        given[index] = id;
        if (id >= next) next = id + 1;
    }
done:
    fg_free(given);
    return status;
}

void fg_token_lookup_free(fg_token_lookup *lookup) {
    fg_token_entries_free(&lookup->added);
    fg_token_entries_free(&lookup->declared);
    fg_vocabulary_free(&lookup->texts);
    fg_free(lookup->wanted);
    *lookup = (fg_token_lookup){0};
}
