/* Inside of a bound model: for the files of src/model only.
 *
 * A model is composed of kinds: of norm, rotary embedding, mixer, MLP and activation. Each is a row of a
 * table (kinds_table.c) under the name that converters/models/TYPE.json uses.
 */
#ifndef FG_MODEL_MODEL_H
#define FG_MODEL_MODEL_H

#include "model/forward.h"
#include "model/hyperparameters.h"
#include "model/unread.h"

/* Scratch memory that grows and is reused. Start from zeros. */
typedef struct fg_scratch {
    float *values; /* owned */
    uint64_t count;
} fg_scratch;
/* At least `rows` x `columns` floats; old contents are lost. */
fg_status fg_scratch_fit(fg_scratch *scratch, uint64_t rows, uint64_t columns, fg_error *err);
void fg_scratch_free(fg_scratch *scratch);

/* A stored vector, or a part of one, read whole each time it is used. */
typedef struct fg_vector {
    char *name; /* owned; as the store calls it; NULL: there is none */
    fg_weight weight;
    uint64_t first; /* stored element where it begins */
} fg_vector;

/* A matrix [rows, columns] in canonical layout, read by panels of rows. In the store it is a box of a tensor:
 * the rows from `first` on, each a row of the matrix or, where it is `transposed`, a column. */
typedef struct fg_matrix {
    char *name; /* owned; NULL: there is none */
    fg_weight weight;
    uint64_t rows, columns;
    uint64_t first;
    bool transposed;
    fg_vector bias;        /* [rows], added to the product; mostly without a name */
    uint64_t panel_rows;   /* rows of a panel; follows from `rows` and `columns` alone */
    float **cached_panels; /* owned; the cached panels, NULL where a panel is not cached; NULL: none is */
} fg_matrix;

typedef struct fg_block fg_block;

/* A norm over the last dimension of [rows, size]; `to` may be `from`. */
typedef struct fg_norm_kind {
    const char *word;
    void (*apply)(const float *from, const float *weight, float epsilon, uint64_t rows, uint64_t size,
                  float *to);
} fg_norm_kind;

/* Fills `frequencies` [head size / 2], the angle by which a position rotates each pair, and gives what
 * cosines and sines are multiplied by. */
typedef struct fg_rotary_kind {
    const char *word;
    unsigned numbers; /* those that it needs: bits 1 << fg_rotary_number */
    float (*fill)(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
} fg_rotary_kind;

typedef struct fg_activation_kind {
    const char *word;
    void (*apply)(float *values, uint64_t count); /* in place */
} fg_activation_kind;

/* Where a mixer keeps what later tokens need: `per_position` floats a position, as its word says. */
typedef struct fg_layer_cache {
    float *values;     /* [capacity, per_position] */
    uint64_t capacity; /* positions */
    uint64_t filled;   /* positions that were given so far */
} fg_layer_cache;

/* One call of a mixer or MLP: tokens at [position, position + count), their normed hidden states, and where
 * the result goes. */
typedef struct fg_block_call {
    fg_model *model;
    fg_block *block;
    fg_layer_cache *memory;
    uint64_t position, count;
    const float *input; /* [count, hidden] */
    float *output;      /* [count, hidden] */
} fg_block_call;

struct fg_binder;

typedef struct fg_mixer_kind {
    const char *word;
    fg_status (*bind)(struct fg_binder *binder, fg_block *block, fg_error *err);
    fg_status (*run)(const fg_block_call *call, fg_error *err);
    uint64_t (*per_position)(const fg_model *model, const fg_block *block);
} fg_mixer_kind;

typedef struct fg_mlp_kind {
    const char *word;
    fg_status (*bind)(struct fg_binder *binder, fg_block *block, fg_error *err);
    fg_status (*run)(const fg_block_call *call, fg_error *err);
} fg_mlp_kind;

/* What blocks of one description have in common. */
typedef struct fg_block_kind {
    fg_hyperparameters settings;                      /* its words are NULL after binding */
    const fg_norm_kind *norm, *query_norm, *key_norm; /* query_norm, key_norm: NULL for none */
    const fg_mixer_kind *mixer;
    const fg_mlp_kind *mlp;
    const fg_activation_kind *activation;
    float *frequencies; /* owned; [head_size / 2] */
    float angle_scale;  /* of cosines and sines */
} fg_block_kind;

/* The weights of a mixer or an MLP; its word says which is where. */
typedef struct fg_sublayer_weights {
    fg_matrix *matrices; /* owned */
    fg_vector *vectors;  /* owned */
    size_t matrix_count, vector_count;
} fg_sublayer_weights;

struct fg_block {
    const fg_block_kind *kind;
    fg_vector mixer_norm, mlp_norm; /* [hidden] */
    fg_sublayer_weights mixer, mlp;
};

struct fg_model {
    fg_model_shape shape;
    fg_hyperparameters settings; /* those of the model; its words are NULL after binding */
    fg_weight_source weights;    /* owned */
    fg_mask mask;
    fg_block_kind *kinds; /* owned */
    size_t kind_count;
    const fg_norm_kind *norm; /* before the head */
    fg_block *blocks;         /* owned; shape.blocks of them */
    fg_matrix embedding, head;
    fg_matrix tied_head;          /* what a tied model's store holds as its head; without a name if nothing */
    uint64_t tied_row, tied_rows; /* the rows of it that were compared last */
    fg_vector *final_norms;       /* owned; one a prediction head */

    fg_scratch angles; /* cosines and sines of the positions below, [positions, 2, head_size / 2] */
    const fg_block_kind *angles_kind;
    uint64_t angles_first, angles_count;

    fg_scratch slab, strip; /* rows [slab_row, slab_row + slab_rows) of a transposed matrix */
    const fg_matrix *slab_matrix;
    uint64_t slab_row, slab_rows;

    fg_scratch panel, product, norm_values, bias_values, normed, added, states[4], scores;
    uint64_t cache_limit, cached_bytes;
};

struct fg_cache {
    uint64_t first, count;
    fg_layer_cache *blocks; /* owned */
};

/* ---- words.c ---- */
const fg_norm_kind *fg_norm_find(const char *word);
const fg_rotary_kind *fg_rotary_find(const char *word);
const fg_activation_kind *fg_activation_find(const char *word);
const fg_mixer_kind *fg_mixer_find(const char *word);
const fg_mlp_kind *fg_mlp_find(const char *word);

/* ---- cache.c ---- */
fg_status fg_layer_cache_make(fg_layer_cache *memory, const fg_model *model, uint64_t block,
                              uint64_t capacity, fg_error *err);
void fg_layer_cache_free(fg_layer_cache *memory);

/* ---- linear.c ---- */
void fg_matrix_plan(fg_matrix *matrix); /* chooses panel_rows */
/* Rows in canonical layout, however the store keeps them. */
fg_status fg_matrix_read(fg_model *model, const fg_matrix *matrix, uint64_t row, uint64_t rows, float *values,
                         fg_error *err);
/* output[t, r] = input[t] . matrix[row + r], for `count` tokens and `rows` rows; `stride` floats lie between
 * the tokens of `output`. */
fg_status fg_linear(fg_model *model, fg_matrix *matrix, uint64_t row, uint64_t rows, const float *input,
                    uint64_t count, float *output, uint64_t stride, fg_error *err);
fg_status fg_linear_whole(fg_model *model, fg_matrix *matrix, const float *input, uint64_t count,
                          float *output, fg_error *err);
void fg_matrix_forget(fg_matrix *matrix); /* frees the cached panels */

fg_status fg_sublayer_weights_make(fg_sublayer_weights *weights, size_t matrices, size_t vectors,
                                   fg_error *err);
void fg_sublayer_weights_free(fg_sublayer_weights *weights);
/* Each matrix that the sublayer has: sets `matrix` and goes on while it is not NULL. */
fg_matrix *fg_sublayer_weights_next(const fg_sublayer_weights *weights, size_t *at);

/* ---- norm.c ---- */
/* Reads a norm's weight into model->norm_values. */
fg_status fg_norm_read(fg_model *model, const fg_vector *weight, uint64_t size, fg_error *err);
/* Norms hidden states [count, hidden]. */
fg_status fg_norm_run(fg_model *model, const fg_norm_kind *norm, const fg_vector *weight, double epsilon,
                      const float *from, uint64_t count, float *to, fg_error *err);

/* ---- rotation.c ---- */
fg_status fg_rotary_prepare(fg_model *model, const fg_block_kind *kind, uint64_t position, uint64_t count,
                            fg_error *err);
/* Turns `heads` heads of `count` tokens; those of fg_rotary_prepare. */
void fg_rotary_apply(const fg_model *model, float *values, uint64_t count, uint64_t heads, uint64_t stride);

/* ---- the rows of the tables ---- */
void fg_norm_rms(const float *from, const float *weight, float epsilon, uint64_t rows, uint64_t size,
                 float *to);
float fg_rotary_none(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
float fg_rotary_default(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
float fg_rotary_llama3(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
float fg_rotary_yarn(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies);
void fg_activation_silu(float *values, uint64_t count);
void fg_activation_gelu(float *values, uint64_t count);
void fg_activation_gelu_tanh(float *values, uint64_t count);
void fg_activation_relu(float *values, uint64_t count);
void fg_activation_relu2(float *values, uint64_t count);
void fg_activation_sigmoid(float *values, uint64_t count);
void fg_activation_identity(float *values, uint64_t count);
fg_status fg_attention_bind(struct fg_binder *binder, fg_block *block, fg_error *err);
fg_status fg_attention_run(const fg_block_call *call, fg_error *err);
uint64_t fg_attention_per_position(const fg_model *model, const fg_block *block);
fg_status fg_mlp_bind(struct fg_binder *binder, fg_block *block, fg_error *err);
fg_status fg_mlp_run(const fg_block_call *call, fg_error *err);
fg_status fg_experts_bind(struct fg_binder *binder, fg_block *block, fg_error *err);
fg_status fg_experts_run(const fg_block_call *call, fg_error *err);

/* ---- kinds.c ---- */
/* Reads the settings of the model and of its kinds of blocks. `kind_of`, owned by the caller, gets the kind
 * of each of settings.blocks blocks. */
fg_status fg_block_kinds_read(fg_model *model, fg_hyperparameters_source source, uint32_t **kind_of,
                              fg_error *err);
void fg_block_kinds_free(fg_model *model);

/* ---- names.c ---- */
typedef struct fg_binder {
    fg_model *model;
    const json_t *side; /* formats/FORMAT of the spec */
    const char *format;
    const fg_block_kind *kind; /* of the block */
    uint64_t block, head;      /* counted among all blocks; prediction head */
    uint64_t expert;
    fg_read_ranges *read; /* what was bound so far */
} fg_binder;
/* Looks a role's weight up and checks its shape. */
fg_status fg_bind_matrix(const fg_binder *binder, const char *role, uint64_t rows, uint64_t columns,
                         fg_matrix *matrix, fg_error *err);
fg_status fg_bind_vector(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                         fg_error *err);
/* A matrix and, if `biased`, its bias, whose role is that of the matrix and ".bias". */
fg_status fg_bind_linear(const fg_binder *binder, const char *role, bool biased, uint64_t rows,
                         uint64_t columns, fg_matrix *matrix, fg_error *err);
/* Whether the store holds a weight of that role. */
fg_status fg_bind_has(const fg_binder *binder, const char *role, bool *there, fg_error *err);

#endif
