/* The kinds of mixers and MLPs. */
#include <string.h>

#include "model/sublayer_kind.h"

extern const fg_sublayer_kind fg_attention, fg_dense, fg_experts;

static const fg_sublayer_kind *const mixers[] = {&fg_attention};
static const fg_sublayer_kind *const mlps[] = {&fg_dense, &fg_experts};
enum { MIXERS = sizeof mixers / sizeof *mixers, MLPS = sizeof mlps / sizeof *mlps };

static const void *find(const fg_sublayer_kind *const *kinds, size_t count, const char *word) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i]->word, word) == 0) return kinds[i];
    }
    return NULL;
}

const void *fg_mixer_find(const char *word) {
    return find(mixers, MIXERS, word);
}

const void *fg_mlp_find(const char *word) {
    return find(mlps, MLPS, word);
}

const fg_sublayer_kind *fg_sublayer_kind_at(size_t index) {
    if (index < MIXERS) return mixers[index];
    return index - MIXERS < MLPS ? mlps[index - MIXERS] : NULL;
}
