#include "tokens/token_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_scan.h"
#include "tokenizer/vocabulary.h"

typedef struct token_search {
    fg_token_lookup *lookup;
    fg_json_scan scan;
    fg_buffer key;
    bool has_added, has_model, has_vocabulary;
} token_search;

static fg_status refuse_id(const token_search *s, const char *token, const json_t *id, fg_error *err) {
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: the token \"%.80s\" has the id %s, expected an integer from 0 to %d", s->scan.name,
                   token, fg_json_brief(id, brief, sizeof brief), FG_ID_LIMIT - 1);
}

static bool is_id(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 0 &&
           json_integer_value(value) < FG_ID_LIMIT;
}

/* Whether a token of the model is looked for; of equal ones the first counts. */
static bool is_wanted(const token_search *s, const fg_buffer *text) {
    return strlen(text->data) == text->length && json_object_get(s->lookup->ids, text->data) &&
           !json_object_get(s->lookup->of_model, text->data);
}

/* Takes over the reference to the id. */
static fg_status note(token_search *s, const char *text, json_t *id, fg_error *err) {
    FG_CALL(fg_json_put(s->lookup->of_model, text, id, err));
    return is_id(id) ? FG_OK : refuse_id(s, text, id, err);
}

/* {"text": id, ...} of BPE and the like. */
static fg_status read_object(token_search *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    json_t *id;
    bool more;
    FG_TRY(fg_json_scan_enter(&s->scan, '{', err));
    for (;; s->lookup->vocabulary++) {
        FG_TRY(fg_json_scan_next(&s->scan, &text, &more, err));
        if (!more) break;
        if (!is_wanted(s, &text)) {
            FG_TRY(fg_json_scan_skip(&s->scan, err));
            continue;
        }
        FG_TRY(fg_json_scan_value(&s->scan, &id, err));
        FG_TRY(note(s, text.data, id, err));
    }
done:
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
        if (is_wanted(s, &text))
            FG_TRY(note(s, text.data, json_integer((json_int_t)s->lookup->vocabulary), err));
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

static fg_status read_added(token_search *s, fg_error *err) {
    fg_status status = FG_OK;
    json_t *token;
    json_t *list = NULL;
    FG_TRY(meet(s, &s->has_added, "added_tokens", err));
    fg_json_scan_peek(&s->scan);
    s->lookup->begin = s->scan.at;
    FG_TRY(fg_json_scan_value(&s->scan, &list, err));
    s->lookup->end = s->scan.at;
    if (json_is_null(list)) goto done;
    if (!json_is_array(list))
        FG_FAIL(err, FG_ERR_INPUT, "%s: added_tokens: found %s, expected an array", s->scan.name,
                fg_json_kind(list));
    FG_JSON_EACH(list, i, token) {
        const char *text = json_string_value(json_object_get(token, "content"));
        if (!text || !is_id(json_object_get(token, "id")))
            FG_TRY(refuse_id(s, text ? text : "(without content)", json_object_get(token, "id"), err));
    }
    json_decref(s->lookup->added);
    s->lookup->added = json_incref(list);
done:
    json_decref(list);
    return status;
}

/* Its id wins over one that was found before; the next free one lies behind it. */
static fg_status count_token(token_search *s, const char *text, json_int_t id, fg_error *err) {
    fg_token_lookup *l = s->lookup;
    if ((uint64_t)id >= l->next_id) l->next_id = (uint64_t)id + 1;
    return json_object_get(l->ids, text) ? fg_json_put(l->ids, text, json_integer(id), err) : FG_OK;
}

static fg_status count_added(token_search *s, fg_error *err) {
    json_t *token;
    s->lookup->next_id = s->lookup->vocabulary;
    if (json_object_update(s->lookup->ids, s->lookup->of_model))
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while looking for tokens");
    FG_JSON_EACH(s->lookup->added, i, token)
        FG_CALL(count_token(s, json_string_value(json_object_get(token, "content")),
                            json_integer_value(json_object_get(token, "id")), err));
    return FG_OK;
}

/* {"32000": {"content": "<pad>", ...}, ...} */
static fg_status count_declared(token_search *s, const fg_tokenizer_files *files, fg_error *err) {
    json_t *token, *declared = json_object_get(files->config, "added_tokens_decoder");
    if (declared && !json_is_object(declared) && !json_is_null(declared))
        return fg_fail(err, FG_ERR_INPUT,
                       "%s/tokenizer_config.json: added_tokens_decoder: found %s, expected an object",
                       files->directory, fg_json_kind(declared));
    FG_JSON_MEMBERS(declared, key, token) {
        const char *text = json_string_value(json_object_get(token, "content"));
        char *end;
        long long id = strtoll(key, &end, 10);
        if (!text || end == key || *end || id < 0 || id >= FG_ID_LIMIT)
            return fg_fail(err, FG_ERR_INPUT,
                           "%s/tokenizer_config.json: added_tokens_decoder: \"%.40s\" is not the id of a "
                           "token with content",
                           files->directory, key);
        FG_CALL(count_token(s, text, id, err));
    }
    return FG_OK;
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
    if (!lookup->ids) FG_CALL_NEW(lookup->ids, json_object());
    return text ? fg_json_put(lookup->ids, text, json_null(), err) : FG_OK;
}

fg_status fg_token_lookup_read(fg_token_lookup *lookup, const fg_tokenizer_files *files, fg_error *err) {
    fg_status status = FG_OK;
    token_search s = {.lookup = lookup};
    char *path = NULL;
    FG_TRY(fg_token_lookup_want(lookup, NULL, err));
    FG_TRY_NEW(lookup->added, json_array());
    FG_TRY_NEW(lookup->of_model, json_object());
    FG_TRY_NEW(path, fg_strformat(err, "%s/tokenizer.json", files->directory));
    s.scan = (fg_json_scan){.name = path, .text = files->tokenizer.data, .length = files->tokenizer.length};
    if (files->tokenizer.length) FG_TRY(read_text(&s, err));
    FG_TRY(count_added(&s, err));
    FG_TRY(count_declared(&s, files, err));
done:
    fg_buffer_free(&s.key);
    fg_free(path);
    return status;
}

int64_t fg_token_lookup_find(const fg_token_lookup *lookup, const char *text) {
    const json_t *id = json_object_get(lookup->ids, text);
    return json_is_integer(id) ? json_integer_value(id) : FG_NO_TOKEN;
}

/* `given` has the ids that were given so far, and is added to. */
static fg_status check_id(json_t *given, const json_t *entry, json_int_t *next, const char *directory,
                          fg_error *err) {
    const char *text = json_string_value(json_object_get(entry, "content"));
    json_int_t says = json_integer_value(json_object_get(entry, "id"));
    const json_t *known = json_object_get(given, text);
    json_int_t id = known ? json_integer_value(known) : *next;
    if (id != says || !*text) {
        fg_fail(err, FG_ERR_INPUT,
                "%s/tokenizer.json: tokens cannot be added: the added token \"%.80s\" has the id %lld in the "
                "file, but is loaded with %lld",
                directory, text, (long long)says, (long long)id);
        return fg_hint(err, "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes the ids that are "
                            "used; --skip-default-tokens adds no default token");
    }
    if (id >= *next) *next = id + 1;
    return known ? FG_OK : fg_json_put(given, text, json_integer(id), err);
}

fg_status fg_token_lookup_check(const fg_token_lookup *lookup, const json_t *list, const char *directory,
                                fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry, *given = fg_json_copy(lookup->of_model, err);
    json_int_t next = (json_int_t)lookup->vocabulary;
    if (!given) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while checking tokens");
    FG_JSON_EACH(list, i, entry) FG_TRY(check_id(given, entry, &next, directory, err));
done:
    json_decref(given);
    return status;
}

void fg_token_lookup_free(fg_token_lookup *lookup) {
    json_decref(lookup->added);
    json_decref(lookup->ids);
    json_decref(lookup->of_model);
    *lookup = (fg_token_lookup){0};
}
