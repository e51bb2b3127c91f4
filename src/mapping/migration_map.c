#include "mapping/migration_map.h"

#include <stdio.h>

#include "base/alloc.h"
#include "language/expression.h"
#include "mapping/tensor_check.h"

enum { WHERE = 700, SHAPE_TEXT = 160 };

/* The map of one step: each tensor of the source is a link of one part. */
typedef struct migration_builder {
    const fg_migration *migration;
    const json_t *config;
    fg_tensor_map map;
    fg_buffer name, scratch;
    fg_error *err;
} migration_builder;

static fg_status find_view(migration_builder *b, const char *name, const fg_tensor_view **view) {
    fg_error *err = b->err;
    bool matched = false;
    *view = NULL;
    for (size_t i = 0; i < b->migration->view_count && !*view; i++) {
        FG_CALL(fg_name_rules_apply(b->migration->views[i].pattern, name, &b->scratch, &matched, err));
        if (matched) *view = &b->migration->views[i];
    }
    return FG_OK;
}

/* A list of sizes of a view, or what replaces it. */
static fg_status read_shape(const migration_builder *b, const fg_tensor_view *view, const char *key,
                            uint32_t *rank, uint64_t *shape) {
    fg_error *err = b->err;
    char where[WHERE];
    const json_t *given = json_object_get(view->rule, key);
    const fg_scope scope = {.here = b->config, .root = b->config};
    if (!given) return FG_OK;
    snprintf(where, sizeof where, "%s:%u: tensors/%s/%s", b->migration->file->path, view->line, view->text,
             key);
    *rank = (uint32_t)json_array_size(given);
    for (uint32_t d = 0; d < *rank; d++)
        FG_CALL(fg_expression_size(json_array_get(given, d), &scope, where, &shape[d], err));
    return FG_OK;
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

static fg_status misfit(const migration_builder *b, const fg_tensor *tensor, const fg_tensor_view *view,
                        const char *key, uint32_t rank, const uint64_t *shape) {
    char found[SHAPE_TEXT], wanted[SHAPE_TEXT];
    fg_shape_text(rank, shape, wanted, sizeof wanted);
    fg_fail(b->err, FG_ERR_INPUT, "tensor \"%s\" is %s, which cannot be viewed as %s (%s:%u: %s of %s)",
            tensor->name, fg_tensor_text(tensor, found, sizeof found), wanted, b->migration->file->path,
            view->line, key, view->text);
    return fg_hint(b->err, "check that the model is of the version that the update starts from");
}

static fg_status wrong_order(const migration_builder *b, const fg_tensor *tensor, const fg_tensor_view *view,
                             const json_t *order) {
    char found[SHAPE_TEXT];
    return fg_fail(b->err, FG_ERR_INPUT,
                   "tensor \"%s\" is %s, but \"permute\" has %zu dimensions (%s:%u: %s)", tensor->name,
                   fg_tensor_text(tensor, found, sizeof found), json_array_size(order),
                   b->migration->file->path, view->line, view->text);
}

/* A view changes the form that a tensor has as it is. */
static fg_status change_form(const migration_builder *b, const fg_tensor *tensor, const fg_tensor_view *view,
                             fg_tensor_form *form) {
    fg_error *err = b->err;
    const json_t *order = json_object_get(view->rule, "permute");
    FG_CALL(read_shape(b, view, "shape", &form->part_rank, form->part_shape));
    if (order && json_array_size(order) != form->part_rank) FG_CALL(wrong_order(b, tensor, view, order));
    if (!holds(form->part_rank, form->part_shape, tensor->elements))
        FG_CALL(misfit(b, tensor, view, "shape", form->part_rank, form->part_shape));
    form->rank = form->part_rank;
    for (uint32_t d = 0; d < form->rank; d++) {
        form->order[d] = (uint8_t)(order ? json_integer_value(json_array_get(order, d)) : d);
        form->shape[d] = form->part_shape[form->order[d]];
    }
    FG_CALL(read_shape(b, view, "new_shape", &form->rank, form->shape));
    if (!holds(form->rank, form->shape, tensor->elements))
        FG_CALL(misfit(b, tensor, view, "new_shape", form->rank, form->shape));
    return FG_OK;
}

static fg_status add_tensor(migration_builder *b, const fg_tensor *tensor) {
    fg_error *err = b->err;
    fg_tensor_form form = {.rank = tensor->rank, .part_rank = tensor->rank};
    const fg_tensor_view *view;
    uint32_t index;
    bool matched;
    FG_CALL(fg_name_rules_apply(b->migration->names, tensor->name, &b->name, &matched, err));
    if (!matched) {
        fg_buffer_clear(&b->name);
        FG_CALL(fg_buffer_put(&b->name, tensor->name, err));
    }
    for (uint32_t d = 0; d < tensor->rank; d++) {
        form.shape[d] = form.part_shape[d] = tensor->shape[d];
        form.order[d] = (uint8_t)d;
    }
    FG_CALL(find_view(b, b->name.data, &view));
    if (view) FG_CALL(change_form(b, tensor, view, &form));
    FG_CALL(fg_tensor_map_add_form(&b->map, &form, &index, err));
    FG_CALL(fg_tensor_map_add_link(&b->map, b->name.data, index, tensor->name, err));
    return fg_tensor_map_add_part(&b->map, tensor->name, err);
}

fg_status fg_migration_plan(const fg_migration *m, fg_tensors *source, const json_t *config,
                            const fg_tensor_plan_options *options, fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    migration_builder b = {.migration = m, .config = config, .err = err};
    b.map = (fg_tensor_map){.file = m->file->path, .key = "names", .as_found = true};
    *plan = (fg_plan){0};
    for (size_t i = 0; i < source->count; i++) FG_TRY(add_tensor(&b, &source->items[i]));
    FG_TRY(fg_tensor_plan(&b.map, FG_IMPORT, source, options, plan, err));
done:
    fg_tensors_free(source);
    fg_tensor_map_free(&b.map);
    fg_buffer_free(&b.name);
    fg_buffer_free(&b.scratch);
    return fg_migration_where(m, status, err);
}
