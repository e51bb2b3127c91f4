#include "vocab/token_ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

const char *fg_role_name(fg_role role) {
    static const char *const names[] = {"bos", "eos", "pad", "unk"};
    return names[role];
}

/* The text of a role in one of the two files that may have it; NULL if absent. Borrowed. */
static const char *role_text(const json_t *file, fg_role role) {
    char key[32];
    snprintf(key, sizeof key, "%s_token", fg_role_name(role));
    const json_t *token = json_object_get(file, key);
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static int64_t id_in_decoder(const json_t *tokenizer_config, const char *text) {
    const char *key;
    json_t *token;
    json_object_foreach(json_object_get(tokenizer_config, "added_tokens_decoder"), key, token) {
        const char *content = json_string_value(json_object_get(token, "content"));
        char *end;
        long long id = strtoll(key, &end, 10);
        if (content && strcmp(content, text) == 0 && *key && !*end && id >= 0) return id;
    }
    return FG_NO_TOKEN;
}

static int64_t id_in_tokenizer(const json_t *tokenizer, const char *text) {
    size_t index;
    json_t *token;
    json_array_foreach(json_object_get(tokenizer, "added_tokens"), index, token) {
        const char *content = json_string_value(json_object_get(token, "content"));
        const json_t *id = json_object_get(token, "id");
        if (content && strcmp(content, text) == 0 && json_is_integer(id)) return json_integer_value(id);
    }
    const json_t *vocabulary = fg_json_at(tokenizer, "model/vocab");
    const json_t *id = json_is_object(vocabulary) ? json_object_get(vocabulary, text) : NULL;
    if (json_is_integer(id)) return json_integer_value(id);
    json_array_foreach(json_is_array(vocabulary) ? vocabulary : NULL, index,
                       token) { /* unigram: [[text, score], ...] */
        const char *content = json_string_value(json_array_get(token, 0));
        if (content && strcmp(content, text) == 0) return (int64_t)index;
    }
    return FG_NO_TOKEN;
}

fg_status fg_token_ids_read(const char *directory, fg_token_ids *ids, fg_error *err) {
    fg_status status = FG_OK;
    json_t *config = NULL, *map = NULL, *tokenizer = NULL;
    *ids = (fg_token_ids){.id = {FG_NO_TOKEN, FG_NO_TOKEN, FG_NO_TOKEN, FG_NO_TOKEN}};
    FG_TRY(fg_json_read_object(directory, "tokenizer_config.json", &config, err));
    FG_TRY(fg_json_read_object(directory, "special_tokens_map.json", &map, err));
    ids->present = config || map;
    for (int role = 0; role < FG_ROLE_COUNT; role++) {
        const char *text = role_text(config, (fg_role)role);
        if (!text) text = role_text(map, (fg_role)role);
        if (!text) continue;
        ids->id[role] = id_in_decoder(config, text);
        if (ids->id[role] != FG_NO_TOKEN) continue;
        if (!tokenizer)
            FG_TRY(fg_json_read_object(directory, "tokenizer.json", &tokenizer,
                                       err)); /* the largest file: only when needed */
        ids->present |= tokenizer != NULL;
        ids->id[role] = id_in_tokenizer(tokenizer, text);
        if (ids->id[role] == FG_NO_TOKEN)
            fg_warn("%s: the %s token \"%s\" has no id in the tokenizer's files", directory,
                    fg_role_name((fg_role)role), text);
    }
done:
    json_decref(config);
    json_decref(map);
    json_decref(tokenizer);
    return status;
}

static fg_status add_eos(json_t *list, const json_t *value, fg_error *err) {
    if (!json_is_integer(value)) {
        char brief[60];
        return fg_fail(err, FG_ERR_INPUT, "eos_token_id: found %s, expected an integer or a list of integers",
                       fg_json_brief(value, brief, sizeof brief));
    }
    size_t index;
    json_t *seen;
    json_array_foreach(list, index, seen) {
        if (json_integer_value(seen) == json_integer_value(value)) return FG_OK;
    }
    return fg_json_push(list, json_integer(json_integer_value(value)), err);
}

static fg_status add_eos_source(json_t *list, const json_t *source, fg_error *err) {
    if (!source || json_is_null(source)) return FG_OK;
    if (!json_is_array(source)) return add_eos(list, source, err);
    size_t index;
    json_t *value;
    json_array_foreach((json_t *)(uintptr_t)source, index, value) {
        fg_status status = add_eos(list, value, err);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

fg_status fg_eos_merge(const json_t *config_eos, const json_t *generation_eos, int64_t tokenizer_eos,
                       json_t **merged, fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = json_array(),
           *tokenizer = tokenizer_eos == FG_NO_TOKEN ? NULL : json_integer(tokenizer_eos);
    *merged = NULL;
    if (!list) FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while merging eos ids"));
    FG_TRY(add_eos_source(list, config_eos, err));
    FG_TRY(add_eos_source(list, generation_eos, err));
    FG_TRY(add_eos_source(list, tokenizer, err));
    if (json_array_size(list) == 1) *merged = json_incref(json_array_get(list, 0));
    if (json_array_size(list) > 1) *merged = json_incref(list);
done:
    json_decref(list);
    json_decref(tokenizer);
    return status;
}
