/* How the ranks share the work on several models: they form stages, each of which has some of the blocks, in
 * turns: block b is run by stage b % stages, for each model. Inside of a stage all ranks run each block
 * together: each multiplies some panels of each matrix, and they give each other the results
 * (model/row_sharing.h).
 *
 * There are as many stages as models at most, so that each stage works on one while the others work on
 * others, or as many as nodes, if these are more: ranks of a node are in one stage, as far as there are
 * enough stages. The ranks of a node exchange rows in memory that they share, others by messages.
 *
 * Invariant: a block's numbers come from the same ranks for each model. No rank waits for ever: one that
 * fails says so (fg_grid_fail), and then each exchange of its stage is an error.
 */
#ifndef FG_MPI_GRID_H
#define FG_MPI_GRID_H

#include "model/row_sharing.h"
#include "ranks.h"

/* What stages hand over in memory at the same time at most, one model each. */
enum { FG_GRID_LANES = 3 };

typedef struct fg_grid {
    const fg_ranks *ranks; /* borrowed */
    unsigned models, stages, stage;
    unsigned member, members; /* of this rank's stage */
    uint64_t *first;          /* owned; [stages + 1]; the first place of each stage */
    uint64_t *ranks_at;       /* owned; the rank at each place */
    fg_row_sharing sharing;   /* for the models */

    bool shares_memory, sends;     /* some stage exchanges rows in the memory of a node, or by messages */
    bool in_node;                  /* this one is on one node */
    fg_node_memory memory;         /* of all ranks of the node */
    struct fg_ranks_group *group;  /* of this rank's stage */
    float *slots;                  /* owned; for messages */
    uint64_t exchanges;            /* so far */
    uint64_t box;                  /* numbers that a stage hands over in memory; 0: none */
    uint64_t taken[FG_GRID_LANES]; /* how often this rank has taken over */
    bool failed, told;             /* this rank failed and has said so; it was told that another did */
    bool forgets;                  /* the error says only that it was told */
} fg_grid;

/* Collective. Who is where, for so many models; nothing can be exchanged yet. Models that cannot share rows
 * (on a GPU) get a stage for each rank. */
fg_status fg_grid_lay_out(fg_grid *grid, const fg_ranks *ranks, unsigned models, bool share_rows,
                          fg_error *err);
/* What goes from stage to stage. */
typedef struct fg_grid_load {
    uint64_t numbers;   /* of a micro-batch */
    bool one_at_a_time; /* there is one micro-batch of each model */
} fg_grid_load;

/* Collective, after that. */
fg_status fg_grid_open(fg_grid *grid, const fg_grid_load *load, fg_error *err);
/* Collective. In any case. */
void fg_grid_close(fg_grid *grid);
/* What one rank allocates for it. */
uint64_t fg_grid_bytes(const fg_grid *grid, const fg_grid_load *load);

unsigned fg_grid_stage_of(const fg_grid *grid, uint64_t block);
/* Ranks of a stage. */
unsigned fg_grid_members(const fg_grid *grid, unsigned stage);
/* The rank that is `member` of a stage. */
int fg_grid_rank(const fg_grid *grid, unsigned stage, unsigned member);

/* Whether stages hand over in memory, which goes on while they compute: with all ranks on one node, one
 * micro-batch, and not too many numbers. Else they send messages. */
bool fg_grid_hands_over(const fg_grid *grid);
/* This rank's part of `values`, which all members of its stage hold, for the next stage. */
void fg_grid_hand_over(fg_grid *grid, unsigned model, const float *values, uint64_t numbers);
/* All that the stage before has handed over; false: one of its ranks failed instead. */
bool fg_grid_take_over(fg_grid *grid, unsigned model, float *values, uint64_t numbers);

/* This rank goes no further: the others of its stage learn of it. */
void fg_grid_fail(fg_grid *grid);
/* Collective over the stage, when all work is done or has failed on this rank. Forgets an error that only
 * says that another rank failed. */
void fg_grid_finish(fg_grid *grid, fg_error *err);

#endif
