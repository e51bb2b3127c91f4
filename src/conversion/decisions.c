#include "conversion/decisions.h"

fg_status fg_decisions_make(const fg_recipe *recipe, fg_catalogue *catalogue, const char *version,
                            fg_decisions *d, fg_tensors *tensors, fg_error *err) {
    d->recipe = recipe;
    FG_CALL(fg_source_open(recipe, catalogue, &d->source, tensors, err));
    FG_CALL(fg_route_decide(recipe, &d->source, catalogue, &d->route, err));
    FG_CALL(fg_configs_translate(recipe, &d->source, &d->route, catalogue, version, &d->configs, err));
    FG_CALL(fg_vocabulary_change_decide(recipe, &d->source, &d->route, &d->configs, &d->vocabulary, err));
    return fg_converted_config(&d->source, &d->route, &d->configs, &d->vocabulary, &d->config, err);
}

void fg_decisions_free(fg_decisions *d) {
    json_decref(d->config);
    fg_vocabulary_change_free(&d->vocabulary);
    fg_configs_free(&d->configs);
    fg_route_free(&d->route);
    fg_source_free(&d->source);
    *d = (fg_decisions){0};
}
