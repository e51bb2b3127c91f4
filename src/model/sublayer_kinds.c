/* The kinds of mixers and MLPs. */
#include <string.h>

#include "base/alloc.h"
#include "model/sublayer_kind.h"

extern const fg_sublayer_kind fg_attention, fg_mamba, fg_gated_delta_net, fg_kda, fg_stochastic,
    fg_dense_kind, fg_experts_kind, fg_dense_and_experts_kind;

static const fg_sublayer_kind *const mixers[] = {&fg_attention, &fg_mamba, &fg_gated_delta_net, &fg_kda,
                                                 &fg_stochastic};
static const fg_sublayer_kind *const mlps[] = {&fg_dense_kind, &fg_experts_kind, &fg_dense_and_experts_kind};
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

fg_status fg_sublayer_settings_read(const fg_sublayer_kind *kind, const fg_hyperparameters_source *source,
                                    void **settings, fg_error *err) {
    FG_CALL_NEW(*settings, fg_alloc(1, kind->settings_size, err));
    const fg_hyperparameters table = {
        .rows = kind->rows, .count = kind->row_count, .values = *settings, .outer = source->outer};
    FG_CALL(fg_hyperparameters_read(&table, source, err));
    return kind->read ? kind->read(*settings, source, err) : FG_OK;
}

void fg_sublayer_settings_free(const fg_sublayer_kind *kind, void **settings) {
    if (*settings && kind->release) kind->release(*settings);
    fg_free(*settings);
    *settings = NULL;
}
