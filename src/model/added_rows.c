#include "model/added_rows.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/cast.h"

enum { MATRICES = 2, STRIP = 1 << 18 }; /* embedding and head; floats that are read at once */

typedef struct edited_matrix {
    bool known;
    uint32_t index;
    uint64_t rows, columns; /* of the source */
    fg_dtype dtype;
    void *mean; /* owned; [columns] of `dtype`, worked out when a row needs it */
} edited_matrix;

typedef struct edited {
    fg_weight_source inner, raw;
    const fg_row_edits *edits;     /* borrowed, as what follows */
    const json_t *names[MATRICES]; /* a name, or a list of them */
    const char *prefix;            /* base_model_prefix, which the names of a base model lack; may be "" */
    edited_matrix matrices[MATRICES];
} edited;

static void close_all(void *context) {
    edited *e = context;
    fg_weight_source_close(&e->inner);
    fg_weight_source_close(&e->raw);
    for (size_t m = 0; m < MATRICES; m++) fg_free(e->matrices[m].mean);
    fg_free(e);
}

static bool is_name(const edited *e, const char *name, const json_t *listed) {
    const char *whole = json_string_value(listed);
    if (!whole) return false;
    return strcmp(whole, name) == 0 ||
           (fg_starts_with(whole, e->prefix) && strcmp(whole + strlen(e->prefix), name) == 0);
}

static bool is_among(const edited *e, const char *name, const json_t *names) {
    json_t *item;
    if (is_name(e, name, names)) return true;
    FG_JSON_EACH(names, i, item) {
        if (is_name(e, name, item)) return true;
    }
    return false;
}

static const char *name_of(void *context, uint32_t index) {
    const fg_weight_source *inner = &((edited *)context)->inner;
    return inner->name_of ? inner->name_of(inner->context, index) : NULL;
}

static bool find(void *context, const char *name, fg_weight *weight) {
    edited *e = context;
    if (!e->inner.find(e->inner.context, name, weight)) return false;
    for (size_t m = 0; m < MATRICES; m++) {
        if (!is_among(e, name, e->names[m]) || weight->rank != 2 || weight->shape[0] > e->edits->rows)
            continue;
        e->matrices[m] = (edited_matrix){.known = true,
                                         .index = weight->index,
                                         .rows = weight->shape[0],
                                         .columns = weight->shape[1],
                                         .dtype = weight->dtype,
                                         .mean = e->matrices[m].mean};
        weight->shape[0] = e->edits->rows;
        weight->elements = e->edits->rows * weight->shape[1];
        break;
    }
    return true;
}

/* The weight as the source has it. */
static fg_weight unedited(const fg_weight *weight, const edited_matrix *m) {
    fg_weight w = *weight;
    w.shape[0] = m->rows;
    w.elements = m->rows * m->columns;
    return w;
}

/* Column sums in float64 from top to bottom, divided and rounded to float32, then to the weight's type. */
static fg_status take_mean(edited *e, edited_matrix *m, fg_error *err) {
    fg_status status = FG_OK;
    fg_weight source = {0};
    double *sums = NULL;
    float *strip = NULL;
    void *mean = NULL;
    uint64_t together = fg_max(1, STRIP / m->columns), count;
    if (m->mean) return FG_OK;
    e->raw.find(e->raw.context, e->raw.name_of(e->raw.context, m->index), &source);
    FG_NEW(sums, m->columns);
    FG_TRY_NEW(mean, fg_alloc(m->columns, fg_dtype_size(m->dtype), err));
    FG_TRY_NEW(strip, fg_alloc_buffer(together * m->columns * sizeof *strip, err));
    for (uint64_t row = 0; row < m->rows; row += count) {
        count = fg_min(together, m->rows - row);
        FG_TRY(fg_weight_source_read_f32(&e->raw, &source, row * m->columns, count * m->columns, strip, err));
        for (uint64_t i = 0; i < count * m->columns; i++) sums[i % m->columns] += (double)strip[i];
    }
    for (uint64_t c = 0; c < m->columns; c++) strip[c] = (float)(sums[c] / (double)m->rows);
    fg_cast(FG_F32, strip, m->dtype, mean, m->columns);
    m->mean = mean;
    mean = NULL;
done:
    fg_free(sums);
    fg_free(strip);
    fg_free(mean);
    return status;
}

/* Columns [column, column + count) of an edited row. */
static fg_status read_edit(edited *e, const fg_weight *weight, edited_matrix *m, const fg_row_edit *edit,
                           uint64_t column, uint64_t count, void *out, fg_error *err) {
    fg_weight source = unedited(weight, m);
    size_t size = fg_dtype_size(m->dtype);
    switch (edit->value.kind) {
    case FG_ROW_ZERO:
        memset(out, 0, count * size);
        return FG_OK;
    case FG_ROW_COPY:
        return e->inner.read(e->inner.context, &source, edit->value.from * m->columns + column, count, out,
                             err);
    default: {
        fg_status status = take_mean(e, m, err);
        if (status == FG_OK) memcpy(out, (const char *)m->mean + column * size, count * size);
        return status;
    }
    }
}

static fg_status read_matrix(edited *e, const fg_weight *weight, edited_matrix *m, uint64_t first,
                             uint64_t count, void *out, fg_error *err) {
    fg_weight source = unedited(weight, m);
    char *to = out;
    for (uint64_t at = first, end = first + count, part; at < end;
         at += part, to += part * fg_dtype_size(m->dtype)) {
        uint64_t row = at / m->columns, column = at % m->columns;
        const fg_row_edit *edit = fg_row_edits_from(e->edits, row);
        if (edit && edit->row == row) {
            part = fg_min(m->columns - column, end - at);
            FG_CALL(read_edit(e, weight, m, edit, column, part, to, err));
        } else {
            uint64_t stop = edit ? edit->row * m->columns : e->edits->rows * m->columns;
            part = fg_min(stop, end) - at;
            FG_CALL(e->inner.read(e->inner.context, &source, at, part, to, err));
        }
    }
    return FG_OK;
}

static fg_status read_edited(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                             void *out, fg_error *err) {
    edited *e = context;
    for (size_t m = 0; m < MATRICES; m++) {
        if (e->matrices[m].known && e->matrices[m].index == weight->index)
            return read_matrix(e, weight, &e->matrices[m], first, count, out, err);
    }
    return e->inner.read(e->inner.context, weight, first, count, out, err);
}

static const json_t *side_of(const json_t *spec, const fg_format *format) {
    return json_object_get(json_object_get(spec, "formats"), format->schema);
}

fg_status fg_weight_source_edit_rows(fg_weight_source *weights, fg_weight_source *raw, const json_t *spec,
                                     const fg_format *format, const fg_row_edits *edits, fg_error *err) {
    const json_t *side = side_of(spec, format), *names = json_object_get(side, "weights");
    const char *prefix = json_string_value(json_object_get(side, "base_model_prefix"));
    edited *e = fg_alloc(1, sizeof *e, err);
    if (!e) {
        fg_weight_source_close(raw);
        fg_weight_source_close(weights);
        return FG_ERR_MEMORY;
    }
    *e = (edited){.inner = *weights,
                  .raw = *raw,
                  .edits = edits,
                  .names = {json_object_get(names, "embedding"), json_object_get(names, "head")},
                  .prefix = prefix ? prefix : ""};
    *weights = (fg_weight_source){
        .context = e, .find = find, .read = read_edited, .name_of = name_of, .close = close_all};
    *raw = (fg_weight_source){0};
    return FG_OK;
}

fg_status fg_config_set_vocabulary(const json_t *config, const json_t *spec, const fg_format *format,
                                   uint64_t rows, json_t **changed, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *side = side_of(spec, format);
    const char *key = json_string_value(fg_json_at(side, "config/vocab/key")),
               *at = json_string_value(json_object_get(side, "at"));
    char *path = NULL;
    FG_TRY_NEW(*changed, fg_json_deep_copy(config, err));
    if (!key) FG_FAIL(err, FG_ERR_INPUT, "models/: no key is given for the size of the vocabulary");
    FG_TRY_NEW(path, at ? fg_strformat(err, "%s/%s", at, key) : fg_strdup(key, err));
    FG_TRY(fg_json_set_at(*changed, path, json_integer((json_int_t)rows), err));
done:
    fg_free(path);
    return status;
}
