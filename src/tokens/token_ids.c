#include "tokens/token_ids.h"

#include <stdio.h>

#include "base/log.h"
#include "tokens/token_lookup.h"

const char *fg_role_name(fg_role role) {
    static const char *const names[] = {"bos", "eos", "pad", "unk"};
    return names[role];
}

const char *fg_role_key(fg_role role, char buffer[FG_ROLE_KEY]) {
    snprintf(buffer, FG_ROLE_KEY, "%s_token", fg_role_name(role));
    return buffer;
}

/* The text of a role in one of the two files that may have it; NULL if absent. */
static const char *text_in(const json_t *file, fg_role role) {
    char key[FG_ROLE_KEY];
    const json_t *token = json_object_get(file, fg_role_key(role, key));
    return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

const char *fg_role_text(const fg_tokenizer_files *files, fg_role role) {
    const char *text = text_in(files->config, role);
    return text ? text : text_in(files->map, role);
}

fg_status fg_token_ids_read(const fg_tokenizer_files *files, fg_token_ids *ids, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_lookup lookup = {0};
    json_t *wanted = json_object();
    *ids = (fg_token_ids){.present = files->config || files->map || files->tokenizer.length,
                          .id = {FG_NO_TOKEN, FG_NO_TOKEN, FG_NO_TOKEN, FG_NO_TOKEN}};
    for (int role = 0; role < FG_ROLE_COUNT; role++) {
        const char *text = fg_role_text(files, (fg_role)role);
        if (text) FG_TRY(fg_json_put(wanted, text, json_null(), err));
    }
    FG_TRY(fg_token_lookup_read(&lookup, files, wanted, err));
    for (int role = 0; role < FG_ROLE_COUNT; role++) {
        const char *text = fg_role_text(files, (fg_role)role);
        if (!text) continue;
        ids->id[role] = fg_token_lookup_find(&lookup, text);
        if (ids->id[role] == FG_NO_TOKEN)
            fg_warn("%s: the %s token \"%s\" has no id in the tokenizer's files", files->directory,
                    fg_role_name((fg_role)role), text);
    }
done:
    json_decref(wanted);
    fg_token_lookup_free(&lookup);
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
    if (!list) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while merging eos ids");
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
