/* The tables of words that converters/models/TYPE.json put together. */
#include <string.h>

#include "model/model.h"

static const fg_norm_word norms[] = {{"rms", fg_norm_rms}};
static const fg_rotary_word rotaries[] = {{"default", fg_rotary_default}, {"llama3", fg_rotary_llama3}};
static const fg_activation_word activations[] = {{"silu", fg_activation_silu}};
static const fg_mixer_word mixers[] = {
    {"attention", fg_attention_bind, fg_attention_run, fg_attention_per_position}};
static const fg_mlp_word mlps[] = {{"gated", fg_gated_mlp_bind, fg_gated_mlp_run}};

#define FIND(table, wanted)                                                                                  \
    do {                                                                                                     \
        for (size_t i = 0; (wanted) && i < sizeof(table) / sizeof *(table); i++) {                           \
            if (strcmp((table)[i].word, (wanted)) == 0) return &(table)[i];                                  \
        }                                                                                                    \
        return NULL;                                                                                         \
    } while (0)

const fg_norm_word *fg_norm_find(const char *word) {
    FIND(norms, word);
}

const fg_rotary_word *fg_rotary_find(const char *word) {
    FIND(rotaries, word);
}

const fg_activation_word *fg_activation_find(const char *word) {
    FIND(activations, word);
}

const fg_mixer_word *fg_mixer_find(const char *word) {
    FIND(mixers, word);
}

const fg_mlp_word *fg_mlp_find(const char *word) {
    FIND(mlps, word);
}
