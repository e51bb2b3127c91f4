#include "conversion/route.h"

#include <string.h>

#include "base/alloc.h"
#include "conversion/detect_family.h"

static fg_status add(fg_route *route, const fg_route_step *step, fg_error *err) {
    fg_status status = fg_grow(&route->steps, route->count, &route->capacity, sizeof *route->steps, err);
    if (status == FG_OK) route->steps[route->count++] = *step;
    return status;
}

static fg_status add_step(fg_route *route, fg_direction direction, const fg_format *other, fg_error *err) {
    const fg_route_step step = {.direction = direction, .other = other};
    return add(route, &step, err);
}

/* ---- a round trip ---- */

/* An hf family may have converters to several formats, and any of them will do: the first that accepts the
 * model, otherwise one whose refusal is reported. */
static fg_status choose_other(const fg_source *source, const char *family, fg_catalogue *catalogue,
                              const fg_format **other, fg_error *err) {
    fg_status status = FG_OK;
    fg_family_question question = {.catalogue = catalogue,
                                   .direction = FG_IMPORT,
                                   .config = fg_source_model_config(source),
                                   .file = source->checkpoint.directory};
    fg_error refused = {.status = FG_ERR_INPUT};
    for (size_t i = 0; family && refused.status != FG_OK && i < fg_format_count; i++) {
        if (fg_formats[i]->hub || !fg_formats[i]->write_config) continue;
        *other = question.other = fg_formats[i];
        FG_TRY(fg_family_try(&question, family, &refused, NULL, err));
    }
done:
    return status;
}

static fg_status decide_round_trip(const fg_recipe *recipe, const fg_source *source, fg_catalogue *catalogue,
                                   fg_route *route, fg_error *err) {
    const fg_checkpoint *c = &source->checkpoint;
    const fg_format *other = c->format;
    const char *family = recipe->model_type ? recipe->model_type : c->model_type;
    bool from_hub = other->hub;
    route->to = c->format;
    route->keeps_format = true;
    if (recipe->kind == FG_RECIPE_FINALIZE && !route->to->holds_training) {
        fg_fail(err, FG_ERR_INPUT, "%s is a %s directory, which cannot hold training checkpoints",
                c->directory, route->to->title);
        fg_about_found(err, "%s", route->to->name);
        FG_CALL(
            fg_hint(err, "convert it (--to hf or --to forgather), or add tokens with fgconv update-vocab"));
    }
    if (from_hub) FG_CALL(choose_other(source, family, catalogue, &other, err));
    FG_CALL(add_step(route, from_hub ? FG_IMPORT : FG_EXPORT, other, err));
    return add_step(route, from_hub ? FG_EXPORT : FG_IMPORT, other, err);
}

/* ---- others ---- */

static fg_status decide_update(const fg_recipe *recipe, const fg_source *source, fg_catalogue *catalogue,
                               fg_route *route, fg_error *err) {
    const fg_format *format = source->checkpoint.format;
    route->to = format;
    FG_CALL(fg_update_decide(recipe, source, catalogue, &route->update, err));
    const fg_update *u = route->update;
    for (size_t i = 0; i < u->chain.count; i++) {
        const fg_route_step step = {.migration = u->chain.steps[i], .other = format};
        FG_CALL(add(route, &step, err));
    }
    if (!fg_update_is_checked(u)) return FG_OK;
    FG_CALL(add_step(route, FG_EXPORT, format, err));
    return add_step(route, FG_IMPORT, format, err);
}

static fg_status decide_conversion(const fg_recipe *recipe, const fg_source *source, fg_route *route,
                                   fg_error *err) {
    const fg_format *from = source->checkpoint.format;
    const fg_format *usual = from->hub ? &fg_format_forgather : &fg_format_hf;
    route->to = recipe->to ? recipe->to : usual;
    if (route->to == from) {
        fg_fail(err, FG_ERR_USAGE, "--to %s: the source %s is already in that format", from->name,
                source->checkpoint.directory);
        fg_about_found(err, "%s", from->name);
        FG_CALL(fg_hint(err, "choose another format, or remove --to"));
    }
    if (!from->hub) FG_CALL(add_step(route, FG_EXPORT, from, err));
    if (!route->to->hub) FG_CALL(add_step(route, FG_IMPORT, route->to, err));
    return FG_OK;
}

fg_status fg_route_decide(const fg_recipe *recipe, const fg_source *source, fg_catalogue *catalogue,
                          fg_route *route, fg_error *err) {
    switch (recipe->kind) {
    case FG_RECIPE_UPDATE:
        FG_CALL(decide_update(recipe, source, catalogue, route, err));
        break;
    case FG_RECIPE_CONVERT:
        FG_CALL(decide_conversion(recipe, source, route, err));
        break;
    default:
        FG_CALL(decide_round_trip(recipe, source, catalogue, route, err));
    }
    return fg_format_check_writable(route->to, err);
}

void fg_route_free(fg_route *route) {
    fg_update_free(&route->update);
    fg_free(route->steps);
    *route = (fg_route){0};
}
