#include "lint/lint.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/declaration.h"
#include "language/defaults.h"
#include "language/hf_keys.h"
#include "language/migrations.h"
#include "lint/lint_claims.h"
#include "lint/lint_classes.h"
#include "lint/lint_code.h"
#include "lint/lint_errors.h"
#include "mapping/converter_map.h"
#include "mapping/name_map.h"
#include "model/spec.h"
#include "translate/translate.h"

enum { BRIEF = 100, LAYERS = 3 };

/* One file under check; `wrong` collects what is wrong with it, "; " between. */
typedef struct linter {
    fg_catalogue *catalogue;
    const fg_converter *converter;
    fg_buffer wrong;
    size_t names;          /* checked */
    bool prefixed;         /* one of them begins with base_model_prefix */
    json_t *config;        /* owned; of the small model; NULL: there is none */
    const json_t *hf_keys; /* language/hf_keys.h */
    fg_buffer migrations;  /* what those of the file do */
    const char *path;
} linter;

static const char *base_model_prefix(const linter *l) {
    return json_string_value(json_object_get(fg_converter_document(l->converter), "base_model_prefix"));
}

static void count_name(linter *l, const char *name) {
    const char *prefix = base_model_prefix(l);
    l->names++;
    l->prefixed = l->prefixed || (prefix && fg_starts_with(name, prefix));
}

/* A base_model_prefix that no name has would make every checkpoint one of a base model. */
static fg_status check_prefix(linter *l, fg_error *err) {
    const char *prefix = base_model_prefix(l);
    if (!prefix || !l->names || l->prefixed) return FG_OK;
    return fg_lint_errors_add(&l->wrong, err,
                              "base_model_prefix: no tensor has a name that begins with it: %s", prefix);
}

/* ---- lists ---- */

static bool mentions(const json_t *rules, const char *list) {
    json_t *item;
    const char *text = json_string_value(rules);
    if (text) return text[0] == '@' && strcmp(text + 1, list) == 0;
    FG_JSON_EACH(rules, i, item) {
        if (mentions(item, list)) return true;
    }
    return false;
}

static fg_status check_lists(linter *l, fg_error *err) {
    json_t *rules, *list, *user;
    FG_JSON_MEMBERS(fg_converter_document(l->converter), direction, rules) {
        if (!fg_starts_with(direction, "to_")) continue;
        json_t *lists = json_object_get(rules, "lists");
        FG_JSON_MEMBERS(lists, name, list) {
            bool used = mentions(json_object_get(rules, "names"), name);
            FG_JSON_MEMBERS(lists, other, user) used |= strcmp(other, name) != 0 && mentions(user, name);
            if (!used) FG_CALL(fg_lint_errors_add(&l->wrong, err, "no rule uses the list %s", name));
        }
    }
    return FG_OK;
}

/* ---- a small model ---- */

/* What the root section demands to find, where it is a plain value. */
static fg_status add_constants(const fg_converter *converter, json_t *config, fg_error *err) {
    const fg_section *root = fg_converter_declarations(converter)->root;
    for (size_t i = 0; i < root->count; i++) {
        const fg_declaration *d = &root->items[i];
        json_t *value = json_object_get(d->spec, "constant_export");
        if (value && !fg_expression_is(value) && !fg_json_at(config, d->keys[0]))
            FG_CALL(fg_json_set_at(config, d->keys[0], fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

fg_status fg_lint_small_config(const fg_converter *converter, json_t **config, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *defaults, *example = json_object_get(fg_converter_document(converter), "example");
    json_t *made = NULL;
    *config = NULL;
    FG_TRY(fg_defaults_load(fg_converter_catalogue(converter), fg_converter_hf_model_type(converter),
                            &defaults, err));
    if (!json_object_size(defaults) && !example) goto done;
    FG_TRY_NEW(made, defaults ? fg_json_deep_copy(defaults, err) : json_object());
    if (json_object_get(made, "num_hidden_layers"))
        FG_TRY(fg_json_put(made, "num_hidden_layers", json_integer(LAYERS), err));
    if (example && json_object_update(made, (json_t *)(uintptr_t)example) != 0)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while making an example");
    FG_TRY(add_constants(converter, made, err));
    *config = json_incref(made);
done:
    json_decref(made);
    return status;
}

fg_status fg_lint_outputs(const fg_converter *converter, const json_t *hf, fg_direction direction,
                          fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_map map;
    FG_TRY(fg_name_map_new(&map, converter, hf, NULL, err));
    for (size_t i = 0; i < map.count; i++) { /* each link has one part */
        const fg_tensor_form *form = &map.forms[map.links[i].form];
        const fg_packed_tensor *split = fg_tensor_map_split(&map, &map.links[i]);
        const char *name = direction == FG_IMPORT ? map.links[i].target : map.parts[i];
        if (direction == FG_IMPORT || !split)
            FG_TRY(fg_plan_add_output(plan, name, FG_F32, form->rank, form->shape, err));
        else if (split->first_part == i)
            FG_TRY(fg_plan_add_output(plan, split->hf, FG_F32, split->rank, split->shape, err));
    }
done:
    fg_tensor_map_free(&map);
    return status;
}

static bool is_left_out(const json_t *left_out, const char *key) {
    json_t *entry;
    FG_JSON_EACH(left_out, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0) return true;
    }
    return false;
}

/* Whether some section has a declaration that ignores the key. */
static bool is_ignored(const linter *l, const char *key) {
    const fg_declarations *all = fg_converter_declarations(l->converter);
    for (size_t s = 0; s < all->count; s++) {
        const fg_claim *claim = fg_claims_find(&all->sections[s].claims[FG_SIDE_HF], key);
        if (claim && claim->declaration && json_object_get(claim->declaration->spec, "ignored")) return true;
    }
    return false;
}

static fg_status compare(linter *l, const fg_translation *there, const json_t *before, const json_t *after,
                         const char *prefix, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    char a[BRIEF], b[BRIEF], detail[4 * BRIEF], *path = NULL;
    FG_JSON_MEMBERS(before, key, value) {
        const json_t *other = json_object_get(after, key);
        fg_free(path);
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        if (!fg_json_at(l->config, path) || is_ignored(l, key) || is_ignored(l, path) ||
            fg_hf_keys_reason(l->hf_keys, key, NULL, true) || is_left_out(there->left_out, path) ||
            fg_json_equal(other, value) || fg_json_equal(other, fg_json_at(l->config, path)))
            continue;
        if (json_is_object(value) && json_is_object(other)) {
            FG_TRY(compare(l, there, value, other, path, err));
            continue;
        }
        snprintf(detail, sizeof detail, "%.*s = %s comes back as %s", BRIEF, path,
                 fg_json_brief(value, a, sizeof a), fg_json_brief(other, b, sizeof b));
        FG_TRY(fg_lint_errors_add(&l->wrong, err, "the default %s", detail));
    }
done:
    fg_free(path);
    return status;
}

/* Names round-trip and do not meet. */
static fg_status check_names(linter *l, const fg_translation *there, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_map map = {0};
    fg_error what = {0};
    json_t *lost = json_array(), *name;
    const fg_completed completed = {.hf = there->hf, .target = there->target};
    if (!lost) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while checking names");
    status = fg_converter_map_new(&map, l->converter, completed, lost, &what);
    FG_TRY(fg_lint_errors_catch(&l->wrong, status, &what, err));
    FG_JSON_EACH(lost, i, name) {
        FG_TRY(fg_lint_errors_add(&l->wrong, err, "does not round-trip: %s", json_string_value(name)));
        count_name(l, json_string_value(name));
    }
    for (size_t i = 0; i < map.part_count; i++) count_name(l, map.parts[i]);
done:
    fg_tensor_map_free(&map);
    json_decref(lost);
    return status;
}

static fg_status check_translated(linter *l, fg_error *err) {
    fg_status status = FG_OK;
    const fg_translate_options options = {.hf_version = 4, .version = "0", .file = "defaults"};
    fg_translation there = {0}, back = {0};
    fg_error what = {0};
    status = fg_translate(l->converter, FG_IMPORT, l->config, &options, &there, &what);
    FG_TRY(fg_lint_errors_catch(&l->wrong, status, &what, err));
    if (!there.result) goto done;
    FG_TRY(check_names(l, &there, err));
    FG_TRY(check_prefix(l, err));
    what = (fg_error){0};
    status = fg_translate(l->converter, FG_EXPORT, there.result, &options, &back, &what);
    FG_TRY(fg_lint_errors_catch(&l->wrong, status, &what, err));
    if (back.hf) FG_TRY(compare(l, &there, there.hf, back.hf, "", err));
done:
    fg_translation_free(&there);
    fg_translation_free(&back);
    return status;
}

/* A family that transformers does not know has none. */
static fg_status check_small_model(linter *l, fg_error *err) {
    FG_CALL(fg_lint_small_config(l->converter, &l->config, err));
    return l->config ? check_translated(l, err) : FG_OK;
}

static fg_status check_code(linter *l, fg_error *err) {
    return fg_lint_code(l->converter, l->config, &l->wrong, err);
}

static fg_status check_claims(linter *l, fg_error *err) {
    return fg_lint_claims(fg_converter_declarations(l->converter), &l->wrong, err);
}

static fg_status check_classes(linter *l, fg_error *err) {
    const fg_classes *classes = NULL;
    fg_status status = fg_classes_load(&classes, l->catalogue, fg_converter_format(l->converter), err);
    if (status != FG_OK || !classes) return status;
    return fg_lint_classes(fg_converter_declarations(l->converter), classes, &l->wrong, err);
}

/* ---- files ---- */

/* models/TYPE.json next to the converter or in DIR; in a plug-in's directory TYPE.json may be it as well,
 * unless that is the converter itself. */
static fg_status find_model_file(const linter *l, bool *found, fg_error *err) {
    fg_status status = FG_OK;
    const char *family = fg_converter_model_type(l->converter), *file = fg_converter_file(l->converter);
    char *path = NULL;
    FG_TRY_RENEW(path,
                 fg_strformat(err, "%.*smodels/%s.json", (int)(fg_path_name(file) - file), file, family));
    FG_TRY(fg_path_is_file(path, found, err));
    fg_free(path);
    path = NULL;
    for (size_t i = 0; i < 2 * l->catalogue->count && !*found; i++) {
        FG_TRY_RENEW(path, fg_strformat(err, "%s/%s%s.json", l->catalogue->directories[i / 2],
                                        i % 2 ? "" : "models/", family));
        FG_TRY(fg_path_is_file(path, found, err));
        *found = *found && strcmp(path, fg_converter_file(l->converter)) != 0;
    }
done:
    fg_free(path);
    return status;
}

/* The proof knows the family. */
static fg_status check_model_file(linter *l, fg_error *err) {
    const char *family = fg_converter_model_type(l->converter);
    bool known;
    char detail[BRIEF];
    FG_CALL(find_model_file(l, &known, err));
    snprintf(detail, sizeof detail, "models/%.*s.json", BRIEF / 2, family);
    if (known) return FG_OK;
    return fg_lint_errors_add(&l->wrong, err, "the proof does not know the family: there is no %s", detail);
}

/* The model types that "defaults" names have some. */
static fg_status check_defaults(linter *l, fg_error *err) {
    char detail[BRIEF];
    const json_t *held;
    json_t *type;
    FG_JSON_MEMBERS(json_object_get(fg_converter_document(l->converter), "defaults"), path, type) {
        if (json_is_null(type)) continue;
        FG_CALL(fg_defaults_load(l->catalogue, json_string_value(type), &held, err));
        snprintf(detail, sizeof detail, "defaults/%.*s", BRIEF / 2, path);
        if (!json_object_size(held))
            FG_CALL(fg_lint_errors_add(&l->wrong, err, "no file has the model type of %s", detail));
    }
    return FG_OK;
}

/* What the migrations of the file do, or what is wrong with them. */
static fg_status check_migrations(linter *l, fg_error *err) {
    fg_status status = FG_OK;
    fg_migrations all = {0};
    fg_error what = {0};
    char *text = NULL;
    status = fg_migrations_load_file(&all, l->catalogue, l->path, &what);
    FG_TRY(fg_lint_errors_catch(&l->wrong, status, &what, err));
    for (size_t i = 0; i < all.count; i++) {
        what = (fg_error){0};
        status = fg_model_spec_check_patch(&all.items[i], &what);
        FG_TRY(fg_lint_errors_catch(&l->wrong, status, &what, err));
        FG_TRY_RENEW(text, fg_migration_text(&all.items[i], err));
        FG_TRY(fg_buffer_printf(&l->migrations, err, "%s%s", i ? "; " : "", text));
    }
done:
    fg_free(text);
    fg_migrations_free(&all);
    return status;
}

static void end(linter *l) {
    fg_buffer_free(&l->wrong);
    fg_buffer_free(&l->migrations);
    json_decref(l->config);
}

static fg_status lint_migration(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                                fg_error *err) {
    fg_status status = FG_OK;
    linter l = {.catalogue = catalogue, .path = path};
    fg_buffer fine = {0};
    FG_TRY(check_migrations(&l, err));
    FG_TRY(fg_buffer_printf(&fine, err, "migration %s", l.migrations.length ? l.migrations.data : ""));
    FG_TRY(fg_lint_errors_report(&l.wrong, path, fine.data, report, problems, err));
done:
    fg_buffer_free(&fine);
    end(&l);
    return status;
}

/* The checks of a converter that loads, in their order. */
static const struct check {
    const char *name;
    bool abstract; /* also of one that is only to be extended */
    fg_status (*run)(linter *l, fg_error *err);
} checks[] = {
    {"claims", true, check_claims},
    {"defaults", false, check_defaults},
    {"classes", false, check_classes},
    {"lists of name rules", false, check_lists},
    {"a small model", false, check_small_model},
    {"its code", false, check_code},
    {"the model file", false, check_model_file},
    {"migrations", true, check_migrations},
};

static fg_status run_checks(linter *l, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_hf_keys_load(l->catalogue, &l->hf_keys, err));
    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == FG_OK; i++) {
        if (fg_converter_abstract(l->converter) && !checks[i].abstract) continue;
        status = checks[i].run(l, err);
        if (status != FG_OK) fg_where(err, "checking %s of %s", checks[i].name, l->path);
    }
done:
    return status;
}

/* What a file that has nothing wrong is. */
static fg_status describe(const linter *l, fg_buffer *fine, fg_error *err) {
    if (l->converter && json_object_get(fg_converter_document(l->converter), "unsupported"))
        return fg_buffer_put(fine, "settings of a family that the format cannot hold", err);
    if (!l->converter || fg_converter_abstract(l->converter))
        return fg_buffer_put(fine, "to be extended", err);
    return fg_buffer_printf(fine, err, "%s, %zu tensor names round-trip",
                            fg_converter_model_type(l->converter), l->names);
}

static fg_status lint_converter(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                                fg_error *err) {
    fg_status status = FG_OK;
    linter l = {.catalogue = catalogue, .path = path};
    fg_buffer fine = {0};
    fg_error what = {0};
    status = fg_converter_load_file(&l.converter, catalogue, path, &what);
    FG_TRY(fg_lint_errors_catch(&l.wrong, status, &what, err));
    if (l.converter) FG_TRY(run_checks(&l, err));
    FG_TRY(describe(&l, &fine, err));
    if (l.migrations.length) FG_TRY(fg_buffer_printf(&fine, err, "; migrations %s", l.migrations.data));
    FG_TRY(fg_lint_errors_report(&l.wrong, path, fine.data, report, problems, err));
done:
    fg_buffer_free(&fine);
    end(&l);
    return status;
}

/* One that cannot be read is reported as a converter. */
static fg_status lint_file(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                           fg_error *err) {
    const fg_source_file *file;
    fg_error ignored = {0};
    bool migration =
        fg_catalogue_read(catalogue, path, &file, &ignored) == FG_OK && fg_migrations_is_file(file->document);
    return (migration ? lint_migration : lint_converter)(catalogue, path, report, problems, err);
}

static fg_status check_is_file(const char *path, fg_error *err) {
    fg_path_kind kind;
    fg_status status = fg_path_look(path, &kind, err);
    if (status != FG_OK || kind == FG_PATH_FILE) return status;
    if (kind == FG_PATH_ABSENT) return fg_fail(err, FG_ERR_USAGE, "%s: there is no such file", path);
    fg_fail(err, FG_ERR_USAGE, "%s: this is %s", path,
            kind == FG_PATH_DIRECTORY ? "a directory" : "not a file that can be read");
    return fg_hint(err,
                   "name the converter file to check; without a name all that are found are checked, those "
                   "of --converter-path first");
}

fg_status fg_converter_lint(fg_catalogue *catalogue, const char *path, json_t *report, size_t *problems,
                            fg_error *err) {
    fg_status status = FG_OK;
    const fg_converter_entries *entries;
    fg_names migrations = {0};
    *problems = 0;
    if (path) {
        FG_TRY(check_is_file(path, err));
        return lint_file(catalogue, path, report, problems, err);
    }
    FG_TRY(fg_converters_list(catalogue, &entries, err));
    for (size_t i = 0; i < entries->count; i++)
        FG_TRY(lint_converter(catalogue, entries->items[i].path, report, problems, err));
    FG_TRY(fg_migrations_files(catalogue, &migrations, err));
    for (size_t i = 0; i < migrations.count; i++)
        FG_TRY(lint_migration(catalogue, migrations.items[i], report, problems, err));
done:
    fg_names_free(&migrations);
    return status;
}
