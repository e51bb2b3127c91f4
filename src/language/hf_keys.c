#include "language/hf_keys.h"

#include <string.h>

#include "base/alloc.h"
#include "language/schema.h"
#include "language/value_type.h"

static bool is_named(const json_t *names, const char *key, size_t length) {
    json_t *name;
    FG_JSON_EACH(names, i, name) {
        if (json_string_length(name) == length && strncmp(json_string_value(name), key, length) == 0)
            return true;
    }
    return false;
}

/* ---- the file ---- */

static const fg_member_row file_rows[] = {
    {"about", 's', false}, {"models", 'n', false},  {"unread", 'o', false},
    {"types", 'o', false}, {"refused", 'o', false}, {"computation", 'n', false},
};
static const fg_member_row lists_row[] = {{"*", 'o', false}};
static const fg_member_row unread_rows[] = {{"reason", 's', true},
                                            {"source", 's', true},
                                            {"depth", 's', false},
                                            {"keys", 'n', true},
                                            {"neutral", 'l', false}};
static const fg_member_row refused_rows[] = {
    {"message", 's', true}, {"hint", 's', true}, {"keys", 'n', true}, {"neutral", 'l', false}};
static const fg_member_row names_row[] = {{"*", 'n', false}};

static const fg_schema_level levels[] = {
    {"", FG_ROWS(file_rows), NULL},
    {"unread", FG_ROWS(lists_row), NULL},
    {"unread/*", FG_ROWS(unread_rows), NULL},
    {"refused", FG_ROWS(lists_row), NULL},
    {"refused/*", FG_ROWS(refused_rows), NULL},
    {"types", FG_ROWS(names_row), NULL},
};

static fg_status check_file(const fg_source_file *file, fg_error *err) {
    const fg_layers layers = {.items = &file, .count = 1};
    const fg_schema_place at = {.layers = &layers, .parent = ""};
    const fg_schema_place types = {.layers = &layers, .parent = "types"};
    json_t *names;
    FG_CALL(fg_schema_check_levels(file->document, FG_ROWS(levels), &at, err));
    FG_JSON_MEMBERS(json_object_get(file->document, "types"), type, names) {
        if (!fg_type_known(type)) FG_CALL(fg_schema_fail(&types, type, err, "there is no such type"));
    }
    return FG_OK;
}

fg_status fg_hf_keys_load(fg_catalogue *catalogue, const json_t **keys, fg_error *err) {
    const fg_source_file *file = NULL;
    *keys = NULL;
    for (size_t i = 0; i < catalogue->count && !file; i++)
        FG_CALL(fg_catalogue_read_in(catalogue, i, "defaults/hf_keys.json", &file, err));
    if (!file) return FG_OK;
    FG_CALL(check_file(file, err));
    *keys = file->document;
    return FG_OK;
}

/* ---- what it says ---- */

static bool may_have(const json_t *list, const json_t *value) {
    const json_t *neutral = json_object_get(list, "neutral");
    return !neutral || !value || fg_json_contains(neutral, value);
}

const char *fg_hf_keys_reason(const json_t *keys, const char *key, const json_t *value, bool top) {
    json_t *list;
    FG_JSON_MEMBERS(json_object_get(keys, "unread"), name, list) {
        if (!top && !json_object_get(list, "depth")) continue;
        if (is_named(json_object_get(list, "keys"), key, strlen(key)) && may_have(list, value))
            return json_string_value(json_object_get(list, "reason"));
    }
    return NULL;
}

const char *fg_hf_keys_mismatch(const json_t *keys, const char *key, const json_t *value) {
    json_t *names;
    FG_JSON_MEMBERS(json_object_get(keys, "types"), type, names) {
        if (is_named(names, key, strlen(key))) return fg_type_mismatch(type, value);
    }
    return NULL;
}

const json_t *fg_hf_keys_refusal(const json_t *keys, const char *key, const json_t *value) {
    json_t *list;
    FG_JSON_MEMBERS(json_object_get(keys, "refused"), name, list) {
        if (is_named(json_object_get(list, "keys"), key, strlen(key)) && !may_have(list, value)) return list;
    }
    return NULL;
}

const char *fg_hf_keys_computation(const json_t *keys, const char *path) {
    const json_t *names = json_object_get(keys, "computation");
    for (const char *part = path; *part; part += strcspn(part, "/.")) {
        part += *part == '/' || *part == '.';
        if (is_named(names, part, strcspn(part, "/."))) return part;
    }
    return NULL;
}

bool fg_hf_keys_is_model(const json_t *keys, const char *key) {
    return is_named(json_object_get(keys, "models"), key, strlen(key));
}
