#include "lint/lint_specs.h"

#include <string.h>

#include "base/alloc.h"
#include "language/classes.h"
#include "language/declaration.h"
#include "language/expression.h"
#include "lint/lint_errors.h"
#include "lint/lint_reads.h"
#include "model/spec.h"

enum { BRIEF = 80 };

typedef struct spec_linter {
    fg_catalogue *catalogue;
    const fg_format *format;   /* whose families have the file that is checked; else NULL */
    const fg_classes *classes; /* of the format, or NULL */
    json_t *roots;             /* owned; object whose keys are the classes that its converters begin with */
    fg_buffer wrong;           /* of one file, "; " between */
    size_t keys;               /* checked */
} spec_linter;

/* ---- families ---- */

/* Whether there is a converter that loads. */
static fg_status has_converter(const spec_linter *l, const fg_format *format, const char *family, bool *has,
                               fg_error *err) {
    const fg_converter *converter = NULL;
    fg_error what = {0};
    fg_status status = fg_converter_load(&converter, l->catalogue, format, family, &what);
    *has = status == FG_OK;
    return status == FG_OK || status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &what);
}

static fg_status check_reads(spec_linter *l, const fg_format *format, const char *family, const json_t *spec,
                             fg_error *err) {
    const fg_converter *converter = NULL;
    fg_error what = {0};
    fg_status status = fg_converter_load(&converter, l->catalogue, format, family, &what);
    if (status == FG_OK) status = fg_lint_reads(spec, converter, &what);
    return fg_lint_errors_catch(&l->wrong, status, &what, err);
}

/* The side of a format whose families have a file each. */
static fg_status check_side(spec_linter *l, const fg_format *format, const char *family, const json_t *spec,
                            fg_error *err) {
    bool there, has = json_object_get(json_object_get(spec, "formats"), format->schema);
    FG_CALL(has_converter(l, format, family, &there, err));
    if (there && has) FG_CALL(check_reads(l, format, family, spec, err));
    if (there == has) return FG_OK;
    return fg_lint_errors_add(&l->wrong, err, "%s %s, which has %s converter for %s",
                              there ? "has nothing for" : "says something for", format->name,
                              there ? "a" : "no", family);
}

static fg_status check_family(spec_linter *l, const char *family, const json_t *spec, fg_error *err) {
    const fg_format *target;
    if (!json_object_get(json_object_get(spec, "formats"), "hf"))
        FG_CALL(fg_lint_errors_add(&l->wrong, err, "does not say how hf's models compute"));
    for (size_t i = 0; (target = fg_format_target(i)); i++) {
        if (!target->spec) FG_CALL(check_side(l, target, family, spec, err));
    }
    return FG_OK;
}

/* ---- keys ---- */

/* Whether what stands in for an absent key is the default of a class with the key (`defaults`): null stands
 * for what "null" says. */
static fg_status check_default(spec_linter *l, const json_t *entry, const char *path, const json_t *defaults,
                               fg_error *err) {
    char found[BRIEF], expected[BRIEF];
    const json_t *absent = json_object_get(entry, "absent"), *null = json_object_get(entry, "null"),
                 *wanted = NULL;
    json_t *held;
    FG_JSON_EACH(defaults, i, held) {
        const json_t *means = json_is_null(held) && null ? null : held;
        if (fg_json_equal(absent, means)) return FG_OK;
        if (!wanted) wanted = means;
    }
    if (!absent || !wanted || json_is_object(absent) || fg_expression_is(absent)) return FG_OK;
    return fg_lint_errors_add(&l->wrong, err, "\"%s\": absent means %s here, and %s in its class", path,
                              fg_json_brief(absent, found, sizeof found),
                              fg_json_brief(wanted, expected, sizeof expected));
}

/* `entry` is that of a role whose only key this is; else NULL. */
static fg_status check_key(spec_linter *l, const char *prefix, const char *key, const json_t *entry,
                           fg_error *err) {
    fg_status status = FG_OK;
    json_t *ignored, *defaults = NULL;
    char *path = NULL;
    bool there = false;
    FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
    const char *field = fg_format_inside_model(l->format, path);
    if (!field) goto done; /* the kind of the model */
    FG_TRY_NEW(defaults, json_array());
    FG_JSON_MEMBERS(l->roots, root, ignored) {
        bool can;
        FG_TRY(fg_class_can_have(l->classes, root, field, &can, defaults, err));
        there |= can;
    }
    l->keys++;
    if (!there) FG_TRY(fg_lint_errors_add(&l->wrong, err, "no class has the field %s", path));
    if (there && entry) FG_TRY(check_default(l, entry, path, defaults, err));
done:
    json_decref(defaults);
    fg_free(path);
    return status;
}

static fg_status check_entry(spec_linter *l, const char *prefix, const json_t *entry, fg_error *err) {
    const json_t *key = json_object_get(entry, "key");
    json_t *one;
    if (json_is_string(key)) FG_CALL(check_key(l, prefix, json_string_value(key), entry, err));
    FG_JSON_EACH(key, i, one) FG_CALL(check_key(l, prefix, json_string_value(one), NULL, err));
    return FG_OK;
}

static fg_status check_rotary(spec_linter *l, const char *prefix, const json_t *rotary, fg_error *err) {
    fg_status status = FG_OK;
    json_t *object, *entry;
    char *path = NULL;
    FG_JSON_EACH(json_object_get(rotary, "objects"), i, object) {
        FG_TRY_RENEW(path, fg_strformat(err, "%s/%s", prefix, json_string_value(object)));
        FG_JSON_MEMBERS(json_object_get(rotary, "numbers"), number, entry)
            FG_TRY(check_entry(l, path, entry, err));
    }
done:
    fg_free(path);
    return status;
}

/* A side, or its "blocks", which are below `prefix`. */
static fg_status check_keys(spec_linter *l, const char *prefix, const json_t *side, fg_error *err) {
    json_t *entry;
    FG_JSON_MEMBERS(json_object_get(side, "config"), name, entry) FG_CALL(check_entry(l, prefix, entry, err));
    FG_CALL(check_rotary(l, prefix, json_object_get(side, "rotary"), err));
    FG_JSON_MEMBERS(json_object_get(side, "only"), name, entry)
        FG_CALL(check_key(l, prefix, name, NULL, err));
    return FG_OK;
}

/* ---- files ---- */

/* The classes that the converters of the format begin with. */
static fg_status find_roots(spec_linter *l, fg_error *err) {
    const fg_converter_entries *entries;
    const fg_converter *converter;
    FG_CALL(fg_converters_list(l->catalogue, &entries, err));
    for (size_t i = 0; i < entries->count; i++) {
        const fg_converter_entry *entry = &entries->items[i];
        if (!entry->model_type || strcmp(entry->format, l->format->schema) != 0) continue;
        if (fg_converter_load_file(&converter, l->catalogue, entry->path, NULL) != FG_OK) continue;
        FG_CALL(
            fg_json_put(l->roots, fg_converter_declarations(converter)->root->class_name, json_true(), err));
    }
    return FG_OK;
}

/* The format for all of whose families this is the file; with its classes. */
static fg_status find_format(spec_linter *l, const char *name, fg_error *err) {
    size_t i = 0;
    while ((l->format = fg_format_target(i)) && (!l->format->spec || strcmp(l->format->spec, name) != 0)) i++;
    if (!l->format) return FG_OK;
    json_decref(l->roots);
    l->roots = json_object();
    FG_CALL(fg_classes_load(&l->classes, l->catalogue, l->format, err));
    if (l->classes) FG_CALL(find_roots(l, err));
    return FG_OK;
}

static fg_status check_spec(spec_linter *l, const char *name, const json_t *spec, fg_error *err) {
    FG_CALL(find_format(l, name, err));
    if (!l->format) {
        FG_CALL(check_family(l, name, spec, err));
        return FG_OK;
    }
    const json_t *side = json_object_get(json_object_get(spec, "formats"), l->format->schema);
    const char *one = json_string_value(fg_json_at(side, "blocks/one"));
    if (!side) FG_CALL(fg_lint_errors_add(&l->wrong, err, "has nothing for %s", l->format->name));
    FG_CALL(check_keys(l, "", side, err));
    if (one) FG_CALL(check_keys(l, one, json_object_get(side, "blocks"), err));
    return FG_OK;
}

static fg_status lint_file(spec_linter *l, const char *path, json_t *report, size_t *problems,
                           fg_error *err) {
    fg_status status = FG_OK;
    json_t *spec = NULL;
    char *name = NULL;
    fg_error what = {0};
    fg_buffer fine = {0};
    const char *file = fg_path_name(path);
    fg_buffer_clear(&l->wrong);
    l->keys = 0;
    FG_TRY_NEW(name, fg_strndup(file, strlen(file) - strlen(".json"), err));
    FG_TRY(fg_lint_errors_catch(&l->wrong, fg_model_spec_read(&spec, l->catalogue, name, &what), &what, err));
    if (spec) FG_TRY(check_spec(l, name, spec, err));
    FG_TRY(l->keys ? fg_buffer_printf(&fine, err, "%zu keys that its classes have", l->keys)
                   : fg_buffer_printf(&fine, err, "how %s computes", name));
    FG_TRY(fg_lint_errors_report(&l->wrong, path, fine.data, report, problems, err));
done:
    fg_buffer_free(&fine);
    json_decref(spec);
    fg_free(name);
    return status;
}

/* Lints one file or (path NULL) those of all directories. */
static fg_status lint_specs(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                            fg_error *err) {
    fg_status status = FG_OK;
    spec_linter l = {.catalogue = catalogue};
    fg_names paths = {0};
    if (path) FG_TRY(lint_file(&l, path, report, problems, err));
    for (size_t i = 0; i < catalogue->count && !path; i++)
        FG_TRY(fg_catalogue_list(catalogue, i, "models", &paths, err));
    for (size_t i = 0; i < paths.count; i++) FG_TRY(lint_file(&l, paths.items[i], report, problems, err));
done:
    fg_names_free(&paths);
    fg_buffer_free(&l.wrong);
    json_decref(l.roots);
    return status;
}

fg_status fg_model_specs_lint(fg_catalogue *catalogue, json_t *report, size_t *problems, fg_error *err) {
    return lint_specs(catalogue, NULL, report, problems, err);
}

/* ---- single files, which need not lie in one of the directories ---- */

/* The directories, and before them one more, unless that is NULL. */
static fg_status search_first(fg_catalogue *all, const char *directory, fg_catalogue *catalogue,
                              fg_error *err) {
    if (directory) FG_CALL(fg_catalogue_add(all, directory, err));
    for (size_t i = 0; i < catalogue->count; i++)
        FG_CALL(fg_catalogue_add(all, catalogue->directories[i], err));
    return FG_OK;
}

fg_status fg_model_spec_is_file(const char *path, bool *is, fg_error *err) {
    char *folder = fg_path_parent(path, err);
    fg_path_kind kind;
    if (!folder) return FG_ERR_MEMORY;
    fg_status status = fg_path_look(path, &kind, err);
    *is = kind == FG_PATH_FILE && fg_ends_with(path, ".json") && strcmp(fg_path_name(folder), "models") == 0;
    fg_free(folder);
    return status;
}

fg_status fg_model_spec_lint(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                             fg_error *err) {
    fg_status status = FG_OK;
    fg_catalogue all = {0};
    char *folder = NULL, *directory = NULL;
    FG_TRY_NEW(folder, fg_path_parent(path, err));
    FG_TRY_NEW(directory, fg_path_parent(folder, err));
    FG_TRY(search_first(&all, directory, catalogue, err));
    FG_TRY(lint_specs(&all, path, report, problems, err));
done:
    fg_catalogue_free(&all);
    fg_free(folder);
    fg_free(directory);
    return status;
}

/* Where the spec of a converter's family is looked for: first next to the converter, if it is there. */
static fg_status search_for_spec(fg_catalogue *all, const fg_converter *converter, fg_catalogue *catalogue,
                                 fg_error *err) {
    fg_status status = FG_OK;
    bool beside;
    char *directory = NULL, *path = NULL;
    FG_TRY_NEW(directory, fg_path_parent(fg_converter_file(converter), err));
    FG_TRY_NEW(path, fg_strformat(err, "%s/models/%s.json", directory, fg_converter_model_type(converter)));
    FG_TRY(fg_path_is_file(path, &beside, err));
    FG_TRY(search_first(all, beside ? directory : NULL, catalogue, err));
done:
    fg_free(directory);
    fg_free(path);
    return status;
}

static fg_status lint_reads(fg_catalogue *catalogue, const fg_converter *converter, json_t *report,
                            size_t *problems, fg_error *err) {
    fg_status status = FG_OK;
    spec_linter l = {.catalogue = catalogue};
    fg_catalogue all = {0};
    json_t *spec = NULL;
    char *path = NULL;
    fg_error what = {0};
    const char *family = fg_converter_model_type(converter);
    FG_TRY(search_for_spec(&all, converter, catalogue, err));
    FG_TRY(fg_model_spec_path(&path, &all, family, err));
    FG_TRY(fg_lint_errors_catch(&l.wrong, fg_model_spec_read(&spec, &all, family, &what), &what, err));
    if (spec) FG_TRY(fg_lint_errors_catch(&l.wrong, fg_lint_reads(spec, converter, &what), &what, err));
    if (l.wrong.length) FG_TRY(fg_lint_errors_report(&l.wrong, path, "", report, problems, err));
done:
    fg_buffer_free(&l.wrong);
    fg_catalogue_free(&all);
    json_decref(spec);
    fg_free(path);
    return status;
}

fg_status fg_converter_reads_lint(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                                  fg_error *err) {
    const fg_converter *converter = NULL;
    fg_error what = {0};
    fg_status status = fg_converter_load_file(&converter, catalogue, path, &what);
    if (status == FG_ERR_INPUT) return FG_OK; /* a file of migrations */
    if (status != FG_OK) return fg_fail_again(err, &what);
    const fg_format *format = fg_converter_format(converter);
    if (format && !format->spec && !fg_converter_abstract(converter))
        status = lint_reads(catalogue, converter, report, problems, err);
    return status;
}
