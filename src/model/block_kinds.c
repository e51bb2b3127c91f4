/* Kinds of blocks: a configuration describes all blocks at once, or gives descriptions names and says by a
 * pattern which block is of which. */
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "model/model.h"

enum { WORD_TEXT = 160 };

static fg_status unknown_word(const char *role, const char *word, fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": \"%s\" is not supported by the forward pass", role,
                   word ? word : "");
}

static fg_status choose_norm(const char *role, const char *word, const fg_norm_kind **norm, fg_error *err) {
    *norm = fg_norm_find(word);
    return word && !*norm ? unknown_word(role, word, err) : FG_OK;
}

static fg_status choose_words(fg_block_kind *kind, const fg_rotary_kind **rotary, fg_error *err) {
    fg_status status = FG_OK;
    const fg_hyperparameters *s = &kind->settings;
    FG_TRY(choose_norm("norm", s->norm, &kind->norm, err));
    FG_TRY(choose_norm("query_norm", s->query_norm, &kind->query_norm, err));
    FG_TRY(choose_norm("key_norm", s->key_norm, &kind->key_norm, err));
    kind->mixer = fg_mixer_find(s->mixer);
    kind->mlp = fg_mlp_find(s->mlp);
    kind->activation = fg_activation_find(s->activation);
    *rotary = fg_rotary_find(s->rotary_type);
    if (!kind->norm) FG_TRY(unknown_word("norm", s->norm, err));
    if (!kind->mixer) FG_TRY(unknown_word("mixer", s->mixer, err));
    if (!kind->mlp) FG_TRY(unknown_word("mlp", s->mlp, err));
    if (!kind->activation) FG_TRY(unknown_word("activation", s->activation, err));
done:
    return status;
}

/* The words were borrowed for the time of binding. */
static void forget_words(fg_hyperparameters *s) {
    s->norm = s->query_norm = s->key_norm = s->mixer = s->mlp = s->activation = s->rotary_type = NULL;
    s->final_norm = NULL;
}

static fg_status make_kind(fg_block_kind *kind, const fg_hyperparameters_source *source, bool demands,
                           const fg_hyperparameters *model, fg_error *err) {
    fg_status status = FG_OK;
    const fg_rotary_kind *rotary;
    if (!json_is_object(source->config))
        FG_FAIL(err, FG_ERR_INPUT, "config: a description of blocks: found %s, expected an object",
                fg_json_kind(source->config));
    kind->settings = *model;
    FG_TRY(fg_hyperparameters_read_block(source, demands, &kind->settings, err));
    FG_TRY(choose_words(kind, &rotary, err));
    FG_NEW(kind->frequencies, kind->settings.head_size / 2);
    kind->angle_scale = rotary->fill(&kind->settings.rotary, kind->settings.head_size, kind->frequencies);
    forget_words(&kind->settings);
done:
    return status;
}

/* One description for all. */
static fg_status read_one(fg_model *model, const fg_hyperparameters_source *source, bool demands,
                          fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(model->kinds, 1);
    model->kind_count = 1;
    FG_TRY(make_kind(model->kinds, source, demands, &model->settings, err));
done:
    return status;
}

static fg_status read_named(fg_model *model, const fg_hyperparameters_source *source, const json_t *named,
                            fg_error *err) {
    fg_status status = FG_OK;
    const char *name = "";
    json_t *config;
    fg_hyperparameters_source own = *source;
    FG_NEW(model->kinds, json_object_size(named));
    model->kind_count = json_object_size(named);
    fg_block_kind *kind = model->kinds;
    json_object_foreach((json_t *)(uintptr_t)named, name, config) {
        own.config = config;
        FG_TRY(make_kind(kind++, &own, true, &model->settings, err));
    }
done:
    if (status != FG_OK && *name) fg_where(err, "reading the description of blocks \"%s\"", name);
    return status;
}

/* The place of a name among the members of an object, in their order; their number if it is not there. */
static uint32_t place_of(const json_t *object, const char *name) {
    uint32_t place = 0;
    const char *key;
    json_t *unused;
    json_object_foreach((json_t *)(uintptr_t)object, key, unused) {
        if (name && strcmp(key, name) == 0) break;
        place++;
    }
    return place;
}

static fg_status follow_pattern(const fg_model *model, const char *path, const json_t *pattern,
                                const json_t *named, uint32_t *kind_of, fg_error *err) {
    size_t period = json_array_size(pattern);
    char brief[WORD_TEXT];
    for (size_t b = 0; b < model->settings.blocks && period; b++) {
        const json_t *name = json_array_get(pattern, b % period);
        kind_of[b] = b < period ? place_of(named, json_string_value(name)) : kind_of[b - period];
        if (kind_of[b] >= model->kind_count)
            return fg_fail(err, FG_ERR_INPUT,
                           "config key \"%s\": found %s, but no block is described under that name", path,
                           fg_json_brief(name, brief, sizeof brief));
    }
    if (period) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected a list of names", path,
                   fg_json_brief(pattern, brief, sizeof brief));
}

static fg_status read_pattern(fg_model *model, const json_t *blocks, fg_hyperparameters_source *source,
                              uint32_t *kind_of, fg_error *err) {
    fg_status status = FG_OK;
    const char *names = json_string_value(json_object_get(blocks, "named")),
               *path = json_string_value(json_object_get(blocks, "pattern"));
    const json_t *named = names ? fg_json_at(source->config, names) : NULL,
                 *pattern = path ? fg_json_at(source->config, path) : NULL;
    if (!json_object_size(named))
        FG_FAIL(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected descriptions of blocks",
                names ? names : "named", fg_json_kind(named));
    FG_TRY(read_named(model, source, named, err));
    FG_TRY(follow_pattern(model, path ? path : "pattern", pattern, named, kind_of, err));
done:
    return status;
}

/* Blocks have objects of their own in the configuration. */
static fg_status read_objects(fg_model *model, const json_t *blocks, fg_hyperparameters_source *source,
                              uint32_t *kind_of, fg_error *err) {
    fg_status status = FG_OK;
    const char *by, *path = json_string_value(json_object_get(blocks, "one"));
    json_t *empty = NULL;
    FG_TRY(fg_hyperparameters_kind_name(json_object_get(blocks, "by"), "by", source->config, &by, err));
    source->declared = blocks;
    if (strcmp(by, "pattern") == 0) {
        FG_TRY(read_pattern(model, blocks, source, kind_of, err));
        goto done;
    }
    if (path) source->config = fg_json_at(source->config, path);
    if (!source->config) source->config = empty = json_object(); /* all defaults */
    FG_TRY(read_one(model, source, true, err));
done:
    json_decref(empty);
    return status;
}

fg_status fg_block_kinds_read(fg_model *model, fg_hyperparameters_source source, uint32_t **kind_of,
                              fg_error *err) {
    fg_status status = FG_OK;
    const json_t *blocks = json_object_get(source.declared, "blocks");
    fg_hyperparameters *s = &model->settings;
    FG_TRY(fg_hyperparameters_read_model(&source, s, err));
    FG_TRY(choose_norm("final_norm", s->final_norm, &model->norm, err));
    if (!model->norm) FG_TRY(unknown_word("final_norm", s->final_norm, err));
    FG_NEW(*kind_of, s->blocks);
    if (json_is_object(blocks))
        FG_TRY(read_objects(model, blocks, &source, *kind_of, err));
    else
        FG_TRY(read_one(model, &source, false, err));
    forget_words(s);
done:
    return status;
}

void fg_block_kinds_free(fg_model *model) {
    for (size_t i = 0; model->kinds && i < model->kind_count; i++) fg_free(model->kinds[i].frequencies);
    fg_free(model->kinds);
    model->kinds = NULL;
}
