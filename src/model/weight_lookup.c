/* Names of weights: which tensor of the store, and which box of it, plays a role. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

enum { SHAPE_TEXT = 160 };

/* ---- patterns ---- */

static bool is_further(const fg_binder *binder) {
    return binder->block >= binder->model->settings.blocks;
}

/* What stands for the prefix of the block. */
static const char *block_prefix(const fg_binder *binder) {
    const char *prefix =
        json_string_value(json_object_get(binder->side, is_further(binder) ? "mtp_block" : "block"));
    return prefix ? prefix : "";
}

/* Appends `pattern` with what its places in braces stand for. */
static fg_status expand(const fg_binder *binder, const char *pattern, fg_buffer *name, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t block = binder->block - (is_further(binder) ? binder->model->settings.blocks : 0);
    for (const char *at = pattern; *at;) {
        size_t plain = strcspn(at, "{");
        FG_TRY(fg_buffer_add(name, at, plain, err));
        at += plain;
        if (fg_starts_with(at, "{block}")) {
            FG_TRY(expand(binder, block_prefix(binder), name, err));
            at += strlen("{block}");
            continue;
        }
        if (!*at) break;
        char place = at[1];
        if (!place || at[2] != '}' || !strchr("iehf", place))
            FG_TRY(
                fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": an unknown placeholder after \"{\"", pattern));
        FG_TRY(fg_buffer_put_u64(name,
                                 place == 'i'   ? block
                                 : place == 'e' ? binder->expert
                                 : place == 'h' ? binder->head
                                                : binder->head - 1,
                                 err));
        at += 3;
    }
done:
    return status;
}

/* One way in which a store may hold a role's weight. */
typedef struct stored_as {
    const char *pattern;
    uint64_t part, of; /* the part of so many that are stacked along the stored rows */
    bool transposed;
} stored_as;

static fg_status read_stored_as(const fg_binder *binder, const char *role, const json_t *entry, stored_as *h,
                                fg_error *err) {
    const json_t *part = json_object_get(entry, "part"), *of = json_object_get(entry, "of");
    *h = (stored_as){.pattern =
                         json_string_value(json_is_object(entry) ? json_object_get(entry, "name") : entry),
                     .of = 1};
    if (of) h->of = (uint64_t)json_integer_value(of);
    if (part) h->part = (uint64_t)json_integer_value(part);
    h->transposed = json_is_true(json_object_get(entry, "transposed"));
    if (!h->pattern || !h->of || h->of > FG_MAX_DIMS || h->part >= h->of)
        return fg_fail(err, FG_ERR_INPUT, "models/: no name for the weight \"%s\" in format %s", role,
                       binder->format);
    if (json_is_true(json_object_get(entry, "experts"))) {
        h->part += binder->expert * h->of;
        h->of *= binder->kind->settings.experts;
    }
    return FG_OK;
}

static const json_t *holding_at(const json_t *names, size_t i) {
    return json_is_array(names) ? json_array_get(names, i) : i == 0 ? names : NULL;
}

/* ---- looking up ---- */

/* What a role's weight was found to be. */
typedef struct location {
    char *name; /* owned; NULL: not there */
    fg_weight weight;
    stored_as how;
} location;

/* The one stored_as of the role that the store has. Two at once would leave open which one the model uses. */
static fg_status locate(const fg_binder *binder, const char *role, location *found, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *names = json_object_get(json_object_get(binder->side, "weights"), role), *entry;
    const fg_weight_source *weights = &binder->model->weights;
    fg_buffer name = {0};
    stored_as how;
    *found = (location){0};
    FG_TRY(read_stored_as(binder, role, holding_at(names, 0), &how, err));
    for (size_t i = 0; (entry = holding_at(names, i)) != NULL; i++) {
        fg_weight weight = {0};
        FG_TRY(read_stored_as(binder, role, entry, &how, err));
        fg_buffer_clear(&name);
        FG_TRY(expand(binder, how.pattern, &name, err));
        if (!weights->find(weights->context, name.data ? name.data : "", &weight)) continue;
        if (found->name)
            FG_TRY(fg_fail(err, FG_ERR_INPUT, "the weights hold %s and %s, two names of one tensor",
                           found->name, name.data));
        FG_TRY_NEW(found->name, fg_strdup(name.data, err));
        found->weight = weight;
        found->how = how;
    }
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
    stored_as first;
    fg_status status = FG_OK;
    FG_TRY(locate(binder, role, found, err));
    if (found->name) goto done;
    FG_TRY(read_stored_as(binder, role,
                          holding_at(json_object_get(json_object_get(binder->side, "weights"), role), 0),
                          &first, err));
    FG_TRY(expand(binder, first.pattern, &wanted, err));
    status = fg_fail(err, FG_ERR_INPUT, "no tensor %s among the weights (%s of a %s model)", wanted.data,
                     role, binder->format);
done:
    fg_buffer_free(&wanted);
    return status;
}

fg_status fg_bind_has(const fg_binder *binder, const char *role, bool *there, fg_error *err) {
    location found;
    fg_status status = locate(binder, role, &found, err);
    *there = found.name != NULL;
    fg_free(found.name);
    return status;
}

/* ---- shapes ---- */

/* `rows` is those of one part. */
static fg_status check(const location *found, uint32_t rank, uint64_t rows, uint64_t columns, fg_error *err) {
    const fg_weight *weight = &found->weight;
    if (!fg_mul(found->how.of, rows, &rows)) rows = UINT64_MAX; /* which no tensor has */
    bool same =
        weight->rank == rank && weight->shape[0] == rows && (rank == 1 || weight->shape[1] == columns);
    if (!fg_dtype_is_float(weight->dtype))
        return fg_fail(err, FG_ERR_INPUT, "tensor %s: found %s numbers, expected a float type", found->name,
                       fg_dtype_name(weight->dtype));
    if (same) return FG_OK;
    char text[SHAPE_TEXT] = "", expected[SHAPE_TEXT];
    size_t used = 0;
    for (uint32_t i = 0; i < weight->rank && i < FG_MAX_DIMS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, i ? ", %" PRIu64 : "%" PRIu64,
                                 weight->shape[i]);
    if (rank == 1)
        snprintf(expected, sizeof expected, "%" PRIu64, rows);
    else
        snprintf(expected, sizeof expected, "%" PRIu64 ", %" PRIu64, rows, columns);
    return fg_fail(err, FG_ERR_INPUT, "tensor %s: found shape [%s], expected [%s] from the config",
                   found->name, text, expected);
}

fg_status fg_bind_matrix(const fg_binder *binder, const char *role, uint64_t rows, uint64_t columns,
                         fg_matrix *matrix, fg_error *err) {
    fg_status status = FG_OK;
    location found = {0};
    FG_TRY(require(binder, role, &found, err));
    uint64_t stored_rows = found.how.transposed ? columns : rows,
             stored_columns = found.how.transposed ? rows : columns;
    FG_TRY(check(&found, 2, stored_rows, stored_columns, err));
    matrix->name = found.name;
    found.name = NULL;
    matrix->weight = found.weight;
    matrix->rows = rows;
    matrix->columns = columns;
    matrix->first = found.how.part * stored_rows;
    matrix->transposed = found.how.transposed;
    fg_matrix_plan(matrix);
done:
    fg_free(found.name);
    return status;
}

fg_status fg_bind_vector(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                         fg_error *err) {
    fg_status status = FG_OK;
    location found = {0};
    FG_TRY(require(binder, role, &found, err));
    FG_TRY(check(&found, 1, size, 0, err));
    vector->name = found.name;
    found.name = NULL;
    vector->weight = found.weight;
    vector->first = found.how.part * size;
done:
    fg_free(found.name);
    return status;
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
