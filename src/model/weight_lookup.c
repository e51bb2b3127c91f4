#include "model/weight_lookup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "language/expression.h"

enum { SHAPE_TEXT = 160, MOST_PARTS = 16, MOST_PREFIXES = 2 };
static const uint64_t PART_LIMIT = 1 << 30; /* rows of one of unequal parts: sums of them fit */

/* ---- patterns ---- */

static bool is_further(const fg_binder *binder) {
    return binder->block >= binder->blocks;
}

/* What stands for the prefix of the block or of its mixer. */
static const char *prefix_of(const fg_binder *binder, bool mixer) {
    const char *block = is_further(binder) ? "mtp_block" : "block",
               *name = mixer ? binder->mixer ? "named_mixer" : "mixer" : block,
               *prefix = json_string_value(json_object_get(binder->side, name));
    return prefix ? prefix : "";
}

static uint64_t number_of(const fg_binder *binder, char place) {
    if (place == 'i') return binder->block - (is_further(binder) ? binder->blocks : 0);
    if (place == 'e') return binder->expert;
    return place == 'h' ? binder->head : binder->head - 1;
}

/* Appends `pattern` with what its places in braces stand for, prefixes with places of their own. */
static fg_status expand(const fg_binder *binder, const char *pattern, int depth, fg_buffer *name,
                        fg_error *err) {
    if (depth > MOST_PREFIXES)
        return fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": a prefix that contains itself", pattern);
    for (const char *at = pattern; *at;) {
        size_t plain = strcspn(at, "{");
        FG_CALL(fg_buffer_add(name, at, plain, err));
        at += plain;
        if (!*at) break;
        size_t length = strcspn(at, "}") + 1;
        bool mixer = fg_starts_with(at, "{mixer}");
        if (mixer || fg_starts_with(at, "{block}"))
            FG_CALL(expand(binder, prefix_of(binder, mixer), depth + 1, name, err));
        else if (fg_starts_with(at, "{m}") && binder->mixer)
            FG_CALL(fg_buffer_add(name, binder->mixer, strlen(binder->mixer), err));
        else if (length == 3 && strchr("iehf", at[1]))
            FG_CALL(fg_buffer_put_u64(name, number_of(binder, at[1]), err));
        else
            return fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": an unknown placeholder after \"{\"", pattern);
        at += length;
    }
    return FG_OK;
}

/* One way in which a store may hold a role's weight: as a part of a tensor, along one dimension of it. */
typedef struct stored_as {
    const char *pattern;
    uint64_t part, of;         /* the part of so many */
    bool unequal;              /* then: */
    uint64_t before, own, all; /* sizes of the parts before it, of it, and of all */
    uint64_t expert, experts;  /* that of so many, one behind the other; 0 of 1: not so */
    bool stacked;              /* experts have a first dimension of their own */
    bool transposed;
    uint32_t column_dims; /* the columns are several dimensions: */
    uint64_t columns[FG_MAX_DIMS - 1];
    uint32_t dim;        /* along which the parts lie: 0 or, in a matrix, 1; without those below and above */
    uint32_t unsqueezed; /* this dimension has size 1; FG_MAX_DIMS: none */
} stored_as;

/* The sizes of unequal parts. */
static fg_status read_sizes(const fg_binder *binder, const json_t *sizes, stored_as *h, fg_error *err) {
    const fg_scope scope = {.here = binder->config};
    h->of = json_array_size(sizes);
    h->unequal = true;
    if (h->of > MOST_PARTS)
        return fg_fail(err, FG_ERR_INPUT, "models/: \"rows\" of \"%s\": too many", h->pattern);
    for (size_t i = 0; i < h->of; i++) {
        uint64_t size;
        FG_CALL(fg_expression_size(json_array_get(sizes, i), &scope, "models/: rows", &size, err));
        if (size > PART_LIMIT)
            return fg_fail(err, FG_ERR_INPUT, "models/: \"rows\" of \"%s\": too large", h->pattern);
        if (i < h->part) h->before += size;
        if (i == h->part) h->own = size;
        h->all += size;
    }
    return FG_OK;
}

/* The dimensions that hold the columns. */
static fg_status read_columns(const fg_binder *binder, const json_t *sizes, stored_as *h, fg_error *err) {
    const fg_scope scope = {.here = binder->config};
    if (json_array_size(sizes) >= FG_MAX_DIMS)
        return fg_fail(err, FG_ERR_INPUT, "models/: \"columns\" of \"%s\": too many", h->pattern);
    for (size_t i = 0; i < json_array_size(sizes); i++)
        FG_CALL(fg_expression_size(json_array_get(sizes, i), &scope, "models/: columns",
                                   &h->columns[h->column_dims++], err));
    return FG_OK;
}

static fg_status read_stored_as(const fg_binder *binder, const char *role, const json_t *entry, stored_as *h,
                                fg_error *err) {
    const json_t *part = json_object_get(entry, "part"), *of = json_object_get(entry, "of"),
                 *sizes = json_object_get(entry, "rows"), *dim = json_object_get(entry, "dim"),
                 *unsqueezed = json_object_get(entry, "unsqueezed"),
                 *experts = json_object_get(entry, "experts");
    *h = (stored_as){.pattern =
                         json_string_value(json_is_object(entry) ? json_object_get(entry, "name") : entry),
                     .of = 1,
                     .experts = 1,
                     .unsqueezed = FG_MAX_DIMS};
    if (of) h->of = (uint64_t)json_integer_value(of);
    if (part) h->part = (uint64_t)json_integer_value(part);
    if (dim) h->dim = (uint32_t)json_integer_value(dim);
    if (unsqueezed) h->unsqueezed = (uint32_t)json_integer_value(unsqueezed);
    h->transposed = json_is_true(json_object_get(entry, "transposed"));
    if (h->pattern && sizes) FG_CALL(read_sizes(binder, sizes, h, err));
    FG_CALL(read_columns(binder, json_object_get(entry, "columns"), h, err));
    if (!h->pattern || !h->of || h->of > MOST_PARTS || h->part >= h->of || h->dim > 1)
        return fg_fail(err, FG_ERR_INPUT, "models/: no name for the weight \"%s\" in format %s", role,
                       binder->format);
    if (!experts) return FG_OK;
    h->expert = binder->expert;
    h->experts = binder->experts;
    h->stacked = json_is_string(experts);
    return FG_OK;
}

static const json_t *stored_as_at(const json_t *names, size_t i) {
    return json_is_array(names) ? json_array_get(names, i) : i == 0 ? names : NULL;
}

/* ---- looking up ---- */

/* What a role's weight was found to be. */
typedef struct location {
    char *name; /* owned; NULL: not there */
    fg_weight weight;
    stored_as how;
} location;

/* The store's tensor of that name, if there is one. */
static fg_status find_stored(const fg_binder *binder, const char *name, const stored_as *how, location *found,
                             fg_error *err) {
    const fg_weight_source *weights = binder->weights;
    fg_weight weight = {0};
    if (!weights->find(weights->context, name, &weight)) return FG_OK;
    if (found->name)
        return fg_fail(err, FG_ERR_INPUT, "the weights hold %s and %s, two names of one tensor", found->name,
                       name);
    FG_CALL_NEW(found->name, fg_strdup(name, err));
    found->weight = weight;
    found->how = *how;
    return FG_OK;
}

/* The same of the name with `other` in place of `prefix`, if it begins with that. */
static fg_status find_renamed(const fg_binder *binder, const char *name, const char *prefix,
                              const char *other, const stored_as *how, location *found, fg_error *err) {
    if (!prefix || !other || !fg_starts_with(name, prefix)) return FG_OK;
    char *renamed = fg_strformat(err, "%s%s", other, name + strlen(prefix));
    if (!renamed) return FG_ERR_MEMORY;
    fg_status status = find_stored(binder, renamed, how, found, err);
    fg_free(renamed);
    return status;
}

/* Of that name, of the name without base_model_prefix, which the checkpoint of a base model lacks, or with
 * one of the other prefixes. `found` gets the name that the store has. */
static fg_status find_named(const fg_binder *binder, const char *name, const stored_as *how, location *found,
                            fg_error *err) {
    const char *base = json_string_value(json_object_get(binder->side, "base_model_prefix"));
    json_t *other;
    FG_CALL(find_stored(binder, name, how, found, err));
    FG_CALL(find_renamed(binder, name, base, "", how, found, err));
    FG_JSON_MEMBERS(json_object_get(binder->side, "other_prefixes"), prefix, other)
        FG_CALL(find_renamed(binder, name, prefix, json_string_value(other), how, found, err));
    return FG_OK;
}

/* The one stored_as of the role that the store has. Two at once would leave open which one the model uses.
 * `wanted`, or NULL, gets the first name that was looked for. */
static fg_status locate(const fg_binder *binder, const char *role, location *found, fg_buffer *wanted,
                        fg_error *err) {
    fg_status status = FG_OK;
    const json_t *names = json_object_get(json_object_get(binder->side, "weights"), role),
                 *entry = stored_as_at(names, 0);
    fg_buffer name = {0};
    stored_as how;
    *found = (location){0};
    size_t i = 0;
    do {
        FG_TRY(read_stored_as(binder, role, entry, &how, err));
        fg_buffer_clear(&name);
        FG_TRY(expand(binder, how.pattern, 0, &name, err));
        FG_TRY(find_named(binder, name.data ? name.data : "", &how, found, err));
        if (i == 0 && wanted) FG_TRY(fg_buffer_add(wanted, name.data, name.length, err));
    } while ((entry = stored_as_at(names, ++i)) != NULL);
done:
    fg_buffer_free(&name);
    if (status != FG_OK) {
        fg_free(found->name);
        found->name = NULL;
    }
    return status;
}

static fg_status require(const fg_binder *binder, const char *role, location *found, fg_error *err) {
    fg_buffer wanted = {0};
    fg_status status = FG_OK;
    FG_TRY(locate(binder, role, found, &wanted, err));
    if (found->name) goto done;
    status = fg_fail(err, FG_ERR_INPUT, "no tensor %s among the weights (%s of a %s model)", wanted.data,
                     role, binder->format);
    const fg_weight_source *weights = binder->weights;
    const char *example = weights->name_of ? weights->name_of(weights->context, 0) : NULL;
    if (example) fg_hint(err, "the weights have names such as \"%s\"", example);
done:
    fg_buffer_free(&wanted);
    return status;
}

fg_status fg_bind_has(const fg_binder *binder, const char *role, bool *there, fg_error *err) {
    location found;
    fg_status status = locate(binder, role, &found, NULL, err);
    *there = found.name != NULL;
    fg_free(found.name);
    return status;
}

/* ---- shapes ---- */

static const char *shape_text(uint32_t rank, const uint64_t *shape, char text[SHAPE_TEXT]) {
    size_t used = 0;
    *text = '\0';
    for (uint32_t i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, i ? ", %" PRIu64 : "%" PRIu64, shape[i]);
    return text;
}

/* Where a role's numbers lie in the tensor that holds them. */
typedef struct stored_box {
    uint64_t shape[FG_MAX_DIMS]; /* that the tensor must have */
    uint32_t dims;
    uint64_t first, pitch; /* stored element where it begins; elements from stored row to stored row */
} stored_box;

static uint64_t times(uint64_t a, uint64_t b) {
    uint64_t product;
    return fg_mul(a, b, &product) ? product : UINT64_MAX; /* which no tensor has */
}

/* The tensor that holds such parts of `rows` and `columns` as stored; a vector has one column. */
static void shape_of(const stored_as *how, uint32_t rank, uint64_t rows, uint64_t columns, stored_box *b) {
    uint64_t all = how->unequal ? how->all : times(how->of, how->dim ? columns : rows);
    *b = (stored_box){.pitch = how->dim ? all : columns};
    if (how->stacked) b->shape[b->dims++] = how->experts;
    b->shape[b->dims++] = times(how->stacked ? 1 : how->experts, how->dim ? rows : all);
    if (rank == 2 && !how->column_dims) b->shape[b->dims++] = b->pitch;
    for (uint32_t d = 0; rank == 2 && d < how->column_dims; d++) b->shape[b->dims++] = how->columns[d];
    if (how->unsqueezed == FG_MAX_DIMS) return;
    uint32_t at = how->unsqueezed < b->dims ? how->unsqueezed : b->dims;
    for (uint32_t d = b->dims++; d > at; d--) b->shape[d] = b->shape[d - 1];
    b->shape[at] = 1;
}

/* In a tensor of that shape. */
static uint64_t first_of(const stored_as *how, uint64_t rows, uint64_t columns, const stored_box *b) {
    uint64_t own = how->dim ? columns : rows, before = how->unequal ? how->before : how->part * own,
             all = how->unequal ? how->all : how->of * own;
    return how->expert * (how->dim ? rows : all) * b->pitch + before * (how->dim ? 1 : b->pitch);
}

/* `rank` is that of the role. */
static fg_status check(const location *found, uint32_t rank, uint64_t rows, uint64_t columns, stored_box *b,
                       fg_error *err) {
    const fg_weight *weight = &found->weight;
    const stored_as *how = &found->how;
    char text[SHAPE_TEXT], expected[SHAPE_TEXT];
    shape_of(how, rank, rows, columns, b);
    if (!fg_dtype_is_float(weight->dtype))
        return fg_fail(err, FG_ERR_INPUT, "tensor %s: found %s numbers, expected a float type", found->name,
                       fg_dtype_name(weight->dtype));
    uint64_t product = 1;
    for (uint32_t d = 0; d < how->column_dims; d++) product = times(product, how->columns[d]);
    if (how->column_dims && product != b->pitch)
        return fg_fail(err, FG_ERR_INPUT,
                       "tensor %s: \"columns\" of models/ come to %" PRIu64 ", expected %" PRIu64,
                       found->name, product, b->pitch);
    if (how->unequal && how->own != (how->dim ? columns : rows))
        return fg_fail(err, FG_ERR_INPUT,
                       "tensor %s: its part %" PRIu64 " has %" PRIu64 " rows, expected %" PRIu64
                       " from the config",
                       found->name, how->part, how->own, how->dim ? columns : rows);
    if (weight->rank == b->dims && memcmp(weight->shape, b->shape, b->dims * sizeof *b->shape) == 0) {
        b->first = first_of(how, rows, columns, b);
        return FG_OK;
    }
    return fg_fail(err, FG_ERR_INPUT, "tensor %s: found shape [%s], expected [%s] from the config",
                   found->name, shape_text(weight->rank, weight->shape, text),
                   shape_text(b->dims, b->shape, expected));
}

static fg_status add_read(const fg_binder *binder, const fg_weight *weight, const stored_box *b,
                          uint64_t rows, uint64_t columns, fg_error *err) {
    if (b->pitch == columns) return fg_read_ranges_add(binder->read, weight, b->first, rows * columns, err);
    for (uint64_t r = 0; r < rows; r++)
        FG_CALL(fg_read_ranges_add(binder->read, weight, b->first + r * b->pitch, columns, err));
    return FG_OK;
}

/* As a matrix, or of `rank` 1 as a vector, which has one column. */
static fg_status bind(const fg_binder *binder, const char *role, uint32_t rank, uint64_t rows,
                      uint64_t columns, fg_matrix *matrix, fg_error *err) {
    fg_status status = FG_OK;
    location found = {0};
    stored_box b;
    FG_TRY(require(binder, role, &found, err));
    bool transposed = rank == 2 && found.how.transposed;
    uint64_t stored_rows = transposed ? columns : rows, stored_columns = transposed ? rows : columns;
    FG_TRY(check(&found, rank, stored_rows, stored_columns, &b, err));
    *matrix = (fg_matrix){.name = found.name,
                          .weight = found.weight,
                          .rows = rows,
                          .columns = columns,
                          .first = b.first,
                          .pitch = b.pitch,
                          .transposed = transposed};
    found.name = NULL;
    FG_TRY(add_read(binder, &matrix->weight, &b, stored_rows, stored_columns, err));
done:
    fg_free(found.name);
    return status;
}

fg_status fg_bind_matrix(const fg_binder *binder, const char *role, uint64_t rows, uint64_t columns,
                         fg_matrix *matrix, fg_error *err) {
    return bind(binder, role, 2, rows, columns, matrix, err);
}

fg_status fg_bind_vector(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                         fg_error *err) {
    fg_matrix column = {0};
    fg_status status = bind(binder, role, 1, size, 1, &column, err);
    *vector = (fg_vector){.name = column.name, .weight = column.weight, .first = column.first};
    return status;
}

fg_status fg_bind_optional(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                           fg_error *err) {
    const json_t *names = json_object_get(json_object_get(binder->side, "weights"), role);
    bool there = true;
    if (json_is_true(json_object_get(names, "optional"))) FG_CALL(fg_bind_has(binder, role, &there, err));
    return there ? fg_bind_vector(binder, role, size, vector, err) : FG_OK;
}

fg_status fg_bind_linear(const fg_binder *binder, const char *role, bool biased, uint64_t rows,
                         uint64_t columns, fg_matrix *matrix, fg_error *err) {
    fg_status status = FG_OK;
    char *bias = NULL;
    FG_TRY(fg_bind_matrix(binder, role, rows, columns, matrix, err));
    if (!biased) goto done;
    FG_TRY_NEW(bias, fg_strformat(err, "%s.bias", role));
    FG_TRY(fg_bind_vector(binder, bias, rows, &matrix->bias, err));
done:
    fg_free(bias);
    return status;
}
