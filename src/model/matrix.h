/* Stored vectors and matrices, and products with them panel by panel: read, convert to float32, multiply.
 *
 * Invariant: panels begin at fixed rows that follow from a matrix's canonical shape alone. However a store
 * keeps the matrix, and whichever slice of its rows is asked for, a panel's numbers are summed by the same
 * calls.
 */
#ifndef FG_MODEL_MATRIX_H
#define FG_MODEL_MATRIX_H

#include "model/row_sharing.h"

/* A stored vector, or a part of one, read whole each time it is used. Start from zeros. */
typedef struct fg_vector {
    char *name; /* owned; as the store calls it; NULL: there is none */
    fg_weight weight;
    uint64_t first; /* stored element where it begins */
} fg_vector;

/* A matrix [rows, columns] in canonical layout, read by panels of rows. In the store it is a box of a
 * tensor: its stored rows, each a row of the matrix or, where it is `transposed`, a column. Start from
 * zeros. */
typedef struct fg_matrix {
    char *name; /* owned; NULL: there is none */
    fg_weight weight;
    uint64_t rows, columns;
    uint64_t first; /* stored element where it begins */
    uint64_t pitch; /* elements from stored row to stored row */
    bool transposed;
    fg_vector bias;          /* [rows], added to the product; mostly without a name */
    fg_real **cached_panels; /* owned; the cached panels, NULL where a panel is not cached; NULL: none is */
} fg_matrix;

/* Rows of a panel. */
uint64_t fg_matrix_panel_rows(const fg_workspace *w, const fg_matrix *matrix);
void fg_matrix_forget(fg_workspace *w, fg_matrix *matrix); /* frees the cached panels */
void fg_matrix_free(fg_workspace *w, fg_matrix *matrix);

/* Caches the panels for which there is room. */
fg_status fg_matrix_preload(fg_workspace *w, fg_matrix *matrix, fg_error *err);

/* Rows in canonical layout, however the store keeps them. */
fg_status fg_matrix_read(fg_workspace *w, const fg_matrix *matrix, uint64_t row, uint64_t rows,
                         fg_real *values, fg_error *err);
/* output[t, r] = input[t] . matrix[row + r] + bias[row + r], for `count` tokens and `rows` rows; `stride`
 * numbers lie between the tokens of `output`. */
fg_status fg_linear(fg_workspace *w, fg_matrix *matrix, uint64_t row, uint64_t rows, const fg_real *input,
                    uint64_t count, fg_real *output, uint64_t stride, fg_error *err);
/* The same for all rows. Where rows are shared (model/row_sharing.h) each member multiplies some panels and
 * gets the others' results; a matrix of one panel is multiplied by each. */
fg_status fg_linear_shared(fg_workspace *w, fg_matrix *matrix, const fg_real *input, uint64_t count,
                           fg_real *output, uint64_t stride, fg_error *err);
/* With no numbers between the tokens of `output`. */
fg_status fg_linear_whole(fg_workspace *w, fg_matrix *matrix, const fg_real *input, uint64_t count,
                          fg_real *output, fg_error *err);
/* The rows that this process multiplies if a matrix is shared. */
fg_row_part fg_matrix_part(const fg_workspace *w, const fg_matrix *matrix);
/* A vector of `size`, until the next call. */
fg_status fg_vector_read(fg_workspace *w, const fg_vector *vector, uint64_t size, const fg_real **values,
                         fg_error *err);
/* The same, to where the caller wants it. */
fg_status fg_vector_load(fg_workspace *w, const fg_vector *vector, uint64_t size, fg_real *to, fg_error *err);

#endif
