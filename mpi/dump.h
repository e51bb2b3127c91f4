/* The HDF5 dump of a proof: both models' intermediates in one file, written by all ranks. The only file that
 * includes hdf5.h is dump.c.
 *
 * Layout: /token_ids [tokens]; for SIDE in source, destination: /SIDE/logits [tokens, vocab],
 * /SIDE/embedding, /SIDE/final_norm [tokens, hidden], /SIDE/blocks/0000/{mixer,mlp,output} [tokens, hidden];
 * mixer and mlp are what the sub-layer adds to the residual stream, output is the stream after the block. Of
 * a model with several prediction heads logits and final_norm have the head as first dimension.
 *
 * /difference has a row for each point at which both models are compared, in the order of computing: point
 * (its path inside of /SIDE), largest, mean, source_norm, destination_norm, relative and cosine, float64; NaN
 * where nothing was measured. largest and mean are of absolute differences, relative is largest divided by
 * the largest value of source.
 *
 * A further prompt has the same in /image/token_ids, in /SIDE/image and in /difference/image. Of an image
 * there are /SIDE/vision/embedding [patches, vision hidden], /SIDE/vision/blocks/0000/{mixer,mlp,output} and
 * /SIDE/vision/adapter [patches, hidden], and /difference/vision has their rows.
 *
 * Of a conversion /name_map has a row for each tensor of the destination and tensor of the source that it is
 * made of: source (empty: of none), destination, and the dtype and shape of the destination's tensor, UTF-8
 * of variable length.
 *
 * Attributes, UTF-8 of variable length: "description" on every dataset; "directory", "format", "config" (JSON
 * text) on each side; "fgconv_version" on the root.
 */
#ifndef FG_MPI_DUMP_H
#define FG_MPI_DUMP_H

#include "base/json.h"
#include "model/vision.h"
#include "model_pair.h"
#include "ranks.h"

typedef struct fg_dump fg_dump;

enum { FG_DUMP_SIDES = 2 };

/* What all ranks know when the file is made. */
typedef struct fg_dump_layout {
    const char *path;
    const fg_pair_prompt *prompts;
    unsigned prompt_count;
    fg_model_shape shapes[FG_DUMP_SIDES];
    fg_vision_shape vision[FG_DUMP_SIDES]; /* of models with a vision encoder */
    const char *version;
    /* {"name_map": [[source, destination, dtype, shape], ...], "source": {"directory", "format", "config"},
     * "destination": {...}} */
    const json_t *about;
} fg_dump_layout;

/* Before MPI starts, in a run that makes a dump. A file that could not be written (a full disk) stays open in
 * HDF5, and its clean-up in MPI_Finalize or at exit would end the process by a signal: HDF5 is started so
 * that it has none. */
fg_status fg_dump_prepare(fg_error *err);

enum { FG_DUMP_LIBRARY = 32 };
/* The version of HDF5 that is loaded; returns `text`. */
const char *fg_dump_library(char text[FG_DUMP_LIBRARY]);

/* Bytes of the datasets, which are nearly all of the file. */
uint64_t fg_dump_bytes(const fg_dump_layout *layout);

/* Collective. FG_ERR_SYSTEM unless every rank can write to the file: one that cannot would leave the others
 * waiting inside of HDF5. */
fg_status fg_dump_check_reachable(const fg_ranks *ranks, const char *path, fg_error *err);
/* Collective. Makes an HDF5 file of the empty one that is reserved for `path` (report/output_file.h): every
 * dataset and attribute. On failure all ranks get the error. */
fg_status fg_dump_create(fg_dump **dump, const fg_ranks *ranks, const fg_dump_layout *layout, fg_error *err);
/* The prompt, counted from 0, that is written from now on. */
void fg_dump_set_prompt(fg_dump *dump, unsigned prompt);

typedef enum fg_dump_item {
    FG_DUMP_EMBEDDING,
    FG_DUMP_MIXER,
    FG_DUMP_MLP,
    FG_DUMP_OUTPUT,
    FG_DUMP_FINAL_NORM
} fg_dump_item;

/* Not collective. Rows [position, position + count) of a [tokens, hidden] dataset; `of` is the block, of a
 * final norm the prediction head. */
fg_status fg_dump_hidden(fg_dump *dump, int side, fg_dump_item item, uint64_t of, uint64_t position,
                         uint64_t count, const float *values, fg_error *err);
/* Not collective. Rows [position, + count), columns [column, + columns) of a prediction head's logits; values
 * [count, columns]. */
fg_status fg_dump_logits(fg_dump *dump, int side, uint64_t head, uint64_t position, uint64_t count,
                         uint64_t column, uint64_t columns, const float *values, fg_error *err);

typedef enum fg_vision_item {
    FG_VISION_EMBEDDING,
    FG_VISION_MIXER,
    FG_VISION_MLP,
    FG_VISION_OUTPUT,
    FG_VISION_ADAPTER
} fg_vision_item;

/* Not collective. What the vision encoder makes of the patches [first, first + count) of the image; `block`
 * is the encoder's. */
fg_status fg_dump_vision(fg_dump *dump, int side, fg_vision_item item, uint64_t block, uint64_t first,
                         uint64_t count, const float *values, fg_error *err);

/* What a row of /difference says. `of` is the block, of a final norm the prediction head. Of a vision encoder
 * the adapter takes the place of a final norm. */
typedef struct fg_dump_point {
    fg_dump_item item;
    uint64_t of;
    double largest, mean, source_norm, destination_norm, relative, cosine;
} fg_dump_point;

/* Not collective. All rows of the prompt that is written, or (`vision`) of the encoder that saw its image:
 * one for the embedding, three for each block, one for the final norm of each head. FG_ERR_BUG for another
 * number of them. */
fg_status fg_dump_differences(fg_dump *dump, bool vision, const fg_dump_point *points, size_t count,
                              fg_error *err);

/* Collective. */
fg_status fg_dump_close(fg_dump **dump, fg_error *err);

#endif
