#include "plan/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

fg_status fg_row_edits_set(fg_row_edits *edits, uint64_t row, fg_row_value value, fg_error *err) {
    size_t at = edits->count;
    while (at && edits->items[at - 1].row >= row) at--;
    if (at == edits->count || edits->items[at].row != row) {
        FG_CALL(fg_grow(&edits->items, edits->count, &edits->capacity, sizeof *edits->items, err));
        memmove(edits->items + at + 1, edits->items + at, (edits->count - at) * sizeof *edits->items);
        edits->count++;
    }
    edits->items[at] = (fg_row_edit){.row = row, .value = value};
    return FG_OK;
}

const fg_row_edit *fg_row_edits_from(const fg_row_edits *edits, uint64_t row) {
    size_t low = 0, high = edits->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edits->items[middle].row < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low < edits->count ? &edits->items[low] : NULL;
}

void fg_row_edits_free(fg_row_edits *edits) {
    fg_free(edits->items);
    *edits = (fg_row_edits){0};
}

const char *fg_row_value_text(fg_row_value value, char *buffer) {
    if (value.kind == FG_ROW_COPY)
        snprintf(buffer, FG_ROW_TEXT, "copy:%" PRIu64, value.from);
    else
        snprintf(buffer, FG_ROW_TEXT, "%s", value.kind == FG_ROW_ZERO ? "zero" : "mean");
    return buffer;
}

bool fg_row_value_parse(const char *text, fg_row_value *value) {
    static const char copy[] = "copy:";
    *value = (fg_row_value){.kind = FG_ROW_COPY};
    if (strcmp(text, "zero") == 0) value->kind = FG_ROW_ZERO;
    if (strcmp(text, "mean") == 0) value->kind = FG_ROW_MEAN;
    if (value->kind != FG_ROW_COPY) return true;
    if (strncmp(text, copy, sizeof copy - 1) != 0) return false;
    const char *digit = text + sizeof copy - 1;
    bool good = *digit;
    for (; good && *digit; digit++)
        good = *digit >= '0' && *digit <= '9' && fg_mul(value->from, 10, &value->from) &&
               fg_add(value->from, (uint64_t)(*digit - '0'), &value->from);
    return good;
}

/* ---- pieces ---- */

static fg_status add_run(fg_plan *plan, fg_piece_kind kind, uint32_t source, uint64_t from, uint64_t to,
                         uint64_t count, fg_error *err) {
    fg_piece piece = {.kind = (uint8_t)kind,
                      .dims = 1,
                      .source = source,
                      .extent = {count},
                      .from = from,
                      .from_stride = {1},
                      .to = to,
                      .to_stride = {1}};
    return count ? fg_plan_add_piece(plan, &piece, err) : FG_OK;
}

/* The same mean, row after row. */
static fg_status add_means(fg_plan *plan, uint32_t source, uint64_t row, uint64_t rows, uint64_t columns,
                           fg_error *err) {
    fg_piece piece = {.kind = FG_PIECE_MEAN,
                      .dims = 2,
                      .source = source,
                      .extent = {rows, columns},
                      .from_stride = {0, 1},
                      .to = row * columns,
                      .to_stride = {columns, 1}};
    return columns ? fg_plan_add_piece(plan, &piece, err) : FG_OK;
}

/* How many edits from `index` on, of rows that follow each other, have the same value (not for copies). */
static size_t run_of(const fg_row_edits *edits, size_t index) {
    const fg_row_edit *first = &edits->items[index];
    size_t count = 1;
    while (first->value.kind != FG_ROW_COPY && index + count < edits->count &&
           first[count].row == first->row + count && first[count].value.kind == first->value.kind)
        count++;
    return count;
}

static fg_status add_edits(fg_plan *plan, uint32_t source, const fg_row_edit *edit, uint64_t rows,
                           uint64_t columns, fg_error *err) {
    if (edit->value.kind == FG_ROW_MEAN) return add_means(plan, source, edit->row, rows, columns, err);
    bool zero = edit->value.kind == FG_ROW_ZERO;
    return add_run(plan, zero ? FG_PIECE_ZERO : FG_PIECE_COPY, source, zero ? 0 : edit->value.from * columns,
                   edit->row * columns, rows * columns, err);
}

/* The rows [row, end) of the source as they are. */
static fg_status add_kept(fg_plan *plan, uint32_t source, uint64_t row, uint64_t end, uint64_t columns,
                          fg_error *err) {
    if (end <= row) return FG_OK;
    return add_run(plan, FG_PIECE_COPY, source, row * columns, row * columns, (end - row) * columns, err);
}

fg_status fg_plan_add_rows(fg_plan *plan, uint32_t source, const fg_row_edits *edits, fg_error *err) {
    const fg_tensor *tensor = &plan->source.items[source];
    const fg_output *output = &plan->outputs[plan->output_count - 1];
    uint64_t next = 0, columns = tensor->shape[1], rows = tensor->shape[0];
    if (tensor->rank != 2 || output->rank != 2 || output->shape[1] != columns || output->shape[0] < rows)
        return fg_fail(err, FG_ERR_BUG, "plan: rows of \"%s\" cannot be edited", tensor->name);
    for (size_t i = 0, run; i < edits->count; i += run) {
        const fg_row_edit *edit = &edits->items[i];
        run = run_of(edits, i);
        if (edit->row + run > output->shape[0] ||
            (edit->value.kind == FG_ROW_COPY && edit->value.from >= rows))
            return fg_fail(err, FG_ERR_BUG, "plan: \"%s\" has no row %" PRIu64 " or no row to copy",
                           output->name, edit->row);
        FG_CALL(add_kept(plan, source, next, fg_min(edit->row, rows), columns, err));
        FG_CALL(add_edits(plan, source, edit, run, columns, err));
        next = edit->row + run;
    }
    return add_kept(plan, source, next, rows, columns, err);
}
