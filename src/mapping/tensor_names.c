#include "mapping/tensor_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"
#include "mapping/tensor_plan.h"

enum { WHERE = 400 };

/* ---- templates ---- */

typedef struct map_builder {
    fg_tensor_names *names;
    const fg_tensor_table *table;
    fg_scope scope;
    fg_error *err;
} map_builder;

static const char *rule_path(const map_builder *m, const fg_tensor_template *t, const char *key,
                             char *where) {
    snprintf(where, WHERE, "%s: %s/%s/%s", m->table->file, m->table->key, t->name, key);
    return where;
}

static fg_status evaluate_truth(const map_builder *m, const fg_tensor_template *t, const char *key,
                                bool *truth) {
    char where[WHERE];
    json_t *value = NULL;
    const json_t *given = json_object_get(t->rule, key);
    if (!given) return FG_OK;
    fg_status status = fg_expression_given(given, &m->scope, rule_path(m, t, key, where), &value, m->err);
    if (status == FG_OK) *truth = fg_expression_truth(value);
    json_decref(value);
    return status;
}

static fg_status evaluate_size(const map_builder *m, const fg_tensor_template *t, const char *key,
                               const json_t *given, uint64_t *size) {
    char where[WHERE];
    return fg_expression_size(given, &m->scope, rule_path(m, t, key, where), size, m->err);
}

static fg_status make_template(const map_builder *m, const char *name, const json_t *rule,
                               fg_tensor_template *t) {
    fg_status status = FG_OK;
    const json_t *shape = json_object_get(rule, "shape"), *repeat = json_object_get(rule, "repeat");
    *t = (fg_tensor_template){.name = name, .rule = rule, .present = true, .count = 1};
    t->tied_to = json_string_value(json_object_get(rule, "tied_to"));
    t->vocabulary = json_is_true(json_object_get(rule, "vocabulary"));
    t->repeats = repeat && strstr(name, "{i}");
    FG_TRY(evaluate_truth(m, t, "if", &t->present));
    if (!t->present) goto done; /* what it needs may be absent, too */
    FG_TRY(evaluate_truth(m, t, "tied_if", &t->tied));
    if (repeat) FG_TRY(evaluate_size(m, t, "repeat", repeat, &t->count));
    if (json_array_size(shape) > FG_MAX_DIMS)
        FG_FAIL(m->err, FG_ERR_INPUT, "%s: %s/%s: more than %d dimensions", m->table->file, m->table->key,
                name, FG_MAX_DIMS);
    t->rank = (uint32_t)json_array_size(shape);
    for (uint32_t d = 0; d < t->rank; d++)
        FG_TRY(evaluate_size(m, t, "shape", json_array_get(shape, d), &t->shape[d]));
done:
    return status;
}

static fg_status make_templates(const map_builder *m) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_tensor_names *names = m->names;
    const char *name;
    json_t *rule, *entries = (json_t *)(uintptr_t)m->table->entries;
    FG_NEW(names->templates, json_object_size(entries));
    json_object_foreach(entries, name, rule) {
        FG_TRY(make_template(m, name, rule, &names->templates[names->template_count]));
        names->template_count++;
    }
done:
    return status;
}

/* ---- names ---- */

char *fg_tensor_name_of(const char *name_template, uint64_t block, fg_error *err) {
    enum { MARK = 3, DIGITS = 21 };
    const char *at = strstr(name_template, "{i}");
    if (!at) return fg_strdup(name_template, err);
    /* Put together by hand: a model may have a million names, and formatting takes a tenth of the time that a
     * plan does. */
    size_t before = (size_t)(at - name_template), behind = strlen(at + MARK) + 1;
    char digits[DIGITS];
    size_t count = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, block);
    char *name = fg_alloc(before + count + behind, 1, err);
    if (!name) return NULL;
    memcpy(name, name_template, before);
    memcpy(name + before, digits, count);
    memcpy(name + before + count, at + MARK, behind);
    return name;
}

static fg_status add_name(const map_builder *m, size_t template_index, uint64_t block) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_tensor_names *names = m->names;
    const fg_tensor_template *t = &names->templates[template_index];
    fg_tensor_name name = {.template_index = (uint32_t)template_index, .block = (uint32_t)block};
    if (!t->present || block >= t->count) goto done;
    FG_TRY(fg_grow(&names->items, names->count, &names->capacity, sizeof *names->items, err));
    FG_TRY_NEW(name.hf, fg_tensor_name_of(t->name, t->repeats ? block : 0, err));
    if (fg_map_get(&names->by_name, name.hf) != FG_MAP_NONE) {
        fg_fail(err, FG_ERR_INPUT, "%s: two entries of \"%s\" are for \"%s\"", m->table->file, m->table->key,
                name.hf);
        FG_TRY(FG_ERR_INPUT);
    }
    FG_TRY(fg_map_set(&names->by_name, name.hf, (int64_t)names->count, err));
    names->items[names->count++] = name;
    name.hf = NULL;
done:
    if (status != FG_OK) fg_free(name.hf);
    return status;
}

/* All templates that repeat, for block 0, then block 1 ... */
static fg_status add_blocks(const map_builder *m) {
    fg_status status = FG_OK;
    uint64_t blocks = 0;
    for (size_t i = 0; i < m->names->template_count; i++) {
        const fg_tensor_template *t = &m->names->templates[i];
        if (t->repeats && t->present && t->count > blocks) blocks = t->count;
    }
    for (uint64_t block = 0; block < blocks; block++) {
        for (size_t i = 0; i < m->names->template_count; i++) {
            if (m->names->templates[i].repeats) FG_TRY(add_name(m, i, block));
        }
    }
done:
    return status;
}

/* Counts before anything is written out: a hostile configuration must not fill the memory. */
static fg_status check_count(const map_builder *m) {
    uint64_t total = 0;
    for (size_t i = 0; i < m->names->template_count; i++) {
        const fg_tensor_template *t = &m->names->templates[i];
        if (!t->present) continue;
        if (t->count <= FG_TENSORS_MAX && total + t->count <= FG_TENSORS_MAX) {
            total += t->count;
            continue;
        }
        return fg_fail(m->err, FG_ERR_INPUT,
                       "the configuration asks for more than %d tensors (\"%s\" %" PRIu64 " times)",
                       FG_TENSORS_MAX, t->name, t->count);
    }
    return FG_OK;
}

fg_status fg_tensor_table_templates(fg_tensor_names *names, const fg_tensor_table *table,
                                    const json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    map_builder m = {
        .names = names, .table = table, .scope = {.here = config, .variables = table->variables}, .err = err};
    *names = (fg_tensor_names){0};
    FG_TRY(make_templates(&m));
    FG_TRY(check_count(&m));
done:
    if (status != FG_OK) fg_tensor_names_free(names);
    return status;
}

/* The "tensors" of a converter, whose variables are owned by the caller. */
static fg_status converter_table(const fg_converter *converter, json_t **variables, fg_tensor_table *table,
                                 fg_error *err) {
    *variables = json_pack("{s:s?}", "model_type", fg_converter_model_type(converter));
    if (!*variables) return fg_fail(err, FG_ERR_MEMORY, "out of memory while listing tensors");
    *table = (fg_tensor_table){.entries = json_object_get(fg_converter_document(converter), "tensors"),
                               .file = fg_converter_file(converter),
                               .key = "tensors",
                               .variables = *variables};
    return FG_OK;
}

fg_status fg_tensor_templates_new(fg_tensor_names *names, const fg_converter *converter, const json_t *hf,
                                  fg_error *err) {
    fg_tensor_table table;
    json_t *variables;
    *names = (fg_tensor_names){0};
    fg_status status = converter_table(converter, &variables, &table, err);
    if (status == FG_OK) status = fg_tensor_table_templates(names, &table, hf, err);
    json_decref(variables);
    return status;
}

fg_status fg_tensor_names_new(fg_tensor_names *names, const fg_converter *converter, const json_t *hf,
                              fg_error *err) {
    fg_status status = FG_OK;
    bool blocks_done = false;
    fg_tensor_table table;
    json_t *variables;
    map_builder m = {.names = names, .table = &table, .err = err};
    *names = (fg_tensor_names){0};
    FG_TRY(converter_table(converter, &variables, &table, err));
    FG_TRY(fg_tensor_table_templates(names, &table, hf, err));
    for (size_t i = 0; i < names->template_count; i++) {
        if (!names->templates[i].repeats)
            FG_TRY(add_name(&m, i, 0));
        else if (!blocks_done)
            FG_TRY(add_blocks(&m));
        blocks_done = blocks_done || names->templates[i].repeats;
    }
done:
    json_decref(variables);
    if (status != FG_OK) fg_tensor_names_free(names);
    return status;
}

fg_status fg_tensor_vocabulary_rows(const fg_converter *converter, const json_t *hf, uint64_t *rows,
                                    fg_error *err) {
    fg_tensor_names names;
    fg_status status = fg_tensor_templates_new(&names, converter, hf, err);
    *rows = 0;
    for (size_t i = 0; status == FG_OK && i < names.template_count; i++) {
        const fg_tensor_template *t = &names.templates[i];
        if (t->vocabulary && t->present) *rows = t->shape[0];
    }
    fg_tensor_names_free(&names);
    return status;
}

void fg_tensor_names_free(fg_tensor_names *names) {
    for (size_t i = 0; i < names->count; i++) fg_free(names->items[i].hf);
    fg_free(names->items);
    fg_free(names->templates);
    fg_map_free(&names->by_name);
    *names = (fg_tensor_names){0};
}

/* ---- for messages ---- */

const fg_tensor_template *fg_tensor_names_template(const fg_tensor_names *names, const char *hf,
                                                   uint64_t *block) {
    for (size_t i = 0; i < names->template_count; i++) {
        const fg_tensor_template *t = &names->templates[i];
        const char *at = strstr(t->name, "{i}");
        size_t before = at ? (size_t)(at - t->name) : 0;
        char *end;
        if (!at && strcmp(t->name, hf) == 0) return t;
        if (!at || strncmp(t->name, hf, before) != 0 || hf[before] < '0' || hf[before] > '9') continue;
        *block = strtoull(hf + before, &end, 10);
        if (strcmp(end, at + 3) == 0) return t;
    }
    return NULL;
}

const char *fg_tensor_template_shape(const fg_tensor_template *t, char *buffer, size_t size) {
    size_t used = 0, i;
    char brief[80];
    json_t *part;
    buffer[0] = '\0';
    json_array_foreach(json_object_get(t->rule, "shape"), i, part) {
        const char *text = json_string_value(part);
        if (!text)
            text = fg_json_brief(part, brief, sizeof brief);
        else if (fg_expression_is(part))
            text += 2;
        if (used < size) used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "", text);
    }
    return buffer;
}

/* ---- as JSON ---- */

static fg_status describe(const fg_tensor_names *names, const fg_tensor_name *name, json_t *entry,
                          fg_error *err) {
    fg_status status = FG_OK;
    const fg_tensor_template *t = &names->templates[name->template_index];
    json_t *shape = json_array(), *also = json_array(), *alias;
    char *text = NULL;
    size_t i;
    for (uint32_t d = 0; d < t->rank; d++)
        FG_TRY(fg_json_push(shape, json_integer((json_int_t)t->shape[d]), err));
    json_array_foreach(json_object_get(t->rule, "also_read"), i, alias) {
        fg_free(text);
        FG_TRY_NEW(text, fg_tensor_name_of(json_string_value(alias), name->block, err));
        FG_TRY(fg_json_push(also, json_string(text), err));
    }
    fg_free(text);
    text = NULL;
    if (t->tied) FG_TRY_NEW(text, fg_tensor_name_of(t->tied_to, name->block, err));
    FG_TRY(fg_json_put(entry, "name", json_string(name->hf), err));
    FG_TRY(fg_json_put(entry, "shape", json_incref(shape), err));
    FG_TRY(fg_json_put(entry, "tied_to", text ? json_string(text) : json_null(), err));
    FG_TRY(fg_json_put(entry, "also_read", json_incref(also), err));
done:
    json_decref(shape);
    json_decref(also);
    fg_free(text);
    return status;
}

fg_status fg_tensor_names_expand(const fg_converter *converter, const json_t *hf, json_t **names,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_names all;
    *names = NULL;
    FG_TRY(fg_tensor_names_new(&all, converter, hf, err));
    *names = json_array();
    for (size_t i = 0; i < all.count && status == FG_OK; i++) {
        json_t *entry = json_object();
        status =
            entry ? describe(&all, &all.items[i], entry, err) : fg_fail(err, FG_ERR_MEMORY, "out of memory");
        if (status == FG_OK)
            status = fg_json_push(*names, entry, err);
        else
            json_decref(entry);
    }
    if (!*names) status = fg_fail(err, FG_ERR_MEMORY, "out of memory while listing tensors");
    fg_tensor_names_free(&all);
done:
    if (status != FG_OK) {
        json_decref(*names);
        *names = NULL;
    }
    return status;
}
