/* Tiles of tokens. Products are taken tile by tile, counted from a call's first token, as the order of their
 * sums depends on how many tokens they have.
 *
 * Invariant: a prompt that is cut into calls at multiples of a tile gives the same bits as one that is not
 * cut.
 */
#ifndef FG_MODEL_TILE_H
#define FG_MODEL_TILE_H

enum { FG_TILE = 64 };

#endif
