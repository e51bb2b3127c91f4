/* The kinds of rotary embeddings: by which angle a position rotates each pair of a head's elements.
 *
 * Invariant: frequencies are float32 as in the reference implementation (transformers, modeling_rope_utils),
 * operation by operation: at position 100,000 one that is exact to the last bit only would rotate a pair by
 * another angle than the reference does.
 */
#ifndef FG_MODEL_ROTARY_KINDS_H
#define FG_MODEL_ROTARY_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers that a kind may need. */
typedef enum fg_rotary_number {
    FG_ROTARY_THETA,
    FG_ROTARY_FACTOR,
    FG_ROTARY_LOW,
    FG_ROTARY_HIGH,
    FG_ROTARY_ORIGINAL, /* tokens that the model was trained with before it was extended */
    FG_ROTARY_ATTENTION_FACTOR,
    FG_ROTARY_BETA_FAST,
    FG_ROTARY_BETA_SLOW,
    FG_ROTARY_MSCALE,     /* weights of log(factor) in the attention factor: it is the quotient of the two */
    FG_ROTARY_MSCALE_ALL, /* growths where both are given */
    FG_ROTARY_EXACT,      /* not 0: the bounds of yarn's ramp are not rounded */
    FG_ROTARY_LIMIT,      /* tokens that the model is made for */
    FG_ROTARY_PARTIAL,    /* the share of a head that is rotated */
    FG_ROTARY_NUMBERS
} fg_rotary_number;

/* Lists of a number for each pair. */
typedef enum fg_rotary_list { FG_ROTARY_SHORT_FACTOR, FG_ROTARY_LONG_FACTOR, FG_ROTARY_LISTS } fg_rotary_list;

/* What a configuration says of one. */
typedef struct fg_rotary_settings {
    const struct fg_rotary_kind *kind; /* NULL: not described so far */
    double number[FG_ROTARY_NUMBERS];  /* 0 where it is not given */
    float *list[FG_ROTARY_LISTS];      /* owned; [pairs] where the kind has lists */
    uint64_t size;                     /* elements of a head that are rotated, */
    uint64_t pairs;                    /* in so many pairs; (size + 1) / 2 */
} fg_rotary_settings;

typedef struct fg_rotary_kind {
    const char *word;
    unsigned needs, may; /* numbers that must be given, and that may: bits 1 << number */
    bool whole;          /* a partial rotary leaves pairs of the whole head as they are, not its end */
    bool lists;
    bool by_length; /* frequencies depend on the number of tokens */
    bool axial;     /* of an image: the first half of the pairs is rotated by rows, the second by columns */
    /* Fills `frequencies` [pairs] for a sequence of `length` tokens, and gives what cosines and sines are
     * multiplied by. NULL: nothing is rotated. */
    float (*fill)(const fg_rotary_settings *settings, uint64_t length, float *frequencies);
} fg_rotary_kind;

const fg_rotary_kind *fg_rotary_kind_find(const char *word); /* NULL: unknown */

#endif
