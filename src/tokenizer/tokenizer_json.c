#include "tokenizer/tokenizer_json.h"

#include <string.h>

#include "base/alloc.h"

static fg_status wrong(const fg_tokenizer_json *c, const char *key, const json_t *found, const char *expected,
                       fg_error *err) {
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"%s\": found %s, expected %s", c->file, c->name, key,
                   fg_json_brief(found, brief, sizeof brief), expected);
}

fg_status fg_tokenizer_json_type(const fg_tokenizer_json *c, const char **type, fg_error *err) {
    if (!json_is_object(c->json))
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: found %s, expected an object", c->file, c->name,
                       fg_json_kind(c->json));
    *type = json_string_value(json_object_get(c->json, "type"));
    if (!*type) return wrong(c, "type", json_object_get(c->json, "type"), "a string", err);
    return FG_OK;
}

static bool among(const char *key, const char *keys) {
    size_t length = strlen(key);
    for (const char *at = keys; (at = strstr(at, key)); at++) {
        if ((at == keys || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
    }
    return false;
}

fg_status fg_tokenizer_json_keys(const fg_tokenizer_json *c, const char *keys, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(c->json, key, value) {
        if (!*key || !among(key, keys))
            return fg_fail(err, FG_ERR_INPUT, "%s: %s: the key \"%s\" is not supported; known are: %s",
                           c->file, c->name, key, keys);
    }
    return FG_OK;
}

fg_status fg_tokenizer_json_string(const fg_tokenizer_json *c, const char *key, const char **text,
                                   size_t *length, fg_error *err) {
    const json_t *value = json_object_get(c->json, key);
    if (!json_is_string(value)) return wrong(c, key, value, "a string", err);
    *text = json_string_value(value);
    *length = json_string_length(value);
    return FG_OK;
}

fg_status fg_tokenizer_json_copy(const fg_tokenizer_json *c, const char *key, char **copy, size_t *length,
                                 fg_error *err) {
    const char *text = NULL;
    fg_status status = fg_tokenizer_json_string(c, key, &text, length, err);
    if (status == FG_OK) FG_TRY_NEW(*copy, fg_strndup(text, *length, err));
done:
    return status;
}

fg_status fg_tokenizer_json_character(const fg_tokenizer_json *c, const char *key,
                                      char character[FG_UTF8_MOST + 1], fg_error *err) {
    const char *text = NULL;
    size_t length;
    FG_CALL(fg_tokenizer_json_string(c, key, &text, &length, err));
    if (!length || !*text || length != fg_utf8_size(*text))
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"%s\": found \"%.40s\", expected one character", c->file,
                       c->name, key, text);
    memcpy(character, text, length);
    character[length] = '\0';
    return FG_OK;
}

fg_status fg_tokenizer_json_choice(const fg_tokenizer_json *c, const char *key, const char *const *words,
                                   size_t count, size_t *choice, fg_error *err) {
    const char *text = NULL;
    size_t length;
    FG_CALL(fg_tokenizer_json_string(c, key, &text, &length, err));
    for (*choice = 0; *choice < count; (*choice)++) {
        if (strcmp(text, words[*choice]) == 0) return FG_OK;
    }
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"%s\": \"%.40s\" is not supported", c->file, c->name, key,
                   text);
}

fg_status fg_tokenizer_json_flag(const fg_tokenizer_json *c, const char *key, bool missing, bool *flag,
                                 fg_error *err) {
    const json_t *value = json_object_get(c->json, key);
    *flag = value ? json_is_true(value) : missing;
    return !value || json_is_boolean(value) ? FG_OK : wrong(c, key, value, "true or false", err);
}

fg_status fg_tokenizer_json_list(const fg_tokenizer_json *c, const char *key, const json_t **list,
                                 fg_error *err) {
    *list = json_object_get(c->json, key);
    return json_is_array(*list) ? FG_OK : wrong(c, key, *list, "an array", err);
}
