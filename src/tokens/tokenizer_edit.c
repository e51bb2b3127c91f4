#include "tokens/tokenizer_edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* ---- entries ---- */

/* What transformers gives a token that it is told to add, whatever flags the token had before. */
static fg_status set_flags(json_t *entry, const fg_new_token *token, fg_error *err) {
    static const char *const never[] = {"single_word", "lstrip", "rstrip"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        FG_CALL(fg_json_put(entry, never[i], json_false(), err));
    FG_CALL(fg_json_put(entry, "normalized", json_boolean(!token->special), err));
    return fg_json_put(entry, "special", json_boolean(token->special), err);
}

static int64_t id_of(const json_t *entry) {
    return json_integer_value(json_object_get(entry, "id"));
}

/* The index of the entry with this id in the list, which is sorted by id, or where it would be inserted. */
static size_t entry_index(const json_t *list, int64_t id) {
    size_t at = json_array_size(list);
    while (at && id_of(json_array_get(list, at - 1)) >= id) at--;
    return at;
}

/* ---- tokenizer.json ---- */

static fg_status put_entry(json_t *list, const char *text, uint64_t id, json_t **entry, fg_error *err) {
    size_t at = entry_index(list, (int64_t)id);
    *entry = json_array_get(list, at);
    if (*entry && id_of(*entry) == (int64_t)id) return FG_OK;
    *entry = json_pack("{s:I, s:s}", "id", (json_int_t)id, "content", text);
    if (!*entry || json_array_insert_new(list, at, *entry))
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while adding a token");
    return FG_OK;
}

/* Tokens that tokenizer_config.json alone declares: without them a new token would take their place. */
static fg_status put_declared(json_t *list, const fg_tokenizer_files *files, fg_error *err) {
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
    json_t *declared, *entry;
    FG_JSON_MEMBERS(json_object_get(files->config, "added_tokens_decoder"), key, declared) {
        FG_CALL(put_entry(list, json_string_value(json_object_get(declared, "content")),
                          strtoull(key, NULL, 10), &entry, err));
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
            json_t *flag = json_object_get(declared, flags[i]);
            if (!json_object_get(entry, flags[i]))
                FG_CALL(fg_json_put(entry, flags[i], flag ? json_incref(flag) : json_false(), err));
        }
    }
    return FG_OK;
}

/* The list as text: laid out like the rest of the file, on one line or on many, indented by two spaces a
 * level. */
static fg_status write_list(const json_t *list, bool one_line, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer plain = {0};
    FG_TRY(fg_json_write(list, FG_JSON_UTF8 | (one_line ? FG_JSON_COMPACT : 0), &plain, err));
    for (const char *at = plain.data, *end; *at; at = end) {
        const char *line = strchr(at, '\n');
        end = line ? line + 1 : at + strlen(at);
        FG_TRY(fg_buffer_add(out, at, (size_t)(end - at), err));
        if (line) FG_TRY(fg_buffer_add(out, "  ", 2, err));
    }
done:
    fg_buffer_free(&plain);
    return status;
}

/* Puts `list` where the old one is, or first of all where there was none. */
static fg_status replace_list(fg_buffer *text, const fg_token_lookup *lookup, const json_t *list,
                              fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer between = {0};
    size_t begin = lookup->begin, end = lookup->end;
    bool one_line = !memchr(text->data, '\n', text->length < 16 ? text->length : 16);
    if (!end) {
        begin = end = (size_t)(strchr(text->data, '{') - text->data) + 1;
        FG_TRY(fg_buffer_printf(&between, err, one_line ? "\"added_tokens\": " : "\n  \"added_tokens\": "));
    }
    FG_TRY(write_list(list, one_line, &between, err));
    if (!lookup->end) FG_TRY(fg_buffer_add(&between, ",", 1, err));
    size_t behind = text->length - end;
    FG_TRY(fg_buffer_add(text, between.data, between.length, err)); /* makes room: moved into place below */
    memmove(text->data + begin + between.length, text->data + end, behind);
    memcpy(text->data + begin, between.data, between.length);
    text->length = begin + between.length + behind;
    text->data[text->length] = '\0';
done:
    fg_buffer_free(&between);
    return status;
}

static fg_status edit_tokenizer(fg_tokenizer_files *files, const fg_new_tokens *tokens, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0}, known = {0};
    json_t *entry;
    FG_TRY(fg_token_lookup_read(&lookup, files, err));
    FG_TRY(put_declared(lookup.added, files, err));
    for (size_t i = 0; i < tokens->count; i++) {
        FG_TRY(put_entry(lookup.added, tokens->items[i].text, tokens->items[i].id, &entry, err));
        FG_TRY(set_flags(entry, &tokens->items[i], err));
    }
    FG_JSON_EACH(lookup.added, at, entry) FG_TRY(fg_token_lookup_want(&known, fg_token_text(entry), err));
    FG_TRY(fg_token_lookup_read(&known, files, err));
    FG_TRY(fg_token_lookup_check(&known, lookup.added, files->directory, err));
    FG_TRY(replace_list(&files->tokenizer, &lookup, lookup.added, err));
done:
    fg_token_lookup_free(&lookup);
    fg_token_lookup_free(&known);
    return status;
}

/* ---- tokenizer_config.json and special_tokens_map.json ---- */

static fg_status edit_decoder(json_t *config, const fg_new_tokens *tokens, fg_error *err) {
    json_t *decoder = json_object_get(config, "added_tokens_decoder");
    char key[24];
    for (size_t i = 0; json_is_object(decoder) && i < tokens->count; i++) {
        snprintf(key, sizeof key, "%" PRIu64, tokens->items[i].id);
        json_t *entry = json_object_get(decoder, key);
        if (!entry) {
            entry = json_pack("{s:s}", "content", tokens->items[i].text);
            FG_CALL(fg_json_put(decoder, key, entry, err));
        }
        FG_CALL(set_flags(entry, &tokens->items[i], err));
    }
    return FG_OK;
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
    FG_CALL(edit_decoder(document, tokens, err));
    FG_CALL(edit_roles(document, tokens, err));
    return edit_special_list(document, tokens, err);
}

fg_status fg_tokenizer_files_add(fg_tokenizer_files *files, const fg_new_tokens *tokens, fg_error *err) {
    if (!files->config) { /* the roles must stand somewhere */
        files->config = json_object();
        if (!files->config) return fg_fail(err, FG_ERR_MEMORY, "out of memory while adding tokens");
    }
    FG_CALL(edit_tokenizer(files, tokens, err));
    FG_CALL(edit_document(files->config, tokens, err));
    return edit_document(files->map, tokens, err);
}
