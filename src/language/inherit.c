#include "language/inherit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_scan.h"
#include "language/todo.h"

enum { EXTENDS_LIMIT = 16 };

/* ---- reading ---- */

static fg_status read_layer(fg_layers *layers, fg_catalogue *catalogue, const char *path, fg_error *err) {
    FG_CALL(fg_grow(&layers->items, layers->count, &layers->capacity, sizeof *layers->items, err));
    FG_CALL(fg_catalogue_read(catalogue, path, &layers->items[layers->count], err));
    return fg_todo_refuse(layers->items[layers->count++], err);
}

static char *beside(const char *path, const char *name, fg_error *err) {
    return fg_strformat(err, "%.*s%s", (int)(fg_path_name(path) - path), path, name);
}

/* The files between the one that was asked for and the one that is being read: what a file may not extend
 * again. */
typedef struct lineage {
    const struct lineage *below;
    const char *path;
} lineage;

static fg_status descends_from(const lineage *line, const char *path, bool *descends, fg_error *err) {
    for (*descends = false; line && !*descends; line = line->below)
        FG_CALL(fg_path_same(line->path, path, descends, err));
    return FG_OK;
}

/* Takes `candidate` (and frees it) as `*found` if it is a file that does not lead back. */
static fg_status consider(const lineage *line, char *candidate, char **found, bool *loop, fg_error *err) {
    if (!candidate) return FG_ERR_MEMORY;
    bool is_file = false, descends = false;
    fg_status status = *found ? FG_OK : fg_path_is_file(candidate, &is_file, err);
    if (is_file) status = descends_from(line, candidate, &descends, err);
    if (status == FG_OK && is_file && !descends) {
        *found = candidate;
        return FG_OK;
    }
    *loop = *loop || descends;
    fg_free(candidate);
    return status;
}

static fg_status find_extended(const fg_layers *layers, fg_catalogue *catalogue, const lineage *line,
                               const char *format, const char *name, char **found, fg_error *err) {
    bool loop = false;
    *found = NULL;
    FG_CALL(consider(line, beside(line->path, name, err), found, &loop, err));
    for (size_t i = 0; i < catalogue->count && !*found; i++) {
        FG_CALL(consider(
            line, fg_strformat(err, "%s/%s/%s", catalogue->directories[i], format ? format : ".", name),
            found, &loop, err));
        FG_CALL(consider(line, fg_path_join(catalogue->directories[i], name, err), found, &loop, err));
    }
    if (!*found)
        FG_CALL(fg_layers_fail(
            layers, "", "extends", err,
            loop ? "\"%s\" leads back to a file that extends this one" : "there is no file \"%s\"", name));
    return FG_OK;
}

/* A file that two others extend counts once, behind both. */
static fg_status remove_earlier(fg_layers *layers, const char *path, fg_error *err) {
    bool same = false;
    for (size_t i = 0; i < layers->count && !same; i++) {
        FG_CALL(fg_path_same(layers->items[i]->path, path, &same, err));
        if (!same) continue;
        layers->count--;
        memmove(&layers->items[i], &layers->items[i + 1], (layers->count - i) * sizeof *layers->items);
    }
    return FG_OK;
}

static fg_status load(fg_layers *layers, fg_catalogue *catalogue, const char *path, const lineage *below,
                      unsigned depth, fg_error *err);

static fg_status load_extended(fg_layers *layers, fg_catalogue *catalogue, const lineage *line,
                               const char *format, const json_t *name, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    char *next = NULL;
    if (!json_is_string(name) || !*json_string_value(name))
        FG_TRY(fg_layers_fail(layers, "", "extends", err, "expected a file name, or a list of them"));
    if (depth == EXTENDS_LIMIT)
        FG_TRY(fg_layers_fail(layers, "", "extends", err, "more than %d files deep", EXTENDS_LIMIT));
    FG_TRY(find_extended(layers, catalogue, line, format, json_string_value(name), &next, err));
    FG_TRY(load(layers, catalogue, next, line, depth + 1, err));
done:
    fg_free(next);
    return status;
}

static fg_status load(fg_layers *layers, fg_catalogue *catalogue, const char *path, const lineage *below,
                      unsigned depth, fg_error *err) {
    const lineage line = {.below = below, .path = path};
    json_t *name;
    FG_CALL(remove_earlier(layers, path, err));
    FG_CALL(read_layer(layers, catalogue, path, err));
    const json_t *document = layers->items[layers->count - 1]->document;
    const json_t *extends = json_object_get(document, "extends");
    const char *format = json_string_value(json_object_get(document, "format"));
    if (extends && !json_is_array(extends))
        FG_CALL(load_extended(layers, catalogue, &line, format, extends, depth, err));
    FG_JSON_EACH(extends, i, name) FG_CALL(load_extended(layers, catalogue, &line, format, name, depth, err));
    return FG_OK;
}

fg_status fg_layers_load(fg_layers *layers, fg_catalogue *catalogue, const char *path, fg_error *err) {
    return load(layers, catalogue, path, NULL, 0, err);
}

void fg_layers_free(fg_layers *layers) {
    fg_free(layers->items);
    *layers = (fg_layers){0};
}

/* ---- merging ---- */

/* How the members of an object are inherited. */
typedef enum way { REPLACE, ROOT, BY_NAME, SECTIONS, SECTION, DIRECTION, APPEND } way;

static way way_of(way outer, const char *key) {
    static const struct {
        way outer;
        const char *key;
        way inner;
    } rows[] = {
        {ROOT, "sections", SECTIONS},     {ROOT, "tensors", BY_NAME},       {ROOT, "drop", APPEND},
        {SECTION, "config", BY_NAME},     {SECTION, "import_if", APPEND},   {SECTION, "export_if", APPEND},
        {SECTION, "import_warn", APPEND}, {SECTION, "export_warn", APPEND}, {DIRECTION, "lists", BY_NAME},
        {SECTION, "weights", BY_NAME},    {SECTION, "let", BY_NAME},        {ROOT, "tables", BY_NAME},
        {ROOT, "defaults", BY_NAME},      {ROOT, "parameters", BY_NAME},    {ROOT, "config", BY_NAME},
        {ROOT, "requires", APPEND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].outer == outer && strcmp(rows[i].key, key) == 0) return rows[i].inner;
    }
    if (outer == SECTIONS) return SECTION;
    return outer == ROOT && fg_starts_with(key, "to_") ? DIRECTION : REPLACE;
}

static fg_status append(json_t *into, const json_t *from, fg_error *err) {
    json_t *value;
    FG_JSON_EACH(from, i, value) FG_CALL(fg_json_push(into, json_incref(value), err));
    return FG_OK;
}

/* Lays the members of `from` over those of `into`. */
static fg_status lay_over(json_t *into, const json_t *from, way outer, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(from, key, value) {
        way inner = way_of(outer, key);
        json_t *old = json_object_get(into, key);
        if (json_is_null(value))
            json_object_del(into, key);
        else if (inner == APPEND && json_is_array(old) && json_is_array(value))
            FG_CALL(append(old, value, err));
        else if (inner == APPEND && json_is_object(old) && json_is_object(value)) /* named entries */
            FG_CALL(lay_over(old, value, BY_NAME, err));
        else if (inner != REPLACE && inner != APPEND && json_is_object(old) && json_is_object(value))
            FG_CALL(lay_over(old, value, inner, err));
        else
            FG_CALL(fg_json_put(into, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

/* Lays each section over the one that it is "like". */
static fg_status resolve_like(json_t *sections, const char *name, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    json_t *section = json_object_get(sections, name), *whole = NULL;
    const char *like = json_string_value(json_object_get(section, "like"));
    if (!like) return FG_OK;
    if (depth == EXTENDS_LIMIT || !json_object_get(sections, like))
        return fg_fail(err, FG_ERR_INPUT, "sections/%s: \"like\": there is no section \"%s\"", name, like);
    FG_TRY(resolve_like(sections, like, depth + 1, err));
    FG_TRY_NEW(whole, fg_json_deep_copy(json_object_get(sections, like), err));
    json_object_del(section, "like");
    FG_TRY(lay_over(whole, section, SECTION, err));
    FG_TRY(fg_json_put(sections, name, json_incref(whole), err));
done:
    json_decref(whole);
    return status;
}

fg_status fg_layers_merge(const fg_layers *layers, json_t **document, fg_error *err) {
    static const char *const own[] = {"abstract", "extends", "about"}; /* of one file, not inherited */
    *document = json_object();
    if (!*document) return fg_fail(err, FG_ERR_MEMORY, "out of memory while merging converter files");
    for (size_t i = layers->count; i-- > 0;) {
        for (size_t k = 0; k < sizeof own / sizeof *own; k++) json_object_del(*document, own[k]);
        FG_CALL(lay_over(*document, layers->items[i]->document, ROOT, err));
    }
    json_t *sections = json_object_get(*document, "sections"), *section;
    const char *name;
    void *next;
    json_object_foreach_safe(sections, next, name, section) FG_CALL(resolve_like(sections, name, 0, err));
    return FG_OK;
}

/* ---- places ---- */

const fg_source_file *fg_layers_find(const fg_layers *layers, const char *parent, const char *key) {
    for (size_t i = 0; i < layers->count; i++) {
        if (json_object_get(fg_json_at(layers->items[i]->document, parent), key)) return layers->items[i];
    }
    return layers->items[0];
}

unsigned fg_source_file_line(const fg_source_file *layer, const char *parent, const char *key) {
    const fg_buffer *text = &layer->text;
    char quoted[300];
    if (!text->data) return 0;
    unsigned line = *parent ? fg_json_line(text->data, text->length, parent) : 1;
    if (!line) return 0;
    const char *at = text->data;
    for (unsigned passed = 1; passed < line; passed++) at = strchr(at, '\n') + 1;
    if (!strchr(key, '/')) {
        snprintf(quoted, sizeof quoted, "%s%s%s", parent, *parent ? "/" : "", key);
        return fg_json_line(text->data, text->length, quoted);
    }
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *found = strstr(at, quoted);
    for (; found && at < found; at++) line += *at == '\n';
    return found ? line : 0;
}

fg_status fg_layers_fail(const fg_layers *layers, const char *parent, const char *key, fg_error *err,
                         const char *format, ...) {
    fg_error said = {0};
    va_list arguments;
    va_start(arguments, format);
    fg_fail_list(&said, FG_ERR_INPUT, format, arguments);
    va_end(arguments);
    snprintf(said.key, sizeof said.key, "%s%s%s", parent, *parent ? "/" : "", key);
    const fg_source_file *layer = fg_layers_find(layers, parent, key);
    fg_fail(err, FG_ERR_INPUT, "%s:%u: %s%s%s: %s", layer->path, fg_source_file_line(layer, parent, key),
            parent, *parent ? "/" : "", key, said.text);
    return fg_fail_quoting(err, &said);
}
