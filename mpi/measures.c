#include "measures.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

/* What a rank keeps of the reference at most. */
static const uint64_t KEPT_BYTES = 64 << 20;

typedef struct fg_kept_state {
    struct fg_kept_state *next;
    size_t index; /* of the point */
    uint64_t position, count;
    float values[]; /* [count, hidden] */
} fg_kept_state;

static size_t index_of(const fg_measures *measures, fg_measure_point point) {
    switch (point.item) {
    case FG_DUMP_EMBEDDING:
        return 0;
    case FG_DUMP_FINAL_NORM:
        return 1 + FG_MEASURES_OF_BLOCK * measures->blocks + point.of;
    default:
        return 1 + FG_MEASURES_OF_BLOCK * point.of + (size_t)(point.item - FG_DUMP_MIXER);
    }
}

fg_measure_point fg_measures_point(const fg_measures *measures, size_t index) {
    if (index == 0) return (fg_measure_point){.item = FG_DUMP_EMBEDDING};
    size_t within = index - 1, in_blocks = FG_MEASURES_OF_BLOCK * measures->blocks;
    if (within >= in_blocks) return (fg_measure_point){.item = FG_DUMP_FINAL_NORM, .of = within - in_blocks};
    return (fg_measure_point){.item = (fg_dump_item)(FG_DUMP_MIXER + within % FG_MEASURES_OF_BLOCK),
                              .of = within / FG_MEASURES_OF_BLOCK};
}

fg_status fg_measures_begin(fg_measures *measures, uint64_t blocks, uint64_t heads, fg_error *err) {
    fg_status status = FG_OK;
    *measures = (fg_measures){.blocks = blocks, .heads = heads};
    size_t count = index_of(measures, (fg_measure_point){FG_DUMP_FINAL_NORM, heads});
    FG_NEW(measures->totals, count);
    FG_NEW(measures->lost, count);
    measures->count = count;
done:
    return status;
}

static uint64_t bytes_of(const fg_measured *m) {
    return sizeof(fg_kept_state) + m->count * m->width * sizeof(float);
}

uint64_t fg_measures_bytes(uint64_t numbers) {
    return fg_min(KEPT_BYTES, numbers * sizeof(float));
}

uint64_t fg_measures_tokens(uint64_t width) {
    uint64_t of_token = FG_MEASURES_OF_BLOCK * (width * sizeof(float) + sizeof(fg_kept_state));
    return fg_max(1, KEPT_BYTES / of_token);
}

static fg_status keep(fg_measures *measures, size_t index, const fg_measured *m, fg_error *err) {
    fg_status status = FG_OK;
    fg_kept_state *state;
    uint64_t bytes = bytes_of(m);
    if (measures->kept_bytes + bytes > KEPT_BYTES) measures->lost[index] = 1;
    if (measures->lost[index]) goto done;
    FG_TRY_NEW(state, fg_alloc_buffer(bytes, err));
    *state =
        (fg_kept_state){.next = measures->kept, .index = index, .position = m->position, .count = m->count};
    memcpy(state->values, m->values, m->count * m->width * sizeof *m->values);
    measures->kept = state;
    measures->kept_bytes += bytes;
done:
    return status;
}

/* What the reference gave for the same tokens, no longer kept; NULL: nothing. */
static fg_kept_state *take(fg_measures *measures, size_t index, const fg_measured *m) {
    for (fg_kept_state **at = &measures->kept; *at; at = &(*at)->next) {
        fg_kept_state *state = *at;
        if (state->index != index || state->position != m->position || state->count != m->count) continue;
        *at = state->next;
        measures->kept_bytes -= bytes_of(m);
        return state;
    }
    return NULL;
}

fg_status fg_measures_add(fg_measures *measures, unsigned model, const fg_measured *m, fg_error *err) {
    size_t index = index_of(measures, m->point);
    if (model == FG_REFERENCE && !m->reference) return keep(measures, index, m, err);
    if (model != FG_CANDIDATE) return FG_OK;
    fg_kept_state *state = m->reference ? NULL : take(measures, index, m);
    if (!state && !m->reference) measures->lost[index] = 1;
    if (!measures->lost[index])
        fg_compare_values(state ? state->values : m->reference, m->values, m->position, m->count, m->width,
                          &measures->totals[index]);
    fg_free(state);
    return FG_OK;
}

static void join(void *into, const void *from, size_t count) {
    for (size_t i = 0; i < count; i++) fg_compare_join((fg_compare *)into + i, (const fg_compare *)from + i);
}

fg_status fg_measures_join(fg_measures *measures, const fg_ranks *ranks, fg_error *err) {
    fg_ranks_sum_u64(ranks, measures->lost, measures->count);
    return fg_ranks_reduce(ranks, measures->totals, measures->count, sizeof *measures->totals, join, err);
}

void fg_measures_free(fg_measures *measures) {
    while (measures->kept) {
        fg_kept_state *state = measures->kept;
        measures->kept = state->next;
        fg_free(state);
    }
    fg_free(measures->totals);
    fg_free(measures->lost);
    *measures = (fg_measures){0};
}
