#include "model/matrix.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/transpose.h"

enum { SLAB_NUMBERS = 8 << 20 }; /* of a transposed matrix: the more, the longer the runs that are read */
enum { STRIP = 64 };             /* stored rows that are transposed together */
enum { PANEL_ROWS = 4096 };      /* at most: bounds the products of narrow matrices */
enum { PANELS = 16, PANEL_STEP = 16, PANEL_LEAST = 32 }; /* of a small matrix, if it has so many rows */

/* A small matrix has smaller panels than the device likes best, so that many ranks can share it. */
static uint64_t rows_to_share(const fg_workspace *w, const fg_matrix *matrix) {
    uint64_t some = (matrix->rows + PANELS * PANEL_STEP - 1) / (PANELS * PANEL_STEP) * PANEL_STEP;
    return w->device->host_memory ? fg_max(some, PANEL_LEAST) : matrix->rows;
}

uint64_t fg_matrix_panel_rows(const fg_workspace *w, const fg_matrix *matrix) {
    uint64_t rows = w->device->panel_bytes / sizeof(float) / matrix->columns;
    rows = fg_min(fg_min(rows, PANEL_ROWS), fg_min(rows_to_share(w, matrix), matrix->rows));
    return fg_max(1, rows);
}

/* What the panels of a matrix are kept as. */
static fg_dtype panel_dtype(const fg_workspace *w, const fg_matrix *matrix) {
    fg_dtype stored = matrix->weight.dtype;
    return w->device->takes_stored && w->device->takes_stored(stored) ? stored : FG_F32;
}

static uint64_t panel_count(const fg_workspace *w, const fg_matrix *matrix) {
    uint64_t rows = fg_matrix_panel_rows(w, matrix);
    return (matrix->rows + rows - 1) / rows;
}

void fg_matrix_forget(fg_workspace *w, fg_matrix *matrix) {
    for (uint64_t i = 0; matrix->cached_panels && i < panel_count(w, matrix); i++)
        w->device->release(w->state, matrix->cached_panels[i]);
    fg_free(matrix->cached_panels);
    matrix->cached_panels = NULL;
}

void fg_matrix_free(fg_workspace *w, fg_matrix *matrix) {
    fg_matrix_forget(w, matrix);
    fg_free(matrix->name);
    fg_free(matrix->bias.name);
}

/* ---- reading rows ---- */

/* Stored rows [row, row + count), of each the elements [column, column + wide), side by side. */
static fg_status read_stored(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t count,
                             uint64_t column, uint64_t wide, char *values, fg_error *err) {
    const fg_weight_source *source = &w->weights;
    const fg_weight *weight = &matrix->weight;
    uint64_t at = matrix->first + row * matrix->pitch + column;
    size_t size = wide * fg_dtype_size(weight->dtype);
    if (wide == matrix->pitch) return source->read(source->context, weight, at, count * wide, values, err);
    for (uint64_t r = 0; r < count; r++)
        FG_CALL(source->read(source->context, weight, at + r * matrix->pitch, wide, values + r * size, err));
    return FG_OK;
}

/* Brings rows of a transposed matrix from `row` on into the slab: `rows` of them, or as many as there is room
 * for. */
static fg_status load_slab(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                           fg_error *err) {
    uint64_t columns = matrix->columns, most = fg_max(SLAB_NUMBERS / columns, rows);
    uint64_t first = w->wanted_row, end = w->wanted_end ? w->wanted_end : matrix->rows;
    size_t size = fg_dtype_size(matrix->weight.dtype);
    if (most >= end - first) row = first;
    uint64_t wide = fg_min(most, end - row);
    w->slab_of = NULL;
    FG_CALL(fg_host_scratch_fit(&w->slab, wide, columns, size, err));
    FG_CALL(fg_host_scratch_fit(&w->strip, STRIP, wide, size, err));
    for (uint64_t c = 0, count; c < columns; c += count) {
        count = fg_min(STRIP, columns - c);
        FG_CALL(read_stored(w, matrix, c, count, row, wide, w->strip.bytes, err));
        fg_transpose(w->strip.bytes, wide, (char *)w->slab.bytes + c * size, columns, count, wide, size);
    }
    w->slab_of = matrix;
    w->slab_row = row;
    w->slab_rows = wide;
    return FG_OK;
}

static fg_status read_transposed(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                                 fg_dtype as, fg_real *values, fg_error *err) {
    fg_dtype dtype = matrix->weight.dtype;
    bool there = w->slab_of == matrix && row >= w->slab_row && row + rows <= w->slab_row + w->slab_rows;
    if (!there) FG_CALL(load_slab(w, matrix, row, rows, err));
    uint64_t first = (row - w->slab_row) * matrix->columns;
    return w->device->load(w->state, dtype, (char *)w->slab.bytes + first * fg_dtype_size(dtype),
                           rows * matrix->columns, as, values, err);
}

static fg_status read_straight(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                               fg_dtype as, fg_real *values, fg_error *err) {
    uint64_t columns = matrix->columns, at = matrix->first + row * matrix->pitch;
    size_t size = columns * fg_dtype_size(as);
    if (matrix->pitch == columns)
        return fg_workspace_load(w, &matrix->weight, at, rows * columns, as, values, err);
    for (uint64_t r = 0; r < rows; r++)
        FG_CALL(fg_workspace_load(w, &matrix->weight, at + r * matrix->pitch, columns, as,
                                  fg_real_at(values, r * size), err));
    return FG_OK;
}

static fg_status read_rows(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t rows, fg_dtype as,
                           fg_real *values, fg_error *err) {
    fg_status status = matrix->transposed ? read_transposed(w, matrix, row, rows, as, values, err)
                                          : read_straight(w, matrix, row, rows, as, values, err);
    if (status != FG_OK) fg_where(err, "reading rows of %s", matrix->name);
    return status;
}

fg_status fg_matrix_read(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                         fg_real *values, fg_error *err) {
    return read_rows(w, matrix, row, rows, FG_F32, values, err);
}

fg_status fg_vector_load(fg_workspace *w, const fg_vector *vector, uint64_t size, fg_real *to,
                         fg_error *err) {
    fg_status status = fg_workspace_load(w, &vector->weight, vector->first, size, FG_F32, to, err);
    if (status != FG_OK) fg_where(err, "reading %s", vector->name);
    return status;
}

fg_status fg_vector_read(fg_workspace *w, const fg_vector *vector, uint64_t size, const fg_real **values,
                         fg_error *err) {
    fg_status status = fg_workspace_vector(w, &vector->weight, vector->first, size, values, err);
    if (status != FG_OK) fg_where(err, "reading %s", vector->name);
    return status;
}

/* ---- products ---- */

/* The cached panel `index`, which is read into the cache if there is room; else `*values` is NULL. */
static fg_status cached_panel(fg_workspace *w, fg_matrix *matrix, uint64_t index, const fg_real **values,
                              fg_error *err) {
    fg_status status = FG_OK;
    fg_real *panel = NULL;
    fg_dtype as = panel_dtype(w, matrix);
    uint64_t most = fg_matrix_panel_rows(w, matrix), row = index * most,
             rows = fg_min(most, matrix->rows - row);
    uint64_t bytes = rows * matrix->columns * fg_dtype_size(as);
    *values = matrix->cached_panels ? matrix->cached_panels[index] : NULL;
    if (*values || bytes > fg_workspace_room(w)) goto done;
    if (!matrix->cached_panels) FG_NEW(matrix->cached_panels, panel_count(w, matrix));
    FG_TRY(w->device->allocate(w->state, (bytes + sizeof *panel - 1) / sizeof *panel, &panel, err));
    FG_TRY(read_rows(w, matrix, row, rows, as, panel, err));
    w->cached_bytes += bytes;
    matrix->cached_panels[index] = panel;
    *values = panel;
    panel = NULL;
done:
    w->device->release(w->state, panel);
    return status;
}

fg_status fg_matrix_preload(fg_workspace *w, fg_matrix *matrix, fg_error *err) {
    const fg_real *values;
    for (uint64_t i = 0; i < panel_count(w, matrix); i++) {
        FG_CALL(cached_panel(w, matrix, i, &values, err));
        if (!values) return FG_OK;
    }
    return FG_OK;
}

/* Rows [row, row + rows) of one panel. */
static fg_status find_panel(fg_workspace *w, fg_matrix *matrix, uint64_t row, uint64_t rows, fg_panel *panel,
                            fg_error *err) {
    uint64_t most = fg_matrix_panel_rows(w, matrix);
    panel->dtype = panel_dtype(w, matrix);
    FG_CALL(cached_panel(w, matrix, row / most, &panel->values, err));
    if (panel->values) {
        size_t before = row % most * matrix->columns * fg_dtype_size(panel->dtype);
        panel->values = (const fg_real *)((const char *)panel->values + before);
        return FG_OK;
    }
    FG_CALL(fg_scratch_fit(w, &w->panel, rows, matrix->columns, err));
    FG_CALL(read_rows(w, matrix, row, rows, panel->dtype, w->panel.values, err));
    panel->values = w->panel.values;
    return FG_OK;
}

static fg_status add_bias(fg_workspace *w, const fg_vector *bias, uint64_t row, uint64_t rows, uint64_t count,
                          fg_real *output, uint64_t stride, fg_error *err) {
    fg_vector part = *bias;
    const fg_real *values;
    part.first += row;
    fg_status status = fg_vector_read(w, &part, rows, &values, err);
    if (status == FG_OK) w->device->add(w->state, output, stride, values, 0, count, rows);
    return status;
}

/* A panel's rows, tile by tile of tokens. */
static fg_status multiply_panel(fg_workspace *w, fg_panel panel, uint64_t rows, uint64_t columns,
                                const fg_real *input, uint64_t count, fg_real *output, uint64_t stride,
                                fg_error *err) {
    for (uint64_t t = 0, part; t < count; t += part) {
        part = fg_min(w->device->tokens_at_once, count - t);
        FG_CALL(w->device->linear(w->state, panel, rows, columns, input + t * columns, part,
                                  output + t * stride, stride, err));
    }
    return FG_OK;
}

/* Rows [row, row + rows), panel by panel. */
static fg_status multiply_rows(fg_workspace *w, fg_matrix *matrix, uint64_t row, uint64_t rows,
                               const fg_real *input, uint64_t count, fg_real *output, uint64_t stride,
                               fg_error *err) {
    fg_panel panel;
    uint64_t most = fg_matrix_panel_rows(w, matrix);
    for (uint64_t done = 0, part; done < rows; done += part) {
        uint64_t at = row + done;
        part = fg_min(most - at % most, rows - done);
        FG_CALL(find_panel(w, matrix, at, part, &panel, err));
        FG_CALL(multiply_panel(w, panel, part, matrix->columns, input, count, output + done, stride, err));
    }
    return FG_OK;
}

fg_status fg_linear(fg_workspace *w, fg_matrix *matrix, uint64_t row, uint64_t rows, const fg_real *input,
                    uint64_t count, fg_real *output, uint64_t stride, fg_error *err) {
    if (row > matrix->rows || rows > matrix->rows - row)
        return fg_fail(err, FG_ERR_BUG, "rows %llu + %llu of %s do not exist", (unsigned long long)row,
                       (unsigned long long)rows, matrix->name);
    if (!count || !rows) return FG_OK;
    w->wanted_row = row;
    w->wanted_end = row + rows;
    fg_status status = multiply_rows(w, matrix, row, rows, input, count, output, stride, err);
    w->wanted_row = w->wanted_end = 0;
    if (status != FG_OK) return status;
    if (matrix->bias.name) FG_CALL(add_bias(w, &matrix->bias, row, rows, count, output, stride, err));
    return FG_OK;
}

fg_row_part fg_matrix_part(const fg_workspace *w, const fg_matrix *matrix) {
    uint64_t panel = fg_matrix_panel_rows(w, matrix);
    if (panel == matrix->rows) return (fg_row_part){.count = matrix->rows};
    return fg_row_part_mine(w, matrix->rows, panel);
}

fg_status fg_linear_shared(fg_workspace *w, fg_matrix *matrix, const fg_real *input, uint64_t count,
                           fg_real *output, uint64_t stride, fg_error *err) {
    uint64_t panel = fg_matrix_panel_rows(w, matrix);
    const fg_row_part mine = fg_matrix_part(w, matrix);
    FG_CALL(fg_linear(w, matrix, mine.first, mine.count, input, count, output + mine.first, stride, err));
    if (panel == matrix->rows) return FG_OK;
    return fg_row_join(w, count, matrix->rows, panel, output, stride, err);
}

fg_status fg_linear_whole(fg_workspace *w, fg_matrix *matrix, const fg_real *input, uint64_t count,
                          fg_real *output, fg_error *err) {
    return fg_linear_shared(w, matrix, input, count, output, matrix->rows, err);
}
