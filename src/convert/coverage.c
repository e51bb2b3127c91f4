/* Coverage: every leaf of the source, and every architecture field of a target with classes, is claimed by a
 * declaration, or the conversion stops. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "convert/translator.h"

enum { BRIEF = 120, DEPTH = 64 };

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

static bool names_member(const fg_declaration *d, const char *key) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(d->spec, "keys"), i, item) {
        if (strcmp(json_string_value(item), key) == 0) return true;
    }
    return false;
}

static bool warns_if_neutral(const fg_translator *t) {
    const char *way = json_string_value(json_object_get(t->document, "unknown_keys"));
    return way && strcmp(way, "warn_if_neutral") == 0;
}

/* A section's object that is claimed as a whole: what its declarations do not claim may be left out. */
static bool is_container(const fg_declaration *d) {
    return d && d->choice_count && json_object_get(d->spec, "whole");
}

/* A key that the converter lists as metadata, at whatever depth. */
static bool is_metadata(const fg_translator *t, const char *key) {
    size_t i;
    json_t *item;
    if (t->direction != FG_IMPORT) return false;
    json_array_foreach(json_object_get(t->document, "metadata"), i, item) {
        if (strcmp(json_string_value(item), key) == 0) return true;
    }
    return false;
}

static fg_status unknown(fg_translator *t, const char *path, const json_t *value, const fg_declaration *above,
                         fg_error *err) {
    char brief[BRIEF];
    const char *file = t->file;
    fg_json_brief(value, brief, sizeof brief);
    if (is_container(above))
        return fg_translator_leave_out(t, NULL, path, value, "stands in an object that is claimed as a whole",
                                       NULL, err);
    if (is_neutral(value) && warns_if_neutral(t)) {
        fg_warn("%s: key \"%s\" = %s is not known to %s; it is left out", t->options->file, path, brief,
                file);
        return fg_translator_leave_out(t, NULL, path, value, "not known, but its value says that it is off",
                                       NULL, err);
    }
    if (above) {
        return fg_translator_refuse(
            t, above, err, "key \"%s\" = %s: the object is claimed, but not this member of it (\"keys\")",
            path, brief);
    }
    return fg_translator_refuse(t, NULL, err, "key \"%s\" = %s: no rule of %s claims it", path, brief, file);
}

static fg_status walk(fg_translator *t, const json_t *object, const char *prefix, const fg_declaration *above,
                      unsigned depth, fg_error *err);

static fg_status visit_unclaimed(fg_translator *t, const char *path, const char *key, const json_t *value,
                                 const fg_declaration *above, unsigned depth, fg_error *err) {
    if (is_metadata(t, key))
        return fg_translator_leave_out(t, NULL, path, value, "says nothing about the architecture", NULL,
                                       err);
    if (is_branch(value)) return walk(t, value, path, above, depth + 1, err);
    if (json_is_object(value) && json_object_get(t->document, "metadata"))
        return fg_translator_leave_out(t, NULL, path, value, "an empty object", NULL, err);
    return unknown(t, path, value, above, err);
}

static fg_status visit(fg_translator *t, const char *path, const char *key, const json_t *value,
                       const fg_declaration *above, unsigned depth, fg_error *err) {
    const fg_claims *claims = &t->claims[t->direction == FG_IMPORT ? FG_SIDE_HF : FG_SIDE_TARGET];
    const fg_claim *claim =
        strchr(key, '/') ? NULL : fg_claims_find(claims, path); /* a slash in a key would look like a path */
    if (!claim && above && names_member(above, key)) return FG_OK;
    if (!claim) return visit_unclaimed(t, path, key, value, above, depth, err);
    if (!is_branch(value) || !claim->declaration) return FG_OK;
    if (json_object_get(claim->declaration->spec, "whole") && !is_container(claim->declaration)) return FG_OK;
    return walk(t, value, path, claim->declaration, depth + 1, err);
}

static fg_status walk(fg_translator *t, const json_t *object, const char *prefix, const fg_declaration *above,
                      unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    char *path = NULL;
    if (depth == DEPTH)
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\": objects are nested more than %d deep",
                       t->options->file, prefix, DEPTH));
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        FG_TRY(visit(t, path, key, value, above, depth, err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_coverage_check(fg_translator *t, fg_error *err) {
    return walk(t, t->given, "", NULL, 0, err);
}

/* ---- the target's architecture ---- */

/* What is done with a configuration of a class. */
typedef fg_status class_visit(fg_translator *t, const char *class_name, const json_t *object,
                              const char *prefix, unsigned depth, fg_error *err);

/* Visits a value of a field with configurations in it: one, or a dictionary of them. */
static fg_status visit_below(fg_translator *t, const fg_field *field, const json_t *value, const char *path,
                             unsigned depth, class_visit *visit_class, fg_error *err) {
    fg_status status = FG_OK;
    const char *key;
    json_t *entry;
    char *below = NULL;
    if (!fg_starts_with(field->type, "dict["))
        return visit_class(t, fg_class_of(t->classes, field, value), value, path, depth + 1, err);
    json_object_foreach((json_t *)(uintptr_t)value, key, entry) {
        FG_TRY_NEW(below, fg_strformat(err, "%s/%s", path, key));
        FG_TRY(visit_class(t, fg_class_of(t->classes, field, entry), entry, below, depth + 1, err));
        fg_free(below);
        below = NULL;
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
        "architecture field \"%s\" = %s: no rule of %s claims it; a declaration of the "
        "section for %s would",
        path, fg_json_brief(value, brief, sizeof brief), t->file, class_name ? class_name : "its object");
}

static fg_status cover_class(fg_translator *t, const char *class_name, const json_t *object,
                             const char *prefix, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    const char *name;
    json_t *entry;
    fg_field field;
    char *path = NULL;
    if (!class_name || depth == DEPTH) goto done;
    json_object_foreach((json_t *)(uintptr_t)fg_class_fields(t->classes, class_name), name, entry) {
        if (!fg_class_field(t->classes, class_name, name, &field) || !field.architecture) continue;
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", name));
        FG_TRY(cover_field(t, &field, json_object_get(object, name), path, depth, err));
        fg_free(path);
        path = NULL;
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
    const char *name;
    json_t *value;
    fg_field field;
    char *path = NULL;
    if (!class_name || depth == DEPTH) goto done;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        if (!fg_class_field(t->classes, class_name, name, &field)) continue;
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", name));
        const fg_claim *claim = fg_claims_find(&t->claims[FG_SIDE_TARGET], path);
        bool section = claim && claim->declaration->choice_count;
        if (field.architecture && (section || !claim))
            FG_TRY(visit_below(t, &field, value, path, depth, leave_class, err));
        else if (!claim && !is_default(&field, value))
            FG_TRY(fg_translator_leave_out(t, NULL, path, value,
                                           "says how the model is trained, not what it is", NULL, err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_coverage_leave_out(fg_translator *t, fg_error *err) {
    return leave_class(t, t->declarations->root->class_name, t->given, "", 0, err);
}
