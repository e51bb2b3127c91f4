/* Hyperparameters of a model and of its blocks, read from a configuration as models/FILE.json says for a
 * format.
 *
 * Invariant of settings that were read: sizes are at least 1 and small enough that products of two fit, heads
 * is a multiple of kv_heads, head_size is even, epsilon and theta are finite, a token chooses no more experts
 * than there are.
 */
#ifndef FG_MODEL_HYPERPARAMETERS_H
#define FG_MODEL_HYPERPARAMETERS_H

#include <stdint.h>

#include "base/json.h"

/* Numbers that a kind of rotary embeddings may need, in the order of fg_rotary_settings. */
typedef enum fg_rotary_number {
    FG_ROTARY_THETA,
    FG_ROTARY_FACTOR,
    FG_ROTARY_LOW,
    FG_ROTARY_HIGH,
    FG_ROTARY_ORIGINAL,
    FG_ROTARY_ATTENTION_FACTOR,
    FG_ROTARY_BETA_FAST,
    FG_ROTARY_BETA_SLOW,
    FG_ROTARY_NUMBERS
} fg_rotary_number;

typedef struct fg_rotary_settings {
    double number[FG_ROTARY_NUMBERS];
} fg_rotary_settings;

/* As one block sees them: those of the model and its own. */
typedef struct fg_hyperparameters {
    /* of the model */
    uint64_t hidden, vocab;
    uint64_t blocks;           /* that lead to the first prediction head */
    uint64_t prediction_heads; /* 1 for a plain language model */
    double embedding_scale;
    double logit_softcap; /* logits become cap * tanh(logit / cap); 0: they stay */
    double final_epsilon;
    bool tied;
    const char *final_norm;

    /* of a block */
    uint64_t heads, kv_heads, head_size, intermediate_size;
    uint64_t experts, experts_per_token; /* of which a token goes through `experts_per_token` */
    uint64_t window;                     /* keys that a query sees, itself included; 0: all before it */
    double epsilon, query_epsilon, key_epsilon;
    double softmax_scale_power; /* attention scores are multiplied by head_size ^ -softmax_scale_power */
    bool causal;                /* false: a token sees those after it, too */
    bool gated;                 /* the MLP: down(activation(gate x) * up x); else down(activation(first x)) */
    bool query_bias, key_bias, value_bias, output_bias, first_bias,
        down_bias; /* first: gate and up, or first */
    /* words of the tables in words.c, borrowed from spec or config; query_norm and key_norm NULL: none */
    const char *norm, *query_norm, *key_norm, *mixer, *mlp, *activation, *rotary_type;
    fg_rotary_settings rotary;
} fg_hyperparameters;

/* What a model's settings are read from. All borrowed. */
typedef struct fg_hyperparameters_source {
    const json_t *declared; /* "config", "rotary", "only", "only_if", as below */
    const json_t *common;   /* entries for roles that declared/config says nothing about; may be NULL */
    const json_t *config;
} fg_hyperparameters_source;

/* That of a model in a format; `declared` is NULL where the spec says nothing about the format. */
fg_hyperparameters_source fg_hyperparameters_source_of(const json_t *spec, const char *format,
                                                       const json_t *config);

/* `declared` is the object formats/FORMAT of a spec or its member "blocks" (model/spec.h), with these
 * members.
 *
 * "config": { ROLE: { "key": PATH or [PATH, ...], "absent": VALUE, "null": VALUE, "words": { VALUE: WORD } }
 *             or { "value": VALUE } }
 *     ROLE is a member of fg_hyperparameters. The value of the key; VALUE is used where it is absent or null:
 *     a JSON value, {"same_as": ROLE} or {"quotient": [ROLE, ROLE]} of roles before it in the order of
 *     fg_hyperparameters. Without "absent" the key must be there, without "null" it must not be null. Of
 *     several keys the first that is there and not null counts; none of them is "absent". "words" says what
 *     the values of a word (or of a stand-in for one, which may be an expression over the config: "= gated
 *     and 'silu' or 'gelu'") are here; others are not supported. "value" asks the config nothing. What has no
 *     entry is none, false, no scale, causal.
 *
 * "rotary": { "objects": [PATH, ...], "type": an entry as above,
 *             "numbers": { NUMBER: { "key": KEY, "absent": VALUE, "null": VALUE, "outside": PATH,
 *                                    "yields": BOOL } } }
 *     Each object that is there and not empty describes rotary embeddings; where several stand they must
 *     agree. NUMBER is one of theta, factor, low, high, original, attention_factor, beta_fast, beta_slow; a
 *     type reads those that it needs. The number may stand outside of the object too; then the two must
 *     agree, unless the one outside yields.
 *
 * "only": { PATH: [VALUE, ...] }
 *     Keys that must be absent or have one of the values; each item of a list must.
 *
 * "only_if": { CONDITION: REASON }
 *     For what keys mean together: conditions over the config that must be true (convert/expression.h; an
 *     absent key is null there, has() tells the two apart), and what the message says where one is not.
 *
 * What is missing, of another type or not supported is FG_ERR_INPUT that names key and value. Strings in
 * `result` are borrowed. */
fg_status fg_hyperparameters_read_model(const fg_hyperparameters_source *source, fg_hyperparameters *result,
                                        fg_error *err);
/* Adds those of a block to `result`, which holds the model's. With `demands` "only" and "only_if" are looked
 * at. */
fg_status fg_hyperparameters_read_block(const fg_hyperparameters_source *source, bool demands,
                                        fg_hyperparameters *result, fg_error *err);
/* Whether "config" may have an entry of that name. */
bool fg_hyperparameters_is_role(const char *name);
/* The word that an entry gives for a config. */
fg_status fg_hyperparameters_kind_name(const json_t *entry, const char *role, const json_t *config,
                                       const char **word, fg_error *err);

#endif
