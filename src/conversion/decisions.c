#include "conversion/decisions.h"

#include <string.h>

#include "base/alloc.h"

/* ---- the configuration ---- */

/* Changes `config` wherever `after` differs from `before`. */
static fg_status apply_changes(const json_t *before, const json_t *after, json_t *config, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(after, key, value) {
        const json_t *was = json_object_get(before, key);
        if (fg_json_equal(was, value)) continue;
        json_t *held = json_object_get(config, key);
        if (json_is_object(value) && json_is_object(was) && json_is_object(held))
            FG_CALL(apply_changes(was, value, held, err));
        else
            FG_CALL(fg_json_put(config, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

/* The source's own configuration, with what `grown` has otherwise than `translated`. */
static fg_status keep_config(const fg_checkpoint *source, const json_t *translated, const json_t *grown,
                             json_t **config, fg_error *err) {
    FG_CALL_NEW(*config, fg_json_deep_copy(source->config, err));
    return apply_changes(translated, grown, fg_format_model_config(source->format, *config), err);
}

/* Without a converter for the version nothing is kept: there is no code to name. */
static fg_status update_config(const fg_route *route, const fg_configs *configs, json_t **config,
                               fg_error *err) {
    const fg_config_step *last = fg_configs_last(configs);
    const fg_update *update = route->update;
    const json_t *migrated =
        update->chain.count ? configs->steps[update->chain.count - 1].translation.result : update->config;
    return fg_update_config(last->converter ? migrated : NULL, last->translation.result, config, err);
}

/* Between two formats of one schema the model's configuration stays what it is, with the changes that a
 * larger vocabulary makes. */
static fg_status keep_model(const fg_source *source, const json_t *translated, json_t **grown,
                            fg_error *err) {
    json_t *model;
    FG_CALL_NEW(model, fg_json_deep_copy(fg_source_model_config(source), err));
    fg_status status = apply_changes(translated, *grown, model, err);
    json_decref(*grown);
    *grown = model;
    return status;
}

static fg_status wrap(const fg_route *route, const fg_converter *converter, json_t *model, json_t **config,
                      fg_error *err) {
    const char *type = json_string_value(json_object_get(fg_converter_document(converter), "model"));
    if (route->to->wrap_config) return route->to->wrap_config(type, model, config, err);
    *config = json_incref(model);
    return FG_OK;
}

/* A route that keeps the format keeps the source's own configuration, with the changes that a larger
 * vocabulary makes. */
static fg_status make_config(const fg_source *source, const fg_route *route, const fg_configs *configs,
                             const fg_vocabulary_change *vocabulary, json_t **config, fg_error *err) {
    fg_status status = FG_OK;
    const fg_config_step *last = fg_configs_last(configs);
    json_t *translated = last->translation.result, *grown = NULL;
    if (route->update) return update_config(route, configs, config, err);
    if (vocabulary->grows)
        FG_TRY(fg_translation_grow(&last->translation, vocabulary->tokens.rows.rows, &grown, err));
    else
        grown = json_incref(translated);
    bool one_schema = strcmp(source->checkpoint.format->schema, route->to->schema) == 0;
    if (one_schema && !route->keeps_format) FG_TRY(keep_model(source, translated, &grown, err));
    FG_TRY(route->keeps_format ? keep_config(&source->checkpoint, translated, grown, config, err)
                               : wrap(route, last->converter, grown, config, err));
done:
    json_decref(grown);
    return status;
}

/* ---- all of it ---- */

fg_status fg_decisions_make(const fg_recipe *recipe, fg_catalogue *catalogue, const char *version,
                            fg_decisions *d, fg_tensors *tensors, fg_error *err) {
    d->recipe = recipe;
    FG_CALL(fg_source_open(recipe, catalogue, &d->source, tensors, err));
    FG_CALL(fg_route_decide(recipe, &d->source, catalogue, &d->route, err));
    FG_CALL(fg_configs_translate(recipe, &d->source, &d->route, catalogue, version, &d->configs, err));
    FG_CALL(fg_vocabulary_change_decide(recipe, &d->source, &d->route, &d->configs, &d->vocabulary, err));
    return make_config(&d->source, &d->route, &d->configs, &d->vocabulary, &d->config, err);
}

void fg_decisions_free(fg_decisions *d) {
    json_decref(d->config);
    fg_vocabulary_change_free(&d->vocabulary);
    fg_configs_free(&d->configs);
    fg_route_free(&d->route);
    fg_source_free(&d->source);
    *d = (fg_decisions){0};
}
