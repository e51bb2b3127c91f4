#include "model/row_sharing.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

bool fg_row_is_shared(const fg_workspace *w) {
    return w->sharing && w->sharing->members > 1 && w->device->host_memory;
}

static fg_row_part part_of(const fg_row_sharing *sharing, unsigned member, uint64_t total, uint64_t unit) {
    uint64_t units = (total + unit - 1) / unit, members = sharing->members;
    uint64_t first = fg_min(total, units * member / members * unit),
             end = fg_min(total, units * (member + 1) / members * unit);
    return (fg_row_part){.first = first, .count = end - first};
}

fg_row_part fg_row_part_mine(const fg_workspace *w, uint64_t total, uint64_t unit) {
    if (!fg_row_is_shared(w)) return (fg_row_part){.count = total};
    return part_of(w->sharing, w->sharing->member, total, unit);
}

/* ---- joining ---- */

typedef struct row_join {
    fg_row_part part;
    float *rows;
    uint64_t stride;
} row_join;

/* Numbers of a member's part are counted row after row. Where `first` lies in the rows, and how many of the
 * `count` from there on lie in its row. */
static float *place_of(const row_join *j, uint64_t first, uint64_t count, uint64_t *run) {
    uint64_t row = first / j->part.count, column = first % j->part.count;
    *run = fg_min(j->part.count - column, count);
    return j->rows + row * j->stride + j->part.first + column;
}

/* Numbers [first, first + count), one after another. */
static void take_part(const row_join *j, uint64_t first, uint64_t count, float *out) {
    for (uint64_t done = 0, run; done < count; done += run) {
        const float *place = place_of(j, first + done, count - done, &run);
        memcpy(out + done, place, run * sizeof *place);
    }
}

static void put_part(const row_join *j, uint64_t first, uint64_t count, const float *in) {
    for (uint64_t done = 0, run; done < count; done += run) {
        float *place = place_of(j, first + done, count - done, &run);
        memcpy(place, in + done, run * sizeof *place);
    }
}

/* The numbers of a part that the exchange takes which begins at number `at`. */
static uint64_t share_of_slot(const fg_row_sharing *s, uint64_t numbers, uint64_t at) {
    return numbers > at ? fg_min(s->slot, numbers - at) : 0;
}

static fg_status join_slots(const fg_row_sharing *s, const row_join *joins, uint64_t rows, uint64_t at,
                            uint64_t *counts, const float **parts, fg_error *err) {
    const row_join *mine = &joins[s->member];
    for (unsigned m = 0; m < s->members; m++) counts[m] = share_of_slot(s, rows * joins[m].part.count, at);
    take_part(mine, at, counts[s->member], s->give(s->context));
    FG_CALL(s->exchange(s->context, counts, parts, err));
    for (unsigned m = 0; m < s->members; m++) {
        if (m != s->member) put_part(&joins[m], at, counts[m], parts[m]);
    }
    return FG_OK;
}

fg_status fg_row_join(fg_workspace *w, uint64_t count, uint64_t total, uint64_t unit, fg_real *rows,
                      uint64_t stride, fg_error *err) {
    fg_status status = FG_OK;
    const fg_row_sharing *s = w->sharing;
    row_join *joins = NULL;
    uint64_t *counts = NULL, most = 0;
    const float **parts = NULL;
    if (!fg_row_is_shared(w)) goto done;
    FG_NEW(joins, s->members);
    FG_NEW(counts, s->members);
    FG_NEW(parts, s->members);
    for (unsigned m = 0; m < s->members; m++) {
        joins[m] = (row_join){part_of(s, m, total, unit), (float *)rows, stride};
        most = fg_max(most, count * joins[m].part.count);
    }
    for (uint64_t at = 0; at < most; at += s->slot)
        FG_TRY(join_slots(s, joins, count, at, counts, parts, err));
done:
    fg_free(joins);
    fg_free(counts);
    fg_free(parts);
    return status;
}
