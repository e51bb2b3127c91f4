/* Coverage: every leaf of the source is claimed by a declaration, or the conversion stops. */
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
    const char *way = json_string_value(json_object_get(fg_converter_document(t->converter), "unknown_keys"));
    return way && strcmp(way, "warn_if_neutral") == 0;
}

static fg_status unknown(fg_translator *t, const char *path, const json_t *value, const fg_declaration *above,
                         fg_error *err) {
    char brief[BRIEF];
    const char *file = fg_converter_file(t->converter);
    fg_json_brief(value, brief, sizeof brief);
    if (is_neutral(value) && warns_if_neutral(t)) {
        fg_warn("%s: key \"%s\" = %s is not known to %s; it is left out", t->options->file, path, brief,
                file);
        return fg_translator_leave_out(t, NULL, path, value, "not known, but its value says that it is off",
                                       err);
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

static fg_status visit(fg_translator *t, const char *path, const char *key, const json_t *value,
                       const fg_declaration *above, unsigned depth, fg_error *err) {
    const fg_claims *claims =
        &t->declarations->claims[t->direction == FG_IMPORT ? FG_SIDE_HF : FG_SIDE_TARGET];
    const fg_claim *claim =
        strchr(key, '/') ? NULL : fg_claims_find(claims, path); /* a slash in a key would look like a path */
    if (!claim && above && names_member(above, key)) return FG_OK;
    if (!claim)
        return is_branch(value) ? walk(t, value, path, above, depth + 1, err)
                                : unknown(t, path, value, above, err);
    if (!is_branch(value) || !claim->declaration || json_object_get(claim->declaration->spec, "whole"))
        return FG_OK;
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
