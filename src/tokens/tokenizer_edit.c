#include "tokens/tokenizer_edit.h"
#include "tokenizer/plain_token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* ---- entries ---- */

/* What transformers gives a token that it is told to add, whatever flags the token had before. */
static bool is_set_of_new(const fg_new_token *token, const char *flag) {
    if (strcmp(flag, "normalized") == 0) return !token->special;
    return strcmp(flag, "special") == 0 && token->special;
}

/* ---- lists of entries ---- */

/* What becomes of the entry with one id. */
typedef struct entry_edit {
    int64_t id;
    const fg_token_entry *declared; /* borrowed; what tokenizer_config.json says of it, or NULL */
    const char *content;            /* borrowed */
    const fg_new_token *token;      /* borrowed, or NULL */
    bool listed;                    /* it is in the list already */
} entry_edit;

/* added_tokens of tokenizer.json, or added_tokens_decoder. */
typedef struct list_edit {
    entry_edit *edits; /* owned; sorted by id, each once */
    size_t count;
    const fg_token_entries *held; /* as it is */
    const char *text;             /* borrowed; where they are */
    size_t length;
    bool one_line, keyed; /* the second: ids are keys, not members */
    fg_buffer *out;
    size_t written; /* entries so far */
} list_edit;

/* Of two with one id that of tokenizer_config.json comes first. */
static int by_id(const void *a, const void *b) {
    const entry_edit *left = a, *right = b;
    if (left->id != right->id) return left->id < right->id ? -1 : 1;
    return !left->declared - !right->declared;
}

static void join_equal(list_edit *e) {
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++) {
        entry_edit *last = kept ? &e->edits[kept - 1] : NULL;
        if (!last || last->id != e->edits[i].id)
            e->edits[kept++] = e->edits[i];
        else if (e->edits[i].token)
            last->token = e->edits[i].token;
    }
    e->count = kept;
}

/* Tokens of `declared` (NULL: none) are entries, too. */
static fg_status find_edits(list_edit *e, const fg_token_entries *declared, const fg_new_tokens *tokens,
                            fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(e->edits, (declared ? declared->count : 0) + tokens->count);
    for (size_t i = 0; declared && i < declared->count; i++)
        e->edits[e->count++] = (entry_edit){.id = declared->items[i].id,
                                            .declared = &declared->items[i],
                                            .content = fg_token_entries_content(declared, i)};
    for (size_t i = 0; i < tokens->count; i++)
        e->edits[e->count++] = (entry_edit){
            .id = (int64_t)tokens->items[i].id, .content = tokens->items[i].text, .token = &tokens->items[i]};
    qsort(e->edits, e->count, sizeof *e->edits, by_id);
    join_equal(e);
done:
    return status;
}

static entry_edit *edit_of(const list_edit *e, int64_t id) {
    size_t low = 0, high = e->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e->edits[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < e->count && e->edits[low].id == id ? &e->edits[low] : NULL;
}

/* The list is laid out like the rest of the file, on one line or on many, indented by two spaces a level. */
static fg_status begin_entry(list_edit *e, int64_t id, fg_error *err) {
    const char *before = e->one_line ? (e->written ? ", " : "") : (e->written ? ",\n    " : "\n    ");
    e->written++;
    FG_CALL(fg_buffer_put(e->out, before, err));
    return e->keyed ? fg_buffer_printf(e->out, err, "\"%" PRId64 "\": ", id) : FG_OK;
}

static fg_status put_value(list_edit *e, const json_t *entry, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer plain = {0};
    FG_TRY(fg_json_write(entry, FG_JSON_UTF8 | (e->one_line ? FG_JSON_COMPACT : 0), &plain, err));
    for (const char *at = plain.data, *end; *at; at = end) {
        const char *line = strchr(at, '\n');
        end = line ? line + 1 : at + strlen(at);
        FG_TRY(fg_buffer_add(e->out, at, (size_t)(end - at), err));
        if (line) FG_TRY(fg_buffer_put(e->out, "    ", err));
    }
done:
    fg_buffer_free(&plain);
    return status;
}

/* What a flag of the entry becomes. */
static bool is_set(const entry_edit *edit, size_t flag) {
    return edit->token ? is_set_of_new(edit->token, fg_token_flag_name(flag))
                       : edit->declared->set >> flag & 1;
}

static fg_status put_content(list_edit *e, const char *text, fg_error *err) {
    json_t *content = json_string(text);
    if (!content) return fg_fail(err, FG_ERR_MEMORY, "out of memory while adding a token");
    fg_status status = fg_json_write(content, FG_JSON_UTF8, e->out, err);
    json_decref(content);
    return status;
}

/* An entry that was not in the list: its members one by one, for there may be hundreds of thousands. */
static fg_status put_new(list_edit *e, const entry_edit *edit, fg_error *err) {
    const char *begin = e->one_line ? "\"" : "\n      \"", *between = e->one_line ? ", \"" : ",\n      \"";
    FG_CALL(fg_buffer_put(e->out, "{", err));
    FG_CALL(fg_buffer_put(e->out, begin, err));
    if (!e->keyed) {
        FG_CALL(fg_buffer_put(e->out, "id\": ", err));
        FG_CALL(fg_buffer_put_u64(e->out, (uint64_t)edit->id, err));
        FG_CALL(fg_buffer_put(e->out, between, err));
    }
    FG_CALL(fg_buffer_put(e->out, "content\": ", err));
    FG_CALL(put_content(e, edit->content, err));
    for (size_t flag = 0; flag < FG_TOKEN_FLAGS; flag++) {
        FG_CALL(fg_buffer_put(e->out, between, err));
        FG_CALL(fg_buffer_put(e->out, fg_token_flag_name(flag), err));
        FG_CALL(fg_buffer_put(e->out, is_set(edit, flag) ? "\": true" : "\": false", err));
    }
    return fg_buffer_put(e->out, e->one_line ? "}" : "\n    }", err);
}

/* An entry of the list: flags that it lacks are those that tokenizer_config.json has. */
static fg_status put_changed(list_edit *e, const fg_token_entry *held, const entry_edit *edit,
                             fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry = NULL;
    fg_json_scan scan = {.name = "added_tokens", .text = e->text, .length = e->length, .at = held->begin};
    FG_TRY(fg_json_scan_value(&scan, &entry, err));
    for (size_t flag = 0; flag < FG_TOKEN_FLAGS; flag++) {
        if (edit->token || !(held->given >> flag & 1))
            FG_TRY(fg_json_put(entry, fg_token_flag_name(flag), json_boolean(is_set(edit, flag)), err));
    }
    FG_TRY(put_value(e, entry, err));
done:
    json_decref(entry);
    return status;
}

static fg_status put_listed(list_edit *e, const fg_token_entry *held, fg_error *err) {
    const entry_edit *edit = edit_of(e, held->id);
    bool whole = held->given == (1u << FG_TOKEN_FLAGS) - 1;
    FG_CALL(begin_entry(e, held->id, err));
    if (edit && (edit->token || !whole)) return put_changed(e, held, edit, err);
    return fg_buffer_add(e->out, e->text + held->begin, held->length, err);
}

/* Entries that are new, before the first one of the list with a larger id. */
static fg_status put_news(list_edit *e, size_t *at, int64_t before, fg_error *err) {
    for (; *at < e->count && e->edits[*at].id < before; ++*at) {
        if (e->edits[*at].listed) continue;
        FG_CALL(begin_entry(e, e->edits[*at].id, err));
        FG_CALL(put_new(e, &e->edits[*at], err));
    }
    return FG_OK;
}

static fg_status write_list(list_edit *e, fg_error *err) {
    const fg_token_entries *held = e->held;
    size_t at = 0;
    for (size_t i = 0; i < held->count; i++) {
        entry_edit *edit = edit_of(e, held->items[i].id);
        if (edit) edit->listed = true;
    }
    FG_CALL(fg_buffer_put(e->out, e->keyed ? "{" : "[", err));
    for (size_t i = 0; i < held->count; i++) {
        FG_CALL(put_news(e, &at, held->items[i].id, err));
        FG_CALL(put_listed(e, &held->items[i], err));
    }
    FG_CALL(put_news(e, &at, INT64_MAX, err));
    if (e->written && !e->one_line) FG_CALL(fg_buffer_put(e->out, "\n  ", err));
    return fg_buffer_put(e->out, e->keyed ? "}" : "]", err);
}

/* ---- tokenizer.json ---- */

/* The text with the list where the old one is, or first of all where there was none. */
static fg_status write_text(list_edit *e, const fg_token_lookup *lookup, const fg_buffer *text,
                            fg_error *err) {
    size_t begin = lookup->begin, end = lookup->end;
    if (!end) begin = end = (size_t)(strchr(text->data, '{') - text->data) + 1;
    FG_CALL(fg_buffer_add(e->out, text->data, begin, err));
    if (!lookup->end)
        FG_CALL(fg_buffer_put(e->out, e->one_line ? "\"added_tokens\": " : "\n  \"added_tokens\": ", err));
    FG_CALL(write_list(e, err));
    if (!lookup->end) FG_CALL(fg_buffer_put(e->out, ",", err));
    return fg_buffer_add(e->out, text->data + end, text->length - end, err);
}

/* Reads the files again, the way transformers will. */
static fg_status check_ids(const fg_tokenizer_files *files, const list_edit *e, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup known = {0};
    for (size_t i = 0; i < e->held->count; i++)
        FG_TRY(fg_token_lookup_want(&known, fg_token_entries_content(e->held, i), err));
    for (size_t i = 0; i < e->count; i++) FG_TRY(fg_token_lookup_want(&known, e->edits[i].content, err));
    FG_TRY(fg_token_lookup_read(&known, files, err));
    FG_TRY(fg_token_lookup_check(&known, files->directory, err));
done:
    fg_token_lookup_free(&known);
    return status;
}

/* Tokens that tokenizer_config.json alone declares are listed, too: without them a new token would take their
 * place. */
static fg_status edit_tokenizer(fg_tokenizer_files *files, const fg_new_tokens *tokens, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0};
    fg_buffer text = {0};
    const fg_buffer *old = &files->tokenizer;
    list_edit e = {.held = &lookup.added, .text = old->data, .length = old->length, .out = &text};
    e.one_line = !memchr(old->data, '\n', old->length < 16 ? old->length : 16);
    FG_TRY(fg_token_lookup_read(&lookup, files, err));
    FG_TRY(find_edits(&e, &lookup.declared, tokens, err));
    FG_TRY(write_text(&e, &lookup, old, err));
    fg_buffer_free(&files->tokenizer);
    files->tokenizer = text;
    text = (fg_buffer){0};
    FG_TRY(check_ids(files, &e, err));
done:
    fg_buffer_free(&text);
    fg_free(e.edits);
    fg_token_lookup_free(&lookup);
    return status;
}

/* ---- tokenizer_config.json and special_tokens_map.json ---- */

static fg_status edit_decoder(fg_tokenizer_files *files, const fg_new_tokens *tokens, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_entries held = {0};
    fg_buffer text = {0};
    const fg_buffer *old = &files->decoder;
    list_edit e = {.held = &held, .text = old->data, .length = old->length, .keyed = true, .out = &text};
    fg_json_scan scan = {.name = "tokenizer_config.json", .text = old->data, .length = old->length};
    if (!old->length) return FG_OK;
    FG_TRY(fg_token_entries_read_object(&held, &scan, err));
    FG_TRY(find_edits(&e, NULL, tokens, err));
    FG_TRY(write_list(&e, err));
    fg_buffer_free(&files->decoder);
    files->decoder = text;
    text = (fg_buffer){0};
done:
    fg_buffer_free(&text);
    fg_free(e.edits);
    fg_token_entries_free(&held);
    return status;
}

/* A token as special_tokens_map.json describes it. */
static json_t *described(const char *text) {
    return json_pack("{s:s, s:b, s:b, s:b, s:b}", "content", text, "lstrip", 0, "normalized", 0, "rstrip", 0,
                     "single_word", 0);
}

/* Whether the document writes its roles as objects rather than as texts. */
static bool describes(const json_t *document) {
    char key[FG_ROLE_KEY];
    for (int role = 0; role < FG_ROLE_COUNT; role++) {
        if (json_is_object(json_object_get(document, fg_role_key((fg_role)role, key)))) return true;
    }
    return false;
}

static fg_status edit_roles(json_t *document, const fg_new_tokens *tokens, fg_error *err) {
    char key[FG_ROLE_KEY];
    bool objects = describes(document) && !json_object_get(document, "added_tokens_decoder");
    for (int role = 0; role < FG_ROLE_COUNT; role++) {
        if (tokens->roles[role] == FG_NO_TOKEN) continue;
        const char *text = tokens->items[tokens->roles[role]].text;
        FG_CALL(fg_json_put(document, fg_role_key((fg_role)role, key),
                            objects ? described(text) : json_string(text), err));
    }
    return FG_OK;
}

/* transformers 5 calls the list extra_special_tokens; a file that has it keeps the name. */
static fg_status edit_special_list(json_t *document, const fg_new_tokens *tokens, fg_error *err) {
    const char *key = json_is_array(json_object_get(document, "extra_special_tokens"))
                          ? "extra_special_tokens"
                          : "additional_special_tokens";
    for (size_t i = 0; i < tokens->count; i++) {
        if (!tokens->items[i].listed) continue;
        json_t *list = json_object_get(document, key);
        if (!json_is_array(list)) {
            list = json_array();
            FG_CALL(fg_json_put(document, key, list, err));
        }
        bool objects = json_is_object(json_array_get(list, 0));
        const char *text = tokens->items[i].text;
        FG_CALL(fg_json_push(list, objects ? described(text) : json_string(text), err));
    }
    return FG_OK;
}

static fg_status edit_document(json_t *document, const fg_new_tokens *tokens, fg_error *err) {
    if (!document) return FG_OK;
    FG_CALL(edit_roles(document, tokens, err));
    return edit_special_list(document, tokens, err);
}

fg_status fg_tokenizer_files_add(fg_tokenizer_files *files, const fg_new_tokens *tokens, fg_error *err) {
    if (!files->config) { /* the roles must stand somewhere */
        files->config = json_object();
        if (!files->config) return fg_fail(err, FG_ERR_MEMORY, "out of memory while adding tokens");
    }
    FG_CALL(edit_tokenizer(files, tokens, err));
    FG_CALL(edit_decoder(files, tokens, err));
    FG_CALL(edit_document(files->config, tokens, err));
    return edit_document(files->map, tokens, err);
}
