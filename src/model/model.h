/* Inside of a bound model: shared by the files of this room, used by nobody else.
 *
 * What differs between models is put together from words: a norm, a rotary, a mixer, an MLP and an activation
 * each stand in a table (words.c) under the name that converters/models/TYPE.json uses; a new kind is a new
 * row.
 */
#ifndef FG_MODEL_MODEL_H
#define FG_MODEL_MODEL_H

#include "model/forward.h"
#include "model/settings.h"

/* Scratch memory that grows and is reused. Start from zeros. */
typedef struct fg_scratch {
    float *values; /* owned */
    uint64_t count;
} fg_scratch;
/* At least `rows` x `columns` floats; old contents are lost. */
fg_status fg_scratch_fit(fg_scratch *scratch, uint64_t rows, uint64_t columns, fg_error *err);
void fg_scratch_free(fg_scratch *scratch);

/* A stored vector, read whole each time it is used. */
typedef struct fg_vector {
    char *name; /* owned; as the store calls it */
    fg_weight weight;
} fg_vector;

/* A stored matrix [rows, columns] in canonical layout, read by panels of rows. */
typedef struct fg_matrix {
    char *name; /* owned */
    fg_weight weight;
    uint64_t rows, columns;
    uint64_t panel_rows; /* rows of a panel; follows from `rows` and `columns` alone */
    float **kept;        /* owned; a panel each, NULL while not kept; NULL when nothing is kept */
} fg_matrix;

typedef struct fg_block fg_block;

/* A norm over the last dimension of [rows, size]; `to` may be `from`. */
typedef struct fg_norm_word {
    const char *word;
    void (*apply)(const float *from, const float *weight, float epsilon, uint64_t rows, uint64_t size,
                  float *to);
} fg_norm_word;

/* Fills `frequencies` [head size / 2]: how far a position turns each pair. */
typedef struct fg_rotary_word {
    const char *word;
    void (*fill)(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
} fg_rotary_word;

typedef struct fg_activation_word {
    const char *word;
    void (*gate)(float *gate, const float *up, uint64_t count); /* gate = activation(gate) * up */
} fg_activation_word;

/* Where a mixer keeps what later tokens need: `per_position` floats a position, as its word says. */
typedef struct fg_memory {
    float *values;     /* [capacity, per_position] */
    uint64_t capacity; /* positions */
    uint64_t filled;   /* positions that were given so far */
} fg_memory;

/* One call of a mixer or MLP: tokens at [position, position + count), their normed hidden states, and where
 * the result goes. */
typedef struct fg_step {
    fg_model *model;
    fg_block *block;
    fg_memory *memory;
    uint64_t position, count;
    const float *input; /* [count, hidden] */
    float *output;      /* [count, hidden] */
} fg_step;

struct fg_binder;

typedef struct fg_mixer_word {
    const char *word;
    fg_status (*bind)(struct fg_binder *binder, fg_block *block, fg_error *err);
    fg_status (*run)(const fg_step *step, fg_error *err);
    uint64_t (*per_position)(const fg_model *model, const fg_block *block);
} fg_mixer_word;

typedef struct fg_mlp_word {
    const char *word;
    fg_status (*bind)(struct fg_binder *binder, fg_block *block, fg_error *err);
    fg_status (*run)(const fg_step *step, fg_error *err);
} fg_mlp_word;

typedef struct fg_attention {
    fg_matrix query, key, value,
        output; /* [heads * size, hidden], [kv_heads * size, hidden] twice, [hidden, heads * size] */
    fg_vector query_norm, key_norm; /* [size]; without a name where queries and keys are not normed */
} fg_attention;

typedef struct fg_gated_mlp {
    fg_matrix gate, up, down; /* [inner, hidden] twice, [hidden, inner] */
} fg_gated_mlp;

struct fg_block {
    const fg_mixer_word *mixer;
    const fg_mlp_word *mlp;
    fg_vector mixer_norm, mlp_norm; /* [hidden] */
    fg_attention attention;
    fg_gated_mlp gated;
};

struct fg_model {
    fg_model_shape shape;
    fg_settings settings;
    fg_weights weights; /* owned */
    fg_mask mask;
    const fg_norm_word *norm, *head_norm; /* head_norm: of queries and keys, NULL for none */
    const fg_activation_word *activation;
    fg_block *blocks; /* owned; shape.blocks of them */
    fg_matrix embedding, head;
    fg_matrix tied_head;          /* what a tied model's store holds as its head; without a name if nothing */
    uint64_t tied_row, tied_rows; /* the rows of it that were compared last */
    fg_vector final_norm;

    float *frequencies; /* owned; [head_size / 2] */
    fg_scratch angles;  /* cosines and sines of the positions below, [positions, 2, head_size / 2] */
    uint64_t angles_first, angles_count;

    fg_scratch panel, product, norm_values, normed, added, states[4], scores;
    uint64_t keep_limit, kept_bytes;
};

struct fg_cache {
    uint64_t first, count;
    fg_memory *blocks; /* owned */
};

/* ---- words.c ---- */
const fg_norm_word *fg_norm_find(const char *word);
const fg_rotary_word *fg_rotary_find(const char *word);
const fg_activation_word *fg_activation_find(const char *word);
const fg_mixer_word *fg_mixer_find(const char *word);
const fg_mlp_word *fg_mlp_find(const char *word);

/* ---- cache.c ---- */
fg_status fg_memory_make(fg_memory *memory, const fg_model *model, uint64_t block, uint64_t capacity,
                         fg_error *err);
void fg_memory_free(fg_memory *memory);

/* ---- linear.c ---- */
void fg_matrix_plan(fg_matrix *matrix); /* chooses panel_rows */
/* output[t, r] = input[t] . matrix[row + r], for `count` tokens and `rows` rows; `stride` floats lie between
 * the tokens of `output`. */
fg_status fg_linear(fg_model *model, fg_matrix *matrix, uint64_t row, uint64_t rows, const float *input,
                    uint64_t count, float *output, uint64_t stride, fg_error *err);
fg_status fg_linear_whole(fg_model *model, fg_matrix *matrix, const float *input, uint64_t count,
                          float *output, fg_error *err);
void fg_matrix_forget(fg_matrix *matrix); /* frees the panels that are kept */

/* ---- norm.c ---- */
/* Reads a norm's weight into model->norm_values. */
fg_status fg_norm_read(fg_model *model, const fg_vector *weight, uint64_t size, fg_error *err);
/* Norms hidden states [count, hidden]. */
fg_status fg_norm_run(fg_model *model, const fg_vector *weight, const float *from, uint64_t count, float *to,
                      fg_error *err);

/* ---- rotation.c ---- */
fg_status fg_rotary_prepare(fg_model *model, uint64_t position, uint64_t count, fg_error *err);
/* Turns `heads` heads of `count` tokens; those of fg_rotary_prepare. */
void fg_rotary_turn(const fg_model *model, float *values, uint64_t count, uint64_t heads, uint64_t stride);

/* ---- the rows of the tables ---- */
void fg_norm_rms(const float *from, const float *weight, float epsilon, uint64_t rows, uint64_t size,
                 float *to);
void fg_rotary_default(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
void fg_rotary_llama3(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
void fg_activation_silu(float *gate, const float *up, uint64_t count);
fg_status fg_attention_bind(struct fg_binder *binder, fg_block *block, fg_error *err);
fg_status fg_attention_run(const fg_step *step, fg_error *err);
uint64_t fg_attention_per_position(const fg_model *model, const fg_block *block);
fg_status fg_gated_mlp_bind(struct fg_binder *binder, fg_block *block, fg_error *err);
fg_status fg_gated_mlp_run(const fg_step *step, fg_error *err);

/* ---- binding.c ---- */
typedef struct fg_binder {
    fg_model *model;
    const json_t *names; /* role -> name, or list of names of which one is there; {i} is the block */
    const char *format;
    uint64_t block;
} fg_binder;
/* Looks a role's weight up and checks its shape. */
fg_status fg_bind_matrix(const fg_binder *binder, const char *role, uint64_t rows, uint64_t columns,
                         fg_matrix *matrix, fg_error *err);
fg_status fg_bind_vector(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                         fg_error *err);
/* Whether the store holds a weight of that role. */
fg_status fg_bind_has(const fg_binder *binder, const char *role, bool *there, fg_error *err);

#endif
