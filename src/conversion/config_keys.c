#include "conversion/config_keys.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { PATH = 300, LIST = 16, BRIEF = 80 };

typedef enum key_rule { CHANGED, MADE, LEFT_OUT, RENAMED, CARRIED, RULES } key_rule;
static const char *const rule_names[RULES] = {"changed", "made", "left_out", "renamed", "carried"};

typedef struct key_walk {
    fg_config_change change;
    json_t *lists[RULES];
} key_walk;

/* A long list is shown by its beginning. */
static json_t *shown(const json_t *value, fg_error *err) {
    char brief[BRIEF];
    if (json_array_size(value) > LIST) return json_string(fg_json_brief(value, brief, sizeof brief));
    return fg_json_deep_copy(value, err);
}

static bool is_left_out(const json_t *left_out, const char *path) {
    json_t *entry;
    FG_JSON_EACH(left_out, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        size_t length = key ? strlen(key) : 0;
        if (length && strncmp(key, path, length) == 0 &&
            (!path[length] || path[length] == '/' || path[length] == '.'))
            return true;
    }
    return false;
}

static const char *claimed(const json_t *rules, const char *path) {
    char at[PATH];
    snprintf(at, sizeof at, "%s", path);
    for (;;) {
        const char *rule = json_string_value(json_object_get(rules, at));
        char *slash = strrchr(at, '/');
        if (rule || !slash) return rule;
        *slash = '\0';
    }
}

/* The rule that claims the path, or an object around it; NULL: none. A file may have the model in an object
 * of its own, which the converter's paths begin behind. */
static const char *declared(const json_t *rules, const char *path) {
    const char *inner = strchr(path, '/');
    const char *rule = claimed(rules, path);
    return rule || !inner ? rule : claimed(rules, inner + 1);
}

static fg_status add(const key_walk *w, key_rule rule, const char *path, const json_t *value,
                     const json_t *from, fg_error *err) {
    json_t *entry;
    bool of_source = rule == LEFT_OUT || rule == RENAMED;
    const char *by = declared(of_source ? w->change.source_rules : w->change.destination_rules, path);
    FG_CALL_NEW(entry, fg_json_push_object(w->lists[rule], err));
    FG_CALL(fg_json_put(entry, "key", fg_json_string(path), err));
    FG_CALL(fg_json_put(entry, "rule", json_string(rule_names[rule]), err));
    FG_CALL(fg_json_put(entry, "value", shown(value, err), err));
    if (by) FG_CALL(fg_json_put(entry, "declared", fg_json_string(by), err));
    return from ? fg_json_put(entry, "from", shown(from, err), err) : FG_OK;
}

/* A leaf of one side; keys that both sides have are those of the destination. */
static fg_status leaf(const key_walk *w, bool made, const char *path, const json_t *value, fg_error *err) {
    const json_t *other = fg_json_at(made ? w->change.source : w->change.destination, path);
    if (!made && other) return FG_OK;
    if (!made)
        return add(w, is_left_out(w->change.left_out, path) ? LEFT_OUT : RENAMED, path, value, NULL, err);
    if (!other) return add(w, MADE, path, value, NULL, err);
    bool same = fg_json_equal(value, other);
    return add(w, same ? CARRIED : CHANGED, path, value, same ? NULL : other, err);
}

static fg_status walk(const key_walk *w, bool made, const char *above, const json_t *object, fg_error *err) {
    char path[PATH];
    json_t *value;
    FG_JSON_MEMBERS(object, key, value) {
        size_t length = (size_t)snprintf(path, sizeof path, "%s%s%s", above, *above ? "/" : "", key);
        if (length >= sizeof path) continue;
        FG_CALL(json_object_size(value) ? walk(w, made, path, value, err) : leaf(w, made, path, value, err));
    }
    return FG_OK;
}

fg_status fg_config_keys_report(const fg_config_change *change, json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    json_t *all, *entry;
    key_walk w = {.change = *change};
    for (int r = 0; r < RULES; r++) FG_TRY_NEW(w.lists[r], json_array());
    FG_TRY(walk(&w, true, "", change->destination, err));
    FG_TRY(walk(&w, false, "", change->source, err));
    FG_TRY_NEW(all, fg_json_put_array(config, "keys", err));
    for (int r = 0; r < RULES; r++)
        FG_JSON_EACH(w.lists[r], i, entry) FG_TRY(fg_json_push(all, json_incref(entry), err));
done:
    for (int r = 0; r < RULES; r++) json_decref(w.lists[r]);
    return status;
}
