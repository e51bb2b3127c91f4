#include "language/migration.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"
#include "language/schema.h"

enum { PLACE = 300, WHERE = 700 };

static const fg_member_row migration_rows[] = {
    {"arch", 'm', false},
    {"from", 'v', true},
    {"to", 'v', true},
    {"about", 's', true},
    {"config", 'o', false},
    {"tables", 'o', false},
    {"names", 'a', false},
    {"lists", 'o', false},
    {"tensors", 'o', false},
    {"model", 'o', false},
    {"no_forward_pass", 's', false},
};
static const fg_member_row view_rows[] = {
    {"shape", 'x', false}, {"permute", 'd', false}, {"new_shape", 'x', false}};

/* ---- compiling ---- */

static const char *inside(const fg_schema_place *at, const char *member, char *buffer) {
    snprintf(buffer, PLACE, "%s%s%s", at->parent, *at->parent ? "/" : "", member);
    return buffer;
}

static fg_status read_version(const fg_schema_place *at, const json_t *document, const char *key,
                              fg_version *version, fg_error *err) {
    char where[WHERE], place[PLACE];
    const fg_source_file *layer = at->layers->items[0];
    snprintf(where, sizeof where, "%s:%u: %s", layer->path, fg_source_file_line(layer, at->parent, key),
             inside(at, key, place));
    return fg_version_read(json_object_get(document, key), where, version, err);
}

static fg_status compile_versions(fg_migration *m, const fg_schema_place *at, fg_error *err) {
    FG_CALL(read_version(at, m->document, "from", &m->from, err));
    FG_CALL(read_version(at, m->document, "to", &m->to, err));
    if (fg_version_compare(&m->from, &m->to) >= 0)
        FG_CALL(fg_schema_fail(at, "to", err, "%s does not come after %s", m->to.text, m->from.text));
    return FG_OK;
}

static fg_status compile_names(fg_migration *m, const fg_schema_place *at, fg_error *err) {
    char place[PLACE];
    const json_t *names = json_object_get(m->document, "names");
    const fg_source_file *layer = at->layers->items[0];
    json_t *none = names ? NULL : json_array();
    fg_status status =
        fg_name_rules_compile(&m->names, names ? names : none, json_object_get(m->document, "lists"),
                              layer->path, inside(at, "names", place), &layer->text, err);
    json_decref(none);
    return status;
}

static fg_status compile_pattern(fg_tensor_view *view, const char *file, fg_error *err) {
    fg_status status = FG_OK;
    char *where = NULL;
    json_t *rules = json_pack("[[s++, s]]", "(?:", view->text, ")\\z", "");
    if (!rules) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while compiling a migration");
    FG_TRY_NEW(where, fg_strformat(err, "%s:%u", file, view->line));
    FG_TRY(fg_name_rules_compile(&view->pattern, rules, NULL, where, "tensors", NULL, err));
done:
    json_decref(rules);
    fg_free(where);
    return status;
}

static fg_status check_view(const fg_schema_place *at, const char *pattern, const json_t *rule,
                            const char *tensors, fg_error *err) {
    fg_status status = FG_OK;
    char *place = NULL;
    const json_t *shape = json_object_get(rule, "shape"), *order = json_object_get(rule, "permute");
    if (!json_is_object(rule))
        FG_TRY(fg_layers_fail(at->layers, tensors, pattern, err, "found %s, expected an object",
                              fg_json_kind(rule)));
    FG_TRY_NEW(place, fg_strformat(err, "%s/%s", tensors, pattern));
    FG_TRY(fg_schema_check(rule, FG_ROWS(view_rows),
                           &(fg_schema_place){.layers = at->layers, .parent = place}, true, err));
    if (!json_object_size(rule)) FG_TRY(fg_layers_fail(at->layers, tensors, pattern, err, "changes nothing"));
    if (shape && order && json_array_size(shape) != json_array_size(order))
        FG_TRY(fg_layers_fail(at->layers, tensors, pattern, err,
                              "\"shape\" has %zu dimensions, \"permute\" %zu", json_array_size(shape),
                              json_array_size(order)));
    if (json_array_size(shape) > FG_MAX_DIMS ||
        json_array_size(json_object_get(rule, "new_shape")) > FG_MAX_DIMS)
        FG_TRY(fg_layers_fail(at->layers, tensors, pattern, err, "more than %d dimensions", FG_MAX_DIMS));
done:
    fg_free(place);
    return status;
}

static fg_status compile_views(fg_migration *m, const fg_schema_place *at, fg_error *err) {
    fg_status status = FG_OK;
    char tensors[PLACE];
    json_t *rule, *all = json_object_get(m->document, "tensors");
    inside(at, "tensors", tensors);
    FG_NEW(m->views, json_object_size(all));
    FG_JSON_MEMBERS(all, pattern, rule) {
        fg_tensor_view *view = &m->views[m->view_count++];
        *view = (fg_tensor_view){.text = pattern,
                                 .rule = rule,
                                 .line = fg_source_file_line(at->layers->items[0], tensors, pattern)};
        FG_TRY(check_view(at, pattern, rule, tensors, err));
        FG_TRY(compile_pattern(view, m->file->path, err));
    }
done:
    return status;
}

fg_status fg_migration_compile(fg_migration *m, const json_t *document, const char *place,
                               const fg_layers *layers, fg_error *err) {
    char config[PLACE];
    const fg_source_file *layer = layers->items[0];
    const fg_schema_place at = {.layers = layers, .parent = place}; /* "" or "migrations/0" */
    *m = (fg_migration){.document = document, .file = layer};
    FG_CALL_NEW(m->place, fg_strdup(place, err));
    m->line = fg_source_file_line(layer, place, "from");
    if (!json_is_object(document))
        FG_CALL(
            fg_layers_fail(layers, "", place, err, "found %s, expected a migration", fg_json_kind(document)));
    FG_CALL(fg_schema_check(document, FG_ROWS(migration_rows), &at, true, err));
    FG_CALL(compile_versions(m, &at, err));
    FG_CALL(fg_declarations_compile_one(&m->declarations, json_object_get(document, "config"),
                                        inside(&at, "config", config), document, layers, err));
    FG_CALL(compile_names(m, &at, err));
    return compile_views(m, &at, err);
}

void fg_migration_free(fg_migration *m) {
    fg_free(m->place);
    fg_declarations_free(&m->declarations);
    fg_name_rules_free(&m->names);
    for (size_t i = 0; i < m->view_count; i++) fg_name_rules_free(&m->views[i].pattern);
    fg_free(m->views);
    *m = (fg_migration){0};
}

/* ---- what it says ---- */

bool fg_migration_is_for(const fg_migration *m, const char *arch, const char *otherwise) {
    const json_t *said = json_object_get(m->document, "arch");
    const char *one = said ? json_string_value(said) : otherwise;
    json_t *item;
    if (one) return strcmp(one, arch) == 0;
    FG_JSON_EACH(said, i, item) {
        if (strcmp(json_string_value(item), arch) == 0) return true;
    }
    return false;
}

const char *fg_migration_about(const fg_migration *m) {
    return json_string_value(json_object_get(m->document, "about"));
}

char *fg_migration_text(const fg_migration *m, fg_error *err) {
    return fg_strformat(err, "%s->%s: %s", m->from.text, m->to.text, fg_migration_about(m));
}

const json_t *fg_migration_model(const fg_migration *m) {
    return json_object_get(m->document, "model");
}

const char *fg_migration_no_forward_pass(const fg_migration *m) {
    return json_string_value(json_object_get(m->document, "no_forward_pass"));
}

fg_status fg_migration_where(const fg_migration *m, fg_status status, fg_error *err) {
    if (status != FG_OK)
        fg_where(err, "migrating from %s to %s (%s)", m->from.text, m->to.text, m->file->path);
    return status;
}
