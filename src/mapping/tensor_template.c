#include "mapping/tensor_template.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "language/expression.h"

enum { WHERE = 400 };

typedef struct reader {
    const fg_tensor_table *table;
    fg_scope scope;
    fg_error *err;
} reader;

static const char *rule_path(const reader *r, const fg_tensor_template *t, const char *key, char *where) {
    snprintf(where, WHERE, "%s: %s/%s/%s", r->table->file, r->table->key, t->name, key);
    return where;
}

static fg_status evaluate_truth(const reader *r, const fg_tensor_template *t, const char *key, bool *truth) {
    char where[WHERE];
    json_t *value = NULL;
    const json_t *given = json_object_get(t->rule, key);
    if (!given) return FG_OK;
    fg_status status = fg_expression_given(given, &r->scope, rule_path(r, t, key, where), &value, r->err);
    if (status == FG_OK) *truth = fg_expression_truth(value);
    json_decref(value);
    return status;
}

static fg_status evaluate_size(const reader *r, const fg_tensor_template *t, const char *key,
                               const json_t *given, uint64_t *size) {
    char where[WHERE];
    return fg_expression_size(given, &r->scope, rule_path(r, t, key, where), size, r->err);
}

static fg_status make_template(const reader *r, const char *name, const json_t *rule, fg_tensor_template *t) {
    fg_error *err = r->err;
    const json_t *shape = json_object_get(rule, "shape"), *repeat = json_object_get(rule, "repeat");
    *t = (fg_tensor_template){.name = name, .rule = rule, .present = true, .count = 1};
    t->tied_to = json_string_value(json_object_get(rule, "tied_to"));
    t->vocabulary = json_is_true(json_object_get(rule, "vocabulary"));
    t->repeats = repeat && strstr(name, "{i}");
    FG_CALL(evaluate_truth(r, t, "if", &t->present));
    if (!t->present) return FG_OK; /* what it needs may be absent, too */
    FG_CALL(evaluate_truth(r, t, "tied_if", &t->tied));
    if (repeat) FG_CALL(evaluate_size(r, t, "repeat", repeat, &t->count));
    if (json_array_size(shape) > FG_MAX_DIMS)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s/%s: more than %d dimensions", r->table->file, r->table->key,
                       name, FG_MAX_DIMS);
    t->rank = (uint32_t)json_array_size(shape);
    for (uint32_t d = 0; d < t->rank; d++)
        FG_CALL(evaluate_size(r, t, "shape", json_array_get(shape, d), &t->shape[d]));
    return FG_OK;
}

/* "split": a template for each part, which has rows of its own and otherwise what the whole tensor has. */
static fg_status add_parts(const reader *r, const fg_tensor_template *whole, fg_tensor_templates *all) {
    fg_error *err = r->err;
    json_t *rows, *split = json_object_get(whole->rule, "split");
    uint64_t total = 0;
    size_t parts = 0;
    FG_JSON_MEMBERS(split, name, rows) {
        fg_tensor_template *part = &all->items[all->count++];
        *part = *whole;
        part->name = name;
        part->whole = whole->name;
        part->whole_rows = whole->shape[0];
        part->parts = ++parts == json_object_size(split) ? parts : 0;
        if (!whole->present) continue;
        FG_CALL(evaluate_size(r, whole, "split", rows, &part->shape[0]));
        if (!fg_add(total, part->shape[0], &total)) total = UINT64_MAX;
    }
    if (!whole->present || total == whole->shape[0]) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: %s/%s/split: the parts have %" PRIu64 " rows together, and the tensor has %" PRIu64,
                   r->table->file, r->table->key, whole->name, total, whole->shape[0]);
}

static fg_status add_templates(const reader *r, const char *name, const json_t *rule,
                               fg_tensor_templates *all) {
    fg_error *err = r->err;
    fg_tensor_template template;
    FG_CALL(make_template(r, name, rule, &template));
    if (json_object_get(rule, "split")) return add_parts(r, &template, all);
    all->items[all->count++] = template;
    return FG_OK;
}

static size_t count_templates(const json_t *entries) {
    size_t count = 0;
    json_t *rule;
    FG_JSON_MEMBERS(entries, name, rule) {
        const json_t *split = json_object_get(rule, "split");
        count += split ? json_object_size(split) : 1;
    }
    return count;
}

/* Counts before anything is written out: a hostile configuration must not fill the memory. */
static fg_status check_count(const fg_tensor_templates *all, fg_error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < all->count; i++) {
        const fg_tensor_template *t = &all->items[i];
        if (!t->present) continue;
        if (t->count <= FG_TENSORS_MAX && total + t->count <= FG_TENSORS_MAX) {
            total += t->count;
            continue;
        }
        return fg_fail(err, FG_ERR_INPUT,
                       "the configuration asks for more than %d tensors (\"%s\" %" PRIu64 " times)",
                       FG_TENSORS_MAX, t->name, t->count);
    }
    return FG_OK;
}

fg_status fg_tensor_templates_new(fg_tensor_templates *all, const fg_tensor_table *table,
                                  const json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    json_t *rule, *entries = (json_t *)(uintptr_t)table->entries;
    json_t *variables = json_pack("{s:s?}", "model_type", table->model_type);
    const reader r = {.table = table, .scope = {.here = config, .variables = variables}, .err = err};
    *all = (fg_tensor_templates){0};
    if (!variables) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while listing tensors");
    FG_NEW(all->items, count_templates(entries));
    FG_JSON_MEMBERS(entries, name, rule) FG_TRY(add_templates(&r, name, rule, all));
    FG_TRY(check_count(all, err));
done:
    json_decref(variables);
    if (status != FG_OK) fg_tensor_templates_free(all);
    return status;
}

void fg_tensor_templates_free(fg_tensor_templates *all) {
    fg_free(all->items);
    *all = (fg_tensor_templates){0};
}

fg_status fg_tensor_name_put(const char *name_template, uint64_t block, fg_buffer *name, fg_error *err) {
    enum { MARK = 3 };
    const char *at = strstr(name_template, "{i}");
    fg_buffer_clear(name);
    if (!at) return fg_buffer_put(name, name_template, err);
    FG_CALL(fg_buffer_add(name, name_template, (size_t)(at - name_template), err));
    FG_CALL(fg_buffer_put_u64(name, block, err));
    return fg_buffer_put(name, at + MARK, err);
}

char *fg_tensor_name_of(const char *name_template, uint64_t block, fg_error *err) {
    fg_buffer name = {0};
    if (fg_tensor_name_put(name_template, block, &name, err) != FG_OK) fg_buffer_free(&name);
    return name.data;
}

bool fg_tensor_template_matches(const char *name_template, const char *name, uint64_t *block) {
    enum { MARK = 3 };
    const char *at = strstr(name_template, "{i}");
    if (!at) return strcmp(name_template, name) == 0;
    size_t before = (size_t)(at - name_template);
    if (strncmp(name_template, name, before) != 0) return false;
    const char *digits = name + before;
    size_t length = 0;
    uint64_t number = 0;
    for (; digits[length] >= '0' && digits[length] <= '9'; length++)
        if (!fg_mul(number, 10, &number) || !fg_add(number, (uint64_t)(digits[length] - '0'), &number))
            number = UINT64_MAX;
    if (!length || (*digits == '0' && length > 1)) return false;
    *block = number;
    return strcmp(digits + length, at + MARK) == 0;
}

fg_status fg_tensor_templates_tied(const fg_tensor_templates *all, fg_tied_function function, void *context,
                                   fg_error *err) {
    fg_status status = FG_OK;
    char *name = NULL, *to = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const fg_tensor_template *t = &all->items[i];
        for (uint64_t block = 0; t->present && t->tied && block < t->count; block++) {
            fg_free(name);
            fg_free(to);
            to = NULL;
            FG_TRY_NEW(name, fg_tensor_name_of(t->name, block, err));
            FG_TRY_NEW(to, fg_tensor_name_of(t->tied_to, block, err));
            FG_TRY(function(context, name, to, err));
        }
    }
done:
    fg_free(name);
    fg_free(to);
    return status;
}
