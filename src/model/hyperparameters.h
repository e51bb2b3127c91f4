/* Reading hyperparameters from a configuration, as models/FILE.json says for a format, into a struct that a
 * table of rows describes. The model, its blocks, and each kind of mixer and MLP have such a table.
 *
 * Invariant: a size that was read is at least what its row says and so small that products of two fit; a
 * number is finite.
 */
#ifndef FG_MODEL_HYPERPARAMETERS_H
#define FG_MODEL_HYPERPARAMETERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

typedef enum fg_hyperparameter_type {
    FG_HYPERPARAMETER_SIZE,   /* uint64_t */
    FG_HYPERPARAMETER_NUMBER, /* double */
    FG_HYPERPARAMETER_FLAG,   /* bool */
    FG_HYPERPARAMETER_KIND    /* const pointer to what `find` gives for a word; NULL: none */
} fg_hyperparameter_type;

typedef struct fg_hyperparameter {
    const char *name;
    fg_hyperparameter_type type;
    size_t offset;    /* in the struct */
    uint64_t least;   /* of a size */
    bool required;    /* an entry is, and a kind's word is not null */
    double fallback;  /* without an entry */
    const char *like; /* the row whose entry serves without one of its own; NULL: none */
    const void *(*find)(const char *word);
} fg_hyperparameter;

/* Rows for a member of struct `of`, for the role `role`. */
#define FG_SIZE_ROW_AS(role, of, member, minimum, needed, otherwise)                                         \
    {                                                                                                        \
        .name = role, .type = FG_HYPERPARAMETER_SIZE, .offset = offsetof(of, member), .least = minimum,      \
        .required = needed, .fallback = otherwise                                                            \
    }
#define FG_NUMBER_ROW_AS(role, of, member, needed, otherwise)                                                \
    {                                                                                                        \
        .name = role, .type = FG_HYPERPARAMETER_NUMBER, .offset = offsetof(of, member), .required = needed,  \
        .fallback = otherwise                                                                                \
    }
#define FG_FLAG_ROW_AS(role, of, member, needed, otherwise)                                                  \
    {                                                                                                        \
        .name = role, .type = FG_HYPERPARAMETER_FLAG, .offset = offsetof(of, member), .required = needed,    \
        .fallback = otherwise                                                                                \
    }
#define FG_KIND_ROW_AS(role, of, member, needed, finder)                                                     \
    {                                                                                                        \
        .name = role, .type = FG_HYPERPARAMETER_KIND, .offset = offsetof(of, member), .required = needed,    \
        .find = finder                                                                                       \
    }
/* For the role of the member's name. */
#define FG_SIZE_ROW(of, member, minimum, needed, otherwise)                                                  \
    FG_SIZE_ROW_AS(#member, of, member, minimum, needed, otherwise)
#define FG_NUMBER_ROW(of, member, needed, otherwise) FG_NUMBER_ROW_AS(#member, of, member, needed, otherwise)
#define FG_FLAG_ROW(of, member, needed, otherwise) FG_FLAG_ROW_AS(#member, of, member, needed, otherwise)
#define FG_KIND_ROW(of, member, needed, finder) FG_KIND_ROW_AS(#member, of, member, needed, finder)

/* A table and the struct that it describes. */
typedef struct fg_hyperparameters {
    const fg_hyperparameter *rows;
    size_t count;
    void *values;
    const struct fg_hyperparameters *outer; /* already read; values may refer to these too; NULL: none */
} fg_hyperparameters;

/* What a model's settings are read from. All borrowed. */
typedef struct fg_hyperparameters_source {
    const json_t *declared; /* "config", "rotary", "only", "only_if", as below */
    const json_t *common;   /* entries for roles that declared/config says nothing about; may be NULL */
    const json_t *words;    /* tables by name; may be NULL */
    const json_t *config;
    const json_t *variables;         /* of expressions: what $NAME means; may be NULL */
    const fg_hyperparameters *outer; /* already read; values may refer to these sizes too; NULL: none */
} fg_hyperparameters_source;

/* That of a model in a format; `declared` is NULL where the spec says nothing about the format. */
fg_hyperparameters_source fg_hyperparameters_source_of(const json_t *spec, const char *format,
                                                       const json_t *config);

/* `declared` is the object formats/FORMAT of a spec or its member "blocks" (model/spec.h), with these
 * members.
 *
 * "config": { ROLE: { "key": PATH or [PATH, ...], "absent": VALUE, "null": VALUE, "words": { VALUE: WORD } }
 *             or { "value": VALUE } }
 *     ROLE is the name of a row. The value of the key; VALUE is used where it is absent or null: a
 *     JSON value, {"same_as": ROLE} or, of sizes, {"quotient": [ROLE, ROLE]} of rows before it, or of
 *     the model. Without "absent" the key must be there, without "null" it must not be null. Of
 *     several keys the first that is there and not null counts; none of them is "absent". "words" says
 *     what the values of a word are here, null for none, or names a table of the spec that does; others are
 *     not supported. "value" is used without asking for a key. "value", "absent" and "null" may be
 *     expressions over the config ("= gated and 'silu' or 'gelu'"). What has no entry is none, false, no
 *     scale, causal.
 *
 * "rotary": { "objects": [PATH, ...], "type": an entry as above,
 *             "numbers": { NUMBER: { "key": KEY, "absent": VALUE, "null": VALUE, "outside": PATH,
 *                                    "yields": BOOL } } }
 *     Each object that is there and not empty describes rotary embeddings; where several stand they
 *     must agree. NUMBER is one of theta, factor, low, high, original, attention_factor, beta_fast,
 *     beta_slow, limit, partial (model/rotary_kinds.h), short_factor and long_factor, which are lists; a
 *     type reads those that it needs. The number may stand outside of the object too; then the two must
 *     agree, unless the one outside yields. "absent" may be an expression over the config.
 *
 * "only": { PATH: [VALUE, ...] }
 *     Keys that must be absent or have one of the values; each item of a list must.
 *
 * "only_if": { CONDITION: REASON }
 *     For what keys mean together: conditions over the config that must be true (language/expression.h; an
 *     absent key is null there, has() tells the two apart), and what the message says where one is not.
 *
 * What is missing, of another type or not supported is FG_ERR_INPUT that names key and value. */
fg_status fg_hyperparameters_read(const fg_hyperparameters *settings, const fg_hyperparameters_source *source,
                                  fg_error *err);
/* "only" and "only_if". */
fg_status fg_hyperparameters_check_demands(const fg_hyperparameters_source *source, fg_error *err);
fg_status fg_hyperparameters_check_epsilon(double epsilon, fg_error *err);                 /* not negative */
fg_status fg_hyperparameters_check_count(uint64_t count, const char *what, fg_error *err); /* at most 65536 */
/* The word that an entry gives for a config, borrowed. */
fg_status fg_hyperparameters_kind_name(const json_t *entry, const char *role,
                                       const fg_hyperparameters_source *source, const char **word,
                                       fg_error *err);

/* "one of "a" "b"", the names of members, as far as they fit. */
const char *fg_hyperparameters_list_names(const json_t *object, char *text, size_t size);
/* Adds the hint that the forward pass lacks something, and gives FG_ERR_INPUT. */
fg_status fg_hyperparameters_hint_at_none(fg_error *err);

/* ---- single entries ---- */

/* What an entry finds in a config. All borrowed. */
typedef struct fg_config_entry {
    const char *key;
    const json_t *value;    /* of the config; NULL: absent, null, or not asked for */
    const json_t *stand_in; /* then, of the entry: a value or an expression; NULL: none */
    bool null;
} fg_config_entry;

fg_config_entry fg_config_entry_find(const json_t *entry, const char *role, const json_t *config);
const char *fg_config_key_at(const json_t *keys,
                             size_t i); /* of a path or a list of paths; NULL: behind the last */
fg_status fg_config_refuse(fg_error *err, const char *key, const json_t *value, const char *expected);

#endif
