#include "conversion/source.h"

#include <string.h>

#include "base/alloc.h"
#include "conversion/detect_family.h"
#include "format/weight_files.h"

/* ---- its format ---- */

static const char *family_of(const fg_checkpoint *c) {
    return c->model_type ? c->model_type : "not given";
}

static fg_status contradiction(const fg_recipe *recipe, const fg_checkpoint *c, const fg_format *asked,
                               fg_error *err) {
    if (recipe->kind == FG_RECIPE_UPDATE) {
        fg_fail(err, FG_ERR_USAGE,
                "%s: only Forgather directories can be updated, but this is a %s directory (model type %s)",
                c->directory, c->format->name, family_of(c));
        fg_about_found(err, "%s", c->format->name);
        return fg_about_expected(err, "%s", asked->name);
    }
    fg_fail(err, FG_ERR_USAGE, "%s: %s%s is given, but this is a %s directory (model type %s)", c->directory,
            recipe->reverse ? "--reverse" : "--from ", recipe->reverse ? "" : asked->name, c->format->name,
            family_of(c));
    fg_about_key(err, recipe->reverse ? "--reverse" : "--from");
    fg_about_found(err, "%s", c->format->name);
    fg_about_expected(err, "%s", asked->name);
    return fg_hint(err, "remove the option: the direction is detected from the source");
}

/* Whether it looks like hf only because its configuration names no known family: it may then be declared to
 * be something else. */
static fg_status may_be_other(const fg_checkpoint *c, fg_catalogue *catalogue, bool *may, fg_error *err) {
    bool known = true;
    fg_status status = FG_OK;
    if (c->format == fg_formats[0])
        status = fg_family_is_known(catalogue, &fg_format_forgather, c->model_type, &known, err);
    *may = !known;
    return status;
}

static fg_status resolve_format(const fg_recipe *recipe, fg_catalogue *catalogue, fg_checkpoint *c,
                                fg_error *err) {
    bool update = recipe->kind == FG_RECIPE_UPDATE, may = false;
    const fg_format *asked = recipe->reverse || update ? &fg_format_forgather : recipe->from;
    if (!asked || strcmp(asked->schema, c->format->schema) == 0) return FG_OK;
    bool same_file = strcmp(asked->config_file, c->format->config_file) == 0;
    fg_status status = same_file ? may_be_other(c, catalogue, &may, err) : FG_OK;
    if (status != FG_OK) return status;
    return may ? fg_checkpoint_declare(c, asked, err) : contradiction(recipe, c, asked, err);
}

/* ---- whether it can be replaced ---- */

/* Why the result would lack the file if it replaced the source; NULL: it has it. */
static const char *would_lose(const fg_checkpoint *source, const char *name, const char *path,
                              fg_path_kind kind) {
    if (kind == FG_PATH_OTHER) return "a FIFO, a socket or a device";
    if (kind == FG_PATH_DIRECTORY) return strcmp(name, FG_CHECKPOINT_TEMPLATES) == 0 ? NULL : "a folder";
    bool weights = fg_weight_files_is_name(name) && !fg_ends_with(name, ".index.json");
    return weights && !fg_tensors_have_file(&source->tensors, path) ? "weights that are not read" : NULL;
}

/* FG_ERR_INPUT unless every file in the directory is read, copied, or rewritten, so that the result may
 * replace it. */
static fg_status check_replaceable(const fg_checkpoint *source, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    FG_TRY(fg_directory_list(source->directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        fg_free(path);
        FG_TRY_NEW(path, fg_path_join(source->directory, names.items[i], err));
        fg_path_kind kind;
        FG_TRY(fg_path_look(path, &kind, err));
        const char *why = would_lose(source, names.items[i], path, kind);
        if (!why) continue;
        fg_fail(err, FG_ERR_INPUT, "%s: --in-place would lose %s: %s", source->directory, names.items[i],
                why);
        FG_TRY(fg_hint(err, "give a DST, or move it elsewhere first"));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* ---- opening ---- */

fg_status fg_source_open(const fg_recipe *recipe, fg_catalogue *catalogue, fg_source *source,
                         fg_tensors *tensors, fg_error *err) {
    fg_checkpoint *c = &source->checkpoint;
    const fg_checkpoint_options how = {.checkpoint_path = recipe->checkpoint_path,
                                       .config_only = true,
                                       .allow_unfinished = recipe->allow_unfinished};
    FG_CALL(fg_checkpoint_open(c, recipe->source, &how, err));
    FG_CALL(resolve_format(recipe, catalogue, c, err)); /* decides where the weights are */
    FG_CALL(fg_checkpoint_read_weights(c, recipe->checkpoint_path, false, err));
    FG_CALL_NEW(source->config_file, fg_path_join(c->directory, c->format->config_file, err));
    if (recipe->in_place) FG_CALL(check_replaceable(c, err));
    if (recipe->hf_base) FG_CALL(fg_hf_base_open(recipe->hf_base, c, &source->base, err));
    const fg_checkpoint *base = &source->base.checkpoint;
    source->generation_config = c->generation_config ? c->generation_config : base->generation_config;
    source->tokenizer_directory = source->base.tokenizer ? base->directory : c->directory;
    *tensors = c->tensors;
    c->tensors = (fg_tensors){0};
    return FG_OK;
}

fg_status fg_source_open_config(const fg_recipe *recipe, fg_catalogue *catalogue, fg_source *source,
                                fg_error *err) {
    fg_checkpoint *c = &source->checkpoint;
    bool may;
    FG_CALL(fg_checkpoint_open_config(c, recipe->source, recipe->from, err));
    FG_CALL_NEW(source->config_file, fg_strdup(c->directory, err));
    if (!recipe->from || strcmp(recipe->from->schema, c->format->schema) == 0) return FG_OK;
    FG_CALL(may_be_other(c, catalogue, &may, err));
    if (!may) {
        fg_fail(err, FG_ERR_USAGE, "%s is a configuration of %s (%s %s), but --from is %s", c->directory,
                c->format->name, c->format->family_key, family_of(c), recipe->from->name);
        fg_about_key(err, "--from");
        fg_about_found(err, "%s", recipe->from->name);
        fg_about_expected(err, "%s", c->format->name);
        FG_CALL(fg_hint(err, "remove --from"));
    }
    return fg_checkpoint_declare(c, recipe->from, err);
}

const json_t *fg_source_model_config(const fg_source *source) {
    return fg_format_model_config(source->checkpoint.format, source->checkpoint.config);
}

void fg_source_free(fg_source *source) {
    fg_checkpoint_close(&source->checkpoint);
    fg_free(source->config_file);
    fg_hf_base_free(&source->base);
    *source = (fg_source){0};
}
