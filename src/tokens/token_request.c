#include "tokens/token_request.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "tokenizer/added_tokens.h"

enum { BRIEF = 80, PATH = 64 };

static const char *const lists[] = {"special_tokens", "regular_tokens"};
static const char known_keys[] =
    "bos_token, eos_token, pad_token, unk_token, special_tokens and regular_tokens";

fg_status fg_token_request_refuse_at(const fg_token_request *request, fg_error *err, const char *path,
                                     const char *format, ...) {
    fg_error said = {0};
    const json_t *place = json_object_get(request->marks, path);
    va_list arguments;
    va_start(arguments, format);
    fg_fail_list(&said, FG_ERR_INPUT, format, arguments);
    va_end(arguments);
    snprintf(said.key, sizeof said.key, "%s", path);
    if (!place)
        fg_fail(err, FG_ERR_INPUT, "the tokens that are added: %s: %s", path, said.text);
    else
        fg_fail(err, FG_ERR_INPUT, "%s: line %lld, column %lld: %s: %s", request->file,
                (long long)json_integer_value(json_array_get(place, 0)),
                (long long)json_integer_value(json_array_get(place, 1)), path, said.text);
    return fg_fail_quoting(err, &said);
}

/* ---- texts ---- */

static fg_status check_text(const fg_token_request *r, const char *path, const json_t *value, fg_error *err) {
    char brief[BRIEF];
    if (!json_is_string(value)) {
        fg_token_request_refuse(r, err, path, "found %s, expected the text of a token",
                                fg_json_brief(value, brief, sizeof brief));
        return fg_hint(err, "put the text in quotes");
    }
    size_t length = json_string_length(value);
    if (!length) return fg_token_request_refuse(r, err, path, "the text of a token is empty");
    if (length > FG_ADDED_TOKEN_LIMIT || strlen(json_string_value(value)) != length)
        return fg_token_request_refuse(r, err, path,
                                       "the text of a token has %zu bytes (%d at most) or a NUL among them",
                                       length, FG_ADDED_TOKEN_LIMIT);
    return FG_OK;
}

/* ---- roles ---- */

static fg_status read_init(const fg_token_request *r, const char *key, const json_t *value,
                           fg_row_value *init, fg_error *err) {
    char brief[BRIEF], path[PATH];
    if (!value) return FG_OK;
    if (json_is_string(value) && fg_row_value_parse(json_string_value(value), init)) return FG_OK;
    snprintf(path, sizeof path, "%s/init", key);
    return fg_token_request_refuse(r, err, path,
                                   "found %s, expected zero, mean or copy:ID with the id of a token",
                                   fg_json_brief(value, brief, sizeof brief));
}

static fg_status read_flag(const fg_token_request *r, const char *key, const json_t *value, bool *flag,
                           fg_error *err) {
    char brief[BRIEF], path[PATH];
    snprintf(path, sizeof path, "%s/if_missing", key);
    if (value && !json_is_boolean(value))
        return fg_token_request_refuse(r, err, path, "found %s, expected true or false",
                                       fg_json_brief(value, brief, sizeof brief));
    *flag = json_is_true(value);
    return FG_OK;
}

static fg_status check_members(const fg_token_request *r, const char *key, const json_t *value,
                               fg_error *err) {
    char path[PATH];
    json_t *ignored;
    FG_JSON_MEMBERS(value, member, ignored) {
        if (strcmp(member, "token") == 0 || strcmp(member, "init") == 0 || strcmp(member, "if_missing") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%.40s", key, member);
        return fg_token_request_refuse(r, err, path,
                                       "this key is not known; a role has token, init and if_missing");
    }
    return FG_OK;
}

static fg_status read_role(fg_token_request *r, fg_role role, fg_error *err) {
    char key[FG_ROLE_KEY], path[PATH];
    fg_role_request *request = &r->roles[role];
    const json_t *value = json_object_get(r->document, fg_role_key(role, key)), *token = value;
    request->init.kind = role == FG_ROLE_PAD ? FG_ROW_ZERO : FG_ROW_MEAN;
    if (!value) return FG_OK;
    snprintf(path, sizeof path, "%s", key);
    if (json_is_object(value)) {
        FG_CALL(check_members(r, key, value, err));
        token = json_object_get(value, "token");
        if (!token) FG_CALL(fg_token_request_refuse(r, err, key, "it has no token"));
        snprintf(path, sizeof path, "%s/token", key);
        FG_CALL(read_init(r, key, json_object_get(value, "init"), &request->init, err));
        FG_CALL(read_flag(r, key, json_object_get(value, "if_missing"), &request->if_missing, err));
    }
    FG_CALL(check_text(r, path, token, err));
    request->token = json_string_value(token);
    return FG_OK;
}

/* ---- lists ---- */

static fg_status read_list(const fg_token_request *r, const char *key, const json_t **list, fg_error *err) {
    char brief[BRIEF], path[PATH];
    *list = json_object_get(r->document, key);
    if (json_is_null(*list)) *list = NULL; /* "regular_tokens:" with nothing behind it */
    if (*list && !json_is_array(*list))
        FG_CALL(fg_token_request_refuse(r, err, key, "found %s, expected a list of texts",
                                        fg_json_brief(*list, brief, sizeof brief)));
    for (size_t i = 0; i < json_array_size(*list); i++) {
        snprintf(path, sizeof path, "%s/%zu", key, i);
        FG_CALL(check_text(r, path, json_array_get(*list, i), err));
    }
    return FG_OK;
}

/* ---- duplicates ---- */

static fg_status check_list(const fg_token_request *r, const char *key, json_t *seen, fg_error *err) {
    char path[PATH];
    json_t *token;
    FG_JSON_EACH(json_object_get(r->document, key), i, token) {
        const char *text = json_string_value(token);
        const char *before = json_string_value(json_object_get(seen, text));
        snprintf(path, sizeof path, "%s/%zu", key, i);
        if (before)
            FG_CALL(fg_token_request_refuse(r, err, path, "the token \"%.80s\" is also listed under %s", text,
                                            before));
        FG_CALL(fg_json_put(seen, text, json_string(path), err));
    }
    return FG_OK;
}

static fg_status check_roles(const fg_token_request *r, const json_t *seen, fg_error *err) {
    char key[FG_ROLE_KEY], other[FG_ROLE_KEY], path[PATH];
    for (int a = 0; a < FG_ROLE_COUNT; a++) {
        const char *text = r->roles[a].token;
        if (!text) continue;
        fg_role_key((fg_role)a, key);
        const char *listed = json_string_value(json_object_get(seen, text));
        snprintf(path, sizeof path, "%s", key);
        if (listed && fg_starts_with(listed, lists[1]))
            return fg_token_request_refuse(
                r, err, path, "the token \"%.80s\" has a role, but is listed under %s", text, listed);
        for (int b = a + 1; b < FG_ROLE_COUNT; b++) {
            const fg_row_value *x = &r->roles[a].init, *y = &r->roles[b].init;
            if (!r->roles[b].token || strcmp(r->roles[b].token, text) != 0) continue;
            const json_t *asked = json_object_get(json_object_get(r->document, key), "init");
            const json_t *too =
                json_object_get(json_object_get(r->document, fg_role_key((fg_role)b, other)), "init");
            if (asked && too && (x->kind != y->kind || x->from != y->from))
                return fg_token_request_refuse(
                    r, err, path, "the token \"%.80s\" is %s too, with another init", text, other);
        }
    }
    return FG_OK;
}

static fg_status check_doubles(const fg_token_request *r, fg_error *err) {
    fg_status status = FG_OK;
    json_t *seen = json_object();
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) FG_TRY(check_list(r, lists[i], seen, err));
    FG_TRY(check_roles(r, seen, err));
done:
    json_decref(seen);
    return status;
}

/* ---- documents ---- */

static bool is_known(const char *key) {
    char role[FG_ROLE_KEY];
    for (int i = 0; i < FG_ROLE_COUNT; i++) {
        if (strcmp(key, fg_role_key((fg_role)i, role)) == 0) return true;
    }
    return strcmp(key, lists[0]) == 0 || strcmp(key, lists[1]) == 0;
}

static fg_status check_keys(const fg_token_request *r, fg_error *err) {
    json_t *value;
    char brief[BRIEF];
    if (json_object_size(r->document) == 0) {
        fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected a mapping of %s",
                r->file ? r->file : "the tokens that are added",
                fg_json_brief(r->document, brief, sizeof brief), known_keys);
        return fg_hint(err, "leave --add-tokens out to add nothing but a missing pad token");
    }
    FG_JSON_MEMBERS(r->document, key, value) {
        if (!is_known(key))
            return fg_token_request_refuse(r, err, key, "this key is not known; known are %s", known_keys);
    }
    return FG_OK;
}

static fg_status read_document(fg_token_request *r, fg_error *err) {
    FG_CALL(check_keys(r, err));
    for (int role = 0; role < FG_ROLE_COUNT; role++) FG_CALL(read_role(r, (fg_role)role, err));
    FG_CALL(read_list(r, lists[0], &r->special, err));
    FG_CALL(read_list(r, lists[1], &r->regular, err));
    return check_doubles(r, err);
}

fg_status fg_token_request_read(fg_token_request *request, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    *request = (fg_token_request){0};
    FG_TRY_NEW(request->file, fg_strdup(path, err));
    FG_TRY(fg_yaml_read(path, &request->document, &request->marks, err));
    FG_TRY(read_document(request, err));
done:
    if (status != FG_OK) fg_where(err, "reading the tokens of --add-tokens");
    return status;
}

/* Takes over the document; NULL: there was no memory for it. */
static fg_status read_kept(fg_token_request *request, json_t *document, fg_error *err) {
    *request = (fg_token_request){.document = document};
    if (!document) return fg_fail(err, FG_ERR_MEMORY, "out of memory while asking for tokens");
    return read_document(request, err);
}

fg_status fg_token_request_default(fg_token_request *request, fg_error *err) {
    return read_kept(request, json_pack("{s:{s:s, s:b}}", "pad_token", "token", "[PAD]", "if_missing", 1),
                     err);
}

fg_status fg_token_request_recall(fg_token_request *request, const json_t *document, fg_error *err) {
    return read_kept(request, fg_json_deep_copy(document, err), err);
}

size_t fg_token_request_count(const fg_token_request *r) {
    return FG_ROLE_COUNT + json_array_size(r->special) + json_array_size(r->regular);
}

const char *fg_token_request_text(const fg_token_request *r, size_t index) {
    if (index < FG_ROLE_COUNT) return r->roles[index].token;
    size_t special = json_array_size(r->special), at = index - FG_ROLE_COUNT;
    return json_string_value(at < special ? json_array_get(r->special, at)
                                          : json_array_get(r->regular, at - special));
}

void fg_token_request_free(fg_token_request *request) {
    fg_free(request->file);
    json_decref(request->document);
    json_decref(request->marks);
    *request = (fg_token_request){0};
}
