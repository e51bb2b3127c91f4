/* Several processes that compute one model together. A row of numbers that all of them need (what a matrix
 * gives, what the heads of attention gather) is cut into consecutive parts, one for each member; a member
 * computes its part for all tokens, and all of them get the whole.
 *
 * Invariant: parts begin at multiples of a unit (the panel of a matrix, a head), which is computed by the
 * same calls whoever computes it: so results have the same bits for every number of members. All members make
 * the same calls in the same order.
 */
#ifndef FG_MODEL_ROW_SHARING_H
#define FG_MODEL_ROW_SHARING_H

#include "model/workspace.h"

typedef struct fg_row_sharing {
    unsigned member, members;
    uint64_t slot; /* numbers of each member that one exchange takes at most */
    void *context;
    /* Where this member puts what it gives to the next exchange. */
    float *(*give)(void *context);
    /* Collective over the members, each of which gives counts[member] numbers: parts[member] is where they
     * can be read until the next exchange. An error also when another member has failed. */
    fg_status (*exchange)(void *context, const uint64_t *counts, const float **parts, fg_error *err);
} fg_row_sharing;

/* Columns [first, first + count) of a row. */
typedef struct fg_row_part {
    uint64_t first, count;
} fg_row_part;

/* Whether this process computes parts only: it has others to share with, and the device's memory is the
 * host's. */
bool fg_row_is_shared(const fg_workspace *w);
/* This process's part of a row of `total` numbers; all of it if nothing is shared. */
fg_row_part fg_row_part_mine(const fg_workspace *w, uint64_t total, uint64_t unit);
/* Collective over the members, if the rows are shared. `rows` [count, total], `stride` numbers from row to
 * row, have this member's part; they get the others'. */
fg_status fg_row_join(fg_workspace *w, uint64_t count, uint64_t total, uint64_t unit, fg_real *rows,
                      uint64_t stride, fg_error *err);

#endif
