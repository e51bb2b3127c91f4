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
            FG_FAIL(err, FG_ERR_INPUT, "models/: \"%s\": an unknown placeholder after \"{\"", pattern);
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
    uint64_t
        outer; /* the size of a dimension outside of the rows, over which the parts are spread; 0: there is
                  none */
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
    const json_t *experts = json_object_get(entry, "experts");
    if (!experts) return FG_OK;
    h->part += binder->expert * h->of;
    h->of *= binder->kind->settings.experts;
    if (json_is_string(experts)) h->outer = binder->kind->settings.experts; /* "stacked" */
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

/* The store's tensor of that name, or of the name without base_model_prefix, which the checkpoint of a base
 * model lacks. `found` gets the name that the store has. */
static fg_status find_named(const fg_binder *binder, const char *name, const stored_as *how, location *found,
                            fg_error *err) {
    fg_status status = FG_OK;
    const fg_weight_source *weights = &binder->model->weights;
    const char *prefix = json_string_value(json_object_get(binder->side, "base_model_prefix"));
    bool prefixed = prefix && fg_starts_with(name, prefix);
    for (int i = 0; i < (prefixed ? 2 : 1); i++) {
        fg_weight weight = {0};
        const char *stored = i ? name + strlen(prefix) : name;
        if (!weights->find(weights->context, stored, &weight)) continue;
        if (found->name)
            FG_FAIL(err, FG_ERR_INPUT, "the weights hold %s and %s, two names of one tensor", found->name,
                    stored);
        FG_TRY_NEW(found->name, fg_strdup(stored, err));
        found->weight = weight;
        found->how = *how;
    }
done:
    return status;
}

/* The one stored_as of the role that the store has. Two at once would leave open which one the model uses. */
static fg_status locate(const fg_binder *binder, const char *role, location *found, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *names = json_object_get(json_object_get(binder->side, "weights"), role), *entry;
    fg_buffer name = {0};
    stored_as how;
    *found = (location){0};
    FG_TRY(read_stored_as(binder, role, stored_as_at(names, 0), &how, err));
    for (size_t i = 0; (entry = stored_as_at(names, i)) != NULL; i++) {
        FG_TRY(read_stored_as(binder, role, entry, &how, err));
        fg_buffer_clear(&name);
        FG_TRY(expand(binder, how.pattern, &name, err));
        FG_TRY(find_named(binder, name.data ? name.data : "", &how, found, err));
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
                          stored_as_at(json_object_get(json_object_get(binder->side, "weights"), role), 0),
                          &first, err));
    FG_TRY(expand(binder, first.pattern, &wanted, err));
    status = fg_fail(err, FG_ERR_INPUT, "no tensor %s among the weights (%s of a %s model)", wanted.data,
                     role, binder->format);
    const char *example = fg_weight_source_example(&binder->model->weights);
    if (example) fg_hint(err, "the weights have names such as \"%s\"", example);
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

static const char *shape_text(uint32_t rank, const uint64_t *shape, char text[SHAPE_TEXT]) {
    size_t used = 0;
    *text = '\0';
    for (uint32_t i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, i ? ", %" PRIu64 : "%" PRIu64, shape[i]);
    return text;
}

/* `rows` is those of one part; `rank` that of the role, without an outer dimension. */
static fg_status check(const location *found, uint32_t rank, uint64_t rows, uint64_t columns, fg_error *err) {
    const fg_weight *weight = &found->weight;
    const stored_as *how = &found->how;
    char text[SHAPE_TEXT], expected[SHAPE_TEXT];
    uint64_t shape[3], dims = 0;
    if (how->outer) shape[dims++] = how->outer;
    if (!fg_mul(how->outer ? how->of / how->outer : how->of, rows, &shape[dims++]))
        shape[dims - 1] = UINT64_MAX; /* which no tensor has */
    if (rank == 2) shape[dims++] = columns;
    if (!fg_dtype_is_float(weight->dtype))
        return fg_fail(err, FG_ERR_INPUT, "tensor %s: found %s numbers, expected a float type", found->name,
                       fg_dtype_name(weight->dtype));
    if (weight->rank == dims && memcmp(weight->shape, shape, dims * sizeof *shape) == 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "tensor %s: found shape [%s], expected [%s] from the config",
                   found->name, shape_text(weight->rank, weight->shape, text),
                   shape_text((uint32_t)dims, shape, expected));
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
    FG_TRY(fg_read_ranges_add(binder->read, &matrix->weight, matrix->first * stored_columns, rows * columns,
                              err));
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
    FG_TRY(fg_read_ranges_add(binder->read, &vector->weight, vector->first, size, err));
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
