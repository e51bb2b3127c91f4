#include "grid.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "patience.h"

/* Numbers that a rank gives to one exchange at most. */
enum { SLOT = 128 << 10 };
/* Numbers that a stage hands over in memory at most; more is sent. */
enum { LARGEST_BOX = 2 << 20 };

/* ---- who is where ---- */

/* The work on a block that each rank of a stage does, norms for example, as a share of the work that they
 * divide: about what it is for 24 tokens and for 512. */
static const double UNDIVIDED = 0.02;

/* So many stages that the time for all blocks is the least. The smallest stage decides. */
static unsigned stages_for(unsigned ranks, unsigned models) {
    unsigned best = 1;
    double least = 0;
    for (unsigned stages = 1; stages <= models && stages <= ranks; stages++) {
        unsigned fewest = ranks / stages;
        double seconds = (1.0 / fewest + UNDIVIDED) / stages;
        if (stages > 1 && seconds >= least) continue;
        best = stages;
        least = seconds;
    }
    return best;
}

/* Places are those of the ranks in the order of nodes, of which before[n] gives the first place. */
static void divide_places(fg_grid *g, const uint64_t *before, bool share_rows) {
    uint64_t size = (uint64_t)g->ranks->size, nodes = (uint64_t)g->ranks->node_count;
    bool by_node = share_rows && nodes > g->models;
    g->stages = by_node      ? (unsigned)nodes
                : share_rows ? stages_for((unsigned)size, g->models)
                             : (unsigned)size;
    for (uint64_t s = 0; s <= g->stages; s++) g->first[s] = by_node ? before[s] : size * s / g->stages;
}

static bool is_on_one_node(const fg_grid *g, const uint64_t *before, unsigned stage) {
    uint64_t first = g->first[stage], end = g->first[stage + 1];
    for (int n = 0; n < g->ranks->node_count; n++) {
        if (first >= before[n] && end <= before[n + 1]) return true;
    }
    return false;
}

static void find_own_stage(fg_grid *g, const uint64_t *before) {
    uint64_t place = before[g->ranks->node_index] + (uint64_t)g->ranks->node_rank;
    for (unsigned s = 0; s < g->stages; s++) {
        bool alone = fg_grid_members(g, s) == 1, on_one = is_on_one_node(g, before, s);
        if (!alone) *(on_one ? &g->shares_memory : &g->sends) = true;
        if (place < g->first[s] || place >= g->first[s + 1]) continue;
        g->stage = s;
        g->member = (unsigned)(place - g->first[s]);
        g->members = fg_grid_members(g, s);
        g->in_node = on_one;
    }
}

fg_status fg_grid_lay_out(fg_grid *g, const fg_ranks *ranks, unsigned models, bool share_rows,
                          fg_error *err) {
    fg_status status = FG_OK;
    uint64_t *before = NULL, nodes = (uint64_t)ranks->node_count;
    *g = (fg_grid){.ranks = ranks, .models = models};
    FG_NEW(before, nodes + 1);
    FG_NEW(g->first, (size_t)ranks->size + 1);
    FG_NEW(g->ranks_at, (size_t)ranks->size);
done:
    status = fg_ranks_agree(ranks, err);
    if (status == FG_OK) {
        before[ranks->node_index + 1] = 1;
        fg_ranks_sum_u64(ranks, before, nodes + 1);
        for (uint64_t n = 0; n < nodes; n++) before[n + 1] += before[n];
        g->ranks_at[before[ranks->node_index] + (uint64_t)ranks->node_rank] = (uint64_t)ranks->rank;
        fg_ranks_sum_u64(ranks, g->ranks_at, (size_t)ranks->size);
        divide_places(g, before, share_rows);
        find_own_stage(g, before);
    }
    fg_free(before);
    return status;
}

unsigned fg_grid_stage_of(const fg_grid *g, uint64_t block) {
    return (unsigned)(block % g->stages);
}

unsigned fg_grid_members(const fg_grid *g, unsigned stage) {
    return (unsigned)(g->first[stage + 1] - g->first[stage]);
}

int fg_grid_rank(const fg_grid *g, unsigned stage, unsigned member) {
    return (int)g->ranks_at[g->first[stage] + member];
}

/* ---- in the memory of a node ---- */

/* What a rank writes and the others of its node read. Two slots take turns: whoever has got the numbers of
 * one exchange from all members knows that all have read those of the exchange before. */
typedef struct channel {
    _Atomic uint64_t given;                 /* exchanges to which it has given its numbers */
    _Atomic uint64_t handed[FG_GRID_LANES]; /* how often it has handed its part to the next stage */
    _Atomic bool gone;                      /* it does neither any more: it or another rank has failed */
    char apart[31];                         /* so that what others wait for has a line of the cache */
    float slots[2][SLOT];
} channel;

static channel *channel_of(const fg_grid *g, unsigned member) {
    channel *all = g->memory.bytes;
    return &all[g->ranks->node_rank + (int)member - (int)g->member];
}

/* A model has one box of each stage: it has been emptied when its micro-batch comes round again. */
static bool uses_memory(const fg_grid *g, const fg_grid_load *load) {
    return g->ranks->node_count == 1 && g->stages > 1 && load->one_at_a_time && load->numbers <= LARGEST_BOX;
}

/* Behind the channels: what a stage hands over of a model. */
static float *box_of(const fg_grid *g, unsigned stage, unsigned model) {
    float *boxes = (float *)((channel *)g->memory.bytes + g->ranks->node_size);
    return boxes + ((size_t)stage * FG_GRID_LANES + model) * g->box;
}

static float *slot_in_node(void *context) {
    const fg_grid *g = context;
    return channel_of(g, g->member)->slots[(g->exchanges + 1) % 2];
}

static fg_status tell(fg_grid *g, fg_error *err) {
    g->told = true;
    if (g->memory.bytes) atomic_store(&channel_of(g, g->member)->gone, true);
    g->forgets = err->status == FG_OK;
    return fg_fail(err, FG_ERR_SYSTEM, "another rank failed");
}

/* Whether a member has given its numbers to this exchange; false: it has failed before. */
static bool await(const fg_grid *g, channel *from, uint64_t exchange) {
    fg_patience patience = {0};
    while (atomic_load_explicit(&from->given, memory_order_acquire) < exchange) {
        if (atomic_load(&from->gone)) return false;
        if (!g->box) fg_ranks_look_after(g->ranks); /* the member may wait for what this rank sends */
        fg_patience_wait(&patience);
    }
    return true;
}

static fg_status exchange_in_node(void *context, const uint64_t *counts, const float **parts, fg_error *err) {
    fg_grid *g = context;
    uint64_t exchange = ++g->exchanges;
    atomic_store_explicit(&channel_of(g, g->member)->given, exchange, memory_order_release);
    for (unsigned m = 0; m < g->members; m++) {
        channel *from = channel_of(g, m);
        if (!await(g, from, exchange)) return tell(g, err);
        parts[m] = counts[m] ? from->slots[exchange % 2] : NULL;
    }
    return FG_OK;
}

/* ---- from stage to stage, in the memory of a node ---- */

bool fg_grid_hands_over(const fg_grid *g) {
    return g->box > 0;
}

void fg_grid_hand_over(fg_grid *g, unsigned model, const float *values, uint64_t numbers) {
    uint64_t first = numbers * g->member / g->members, end = numbers * (g->member + 1) / g->members;
    memcpy(box_of(g, g->stage, model) + first, values + first, (end - first) * sizeof *values);
    atomic_fetch_add_explicit(&channel_of(g, g->member)->handed[model], 1, memory_order_release);
}

/* On one node the place of a rank is its number there. */
static channel *channel_at(const fg_grid *g, uint64_t place) {
    return (channel *)g->memory.bytes + place;
}

static bool await_hand_over(const fg_grid *g, unsigned stage, unsigned model, uint64_t times) {
    fg_patience patience = {0};
    for (uint64_t place = g->first[stage]; place < g->first[stage + 1]; place++) {
        channel *from = channel_at(g, place);
        while (atomic_load_explicit(&from->handed[model], memory_order_acquire) < times) {
            if (atomic_load(&from->gone)) return false;
            fg_patience_wait(&patience);
        }
    }
    return true;
}

bool fg_grid_take_over(fg_grid *g, unsigned model, float *values, uint64_t numbers) {
    unsigned before = (g->stage + g->stages - 1) % g->stages;
    if (!await_hand_over(g, before, model, ++g->taken[model])) return false;
    memcpy(values, box_of(g, before, model), numbers * sizeof *values);
    return true;
}

/* ---- by messages ---- */

static float *slot_for_message(void *context) {
    const fg_grid *g = context;
    return g->slots + (size_t)g->member * SLOT;
}

static fg_status exchange_by_message(void *context, const uint64_t *counts, const float **parts,
                                     fg_error *err) {
    fg_grid *g = context;
    bool all_good;
    FG_CALL(fg_ranks_group_agree(g->group, true, &all_good, err));
    if (!all_good) return tell(g, err);
    FG_CALL(fg_ranks_group_gather(g->group, counts, g->members, SLOT, g->slots, err));
    for (unsigned m = 0; m < g->members; m++) parts[m] = g->slots + (size_t)m * SLOT;
    return FG_OK;
}

/* ---- beginning and end ---- */

static bool exchanges_by_message(const fg_grid *g) {
    return g->members > 1 && !g->in_node;
}

/* The memory of a node: channels of its ranks, boxes of the stages. */
static size_t memory_bytes(const fg_grid *g) {
    return (size_t)g->ranks->node_size * sizeof(channel) +
           (size_t)g->stages * FG_GRID_LANES * g->box * sizeof(float);
}

fg_status fg_grid_open(fg_grid *g, const fg_grid_load *load, fg_error *err) {
    bool sends = exchanges_by_message(g);
    if (uses_memory(g, load)) g->box = load->numbers;
    g->sharing = (fg_row_sharing){.member = g->member,
                                  .members = g->members,
                                  .slot = SLOT,
                                  .context = g,
                                  .give = sends ? slot_for_message : slot_in_node,
                                  .exchange = sends ? exchange_by_message : exchange_in_node};
    if (g->shares_memory || g->box) FG_CALL(fg_node_memory_open(g->ranks, memory_bytes(g), &g->memory, err));
    if (g->sends) FG_CALL(fg_ranks_group_open(g->ranks, g->stage, g->member, g->members, &g->group, err));
    if (sends) g->slots = fg_alloc_buffer((size_t)g->members * SLOT * sizeof(float), err);
    return fg_ranks_agree(g->ranks, err);
}

void fg_grid_close(fg_grid *g) {
    if (g->shares_memory || g->box) fg_node_memory_close(&g->memory);
    fg_ranks_group_close(&g->group);
    fg_free(g->slots);
    fg_free(g->first);
    fg_free(g->ranks_at);
    *g = (fg_grid){0};
}

/* The stage's slots; of its own boxes and those of the stage before what this rank looks at. */
uint64_t fg_grid_bytes(const fg_grid *g, const fg_grid_load *load) {
    uint64_t slots = g->members == 1 ? 0
                     : g->in_node    ? 2
                                     : 1,
             boxes = uses_memory(g, load) ? 2 * FG_GRID_LANES * load->numbers : 0;
    return (g->members * slots * SLOT + boxes) * sizeof(float);
}

/* ---- failures ---- */

void fg_grid_fail(fg_grid *g) {
    bool all_good;
    fg_error unsaid = {0};
    if (g->failed || g->told) return;
    g->failed = true;
    if (g->memory.bytes) atomic_store(&channel_of(g, g->member)->gone, true);
    if (exchanges_by_message(g)) fg_ranks_group_agree(g->group, false, &all_good, &unsaid);
}

void fg_grid_finish(fg_grid *g, fg_error *err) {
    bool all_good;
    if (exchanges_by_message(g) && !g->failed && !g->told) {
        fg_ranks_group_agree(g->group, true, &all_good, err);
        g->told = !all_good;
    }
    if (g->forgets) *err = (fg_error){0};
    g->forgets = false;
}
