/* Coverage: every leaf of the source, and every architecture field of a target with classes, is claimed by a
 * declaration, or the conversion stops. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/hf_keys.h"
#include "translate/translator.h"

enum { BRIEF = 120, PLACE = 300, DEPTH = 64 };

/* Null, false, 0, "" and empty containers: what a key says that is switched off. */
static bool is_neutral(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_NULL:
    case JSON_FALSE:
        return true;
    case JSON_INTEGER:
    case JSON_REAL:
        return json_number_value(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    default:
        return false;
    }
}

static bool is_branch(const json_t *value) {
    return json_object_size(value) > 0;
}

/* Where a walk through an object stands. */
typedef struct level {
    const char *path;            /* of the object; "" is the configuration */
    const fg_declaration *above; /* the innermost claim of an object around it, or NULL */
    size_t claimed;              /* length of that object's path */
    unsigned depth;
    bool top; /* the object is a model's configuration */
} level;

/* Whether the claim of an object around a leaf covers it. */
static bool covers_leaf(const level *at, const char *path) {
    return at->above && fg_declaration_covers(at->above, path + at->claimed + (at->claimed > 0));
}

static bool warns_if_neutral(const fg_translator *t) {
    const char *way = json_string_value(json_object_get(t->document, "unknown_keys"));
    return way && strcmp(way, "warn_if_neutral") == 0;
}

/* ---- keys that no rule covers ---- */

static fg_status leave_neutral(fg_translator *t, const char *path, const json_t *value, fg_error *err) {
    char brief[BRIEF], place[PLACE];
    FG_CALL(fg_warnings_add(t->warnings, err, "%s: key \"%s\" = %s is not known to %s; it is left out",
                            t->options->file, fg_translator_name(t, path, place, sizeof place),
                            fg_json_brief(value, brief, sizeof brief), t->file));
    return fg_translator_leave_out(t, NULL, path, value, "not known, but its value says that it is off", NULL,
                                   err);
}

static fg_status refuse_unknown(fg_translator *t, const level *at, const char *path, const json_t *value,
                                fg_error *err) {
    if (!t->unknown[0] && !fg_hf_keys_computation(t->hf_keys, path)) fg_ignored_keys_name(t, path);
    if (at->above)
        return fg_translator_refuse_value(t, at->above, NULL, path, value, err,
                                          "a rule covers the object, but not this member of it");
    return fg_translator_refuse_value(t, NULL, NULL, path, value, err, "no rule of %s covers it", t->file);
}

/* A member that sections below do not claim, of an object that may hold others: what no code is known to read
 * is left out. */
static fg_status leave_member(fg_translator *t, const level *at, const char *path, const char *key,
                              const json_t *value, fg_error *err) {
    char brief[BRIEF], place[PLACE];
    const char *reason = fg_hf_keys_reason(t->hf_keys, key, value, false);
    if (reason) return fg_translator_leave_out(t, NULL, path, value, reason, NULL, err);
    if (fg_hf_keys_computation(t->hf_keys, key)) return refuse_unknown(t, at, path, value, err);
    FG_CALL(fg_warnings_add(t->warnings, err,
                            "%s: key \"%s\" = %s: no code is known to read it; it is left out",
                            t->options->file, fg_translator_name(t, path, place, sizeof place),
                            fg_json_brief(value, brief, sizeof brief)));
    return fg_translator_leave_out(t, NULL, path, value, "no code is known to read it", NULL, err);
}

static fg_status walk(fg_translator *t, const json_t *object, const level *at, fg_error *err);

static fg_status visit_unclaimed(fg_translator *t, const level *at, const char *path, const char *key,
                                 const json_t *value, fg_error *err) {
    const char *reason = fg_hf_keys_reason(t->hf_keys, key, value, at->top);
    const json_t *refusal = fg_hf_keys_refusal(t->hf_keys, key, value);
    if (fg_ignored_keys_has(t, path)) reason = FG_IGNORED_REASON;
    const char *expected = fg_hf_keys_mismatch(t->hf_keys, key, value);
    if (refusal) { /* what no conversion takes, such as quantized weights: with a hint of its own */
        t->hint = json_string_value(json_object_get(refusal, "hint"));
        expected = json_string_value(json_object_get(refusal, "message"));
        return fg_translator_refuse_value(t, NULL, NULL, path, value, err, "%s", expected);
    }
    if (expected) return fg_translator_refuse_value(t, NULL, NULL, path, value, err, "expected %s", expected);
    if (reason) return fg_translator_leave_out(t, NULL, path, value, reason, NULL, err);
    if (is_branch(value)) {
        level below = {path, at->above, at->claimed, at->depth + 1,
                       at->top && fg_hf_keys_is_model(t->hf_keys, key)};
        return walk(t, value, &below, err);
    }
    if (is_neutral(value) && warns_if_neutral(t)) return leave_neutral(t, path, value, err);
    if (json_is_object(value))
        return fg_translator_leave_out(t, NULL, path, value, "an empty object", NULL, err);
    return refuse_unknown(t, at, path, value, err);
}

/* A claim of an object covers the leaves that it names, and those that its own values name. */
static fg_status visit(fg_translator *t, const level *at, const char *path, const char *key,
                       const json_t *value, fg_error *err) {
    const fg_claims *claims = &t->claims[t->direction == FG_IMPORT ? FG_SIDE_HF : FG_SIDE_TARGET];
    const fg_claim *claim =
        strchr(key, '/') ? NULL : fg_claims_find(claims, path); /* a slash in a key would look like a path */
    if (!claim && !is_branch(value) && covers_leaf(at, path))
        return at->above->choice_count ? leave_member(t, at, path, key, value, err) : FG_OK;
    if (!claim) return visit_unclaimed(t, at, path, key, value, err);
    const fg_declaration *d = claim->declaration;
    if (!is_branch(value) || !d || json_object_get(d->spec, "neutral")) return FG_OK;
    if (d->choice_count && t->refused)
        return FG_OK; /* perhaps of a type that no section is for: no rule covers its members */
    level below = {path, d, strlen(path), at->depth + 1, at->top && fg_hf_keys_is_model(t->hf_keys, key)};
    return walk(t, value, &below, err);
}

static fg_status walk(fg_translator *t, const json_t *object, const level *at, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    char *path = NULL;
    if (at->depth == DEPTH)
        FG_FAIL(err, FG_ERR_INPUT, "%s: key \"%s\": objects are nested more than %d deep", t->options->file,
                at->path, DEPTH);
    FG_JSON_MEMBERS(object, key, value) {
        FG_TRY_RENEW(path, fg_strformat(err, "%s%s%s", at->path, *at->path ? "/" : "", key));
        FG_TRY(visit(t, at, path, key, value, err));
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_coverage_check(fg_translator *t, fg_error *err) {
    const level root = {.path = "", .top = true};
    return walk(t, t->given, &root, err);
}

/* ---- the target's architecture ---- */

/* What is done with a configuration of a class. */
typedef fg_status class_visit(fg_translator *t, const char *class_name, const json_t *object,
                              const char *prefix, unsigned depth, fg_error *err);

/* Visits a value of a field with configurations in it: one, or a dictionary of them. */
static fg_status visit_below(fg_translator *t, const fg_field *field, const json_t *value, const char *path,
                             unsigned depth, class_visit *visit_class, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry;
    char *below = NULL;
    if (!fg_starts_with(field->type, "dict["))
        return visit_class(t, fg_class_of(t->classes, field, value), value, path, depth + 1, err);
    FG_JSON_MEMBERS(value, key, entry) {
        FG_TRY_RENEW(below, fg_strformat(err, "%s/%s", path, key));
        FG_TRY(visit_class(t, fg_class_of(t->classes, field, entry), entry, below, depth + 1, err));
    }
done:
    fg_free(below);
    return status;
}

static class_visit cover_class;

/* A claim by a declaration that leads to sections leaves the leaves to those. */
static fg_status cover_field(fg_translator *t, const fg_field *field, const json_t *value, const char *path,
                             unsigned depth, fg_error *err) {
    char brief[BRIEF];
    const fg_claim *claim = fg_claims_find(&t->claims[FG_SIDE_TARGET], path);
    const fg_declaration *section = claim && claim->declaration->choice_count ? claim->declaration : NULL;
    const char *class_name = fg_class_of(t->classes, field, value);
    if (claim && !section) return FG_OK;
    if (!claim && class_name && fg_claims_below(&t->claims[FG_SIDE_TARGET], path) &&
        !fg_class_has_architecture(t->classes, class_name))
        return FG_OK; /* an optional parameter, of which only "enabled" matters */
    bool has_leaves = fg_starts_with(field->type, "dict[")
                          ? json_is_object(value)
                          : class_name && fg_class_has_architecture(t->classes, class_name);
    if (section || has_leaves) return visit_below(t, field, value, path, depth, cover_class, err);
    return fg_translator_refuse(
        t, NULL, err,
        "architecture field \"%s\" = %s: no rule of %s covers it; a declaration of the "
        "section for %s would",
        path, fg_json_brief(value, brief, sizeof brief), t->file, class_name ? class_name : "its object");
}

static fg_status cover_class(fg_translator *t, const char *class_name, const json_t *object,
                             const char *prefix, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry;
    fg_field field;
    char *path = NULL;
    if (!class_name || depth == DEPTH) goto done;
    FG_JSON_MEMBERS(fg_class_fields(t->classes, class_name), name, entry) {
        if (!fg_class_field(t->classes, class_name, name, &field) || !field.architecture) continue;
        FG_TRY_RENEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", name));
        FG_TRY(cover_field(t, &field, json_object_get(object, name), path, depth, err));
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_coverage_architecture(fg_translator *t, const json_t *target, fg_error *err) {
    return cover_class(t, t->declarations->root->class_name, target, "", 0, err);
}

/* ---- the target's other fields ---- */

static bool is_default(const fg_field *field, const json_t *value) {
    if (field->default_value) return fg_json_equal(field->default_value, value);
    return json_is_null(value) || (json_is_object(value) && !json_object_size(value));
}

static fg_status leave_class(fg_translator *t, const char *class_name, const json_t *object,
                             const char *prefix, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    fg_field field;
    char *path = NULL;
    if (!class_name || depth == DEPTH) goto done;
    FG_JSON_MEMBERS(object, name, value) {
        if (!fg_class_field(t->classes, class_name, name, &field)) continue;
        FG_TRY_RENEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", name));
        const fg_claim *claim = fg_claims_find(&t->claims[FG_SIDE_TARGET], path);
        bool section = claim && claim->declaration->choice_count;
        if (field.architecture && (section || !claim))
            FG_TRY(visit_below(t, &field, value, path, depth, leave_class, err));
        else if (!claim && !is_default(&field, value))
            FG_TRY(fg_translator_leave_out(t, NULL, path, value,
                                           "says how the model is trained, not what it is", NULL, err));
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_coverage_leave_out(fg_translator *t, fg_error *err) {
    return leave_class(t, t->declarations->root->class_name, t->given, "", 0, err);
}
