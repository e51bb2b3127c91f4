/* The kinds of norm, rotary embedding, activation, mixer and MLP, by the names in converters/models. */
#include <string.h>

#include "model/model.h"

static const fg_norm_kind norms[] = {{"rms", fg_norm_rms}};

#define NUMBER(name) (1u << FG_ROTARY_##name)
static const fg_rotary_kind rotaries[] = {
    {"none", 0, fg_rotary_none},
    {"default", NUMBER(THETA), fg_rotary_default},
    {"llama3", NUMBER(THETA) | NUMBER(FACTOR) | NUMBER(LOW) | NUMBER(HIGH) | NUMBER(ORIGINAL),
     fg_rotary_llama3},
    {"yarn",
     NUMBER(THETA) | NUMBER(FACTOR) | NUMBER(ORIGINAL) | NUMBER(ATTENTION_FACTOR) | NUMBER(BETA_FAST) |
         NUMBER(BETA_SLOW),
     fg_rotary_yarn},
};
#undef NUMBER

static const fg_activation_kind activations[] = {
    {"silu", fg_activation_silu},           {"gelu", fg_activation_gelu},
    {"gelu_tanh", fg_activation_gelu_tanh}, {"relu", fg_activation_relu},
    {"relu2", fg_activation_relu2},         {"sigmoid", fg_activation_sigmoid},
    {"identity", fg_activation_identity},
};
static const fg_mixer_kind mixers[] = {
    {"attention", fg_attention_bind, fg_attention_run, fg_attention_per_position}};
static const fg_mlp_kind mlps[] = {
    {"dense", fg_mlp_bind, fg_mlp_run},
    {"experts", fg_experts_bind, fg_experts_run},
};

#define FIND(table, wanted)                                                                                  \
    do {                                                                                                     \
        for (size_t i = 0; (wanted) && i < sizeof(table) / sizeof *(table); i++) {                           \
            if (strcmp((table)[i].word, (wanted)) == 0) return &(table)[i];                                  \
        }                                                                                                    \
        return NULL;                                                                                         \
    } while (0)

const fg_norm_kind *fg_norm_find(const char *word) {
    FIND(norms, word);
}

const fg_rotary_kind *fg_rotary_find(const char *word) {
    FIND(rotaries, word);
}

const fg_activation_kind *fg_activation_find(const char *word) {
    FIND(activations, word);
}

const fg_mixer_kind *fg_mixer_find(const char *word) {
    FIND(mixers, word);
}

const fg_mlp_kind *fg_mlp_find(const char *word) {
    FIND(mlps, word);
}
