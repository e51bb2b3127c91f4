#include "mapping/migration.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"
#include "language/schema.h"
#include "mapping/tensor_check.h"
#include "translate/translator.h"

enum { PLACE = 300, WHERE = 700, BRIEF = 120, SHAPE_TEXT = 160 };

typedef struct fg_view {
    fg_name_rules *pattern; /* owned; takes whole names */
    const char *text;       /* borrowed: the pattern as the file has it */
    const json_t *rule;     /* borrowed */
    unsigned line;
} fg_view;

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

/* The place of an object in its layer. */
typedef struct site {
    const fg_layers *layers;
    const char *place; /* "" or "migrations/0" */
} site;

static const char *inside(const site *at, const char *member, char *buffer) {
    snprintf(buffer, PLACE, "%s%s%s", at->place, *at->place ? "/" : "", member);
    return buffer;
}

static fg_status read_version(const site *at, const json_t *document, const char *key, fg_version *version,
                              fg_error *err) {
    char where[WHERE], place[PLACE];
    const fg_source_file *layer = at->layers->items[0];
    snprintf(where, sizeof where, "%s:%u: %s", layer->path, fg_source_file_line(layer, at->place, key),
             inside(at, key, place));
    return fg_version_read(json_object_get(document, key), where, version, err);
}

static fg_status compile_versions(fg_migration *m, const site *at, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(read_version(at, m->document, "from", &m->from, err));
    FG_TRY(read_version(at, m->document, "to", &m->to, err));
    if (fg_version_compare(&m->from, &m->to) >= 0)
        FG_TRY(fg_layers_fail(at->layers, at->place, "to", err, "%s does not come after %s", m->to.text,
                              m->from.text));
done:
    return status;
}

static fg_status compile_names(fg_migration *m, const site *at, fg_error *err) {
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

static fg_status compile_pattern(fg_view *view, const char *file, fg_error *err) {
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

static fg_status check_view(const site *at, const char *pattern, const json_t *rule, const char *tensors,
                            fg_error *err) {
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

static fg_status compile_views(fg_migration *m, const site *at, fg_error *err) {
    fg_status status = FG_OK;
    char tensors[PLACE];
    const char *pattern;
    json_t *rule, *all = json_object_get(m->document, "tensors");
    inside(at, "tensors", tensors);
    FG_NEW(m->views, json_object_size(all));
    json_object_foreach(all, pattern, rule) {
        fg_view *view = &m->views[m->view_count++];
        *view = (fg_view){.text = pattern,
                          .rule = rule,
                          .line = fg_source_file_line(at->layers->items[0], tensors, pattern)};
        FG_TRY(check_view(at, pattern, rule, tensors, err));
        FG_TRY(compile_pattern(view, m->file, err));
    }
done:
    return status;
}

fg_status fg_migration_compile(fg_migration *m, const json_t *document, const char *place,
                               const fg_layers *layers, fg_error *err) {
    fg_status status = FG_OK;
    char config[PLACE];
    const fg_source_file *layer = layers->items[0];
    const site at = {.layers = layers, .place = place};
    *m = (fg_migration){.document = document, .file = layer->path};
    m->line = fg_source_file_line(layer, place, "from");
    if (!json_is_object(document))
        FG_TRY(
            fg_layers_fail(layers, "", place, err, "found %s, expected a migration", fg_json_kind(document)));
    FG_TRY(fg_schema_check(document, FG_ROWS(migration_rows),
                           &(fg_schema_place){.layers = layers, .parent = place}, true, err));
    FG_TRY(compile_versions(m, &at, err));
    FG_TRY(fg_declarations_compile_one(&m->declarations, json_object_get(document, "config"),
                                       inside(&at, "config", config), document, layers, err));
    FG_TRY(compile_names(m, &at, err));
    FG_TRY(compile_views(m, &at, err));
done:
    return status;
}

void fg_migration_free(fg_migration *m) {
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
    size_t i;
    json_t *item;
    if (one) return strcmp(one, arch) == 0;
    json_array_foreach((json_t *)(uintptr_t)said, i, item) {
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

/* What was being done, for a failure. */
static fg_status in_step(const fg_migration *m, fg_status status, fg_error *err) {
    if (status != FG_OK) fg_where(err, "migrating from %s to %s (%s)", m->from.text, m->to.text, m->file);
    return status;
}

/* ---- the configuration ---- */

/* A key that no rule claims keeps its place, unless a rule has written something else there. */
static fg_status pass_key(fg_translator *t, const char *path, const json_t *value, fg_error *err) {
    char old[BRIEF], new[BRIEF];
    const json_t *written = fg_json_at(t->result, path);
    if (!written) return fg_json_set_at(t->result, path, fg_json_deep_copy(value, err), err);
    if (fg_json_equal(written, value)) return FG_OK;
    return fg_translator_refuse(
        t, NULL, err, "key \"%s\" = %s: no rule covers it, but one writes %s in its place", path,
        fg_json_brief(value, old, sizeof old), fg_json_brief(written, new, sizeof new));
}

static fg_status pass_keys(fg_translator *t, const json_t *object, const char *prefix, fg_error *err) {
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    char *path = NULL;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        const fg_claims *claims = &t->claims[FG_SIDE_HF];
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        bool shared = fg_claims_below(claims, path) || json_is_object(fg_json_at(t->result, path));
        if (json_object_size(value) && shared && !fg_claims_find(claims, path))
            FG_TRY(pass_keys(t, value, path, err));
        else if (!fg_claims_find(claims, path))
            FG_TRY(strchr(key, '/') ? fg_json_put(t->result, key, fg_json_deep_copy(value, err), err)
                                    : pass_key(t, path, value, err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

static fg_status stamp(const fg_migration *m, const char *arch, json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_json_put_text(config, FG_ARCH_KEY, arch, err));
    FG_TRY(fg_json_put_text(config, FG_ARCH_VERSION_KEY, m->to.text, err));
done:
    return status;
}

static fg_status run_rules(fg_translator *t, const fg_migration *m, const json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    t->source = fg_json_deep_copy(config, err);
    t->result = json_object();
    t->resolved = json_object();
    t->variables = json_object();
    if (!t->source || !t->result || !t->resolved || !t->variables)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while migrating a configuration");
    fg_frame frame = {.section = m->declarations.root, .hf = "", .target = ""};
    frame.scope = (fg_scope){.here = t->source, .root = t->source, .variables = t->variables};
    FG_TRY(fg_translator_run(t, &frame, err));
    FG_TRY(pass_keys(t, t->given, "", err));
    FG_TRY(fg_translator_verdict(t, err));
done:
    return status;
}

fg_status fg_migration_config(const fg_migration *m, const char *arch, const json_t *config, const char *file,
                              json_t **result, json_t *left_out, fg_error *err) {
    fg_status status = FG_OK;
    const fg_translate_options options = {.file = file};
    fg_translator t = {.document = m->document,
                       .file = m->file,
                       .declarations = &m->declarations,
                       .direction = FG_IMPORT,
                       .options = &options,
                       .given = config,
                       .left_out = left_out};
    *result = NULL;
    FG_TRY(run_rules(&t, m, config, err));
    FG_TRY(stamp(m, arch, t.result, err));
    *result = json_incref(t.result);
done:
    fg_translator_free(&t);
    return in_step(m, status, err);
}

/* ---- the tensors ---- */

/* The map of one step: each tensor of the source is a link of one part. */
typedef struct builder {
    const fg_migration *migration;
    const json_t *config;
    fg_tensor_map map;
    fg_buffer name, scratch;
    fg_error *err;
} builder;

static fg_status find_view(builder *b, const char *name, const fg_view **view) {
    fg_status status = FG_OK;
    bool matched = false;
    *view = NULL;
    for (size_t i = 0; i < b->migration->view_count && !*view; i++) {
        FG_TRY(fg_name_rules_apply(b->migration->views[i].pattern, name, &b->scratch, &matched, b->err));
        if (matched) *view = &b->migration->views[i];
    }
done:
    return status;
}

/* A list of sizes of a view, or what replaces it. */
static fg_status read_shape(const builder *b, const fg_view *view, const char *key, uint32_t *rank,
                            uint64_t *shape) {
    fg_status status = FG_OK;
    char where[WHERE];
    const json_t *given = json_object_get(view->rule, key);
    const fg_scope scope = {.here = b->config, .root = b->config};
    if (!given) return FG_OK;
    snprintf(where, sizeof where, "%s:%u: tensors/%s/%s", b->migration->file, view->line, view->text, key);
    *rank = (uint32_t)json_array_size(given);
    for (uint32_t d = 0; d < *rank; d++)
        FG_TRY(fg_expression_size(json_array_get(given, d), &scope, where, &shape[d], b->err));
done:
    return status;
}

static bool holds(uint32_t rank, const uint64_t *shape, uint64_t elements) {
    fg_tensor dense = {.rank = rank};
    uint64_t product = 1;
    for (uint32_t d = 0; d < rank; d++) {
        dense.shape[d] = shape[d];
        product *= shape[d]; /* may wrap; then the next line says so */
    }
    return fg_tensor_row_major(&dense) && product == elements;
}

static fg_status misfit(const builder *b, const fg_tensor *tensor, const fg_view *view, const char *key,
                        uint32_t rank, const uint64_t *shape) {
    char found[SHAPE_TEXT], wanted[SHAPE_TEXT];
    fg_shape_text(rank, shape, wanted, sizeof wanted);
    fg_fail(b->err, FG_ERR_INPUT, "tensor \"%s\" is %s, which cannot be viewed as %s (%s:%u: %s of %s)",
            tensor->name, fg_tensor_text(tensor, found, sizeof found), wanted, b->migration->file, view->line,
            key, view->text);
    return fg_hint(b->err, "check that the model is of the version that the update starts from");
}

static fg_status wrong_order(const builder *b, const fg_tensor *tensor, const fg_view *view,
                             const json_t *order) {
    char found[SHAPE_TEXT];
    return fg_fail(b->err, FG_ERR_INPUT,
                   "tensor \"%s\" is %s, but \"permute\" has %zu dimensions (%s:%u: %s)", tensor->name,
                   fg_tensor_text(tensor, found, sizeof found), json_array_size(order), b->migration->file,
                   view->line, view->text);
}

/* A view changes the form that a tensor has as it is. */
static fg_status change_form(const builder *b, const fg_tensor *tensor, const fg_view *view,
                             fg_tensor_form *form) {
    fg_status status = FG_OK;
    const json_t *order = json_object_get(view->rule, "permute");
    FG_TRY(read_shape(b, view, "shape", &form->part_rank, form->part_shape));
    if (order && json_array_size(order) != form->part_rank) FG_TRY(wrong_order(b, tensor, view, order));
    if (!holds(form->part_rank, form->part_shape, tensor->elements))
        FG_TRY(misfit(b, tensor, view, "shape", form->part_rank, form->part_shape));
    form->rank = form->part_rank;
    for (uint32_t d = 0; d < form->rank; d++) {
        form->order[d] = (uint8_t)(order ? json_integer_value(json_array_get(order, d)) : d);
        form->shape[d] = form->part_shape[form->order[d]];
    }
    FG_TRY(read_shape(b, view, "new_shape", &form->rank, form->shape));
    if (!holds(form->rank, form->shape, tensor->elements))
        FG_TRY(misfit(b, tensor, view, "new_shape", form->rank, form->shape));
done:
    return status;
}

static fg_status add_tensor(builder *b, const fg_tensor *tensor) {
    fg_status status = FG_OK;
    fg_error *err = b->err;
    fg_tensor_form form = {.rank = tensor->rank, .part_rank = tensor->rank};
    const fg_view *view;
    uint32_t index;
    bool matched;
    char *name;
    FG_TRY(fg_name_rules_apply(b->migration->names, tensor->name, &b->name, &matched, err));
    if (!matched) {
        fg_buffer_clear(&b->name);
        FG_TRY(fg_buffer_put(&b->name, tensor->name, err));
    }
    for (uint32_t d = 0; d < tensor->rank; d++) {
        form.shape[d] = form.part_shape[d] = tensor->shape[d];
        form.order[d] = (uint8_t)d;
    }
    FG_TRY(find_view(b, b->name.data, &view));
    if (view) FG_TRY(change_form(b, tensor, view, &form));
    FG_TRY(fg_tensor_map_add_form(&b->map, &form, &index, err));
    FG_TRY_NEW(name, fg_strdup(b->name.data, err));
    FG_TRY(fg_tensor_map_add_link(&b->map, name, index, tensor->name, err));
    FG_TRY(fg_tensor_map_add_part(&b->map, tensor->name, err));
done:
    return status;
}

fg_status fg_migration_plan(const fg_migration *m, fg_tensors *source, const json_t *config,
                            const fg_tensor_plan_options *options, fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    builder b = {.migration = m, .config = config, .err = err};
    b.map = (fg_tensor_map){.file = m->file, .key = "names", .as_found = true, .names_borrowed = true};
    *plan = (fg_plan){0};
    for (size_t i = 0; i < source->count; i++) FG_TRY(add_tensor(&b, &source->items[i]));
    FG_TRY(fg_tensor_plan(&b.map, FG_IMPORT, source, options, plan, err));
done:
    fg_tensors_free(source);
    fg_tensor_map_free(&b.map);
    fg_buffer_free(&b.name);
    fg_buffer_free(&b.scratch);
    return in_step(m, status, err);
}
