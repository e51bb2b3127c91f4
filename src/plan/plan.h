/* The plan: for every output tensor, where each of its elements comes from.
 *
 * Invariant of a checked plan (fg_plan_check): each element of each output is covered by exactly one piece,
 * every piece lies inside its source tensor, output names are unique, and each source tensor is used by a
 * piece or listed in `dropped`. Rename, concatenate, split, stack, unstack, transpose, permute, reshape and
 * cast are all pieces; casts need no mark: the output's dtype differs from the source's.
 *
 * A plan owns a copy of the source's tensor table, so that it can be sent to other ranks as one block of
 * bytes.
 */
#ifndef FG_PLAN_PLAN_H
#define FG_PLAN_PLAN_H

#include "store/tensors.h"

typedef enum fg_piece_kind {
    FG_PIECE_COPY = 0, /* from a box of one source tensor */
    FG_PIECE_ZERO,     /* zeros */
    FG_PIECE_MEAN,     /* each row is the mean over dimension 0 of the source tensor (computed in float32) */
} fg_piece_kind;

/* A box of up to FG_MAX_DIMS dimensions, outermost first in the output's order. Positions and strides count
 * elements; on the source side they are relative to the tensor's logical row-major order (its storage strides
 * are the reader's business). */
typedef struct fg_piece {
    uint8_t kind; /* fg_piece_kind */
    uint8_t dims;
    uint16_t matrix; /* of a mean: 0: of the source tensor; else of output `matrix` - 1 of plan->matrices, of
                        which the source tensor holds a part */
    uint32_t source; /* index into plan->source.items */
    uint64_t extent[FG_MAX_DIMS];
    uint64_t from, from_stride[FG_MAX_DIMS];
    uint64_t to, to_stride[FG_MAX_DIMS];
} fg_piece;

typedef struct fg_output {
    const char *name; /* owned by the plan */
    fg_dtype dtype;
    uint32_t rank;
    uint64_t shape[FG_MAX_DIMS];
    uint64_t elements;
    size_t first_piece, piece_count; /* into plan->pieces, ascending by `to` */
    uint32_t shard;                  /* which output file; set by fg_shards_assign (copy/shards.h) */
    uint64_t offset;                 /* byte in that file; set there too */
} fg_output;

typedef struct fg_dropped {
    uint32_t source; /* index into plan->source.items */
    char *reason;    /* owned */
} fg_dropped;

typedef struct fg_plan {
    fg_tensors source;   /* owned */
    fg_output *outputs;  /* owned; in the order of the destination's state dict */
    fg_text_pool *names; /* owned; of the outputs */
    size_t output_count, output_capacity;
    fg_piece *pieces; /* owned */
    size_t piece_count, piece_capacity;
    fg_dropped *dropped; /* owned */
    size_t dropped_count, dropped_capacity;
    char **shard_files;    /* owned; file names inside the destination; set by fg_shards_assign */
    uint64_t *shard_bytes; /* owned; size of each */
    const char
        *name_end; /* static: what a name ends in inside the output files ("/weights"); NULL: nothing. Not
                      sent: only rank 0 writes headers */
    size_t shard_count;
    struct fg_plan *matrices; /* owned; tensors that are not written, made of the same source tensors, whose
                                 means are taken; NULL: none */
} fg_plan;

/* The plan that gives each tensor of a table as it is. `plan` is empty. */
fg_status fg_plan_same(const fg_tensors *table, fg_plan *plan, fg_error *err);
/* Room for so many in an empty plan, which grows beyond them. */
fg_status fg_plan_reserve(fg_plan *plan, size_t outputs, size_t pieces, fg_error *err);
/* Begins an output; pieces that are added next belong to it. */
fg_status fg_plan_add_output(fg_plan *plan, const char *name, fg_dtype dtype, uint32_t rank,
                             const uint64_t *shape, fg_error *err);
/* The same for a name that is in plan->names and needs no copy. */
fg_status fg_plan_add_named_output(fg_plan *plan, const char *name, fg_dtype dtype, uint32_t rank,
                                   const uint64_t *shape, fg_error *err);
fg_status fg_plan_add_piece(fg_plan *plan, const fg_piece *piece, fg_error *err);
/* The piece that copies the whole of source tensor `source` to the whole current output: a rename. */
fg_status fg_plan_add_whole(fg_plan *plan, uint32_t source, fg_error *err);
/* A box of `shape` whose dimensions come out in another order: dimension d of the result is dimension
 * order[d] of the source. Fills all but `source`, `from` and `to`; the box lies dense on both sides. */
void fg_piece_permuted(fg_piece *piece, uint32_t rank, const uint64_t *shape, const uint8_t *order);
fg_status fg_plan_drop(fg_plan *plan, uint32_t source, const char *reason, fg_error *err);

/* The product of the dimensions; false if it, or its bytes, overflow. */
bool fg_shape_elements(uint32_t rank, const uint64_t *shape, uint64_t *elements);
uint64_t fg_output_bytes(const fg_output *output);
uint64_t fg_plan_bytes(const fg_plan *plan);
/* The matrix of a mean that is not of a source tensor; NULL for all other pieces. */
const fg_output *fg_piece_matrix(const fg_plan *plan, const fg_piece *piece);
/* Whether some output has another dtype than what it is made of. */
bool fg_plan_casts(const fg_plan *plan); /* all outputs */

fg_status fg_plan_encode(const fg_plan *plan, fg_buffer *out, fg_error *err);
fg_status fg_plan_decode(const void *bytes, size_t size, fg_plan *plan, fg_error *err);
void fg_plan_free(fg_plan *plan);

#endif
