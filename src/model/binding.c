/* Binding: the words of a spec, the settings of a config and the weights of a store become a model. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

enum { SHAPE_TEXT = 160 };

/* ---- names ---- */

/* `pattern` with the block's number for "{i}". */
static fg_status expand(const char *pattern, uint64_t block, char **name, fg_error *err) {
    const char *at = strstr(pattern, "{i}");
    if (at)
        *name = fg_strformat(err, "%.*s%" PRIu64 "%s", (int)(at - pattern), pattern, block, at + 3);
    else
        *name = fg_strdup(pattern, err);
    return *name ? FG_OK : FG_ERR_MEMORY;
}

static const char *pattern_at(const json_t *names, size_t i) {
    return json_string_value(json_is_array(names) ? json_array_get(names, i) : i == 0 ? names : NULL);
}

/* The one name of the role that the store holds; `*name` NULL if none. Two at once would leave open which one
 * the model uses. */
static fg_status locate(const fg_binder *binder, const char *role, char **name, fg_weight *weight,
                        fg_error *err) {
    fg_status status = FG_OK;
    const json_t *names = json_object_get(binder->names, role);
    char *candidate = NULL;
    const char *pattern;
    *name = NULL;
    if (!pattern_at(names, 0))
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "models/: no name for the weight \"%s\" in format %s", role,
                       binder->format));
    for (size_t i = 0; (pattern = pattern_at(names, i)) != NULL; i++) {
        fg_weight found = {0};
        FG_TRY(expand(pattern, binder->block, &candidate, err));
        if (binder->model->weights.find(binder->model->weights.context, candidate, &found)) {
            if (*name)
                FG_TRY(fg_fail(err, FG_ERR_INPUT,
                               "the weights hold both %s and %s, which are two names for one", *name,
                               candidate));
            *name = candidate;
            *weight = found;
            candidate = NULL;
        }
        fg_free(candidate);
        candidate = NULL;
    }
done:
    fg_free(candidate);
    if (status != FG_OK) {
        fg_free(*name);
        *name = NULL;
    }
    return status;
}

static fg_status require(const fg_binder *binder, const char *role, char **name, fg_weight *weight,
                         fg_error *err) {
    char *wanted = NULL;
    fg_status status = FG_OK;
    FG_TRY(locate(binder, role, name, weight, err));
    if (*name) goto done;
    FG_TRY(expand(pattern_at(json_object_get(binder->names, role), 0), binder->block, &wanted, err));
    status = fg_fail(err, FG_ERR_INPUT, "no tensor %s among the weights (%s of a %s model)", wanted, role,
                     binder->format);
done:
    fg_free(wanted);
    return status;
}

fg_status fg_bind_has(const fg_binder *binder, const char *role, bool *there, fg_error *err) {
    char *name;
    fg_weight weight;
    fg_status status = locate(binder, role, &name, &weight, err);
    *there = name != NULL;
    fg_free(name);
    return status;
}

static fg_status check(const char *name, const fg_weight *weight, uint32_t rank, uint64_t rows,
                       uint64_t columns, fg_error *err) {
    bool same =
        weight->rank == rank && weight->shape[0] == rows && (rank == 1 || weight->shape[1] == columns);
    if (!fg_dtype_is_float(weight->dtype))
        return fg_fail(err, FG_ERR_INPUT, "tensor %s: found %s numbers, expected a float type", name,
                       fg_dtype_name(weight->dtype));
    if (same) return FG_OK;
    char found[SHAPE_TEXT] = "", expected[SHAPE_TEXT];
    size_t used = 0;
    for (uint32_t i = 0; i < weight->rank && i < FG_MAX_DIMS; i++)
        used += (size_t)snprintf(found + used, sizeof found - used, i ? ", %" PRIu64 : "%" PRIu64,
                                 weight->shape[i]);
    if (rank == 1)
        snprintf(expected, sizeof expected, "%" PRIu64, rows);
    else
        snprintf(expected, sizeof expected, "%" PRIu64 ", %" PRIu64, rows, columns);
    return fg_fail(err, FG_ERR_INPUT, "tensor %s: found shape [%s], expected [%s] from the config", name,
                   found, expected);
}

fg_status fg_bind_matrix(const fg_binder *binder, const char *role, uint64_t rows, uint64_t columns,
                         fg_matrix *matrix, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(require(binder, role, &matrix->name, &matrix->weight, err));
    FG_TRY(check(matrix->name, &matrix->weight, 2, rows, columns, err));
    matrix->rows = rows;
    matrix->columns = columns;
    fg_matrix_plan(matrix);
done:
    return status;
}

fg_status fg_bind_vector(const fg_binder *binder, const char *role, uint64_t size, fg_vector *vector,
                         fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(require(binder, role, &vector->name, &vector->weight, err));
    FG_TRY(check(vector->name, &vector->weight, 1, size, 0, err));
done:
    return status;
}

/* ---- the whole ---- */

static fg_status unknown_word(const json_t *spec, const char *what, fg_error *err) {
    char brief[SHAPE_TEXT];
    return fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": %s is no word that the forward pass knows", what,
                   fg_json_brief(json_object_get(spec, what), brief, sizeof brief));
}

static const char *word_of(const json_t *spec, const char *what) {
    return json_string_value(json_object_get(spec, what));
}

static fg_status choose_words(fg_model *model, const json_t *spec, const fg_rotary_word **rotary,
                              fg_error *err) {
    const fg_settings *s = &model->settings;
    const json_t *head_norm = json_object_get(spec, "query_key_norm");
    model->norm = fg_norm_find(word_of(spec, "norm"));
    if (!model->norm) return unknown_word(spec, "norm", err);
    model->head_norm = fg_norm_find(word_of(spec, "query_key_norm"));
    if (!model->head_norm && head_norm && !json_is_null(head_norm))
        return unknown_word(spec, "query_key_norm", err);
    model->activation = fg_activation_find(s->activation);
    if (!model->activation)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: the activation is \"%s\", which the forward pass does not know",
                       s->activation);
    *rotary = fg_rotary_find(s->rotary_type);
    if (!*rotary)
        return fg_fail(err, FG_ERR_INPUT, "config: rotary type \"%s\" is not known to the forward pass",
                       s->rotary_type);
    return FG_OK;
}

static fg_status bind_blocks(fg_binder *binder, const json_t *spec, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = binder->model;
    const fg_mixer_word *mixer = fg_mixer_find(word_of(spec, "mixer"));
    const fg_mlp_word *mlp = fg_mlp_find(word_of(spec, "mlp"));
    if (!mixer) FG_TRY(unknown_word(spec, "mixer", err));
    if (!mlp) FG_TRY(unknown_word(spec, "mlp", err));
    FG_NEW(model->blocks, model->shape.blocks);
    for (binder->block = 0; binder->block < model->shape.blocks; binder->block++) {
        fg_block *block = &model->blocks[binder->block];
        block->mixer = mixer;
        block->mlp = mlp;
        FG_TRY(fg_bind_vector(binder, "block.mixer_norm", model->shape.hidden, &block->mixer_norm, err));
        FG_TRY(mixer->bind(binder, block, err));
        FG_TRY(fg_bind_vector(binder, "block.mlp_norm", model->shape.hidden, &block->mlp_norm, err));
        FG_TRY(mlp->bind(binder, block, err));
    }
done:
    return status;
}

/* A tied model multiplies by the embedding, as every program does that loads it. Its store may hold the two
 * under the name of either; where it holds both, the head is remembered, to be compared. */
static fg_status bind_ends(fg_binder *binder, fg_error *err) {
    fg_status status = FG_OK;
    fg_model *model = binder->model;
    uint64_t vocab = model->shape.vocab, hidden = model->shape.hidden;
    bool tied = model->settings.tied, embedding = true, head = false;
    if (tied) FG_TRY(fg_bind_has(binder, "embedding", &embedding, err));
    if (tied) FG_TRY(fg_bind_has(binder, "head", &head, err));
    const char *first = head && !embedding ? "head" : "embedding";
    FG_TRY(fg_bind_matrix(binder, first, vocab, hidden, &model->embedding, err));
    FG_TRY(fg_bind_vector(binder, "final_norm", hidden, &model->final_norm, err));
    FG_TRY(fg_bind_matrix(binder, tied ? first : "head", vocab, hidden, &model->head, err));
    if (head && embedding) FG_TRY(fg_bind_matrix(binder, "head", vocab, hidden, &model->tied_head, err));
done:
    return status;
}

static fg_status bind(fg_model *model, const json_t *spec, fg_format format, const json_t *config,
                      fg_error *err) {
    fg_status status = FG_OK;
    const fg_rotary_word *rotary = NULL;
    fg_settings *s = &model->settings;
    fg_binder binder = {.model = model, .format = fg_format_name(format)};
    const json_t *side = json_object_get(json_object_get(spec, "formats"), binder.format);
    if (!side) FG_TRY(fg_fail(err, FG_ERR_INPUT, "models/: nothing is said about format %s", binder.format));
    binder.names = json_object_get(side, "weights");
    FG_TRY(fg_settings_read(side, config, s, err));
    model->shape = (fg_model_shape){.hidden = s->hidden, .vocab = s->vocab, .blocks = s->blocks, .heads = 1};
    FG_TRY(choose_words(model, spec, &rotary, err));
    s->activation = s->rotary_type = NULL; /* borrowed for this call only */
    FG_TRY(bind_ends(&binder, err));
    FG_TRY(bind_blocks(&binder, spec, err));
    FG_NEW(model->frequencies, s->head_size / 2);
    rotary->fill(&s->rotary, s->head_size, model->frequencies);
done:
    if (status != FG_OK) fg_where(err, "binding a %s model for the forward pass", binder.format);
    return status;
}

fg_status fg_model_bind(fg_model **result, const json_t *spec, fg_format format, const json_t *config,
                        fg_weights weights, fg_error *err) {
    fg_model *model = fg_alloc(1, sizeof *model, err);
    *result = NULL;
    if (!model) {
        fg_weights_close(&weights);
        return FG_ERR_MEMORY;
    }
    model->weights = weights;
    fg_status status = bind(model, spec, format, config, err);
    if (status == FG_OK)
        *result = model;
    else
        fg_model_free(&model);
    return status;
}
