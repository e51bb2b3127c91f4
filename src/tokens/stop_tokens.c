#include "tokens/stop_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tokens/token_lookup.h"

enum { BRIEF = 60, MOST = 4096 };

static fg_status add_id(fg_stop_tokens *stop, int64_t id, const char *reason, fg_error *err) {
    for (size_t i = 0; i < stop->count; i++) {
        if (stop->items[i].id == id) return FG_OK;
    }
    if (stop->count == MOST)
        return fg_fail(err, FG_ERR_INPUT, "%s%smore than %d tokens stop generation", reason ? reason : "",
                       reason ? ": " : "", MOST);
    FG_CALL(fg_grow(&stop->items, stop->count, &stop->capacity, sizeof *stop->items, err));
    FG_CALL_NEW(stop->items[stop->count].reason, fg_strdup(reason ? reason : "", err));
    stop->items[stop->count++].id = id;
    return FG_OK;
}

static fg_status add_value(fg_stop_tokens *stop, const json_t *id, const char *reason, fg_error *err) {
    char brief[BRIEF];
    if (json_is_integer(id)) return add_id(stop, json_integer_value(id), reason, err);
    return fg_fail(err, FG_ERR_INPUT, "%s%seos_token_id: found %s, expected an integer or a list of integers",
                   reason ? reason : "", reason ? ": " : "", fg_json_brief(id, brief, sizeof brief));
}

fg_status fg_stop_tokens_add(fg_stop_tokens *stop, const json_t *ids, const char *reason, fg_error *err) {
    if (!ids || json_is_null(ids)) return FG_OK;
    if (!json_is_array(ids)) return add_value(stop, ids, reason, err);
    for (size_t i = 0; i < json_array_size(ids); i++)
        FG_CALL(add_value(stop, json_array_get(ids, i), reason, err));
    return FG_OK;
}

/* ---- by text ---- */

/* Adds a token if the tokenizer has it. */
static fg_status add_text(fg_stop_tokens *stop, const fg_token_lookup *lookup, const char *text,
                          const char *reason, fg_error *err) {
    int64_t id = fg_token_lookup_find(lookup, text);
    return id == FG_NO_TOKEN ? FG_OK : add_id(stop, id, reason, err);
}

static bool ends_turn(const char *text) {
    static const char *const names[] = {"<|im_end|>", "<|eot|>", "<|end_of_turn|>"};
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) return true;
    }
    return false;
}

fg_status fg_stop_tokens_add_requested(fg_stop_tokens *stop, const fg_token_request *request,
                                       const fg_tokenizer_files *files, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0};
    const char *eos = request->roles[FG_ROLE_EOS].token, *held = fg_role_text(files, FG_ROLE_EOS);
    size_t count = fg_token_request_count(request);
    for (size_t i = 0; i < count; i++)
        FG_TRY(fg_token_lookup_want(&lookup, fg_token_request_text(request, i), err));
    FG_TRY(fg_token_lookup_read(&lookup, files, err));
    if (eos && held && strcmp(eos, held) == 0)
        FG_TRY(add_text(stop, &lookup, eos, "eos_token of the tokens that were added", err));
    for (size_t i = 0; i < count; i++) {
        const char *text = fg_token_request_text(request, i);
        if (ends_turn(text)) FG_TRY(add_text(stop, &lookup, text, "an added token that ends a turn", err));
    }
done:
    fg_token_lookup_free(&lookup);
    return status;
}

/* ---- --stop-tokens ---- */

/* The texts of "A, B", which are not empty. */
static fg_status split_list(const char *list, json_t *texts, fg_error *err) {
    for (const char *at = list, *next; *at; at = *next ? next + 1 : next) {
        at += strspn(at, " ");
        size_t length = strcspn(at, ",");
        next = at + length;
        while (length && at[length - 1] == ' ') length--;
        if (length) FG_CALL(fg_json_push(texts, json_stringn_nocheck(at, length), err));
    }
    return FG_OK;
}

static fg_status no_token(const char *directory, const char *text, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "--stop-tokens: the tokenizer of %s has no token \"%.80s\"", directory, text);
    return fg_hint(err,
                   "add it with --add-tokens, or leave it out; separate tokens by commas, without spaces");
}

fg_status fg_stop_tokens_add_listed(fg_stop_tokens *stop, const char *list, const fg_tokenizer_files *files,
                                    fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0};
    json_t *text, *texts = json_array();
    FG_TRY(split_list(list, texts, err));
    FG_JSON_EACH(texts, i, text) FG_TRY(fg_token_lookup_want(&lookup, json_string_value(text), err));
    FG_TRY(fg_token_lookup_read(&lookup, files, err));
    FG_JSON_EACH(texts, i, text) {
        int64_t id = fg_token_lookup_find(&lookup, json_string_value(text));
        if (id == FG_NO_TOKEN) FG_TRY(no_token(files->directory, json_string_value(text), err));
        FG_TRY(add_id(stop, id, "--stop-tokens", err));
    }
done:
    json_decref(texts);
    fg_token_lookup_free(&lookup);
    return status;
}

/* ---- the result ---- */

fg_status fg_stop_tokens_ids(const fg_stop_tokens *stop, json_t **ids, fg_error *err) {
    fg_status status = FG_OK;
    *ids = NULL;
    if (!stop->count) return FG_OK;
    *ids = json_array();
    for (size_t i = 0; i < stop->count; i++) FG_TRY(fg_json_push(*ids, json_integer(stop->items[i].id), err));
    if (stop->count > 1) return FG_OK;
    json_t *only = json_incref(json_array_get(*ids, 0));
    json_decref(*ids);
    *ids = only;
done:
    if (status != FG_OK) {
        json_decref(*ids);
        *ids = NULL;
    }
    return status;
}

fg_status fg_stop_tokens_merge(const json_t *config_eos, const json_t *generation_eos, int64_t tokenizer_eos,
                               json_t **merged, fg_error *err) {
    fg_status status = FG_OK;
    fg_stop_tokens stop = {0};
    *merged = NULL;
    FG_TRY(fg_stop_tokens_add(&stop, config_eos, NULL, err));
    FG_TRY(fg_stop_tokens_add(&stop, generation_eos, NULL, err));
    if (tokenizer_eos != FG_NO_TOKEN) FG_TRY(add_id(&stop, tokenizer_eos, NULL, err));
    FG_TRY(fg_stop_tokens_ids(&stop, merged, err));
done:
    fg_stop_tokens_free(&stop);
    return status;
}

/* The text of an added token; NULL if no added token has the id. */
static const char *text_of(const fg_token_lookup *lookup, int64_t id) {
    const fg_token_entries *lists[] = {&lookup->added, &lookup->declared};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t index = fg_token_entries_find(lists[i], id);
        if (index < lists[i]->count) return fg_token_entries_content(lists[i], index);
    }
    return NULL;
}

fg_status fg_stop_tokens_describe(const fg_stop_tokens *stop, const fg_tokenizer_files *files, json_t **list,
                                  fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0};
    json_t *entry = NULL;
    *list = json_array();
    FG_TRY(fg_token_lookup_read(&lookup, files, err));
    for (size_t i = 0; i < stop->count; i++) {
        entry = json_object();
        FG_TRY(fg_json_put(entry, "id", json_integer(stop->items[i].id), err));
        FG_TRY(fg_json_put_text(entry, "text", text_of(&lookup, stop->items[i].id), err));
        FG_TRY(fg_json_put_text(entry, "reason", stop->items[i].reason, err));
        FG_TRY(fg_json_push(*list, json_incref(entry), err));
        json_decref(entry);
        entry = NULL;
    }
done:
    json_decref(entry);
    fg_token_lookup_free(&lookup);
    if (status != FG_OK) {
        json_decref(*list);
        *list = NULL;
    }
    return status;
}

void fg_stop_tokens_free(fg_stop_tokens *stop) {
    for (size_t i = 0; i < stop->count; i++) fg_free(stop->items[i].reason);
    fg_free(stop->items);
    *stop = (fg_stop_tokens){0};
}
