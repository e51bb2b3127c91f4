#include "tokens/new_tokens.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tokenizer/vocabulary.h"

enum { PATH = 64 };

/* In which roles get their ids: as SentencePiece numbers them, and as the original tool does it with a fixed
 * hash seed. */
static const fg_role order[FG_ROLE_COUNT] = {FG_ROLE_UNK, FG_ROLE_BOS, FG_ROLE_EOS, FG_ROLE_PAD};

typedef struct decision {
    fg_new_tokens *tokens;
    const fg_token_request *request;
    const fg_tokenizer_files *files;
    fg_token_lookup lookup;
    json_t *named;  /* owned: text -> key, of the special tokens that the files name, in the order of
                      transformers */
    json_t *listed; /* owned: text -> true, of the additional special tokens that the files list */
    json_t *items;  /* owned: text -> index into tokens->items */
    uint64_t model_rows;
    fg_row_edits set; /* rows of tokens that exist, asked for by their roles: done if some token is new */
} decision;

/* ---- what is there ---- */

static fg_status name_token(decision *d, const char *key, const json_t *value, fg_error *err) {
    const json_t *held = json_is_object(value) ? json_object_get(value, "content") : value;
    const char *text = json_string_value(held);
    if (!text || !*text || strlen(text) != json_string_length(held) || json_object_get(d->named, text))
        return FG_OK;
    return fg_json_put(d->named, text, json_string(key), err);
}

/* A token, a list of them, or an object whose values are tokens. */
static fg_status name_tokens(decision *d, const char *key, json_t *value, fg_error *err) {
    json_t *token;
    FG_CALL(name_token(d, key, value, err));
    FG_JSON_EACH(value, i, token) FG_CALL(name_token(d, key, token, err));
    if (json_object_get(value, "content")) return FG_OK;
    FG_JSON_MEMBERS(value, name, token) FG_CALL(name_token(d, key, token, err));
    return FG_OK;
}

static fg_status find_named(decision *d, fg_error *err) {
    static const char *const keys[] = {
        "bos_token",           "eos_token", "unk_token",  "sep_token",
        "pad_token",           "cls_token", "mask_token", "additional_special_tokens",
        "extra_special_tokens"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(d->files->config, keys[i]);
        if (!value) value = json_object_get(d->files->map, keys[i]);
        FG_CALL(name_tokens(d, keys[i], value, err));
    }
    return FG_OK;
}

/* Looks up every token that is named. */
static fg_status look_up(decision *d, fg_error *err) {
    json_t *key;
    FG_JSON_MEMBERS(d->named, text, key) FG_CALL(fg_token_lookup_want(&d->lookup, text, err));
    for (int role = 0; role < FG_ROLE_COUNT; role++)
        FG_CALL(fg_token_lookup_want(&d->lookup, fg_role_text(d->files, (fg_role)role), err));
    for (size_t i = 0; i < fg_token_request_count(d->request); i++)
        FG_CALL(fg_token_lookup_want(&d->lookup, fg_token_request_text(d->request, i), err));
    FG_CALL(fg_token_lookup_read(&d->lookup, d->files, err));
    if (d->lookup.next_id) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s/tokenizer.json: tokens cannot be added: it has no vocabulary",
                   d->files->directory);
}

/* ---- tokens ---- */

static int64_t item_of(const decision *d, const char *text) {
    const json_t *item = json_object_get(d->items, text);
    return item ? json_integer_value(item) : FG_NO_TOKEN;
}

/* The item of a token, which gets the next id if it is not in the vocabulary. */
static fg_status resolve_token(decision *d, const char *text, bool special, int64_t *item, fg_error *err) {
    fg_new_tokens *t = d->tokens;
    int64_t known = fg_token_lookup_find(&d->lookup, text);
    *item = item_of(d, text);
    if (*item == FG_NO_TOKEN) {
        fg_new_token token = {.id = known == FG_NO_TOKEN ? d->lookup.next_id : (uint64_t)known,
                              .is_new = known == FG_NO_TOKEN};
        if (token.id >= FG_ID_LIMIT)
            return fg_fail(err, FG_ERR_INPUT, "%s/tokenizer.json: too many tokens", d->files->directory);
        FG_CALL(fg_grow(&t->items, t->count, &t->capacity, sizeof *t->items, err));
        FG_CALL_NEW(token.text, fg_strdup(text, err));
        d->lookup.next_id += token.is_new;
        t->added += token.is_new;
        *item = (int64_t)t->count;
        t->items[t->count++] = token;
        FG_CALL(fg_json_put(d->items, text, json_integer(*item), err));
    }
    t->items[*item].special |= special;
    return FG_OK;
}

/* A row to copy must be one of the source's. */
static fg_status check_copy(const decision *d, fg_role role, fg_row_value value, fg_error *err) {
    char key[FG_ROLE_KEY], path[PATH];
    if (value.kind != FG_ROW_COPY || value.from < d->model_rows) return FG_OK;
    snprintf(path, sizeof path, "%s/init", fg_role_key(role, key));
    return fg_token_request_refuse(d->request, err, path,
                                   "copy:%" PRIu64 ": the model has rows for the ids 0 to %" PRIu64,
                                   value.from, d->model_rows - 1);
}

/* What the row of a role's new token holds. */
static fg_status new_row(const decision *d, fg_role role, fg_row_value *value, fg_error *err) {
    int64_t old = d->tokens->old_roles[role];
    *value = d->request->roles[role].init;
    if (old == FG_NO_TOKEN) return FG_OK;
    if ((uint64_t)old >= d->model_rows)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: the %s token has the id %lld, but the model has %" PRIu64
                       " rows: the new one has no row to copy",
                       d->files->directory, fg_role_name(role), (long long)old, d->model_rows);
    *value = (fg_row_value){.kind = FG_ROW_COPY, .from = (uint64_t)old};
    return FG_OK;
}

/* Whether the request changes a role. */
static bool changes(const decision *d, fg_role role) {
    const fg_role_request *request = &d->request->roles[role];
    const char *old = fg_role_text(d->files, role);
    return request->token && !(old && (request->if_missing || strcmp(old, request->token) == 0));
}

static fg_status take_role(decision *d, fg_role role, fg_error *err) {
    const fg_role_request *request = &d->request->roles[role];
    const char *old = fg_role_text(d->files, role);
    fg_new_tokens *t = d->tokens;
    fg_row_value value;
    if (old) t->old_roles[role] = fg_token_lookup_find(&d->lookup, old);
    if (!changes(d, role)) return FG_OK;
    FG_CALL(check_copy(d, role, request->init, err));
    bool shared = item_of(d, request->token) != FG_NO_TOKEN;
    FG_CALL(resolve_token(d, request->token, true, &t->roles[role], err));
    const fg_new_token *token = &t->items[t->roles[role]];
    if (token->is_new && !shared) {
        FG_CALL(new_row(d, role, &value, err));
        FG_CALL(fg_row_edits_set(&t->rows, token->id, value, err));
    } else if (!token->is_new && request->init.kind != FG_ROW_MEAN) {
        FG_CALL(fg_row_edits_set(&d->set, token->id, request->init, err));
    }
    return FG_OK;
}

/* The tokens that the files list among the additional special ones already. */
static fg_status find_listed(decision *d, fg_error *err) {
    static const char *const keys[] = {"additional_special_tokens", "extra_special_tokens"};
    const json_t *documents[] = {d->files->config, d->files->map};
    for (size_t i = 0; i < 4; i++) {
        json_t *token;
        FG_JSON_EACH(json_object_get(documents[i / 2], keys[i % 2]), at, token) {
            const char *text = fg_token_text(token);
            if (text) FG_CALL(fg_json_put(d->listed, text, json_true(), err));
        }
    }
    return FG_OK;
}

static fg_status take_list(decision *d, const json_t *list, bool special, fg_error *err) {
    fg_new_tokens *t = d->tokens;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        bool known = fg_token_lookup_find(&d->lookup, text) != FG_NO_TOKEN;
        bool shared = item_of(d, text) != FG_NO_TOKEN;
        int64_t item;
        if (special ? json_object_get(d->listed, text) != NULL : known) continue;
        FG_CALL(resolve_token(d, text, special, &item, err));
        t->items[item].listed = special;
        if (t->items[item].is_new && !shared)
            FG_CALL(fg_row_edits_set(&t->rows, t->items[item].id, (fg_row_value){.kind = FG_ROW_MEAN}, err));
    }
    return FG_OK;
}

/* ---- tokens without an id ---- */

static bool is_absent(const decision *d, const char *text) {
    return fg_token_lookup_find(&d->lookup, text) == FG_NO_TOKEN;
}

static bool adds(const decision *d) {
    for (size_t i = 0; i < fg_token_request_count(d->request); i++) {
        if (i < FG_ROLE_COUNT && !changes(d, (fg_role)i)) continue;
        if (is_absent(d, fg_token_request_text(d->request, i))) return true;
    }
    return false;
}

/* Tokens that the files name and that have no id get one from transformers whenever it reads the files:
 * before any that is new here. */
static fg_status take_named(decision *d, fg_error *err) {
    json_t *key;
    int64_t item;
    if (!adds(d)) return FG_OK;
    FG_JSON_MEMBERS(d->named, text, key) {
        if (!is_absent(d, text)) continue;
        bool pads = strcmp(json_string_value(key), "pad_token") == 0;
        FG_CALL(resolve_token(d, text, true, &item, err));
        FG_CALL(fg_row_edits_set(&d->tokens->rows, d->tokens->items[item].id,
                                 (fg_row_value){.kind = pads ? FG_ROW_ZERO : FG_ROW_MEAN}, err));
    }
    return FG_OK;
}

/* ---- rows ---- */

static fg_status resolve_rows(decision *d, fg_error *err) {
    fg_new_tokens *t = d->tokens;
    char text[FG_ROW_TEXT];
    if (!t->added) return FG_OK;
    t->rows.rows = d->lookup.next_id > d->model_rows ? d->lookup.next_id : d->model_rows;
    for (size_t i = 0; i < d->set.count; i++) {
        const fg_row_edit *edit = &d->set.items[i];
        if (edit->row >= t->rows.rows) continue;
        if (edit->row < d->model_rows)
            fg_warn("the row of token %" PRIu64
                    ", which the model already has, is set to %s, as the init of a role asks",
                    edit->row, fg_row_value_text(edit->value, text));
        FG_CALL(fg_row_edits_set(&t->rows, edit->row, edit->value, err));
    }
    size_t given = 0;
    for (uint64_t row = d->model_rows; row < t->rows.rows; row++) {
        while (given < t->rows.count && t->rows.items[given].row < row) given++;
        if (given < t->rows.count && t->rows.items[given].row == row) continue;
        FG_CALL(fg_row_edits_set(&t->rows, row, (fg_row_value){.kind = FG_ROW_MEAN}, err));
    }
    return FG_OK;
}

static fg_status decide(decision *d, fg_error *err) {
    if (!d->named || !d->listed || !d->items)
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while adding tokens");
    FG_CALL(find_named(d, err));
    FG_CALL(find_listed(d, err));
    FG_CALL(look_up(d, err));
    FG_CALL(take_named(d, err));
    for (size_t i = 0; i < FG_ROLE_COUNT; i++) FG_CALL(take_role(d, order[i], err));
    FG_CALL(take_list(d, d->request->special, true, err));
    FG_CALL(take_list(d, d->request->regular, false, err));
    return resolve_rows(d, err);
}

fg_status fg_new_tokens_decide(fg_new_tokens *tokens, const fg_token_request *request,
                               const fg_tokenizer_files *files, uint64_t model_rows, fg_error *err) {
    decision d = {.tokens = tokens, .request = request, .files = files, .model_rows = model_rows};
    *tokens = (fg_new_tokens){0};
    for (int role = 0; role < FG_ROLE_COUNT; role++)
        tokens->roles[role] = tokens->old_roles[role] = FG_NO_TOKEN;
    if (!files->tokenizer.length) {
        fg_fail(err, FG_ERR_INPUT, "%s: tokens cannot be added: there is no tokenizer.json",
                files->directory);
        return fg_hint(err,
                       "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes one from other files");
    }
    d.named = json_object();
    d.listed = json_object();
    d.items = json_object();
    fg_status status = decide(&d, err);
    json_decref(d.named);
    json_decref(d.listed);
    json_decref(d.items);
    fg_token_lookup_free(&d.lookup);
    fg_row_edits_free(&d.set);
    return status;
}

bool fg_new_tokens_any(const fg_new_tokens *tokens) {
    return tokens->count > 0;
}

void fg_new_tokens_free(fg_new_tokens *tokens) {
    for (size_t i = 0; i < tokens->count; i++) fg_free(tokens->items[i].text);
    fg_free(tokens->items);
    fg_row_edits_free(&tokens->rows);
    *tokens = (fg_new_tokens){0};
}
