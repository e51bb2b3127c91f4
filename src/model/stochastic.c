/* Several mixers in one block, of which training draws one; afterwards the main one runs.
 *
 * The others are read and bound as well: their settings and the shapes of their weights are checked, but
 * nothing of what they compute.
 */
#include <string.h>

#include "base/alloc.h"
#include "model/sublayer_kind.h"

/* ---- settings ---- */

typedef struct choice {
    char *name;     /* owned */
    json_t *config; /* owned; the block's description, as if it had this mixer alone */
    const fg_sublayer_kind *kind;
    void *settings; /* owned; as the kind has them */
} choice;

typedef struct stochastic {
    choice *choices; /* owned */
    size_t count, main;
} stochastic;

static const fg_hyperparameter choice_rows[] = {FG_KIND_ROW_AS("mixer", choice, kind, true, fg_mixer_find)};

static void release(void *settings) {
    stochastic *s = settings;
    for (size_t i = 0; s->choices && i < s->count; i++) {
        choice *c = &s->choices[i];
        if (c->kind) fg_sublayer_settings_free(c->kind, &c->settings);
        json_decref(c->config);
        fg_free(c->name);
    }
    fg_free(s->choices);
}

static fg_status describe(choice *c, const fg_hyperparameters_source *source, const char *as,
                          const json_t *mixer, fg_error *err) {
    FG_CALL_NEW(c->config, fg_json_deep_copy(source->config, err));
    return fg_json_set_at(c->config, as, fg_json_deep_copy(mixer, err), err);
}

static fg_status read_settings(void *settings, const fg_hyperparameters_source *source, fg_error *err);

static fg_status read_choice(choice *c, const char *name, const fg_hyperparameters_source *source,
                             const json_t *mixer, fg_error *err) {
    fg_hyperparameters_source own = *source;
    const fg_hyperparameters table = {.rows = choice_rows, .count = 1, .values = c, .outer = source->outer};
    const char *as = json_string_value(fg_json_at(source->declared, "mixers/as"));
    if (!json_is_object(mixer))
        return fg_fail(err, FG_ERR_INPUT, "config: mixer \"%.100s\": found %s, expected an object", name,
                       fg_json_kind(mixer));
    FG_CALL_NEW(c->name, fg_strdup(name, err));
    FG_CALL(describe(c, source, as ? as : "mixer", mixer, err));
    own.config = c->config;
    FG_CALL(fg_hyperparameters_read(&table, &own, err));
    if (c->kind->read == read_settings)
        return fg_fail(err, FG_ERR_INPUT, "config: mixer \"%.100s\" is stochastic in a stochastic mixer",
                       name);
    FG_CALL(fg_hyperparameters_check_demands(&own, err));
    return fg_sublayer_settings_read(c->kind, &own, &c->settings, err);
}

static fg_status find_main(stochastic *s, const fg_hyperparameters_source *source, fg_error *err) {
    const json_t *entry = fg_json_at(source->declared, "mixers/main");
    const fg_config_entry found = fg_config_entry_find(entry, "main", source->config);
    if (!found.value) return FG_OK; /* the first */
    const char *name = json_string_value(found.value);
    for (s->main = 0; s->main < s->count; s->main++) {
        if (name && strcmp(s->choices[s->main].name, name) == 0) return FG_OK;
    }
    return fg_config_refuse(err, found.key, found.value, "the name of one of the mixers");
}

static fg_status read_settings(void *settings, const fg_hyperparameters_source *source, fg_error *err) {
    stochastic *s = settings;
    fg_status status = FG_OK;
    const char *path = json_string_value(fg_json_at(source->declared, "mixers/named")), *name = "";
    const json_t *named = path ? fg_json_at(source->config, path) : NULL;
    json_t *mixer;
    if (!json_object_size(named))
        FG_TRY(fg_config_refuse(err, path ? path : "mixers", named, "an object of mixers"));
    FG_NEW(s->choices, json_object_size(named));
    FG_JSON_MEMBERS(named, key, mixer) {
        name = key;
        FG_TRY(read_choice(&s->choices[s->count++], key, source, mixer, err));
    }
    name = "";
    FG_TRY(find_main(s, source, err));
done:
    if (status != FG_OK && *name) fg_where(err, "reading the mixer \"%.100s\"", name);
    return status;
}

/* ---- what the main mixer says ---- */

static const choice *main_of(const void *settings) {
    const stochastic *s = settings;
    return &s->choices[s->main];
}

static fg_cache_size cache_size(const void *settings) {
    const choice *c = main_of(settings);
    return c->kind->cache_size ? c->kind->cache_size(c->settings) : (fg_cache_size){0};
}

static bool sees_ahead(const void *settings) {
    const choice *c = main_of(settings);
    return c->kind->sees_ahead && c->kind->sees_ahead(c->settings);
}

static uint64_t window(const void *settings) {
    const choice *c = main_of(settings);
    return c->kind->window ? c->kind->window(c->settings) : 0;
}

static const char *idle(const void *settings, size_t index) {
    const stochastic *s = settings;
    size_t at = index + (index >= s->main);
    return at < s->count ? s->choices[at].name : NULL;
}

static uint64_t scratch(const void *settings, uint64_t tokens, uint64_t positions) {
    const choice *c = main_of(settings);
    return c->kind->scratch(c->settings, tokens, positions);
}

/* ---- weights ---- */

static fg_status bind_choice(const fg_binder *binder, const choice *c, fg_sublayer_weights *weights,
                             fg_error *err) {
    fg_binder own = *binder;
    own.config = c->config;
    own.mixer = c->name;
    return c->kind->bind(&own, c->settings, weights, err);
}

static fg_status bind(fg_binder *binder, const void *settings, fg_sublayer_weights *weights, fg_error *err) {
    const stochastic *s = settings;
    for (size_t i = 0; i < s->count; i++) {
        fg_sublayer_weights unused = {0};
        fg_status status = bind_choice(binder, &s->choices[i], i == s->main ? weights : &unused, err);
        fg_sublayer_weights_free(NULL, &unused); /* which has no cached panels */
        if (status != FG_OK) {
            fg_where(err, "binding the mixer \"%.100s\"", s->choices[i].name);
            return status;
        }
    }
    return FG_OK;
}

/* ---- running ---- */

static fg_status fill(const fg_block_call *call, fg_error *err) {
    const choice *c = main_of(call->settings);
    fg_block_call own = *call;
    own.settings = c->settings;
    return c->kind->fill ? c->kind->fill(&own, err) : FG_OK;
}

static fg_status run(const fg_block_call *call, fg_error *err) {
    const choice *c = main_of(call->settings);
    fg_block_call own = *call;
    own.settings = c->settings;
    return c->kind->run(&own, err);
}

const fg_sublayer_kind fg_stochastic = {
    .word = "stochastic",
    .settings_size = sizeof(stochastic),
    .read = read_settings,
    .release = release,
    .bind = bind,
    .fill = fill,
    .run = run,
    .cache_size = cache_size,
    .sees_ahead = sees_ahead,
    .idle = idle,
    .window = window,
    .scratch = scratch,
};
