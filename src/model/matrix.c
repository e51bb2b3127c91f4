/* Products with stored matrices, panel by panel: read, convert to float32, multiply.
 *
 * Panels begin at fixed rows that follow from a matrix's canonical shape alone. However a store keeps the
 * matrix, and whichever slice of its rows is asked for, a panel's numbers are summed by the same calls.
 */
#include <cblas.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/transpose.h"
#include "model/model.h"

enum { SLAB_BYTES = 32 << 20 }; /* of a transposed matrix: the larger, the longer the runs that are read */
enum { STRIP = 64 };            /* stored rows that are turned round together */
enum { PANEL_ROWS = 4096 };     /* at most: bounds the products of narrow matrices */
enum { TILE_ROWS = 32, TILE_LEAST = 512, TILE_MOST = 1024, TILE_LIMIT = 1000000 };

void fg_model_threads(int threads) {
    openblas_set_num_threads(threads < 1 ? 1 : threads);
}

void fg_matrix_plan(fg_matrix *matrix) {
    uint64_t rows = FG_PANEL_BYTES / sizeof(float) / matrix->columns;
    matrix->panel_rows = fg_max(1, fg_min(fg_min(rows, PANEL_ROWS), matrix->rows));
}

static uint64_t panel_count(const fg_matrix *matrix) {
    return (matrix->rows + matrix->panel_rows - 1) / matrix->panel_rows;
}

void fg_matrix_forget(fg_matrix *matrix) {
    for (uint64_t i = 0; matrix->cached_panels && i < panel_count(matrix); i++)
        fg_free(matrix->cached_panels[i]);
    fg_free(matrix->cached_panels);
    matrix->cached_panels = NULL;
}

/* ---- reading rows ---- */

/* `count` stored rows from `column` on, of each the elements [row, row + wide), side by side. */
static fg_status read_stored(fg_model *model, const fg_matrix *matrix, uint64_t column, uint64_t count,
                             uint64_t row, uint64_t wide, float *values, fg_error *err) {
    fg_status status = FG_OK;
    const fg_weight_source *w = &model->weights;
    uint64_t at = (matrix->first + column) * matrix->rows + row;
    if (wide == matrix->rows)
        return w->read(w->context, &matrix->weight, at, count * wide, values, err); /* one run */
    for (uint64_t c = 0; c < count; c++)
        FG_TRY(w->read(w->context, &matrix->weight, at + c * matrix->rows, wide, values + c * wide, err));
done:
    return status;
}

/* Brings rows of a transposed matrix from `row` on into the slab: `rows` of them, or as many as there is room
 * for. */
static fg_status load_slab(fg_model *model, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                           fg_error *err) {
    fg_status status = FG_OK;
    uint64_t columns = matrix->columns, most = fg_max(SLAB_BYTES / sizeof(float) / columns, rows);
    if (most >= matrix->rows) row = 0;
    uint64_t wide = fg_min(most, matrix->rows - row);
    model->slab_matrix = NULL;
    FG_TRY(fg_scratch_fit(&model->slab, wide, columns, err));
    FG_TRY(fg_scratch_fit(&model->strip, STRIP, wide, err));
    for (uint64_t c = 0, count; c < columns; c += count) {
        count = fg_min(STRIP, columns - c);
        FG_TRY(read_stored(model, matrix, c, count, row, wide, model->strip.values, err));
        fg_transpose(model->strip.values, wide, model->slab.values + c, columns, count, wide, sizeof(float));
    }
    model->slab_matrix = matrix;
    model->slab_row = row;
    model->slab_rows = wide;
done:
    return status;
}

static fg_status read_transposed(fg_model *model, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                                 float *values, fg_error *err) {
    fg_status status = FG_OK;
    bool there = model->slab_matrix == matrix && row >= model->slab_row &&
                 row + rows <= model->slab_row + model->slab_rows;
    if (!there) FG_TRY(load_slab(model, matrix, row, rows, err));
    memcpy(values, model->slab.values + (row - model->slab_row) * matrix->columns,
           rows * matrix->columns * sizeof *values);
done:
    return status;
}

fg_status fg_matrix_read(fg_model *model, const fg_matrix *matrix, uint64_t row, uint64_t rows, float *values,
                         fg_error *err) {
    const fg_weight_source *w = &model->weights;
    fg_status status = matrix->transposed
                           ? read_transposed(model, matrix, row, rows, values, err)
                           : w->read(w->context, &matrix->weight, (matrix->first + row) * matrix->columns,
                                     rows * matrix->columns, values, err);
    if (status != FG_OK) fg_where(err, "reading rows of %s", matrix->name);
    return status;
}

/* The cached panel `index`, which is read into the cache if there is room; else `*values` is NULL. */
static fg_status cached_panel(fg_model *model, fg_matrix *matrix, uint64_t index, const float **values,
                              fg_error *err) {
    fg_status status = FG_OK;
    float *panel = NULL;
    uint64_t row = index * matrix->panel_rows, rows = fg_min(matrix->panel_rows, matrix->rows - row);
    uint64_t bytes = rows * matrix->columns * sizeof(float);
    *values = matrix->cached_panels ? matrix->cached_panels[index] : NULL;
    if (*values || model->cached_bytes > model->cache_limit ||
        bytes > model->cache_limit - model->cached_bytes)
        goto done;
    if (!matrix->cached_panels) FG_NEW(matrix->cached_panels, panel_count(matrix));
    FG_TRY_NEW(panel, fg_alloc_buffer(bytes, err));
    FG_TRY(fg_matrix_read(model, matrix, row, rows, panel, err));
    model->cached_bytes += bytes;
    matrix->cached_panels[index] = panel;
    *values = panel;
    panel = NULL;
done:
    fg_free(panel);
    return status;
}

/* product[rows, count] = panel . input^T. BLAS is fastest with the long side, the weights' rows, first. On
 * one thread, products of up to some million multiplications go through kernels that do not repack the panel,
 * which is read once only: with them tiles are a third faster where there is AVX-512 for 16 to 32 tokens, and
 * hardly slower elsewhere. */
static void multiply_panel(const float *panel, uint64_t rows, uint64_t columns, const float *input,
                           uint64_t count, float *product) {
    uint64_t high = rows, wide = columns;
    if (count == 1) { /* measured: twice as fast as the product of two matrices */
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)rows, (blasint)columns, 1.0f, panel,
                    (blasint)columns, input, 1, 0.0f, product, 1);
        return;
    }
    if (count * TILE_ROWS * TILE_LEAST <= TILE_LIMIT && openblas_get_num_threads() == 1) {
        high = TILE_ROWS;
        wide = count * TILE_ROWS * TILE_MOST <= TILE_LIMIT ? TILE_MOST : TILE_LEAST;
    }
    for (uint64_t r = 0; r < rows; r += high) {
        for (uint64_t c = 0; c < columns; c += wide)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)fg_min(high, rows - r),
                        (blasint)count, (blasint)fg_min(wide, columns - c), 1.0f, panel + r * columns + c,
                        (blasint)columns, input + c, (blasint)columns, c ? 1.0f : 0.0f, product + r * count,
                        (blasint)count);
    }
}

/* The product, turned round to `stride` floats from token to token. */
static fg_status multiply(fg_model *model, const float *panel, uint64_t rows, uint64_t columns,
                          const float *input, uint64_t count, float *output, uint64_t stride, fg_error *err) {
    fg_status status = fg_scratch_fit(&model->product, rows, count, err);
    if (status != FG_OK) return status;
    float *product = count == 1 ? output : model->product.values;
    multiply_panel(panel, rows, columns, input, count, product);
    for (uint64_t t = 0; count > 1 && t < count; t++) {
        for (uint64_t r = 0; r < rows; r++) output[t * stride + r] = product[r * count + t];
    }
    return FG_OK;
}

static fg_status add_bias(fg_model *model, const fg_vector *bias, uint64_t row, uint64_t rows, uint64_t count,
                          float *output, uint64_t stride, fg_error *err) {
    fg_status status = FG_OK;
    const fg_weight_source *w = &model->weights;
    FG_TRY(fg_scratch_fit(&model->bias_values, 1, rows, err));
    const float *values = model->bias_values.values;
    FG_TRY(w->read(w->context, &bias->weight, bias->first + row, rows, model->bias_values.values, err));
    for (uint64_t t = 0; t < count; t++) {
        for (uint64_t r = 0; r < rows; r++) output[t * stride + r] += values[r];
    }
done:
    if (status != FG_OK) fg_where(err, "reading %s", bias->name);
    return status;
}

fg_status fg_linear(fg_model *model, fg_matrix *matrix, uint64_t row, uint64_t rows, const float *input,
                    uint64_t count, float *output, uint64_t stride, fg_error *err) {
    fg_status status = FG_OK;
    if (count > INT_MAX || row > matrix->rows || rows > matrix->rows - row)
        FG_FAIL(err, FG_ERR_BUG, "rows %llu + %llu of %s do not exist", (unsigned long long)row,
                (unsigned long long)rows, matrix->name);
    if (!count) goto done;
    for (uint64_t done = 0, part; done < rows; done += part) {
        uint64_t at = row + done, index = at / matrix->panel_rows, inside = at % matrix->panel_rows;
        const float *values;
        part = fg_min(matrix->panel_rows - inside, rows - done);
        FG_TRY(cached_panel(model, matrix, index, &values, err));
        if (values) {
            values += inside * matrix->columns;
        } else {
            FG_TRY(fg_scratch_fit(&model->panel, part, matrix->columns, err));
            FG_TRY(fg_matrix_read(model, matrix, at, part, model->panel.values, err));
            values = model->panel.values;
        }
        FG_TRY(multiply(model, values, part, matrix->columns, input, count, output + done, stride, err));
    }
    if (matrix->bias.name) FG_TRY(add_bias(model, &matrix->bias, row, rows, count, output, stride, err));
done:
    return status;
}

fg_status fg_linear_whole(fg_model *model, fg_matrix *matrix, const float *input, uint64_t count,
                          float *output, fg_error *err) {
    return fg_linear(model, matrix, 0, matrix->rows, input, count, output, matrix->rows, err);
}
