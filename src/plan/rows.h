/* Rows of a vocabulary matrix (embedding, head) that a conversion changes: those of added tokens.
 *
 * Invariant: a row that is not named keeps the source's numbers; rows beyond the source's are all named.
 */
#ifndef FG_PLAN_ROWS_H
#define FG_PLAN_ROWS_H

#include "plan/plan.h"

typedef enum fg_row_kind {
    FG_ROW_ZERO,
    FG_ROW_MEAN, /* of all rows of the source's matrix, in float32 */
    FG_ROW_COPY, /* of one row of the source's matrix */
} fg_row_kind;

typedef struct fg_row_value {
    fg_row_kind kind;
    uint64_t from; /* of a copy */
} fg_row_value;

typedef struct fg_row_edit {
    uint64_t row;
    fg_row_value value;
} fg_row_edit;

typedef struct fg_row_edits {
    fg_row_edit *items; /* owned; ascending rows, each once */
    size_t count, capacity;
    uint64_t rows; /* of the matrix afterwards; 0: nothing is edited */
} fg_row_edits;

/* Sets a row, also one that was set before. */
fg_status fg_row_edits_set(fg_row_edits *edits, uint64_t row, fg_row_value value, fg_error *err);
/* The first edit at or behind a row; NULL: none. */
const fg_row_edit *fg_row_edits_from(const fg_row_edits *edits, uint64_t row);
void fg_row_edits_free(fg_row_edits *edits);

/* "zero", "mean", "copy:7" and back; `buffer` has FG_ROW_TEXT bytes and is returned. False for other
 * texts. */
enum { FG_ROW_TEXT = 32 };
const char *fg_row_value_text(fg_row_value value, char *buffer);
bool fg_row_value_parse(const char *text, fg_row_value *value);

/* Adds the pieces of the current output (the last one of the plan), a matrix of `edits->rows` rows, made from
 * the matrix `source` of as many columns. An edit that does not fit the two is FG_ERR_BUG. */
fg_status fg_plan_add_rows(fg_plan *plan, uint32_t source, const fg_row_edits *edits, fg_error *err);

#endif
