/* A sequence of blocks in the target's configuration: fixed (one block, repeated) or a pattern of named
 * blocks, repeated.
 *
 *   {"type": "fixed", "block": {...}, "num_blocks": N}
 *   {"type": "pattern", "blocks": {NAME: {...}, ...}, "pattern": [NAME, ...], "num_blocks": N}
 *
 * Invariant: after fg_block_sequence_read has given no complaint, each position below `count` has a block.
 */
#ifndef FG_LANGUAGE_BLOCK_SEQUENCE_H
#define FG_LANGUAGE_BLOCK_SEQUENCE_H

#include <stdint.h>

#include "base/json.h"

typedef struct fg_block_sequence {
    const json_t *blocks;  /* borrowed; names of a pattern and their configurations; NULL if it is fixed */
    const json_t *pattern; /* borrowed; NULL if it is fixed */
    uint64_t count;
} fg_block_sequence;

enum { FG_BLOCK_PATH = 160, FG_BLOCKS_MAX = 1000000 };

/* Reads a completed configuration. NULL if it is well-formed, else what is wrong with it. */
const char *fg_block_sequence_read(const json_t *configuration, fg_block_sequence *sequence);
/* The name of the block at a position; NULL if the sequence is fixed. */
const char *fg_block_sequence_name(const fg_block_sequence *sequence, uint64_t position);
/* The path of that block's configuration: "block" or "blocks/NAME". `buffer` has FG_BLOCK_PATH bytes; it is
 * returned. */
const char *fg_block_sequence_path(const char *name, char *buffer);

/* Writing one: `layout` is an array of names; one name alone makes a fixed sequence. Blocks are written by
 * others. */
fg_status fg_block_sequence_make(const json_t *layout, const json_t *count, json_t **configuration,
                                 fg_error *err);

#endif
