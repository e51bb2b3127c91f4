#include "draft/draft_names.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "draft/donor.h"

/* The names of modules, hf -> target. */
typedef struct names {
    const fg_converter *nearest;
    const json_t *tensors, *targets; /* as given */
    json_t *to_target, *to_hf;       /* lists of rules */
} names;

/* ---- one rule ---- */

/* Where the module's name ends: behind its last dot if weight or bias follow; else the whole is a name. */
static size_t module_length(const char *name) {
    const char *dot = strrchr(name, '.');
    bool has = dot && (strcmp(dot, ".weight") == 0 || strcmp(dot, ".bias") == 0);
    return has ? (size_t)(dot + 1 - name) : strlen(name);
}

static fg_status write_pattern(const char *name, size_t length, bool pattern, fg_buffer *out, fg_error *err) {
    for (size_t i = 0; i < length; i++) {
        if (strncmp(name + i, "{i}", 3) == 0) {
            FG_CALL(fg_buffer_put(out, pattern ? "(\\d+)" : "\\1", err));
            i += 2;
            continue;
        }
        if (pattern && !isalnum((unsigned char)name[i]) && name[i] != '_')
            FG_CALL(fg_buffer_put(out, "\\", err));
        FG_CALL(fg_buffer_add(out, name + i, 1, err));
    }
    return FG_OK;
}

static bool has_rule(const json_t *rules, const json_t *rule) {
    json_t *other;
    FG_JSON_EACH(rules, i, other) {
        if (fg_json_equal(json_array_get(other, 0), json_array_get(rule, 0))) return true;
    }
    return false;
}

static fg_status add_rule(json_t *rules, const char *from, const char *to, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer pattern = {0}, replacement = {0};
    json_t *rule = NULL;
    FG_TRY(write_pattern(from, module_length(from), true, &pattern, err));
    FG_TRY(write_pattern(to, module_length(to), false, &replacement, err));
    FG_TRY_NEW(rule, json_pack("[s, s]", pattern.data, replacement.data));
    if (!has_rule(rules, rule)) FG_TRY(fg_json_push(rules, json_incref(rule), err));
done:
    json_decref(rule);
    fg_buffer_free(&pattern);
    fg_buffer_free(&replacement);
    return status;
}

static fg_status add_both(names *n, const char *name, const char *target, const json_t *rule, fg_error *err) {
    json_t *other;
    FG_CALL(add_rule(n->to_target, name, target, err));
    FG_CALL(add_rule(n->to_hf, target, name, err));
    FG_JSON_EACH(json_object_get(rule, "also_read"), i, other)
        FG_CALL(add_rule(n->to_hf, json_string_value(other), name, err));
    return FG_OK;
}

/* ---- all of them ---- */

static fg_status add_by_nearest(names *n, const char *name, const json_t *rule, fg_error *err) {
    fg_status status = FG_OK;
    char *target = NULL;
    FG_TRY(fg_donor_target(n->nearest, name, &target, err));
    if (target) FG_TRY(add_both(n, name, target, rule, err));
done:
    fg_free(target);
    return status;
}

/* A tensor that is split has names of its parts in the target. */
static fg_status add_name(names *n, const char *name, const json_t *rule, fg_error *err) {
    const char *target = json_string_value(json_object_get(n->targets, name));
    const json_t *parts = json_object_get(rule, "split");
    json_t *rows;
    if (json_is_null(rule)) return FG_OK;
    if (!parts) return target ? add_both(n, name, target, rule, err) : add_by_nearest(n, name, rule, err);
    FG_JSON_MEMBERS(parts, part, rows) FG_CALL(add_by_nearest(n, part, rule, err));
    return FG_OK;
}

static fg_status add_names(names *n, fg_error *err) {
    const json_t *inherited = json_object_get(fg_converter_document(n->nearest), "tensors");
    json_t *rule;
    FG_JSON_MEMBERS(inherited, name, rule) {
        if (!json_object_get(n->tensors, name)) FG_CALL(add_name(n, name, rule, err));
    }
    FG_JSON_MEMBERS(n->tensors, name, rule) FG_CALL(add_name(n, name, rule, err));
    return FG_OK;
}

static fg_status are_inherited(const names *n, bool *inherited, fg_error *err) {
    fg_status status = FG_OK;
    char *target = NULL;
    json_t *rule;
    *inherited = true;
    FG_JSON_MEMBERS(n->tensors, name, rule) {
        const char *wanted = json_string_value(json_object_get(n->targets, name));
        fg_free(target);
        FG_TRY(fg_donor_target(n->nearest, name, &target, err));
        *inherited =
            *inherited && !json_is_null(rule) && (!wanted || (target && strcmp(target, wanted) == 0));
    }
done:
    fg_free(target);
    return status;
}

/* The rules replace the nearest family's, whose lists nothing then uses. */
static fg_status put(const names *n, json_t *document, const char *direction, json_t *rules, fg_error *err) {
    json_t *made, *lists = NULL, *list;
    const json_t *old =
        json_object_get(json_object_get(fg_converter_document(n->nearest), direction), "lists");
    FG_CALL_NEW(made, fg_json_put_object(document, direction, err));
    if (old) FG_CALL_NEW(lists, fg_json_put_object(made, "lists", err));
    FG_JSON_MEMBERS(old, name, list) FG_CALL(fg_json_put(lists, name, json_null(), err));
    return fg_json_put(made, "names", json_incref(rules), err);
}

fg_status fg_draft_names(const fg_converter *nearest, const json_t *tensors, const json_t *targets,
                         json_t *document, fg_error *err) {
    fg_status status = FG_OK;
    names n = {.nearest = nearest, .tensors = tensors, .targets = targets};
    char *to_target = NULL;
    bool inherited;
    FG_TRY(are_inherited(&n, &inherited, err));
    if (inherited) goto done;
    FG_TRY_NEW(n.to_target, json_array());
    FG_TRY_NEW(n.to_hf, json_array());
    FG_TRY_NEW(to_target, fg_strformat(err, "to_%s", fg_converter_format(nearest)->schema));
    FG_TRY(add_names(&n, err));
    FG_TRY(put(&n, document, to_target, n.to_target, err));
    FG_TRY(put(&n, document, "to_hf", n.to_hf, err));
done:
    fg_free(to_target);
    json_decref(n.to_target);
    json_decref(n.to_hf);
    return status;
}
