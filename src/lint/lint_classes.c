#include "lint/lint_classes.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "lint/lint_errors.h"

enum { DEPTH = 16, NAME = 120 };

typedef struct class_linter {
    const fg_declarations *declarations;
    const fg_classes *classes;
    unsigned char *reached; /* owned; by section */
    fg_buffer *wrong;
    fg_error *err;
} class_linter;

#define ADD_LINT_ERROR(l, section, format, ...)                                                              \
    fg_lint_errors_add((l)->wrong, (l)->err, "sections/%s: " format, (section)->name, __VA_ARGS__)

/* ---- which fields are claimed ---- */

/* A field's class where it has but one: nothing chooses among several while no configuration is there. */
static const char *only_class(const class_linter *l, const char *class_name, const char *path) {
    fg_field field;
    char key[NAME];
    while (class_name && *path) {
        size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        path += length + (path[length] == '/');
        if (!fg_class_field(l->classes, class_name, key, &field)) return NULL;
        class_name = fg_class_known(l->classes, field.type) ? field.type : NULL;
    }
    return class_name;
}

static bool claims_below(const fg_section *section, const char *path) {
    const fg_claims *claims = &section->claims[FG_SIDE_TARGET];
    size_t length = strlen(path);
    for (size_t i = 0; i < claims->count; i++) {
        if (fg_starts_with(claims->items[i].path, path) && claims->items[i].path[length] == '/') return true;
    }
    return false;
}

static fg_status check_fields(const class_linter *l, const fg_section *section, const char *class_name,
                              const char *prefix, unsigned depth) {
    fg_status status = FG_OK;
    fg_error *err = l->err;
    json_t *entry;
    fg_field field;
    char *path = NULL;
    if (depth == DEPTH) return FG_OK;
    FG_JSON_MEMBERS(fg_class_fields(l->classes, class_name), name, entry) {
        if (!fg_class_field(l->classes, class_name, name, &field) || !field.architecture) continue;
        fg_free(path);
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", name));
        if (fg_claims_find(&section->claims[FG_SIDE_TARGET], path)) continue;
        const char *below = only_class(l, class_name, name);
        if (!below || (!fg_class_has_architecture(l->classes, below) && !claims_below(section, path)))
            FG_TRY(ADD_LINT_ERROR(l, section, "the architecture field \"%s\" (%s) is covered by no rule",
                                  path, field.type));
        else
            FG_TRY(check_fields(l, section, below, path, depth + 1));
    }
done:
    fg_free(path);
    return status;
}

/* ---- one declaration ---- */

/* The field that a path leads to, seen from the section's class; false if a part of it does not exist. `sure`
 * is false where the class in between is only known with a configuration. */
static bool find_field(const class_linter *l, const fg_section *section, const char *path, fg_field *field,
                       bool *sure) {
    const char *last = strrchr(path, '/');
    char parent[NAME * 2];
    snprintf(parent, sizeof parent, "%.*s", (int)(last ? last - path : 0), path);
    const char *class_name = last ? only_class(l, section->class_name, parent) : section->class_name;
    *sure = class_name != NULL;
    return class_name && fg_class_field(l->classes, class_name, last ? last + 1 : path, field);
}

static bool mentions(const json_t *conditions, const char *path) {
    size_t length = strcspn(path, "/");
    json_t *item;
    char word[NAME];
    snprintf(word, sizeof word, "%.*s", (int)length, path);
    FG_JSON_MEMBERS(conditions, name, item) {
        if (mentions(item, path)) return true;
    }
    FG_JSON_EACH(conditions, i, item) {
        if (json_is_array(item) ? mentions(item, path) : strstr(json_string_value(item), word) != NULL)
            return true;
    }
    return false;
}

static fg_status check_ignored(const class_linter *l, const fg_section *section, const fg_declaration *d,
                               const fg_field *field, const char *path) {
    const char *below = fg_class_known(l->classes, field->type) ? field->type : NULL;
    bool empty = below && !fg_class_has_architecture(l->classes, below);
    if (!field->architecture || empty || json_object_get(d->spec, "neutral")) return FG_OK;
    if (mentions(json_object_get(section->spec, "export_if"), path) ||
        mentions(json_object_get(section->spec, "export_warn"), path))
        return FG_OK;
    return ADD_LINT_ERROR(l, section,
                          "\"%s\" ignores the architecture field \"%s\", without proof that nothing is lost "
                          "(\"neutral\", or a condition in \"export_if\" or \"export_warn\")",
                          d->label, path);
}

/* Whether a field's type, as the classes have it ("float | null"), has this word. */
static bool has_word(const char *type, const char *word) {
    size_t length = strlen(word);
    for (const char *at = strstr(type, word); at; at = strstr(at + 1, word)) {
        if ((at == type || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' ')) return true;
    }
    return false;
}

/* A value that is carried over is held to a type, and to one that the field can have. */
static fg_status check_type(const class_linter *l, const fg_section *section, const fg_declaration *d,
                            const fg_field *field) {
    static const struct {
        const char *field, *types;
    } rows[] = {
        {"int", "count size"}, {"float", "number positive probability"}, {"bool", "flag"}, {"str", "text"}};
    const char *type = json_string_value(json_object_get(d->spec, "type"));
    char plain[NAME];
    if (!fg_primitive_takes(d->primitive, "through") || json_object_get(d->spec, "through")) return FG_OK;
    snprintf(plain, sizeof plain, "%.*s", type ? (int)strcspn(type, "?") : 0, type ? type : "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!has_word(field->type, rows[i].field)) continue;
        if (!*plain || !has_word(rows[i].types, plain))
            return ADD_LINT_ERROR(l, section, "\"%s\": the field \"%s\" (%s) needs a \"type\", one of: %s",
                                  d->label, field->name, field->type, rows[i].types);
        if (type[strlen(plain)] && !has_word(field->type, "null"))
            return ADD_LINT_ERROR(l, section, "\"%s\": the field \"%s\" cannot be null, as \"%s\" can",
                                  d->label, field->name, type);
    }
    return FG_OK;
}

/* A value for which a key or field is left out must be the one that its absence means. */
static fg_status check_default(const class_linter *l, const fg_section *section, const fg_declaration *d,
                               const fg_field *field, const char *word) {
    const json_t *value = json_object_get(d->spec, word);
    if (!value || !field->default_value || fg_expression_is(value) ||
        fg_json_equal(value, field->default_value))
        return FG_OK;
    return ADD_LINT_ERROR(l, section, "\"%s\": the value of \"%s\" is not the default of \"%s\"", d->label,
                          word, field->name);
}

static fg_status check_declaration(const class_linter *l, const fg_section *section,
                                   const fg_declaration *d) {
    fg_error *err = l->err;
    fg_field field;
    bool sure;
    for (size_t i = 0; i < d->field_count; i++) {
        if (!find_field(l, section, d->fields[i], &field, &sure)) {
            if (sure)
                FG_CALL(ADD_LINT_ERROR(l, section, "\"%s\": a %s has no field \"%s\"", d->label,
                                       section->class_name, d->fields[i]));
            continue;
        }
        FG_CALL(check_type(l, section, d, &field));
        if (json_object_get(d->spec, "ignored")) FG_CALL(check_ignored(l, section, d, &field, d->fields[i]));
        FG_CALL(check_default(l, section, d, &field, "optional"));
        FG_CALL(check_default(l, section, d, &field, "omit"));
    }
    return FG_OK;
}

/* ---- sections ---- */

static void reach(const class_linter *l, const fg_section *section) {
    size_t index = (size_t)(section - l->declarations->sections);
    if (l->reached[index]) return;
    l->reached[index] = 1;
    for (size_t i = 0; i < section->count; i++) {
        for (size_t k = 0; k < section->items[i].choice_count; k++)
            reach(l, section->items[i].choices[k].section);
    }
}

static fg_status check_section(const class_linter *l, const fg_section *section) {
    fg_error *err = l->err;
    if (!section->class_name || !fg_class_known(l->classes, section->class_name)) {
        FG_CALL(ADD_LINT_ERROR(l, section, "there is no class \"%s\"",
                               section->class_name ? section->class_name : "(none given)"));
        return FG_OK;
    }
    FG_CALL(check_fields(l, section, section->class_name, "", 0));
    for (size_t i = 0; i < section->count; i++) FG_CALL(check_declaration(l, section, &section->items[i]));
    return FG_OK;
}

fg_status fg_lint_classes(const fg_declarations *declarations, const fg_classes *classes, fg_buffer *wrong,
                          fg_error *err) {
    fg_status status = FG_OK;
    class_linter l = {.declarations = declarations, .classes = classes, .wrong = wrong, .err = err};
    FG_NEW(l.reached, declarations->count);
    reach(&l, declarations->root);
    for (size_t i = 0; i < declarations->count; i++) {
        const fg_section *section = &declarations->sections[i];
        FG_TRY(l.reached[i] ? check_section(&l, section)
                            : ADD_LINT_ERROR(&l, section, "%s", "no rule refers to it"));
    }
done:
    fg_free(l.reached);
    return status;
}
