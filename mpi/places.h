/* Places in a forward pass at which two models are compared, so that a proof can name the first that differs.
 *
 * They are numbered in the order of computing. Of an image: the embedding of its patches, two for each block
 * of the vision encoder (mixer, MLP), the adapter. Then the embedding of tokens, two for each block, and the
 * final norms, one a prediction head.
 */
#ifndef FG_MPI_PLACES_H
#define FG_MPI_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/sublayer.h"

typedef struct fg_proof_places {
    bool image;             /* one runs through the vision encoder */
    uint64_t vision_blocks; /* of the encoder */
    uint64_t blocks, heads;
} fg_proof_places;

uint64_t fg_place_patches(void);
uint64_t fg_place_vision_block(uint64_t block, fg_sublayer sublayer);
uint64_t fg_place_adapter(const fg_proof_places *places);
uint64_t fg_place_embedding(const fg_proof_places *places);
uint64_t fg_place_block(const fg_proof_places *places, uint64_t block, fg_sublayer sublayer);
/* Head `places->heads` gives the number of all places. */
uint64_t fg_place_final_norm(const fg_proof_places *places, uint64_t head);

enum { FG_NO_BLOCK = -1 };
typedef struct fg_place_name {
    const char *part; /* as the report names it: "mlp" */
    int64_t block;    /* that has it, or FG_NO_BLOCK */
    bool vision;      /* a block of the vision encoder */
} fg_place_name;
/* The part of the model that a place is in. */
fg_place_name fg_place_name_of(const fg_proof_places *places, uint64_t place);

#endif
