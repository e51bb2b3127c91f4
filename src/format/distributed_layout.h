/* Where a run of Fast-LLM kept its parameters: which rank's vector has which of them, and at which element.
 *
 * The ranks are a grid of tensor, data and pipeline ranks (fg_rank_grid). Layers make stages, stage s belongs
 * to pipeline rank s mod P. A stage has up to two buffers, one of the parameters that learn and one of the
 * frozen ones; a buffer is the parameters' local parts one after the other, padded to a multiple of
 * 32 * data ranks, and each data rank has an equal piece of it. The vector of a rank is its pieces of the
 * stages that its pipeline rank holds: its own, and a copy of the stage of the tied matrix if one of its own
 * uses that.
 *
 * Invariant: sizes do not overflow; each parameter that is not tied has its place in one buffer.
 */
#ifndef FG_FORMAT_DISTRIBUTED_LAYOUT_H
#define FG_FORMAT_DISTRIBUTED_LAYOUT_H

#include "format/assembly.h"
#include "format/distributed_parameters.h"

typedef struct fg_rank_grid {
    uint64_t ranks; /* all: tensor * data * pipeline */
    uint64_t tensor, data, pipeline;
    uint64_t sequence_data; /* of the data ranks so many share a sequence; divides `data` */
    bool pipeline_first;    /* pipeline ranks count up before data ranks */
} fg_rank_grid;

/* What metadata.yaml says that decides the layout, the model aside. */
typedef struct fg_layout_settings {
    fg_rank_grid grid;
    double layers_per_stage;
    bool frozen_in_compute_dtype; /* frozen buffers are in compute_dtype, all else in float32 */
    fg_dtype compute_dtype;
} fg_layout_settings;

enum { FG_STAGE_LEARNS, FG_STAGE_FROZEN, FG_STAGE_BUFFERS };

typedef struct fg_layer_stage {
    size_t first, count;                   /* its parameters */
    uint64_t elements[FG_STAGE_BUFFERS];   /* of each buffer, on one tensor rank, without padding */
    uint64_t shard_size[FG_STAGE_BUFFERS]; /* of one data rank; 0: there is no such buffer */
    uint64_t offset; /* where its first buffer begins in the vectors of its pipeline rank */
} fg_layer_stage;

/* The vectors of one pipeline rank. */
typedef struct fg_pipeline_rank {
    uint64_t length; /* elements */
    fg_dtype dtype;
    bool has_copy;        /* of the stage `tied_stage` */
    uint64_t copy_offset; /* of that stage's first buffer */
} fg_pipeline_rank;

typedef struct fg_distributed_layout {
    fg_layout_settings settings;
    fg_parameters parameters; /* owned */
    uint64_t
        *begin[FG_ORDER_NEWER + 1]; /* owned; by order (OLDER, NEWER): a parameter's place in its buffer */
    fg_layer_stage *stages;         /* owned */
    size_t stage_count, stage_capacity;
    bool has_tied;
    size_t tied_stage;          /* where the tied matrix is stored, if has_tied */
    fg_pipeline_rank *pipeline; /* owned; grid.pipeline of them */
} fg_distributed_layout;

/* Start from zeros; free on failure too. `model` is a completed base_model. FG_ERR_INPUT: the model does not
 * fit the layout. */
fg_status fg_distributed_layout_make(const json_t *model, const fg_layout_settings *settings,
                                     const char *file, fg_distributed_layout *layout, fg_error *err);
void fg_distributed_layout_free(fg_distributed_layout *layout);

/* The stage that a parameter is stored in. */
size_t fg_stage_of(const fg_distributed_layout *layout, size_t parameter);
uint64_t fg_rank_number(const fg_rank_grid *grid, uint64_t tensor, uint64_t data, uint64_t pipeline);
void fg_rank_split(const fg_rank_grid *grid, uint64_t rank, uint64_t *tensor, uint64_t *data,
                   uint64_t *pipeline);

#endif
