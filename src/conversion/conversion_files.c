#include "conversion/conversion_files.h"

#include <string.h>

#include "base/alloc.h"
#include "format/carried.h"
#include "format/training_checkpoint.h"

/* ---- configuration and index ---- */

/* The name of each tensor inside its file -> the file. */
static fg_status map_weights(const fg_plan *plan, json_t **map, fg_error *err) {
    fg_status status = FG_OK;
    char *name = NULL;
    *map = json_object();
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *o = &plan->outputs[i];
        FG_TRY_NEW(name, fg_strformat(err, "%s%s", o->name, plan->name_end ? plan->name_end : ""));
        FG_TRY(fg_json_put(*map, name, json_string(fg_path_name(plan->shard_files[o->shard])), err));
        fg_free(name);
        name = NULL;
    }
done:
    fg_free(name);
    return status;
}

static fg_format_contents contents_of(const fg_conversion *c, const json_t *weight_map) {
    const fg_plan *plan = &c->layout.plan;
    fg_format_contents contents = {
        .config = c->settings.config,
        .before = c->decided.route.keeps_format ? c->decided.source.checkpoint.metadata : NULL,
        .family = fg_conversion_destination_type(c),
        .library_version = c->settings.library_version,
        .carried = fg_settings_last_left_out(&c->settings),
        .newer_rotary = fg_configs_last(&c->decided.configs)->translation.newer_rotary,
        .weight_map = weight_map,
        .bytes = fg_plan_bytes(plan),
        .index_metadata = c->layout.index_metadata};
    for (size_t i = 0; i < plan->output_count; i++) contents.elements += plan->outputs[i].elements;
    return contents;
}

static fg_status copy_whole(const fg_checkpoint *source, const char *name, fg_stage *stage, fg_error *err) {
    char *path = fg_path_join(source->directory, name, err);
    fg_status status = path ? fg_stage_copy_file(stage, path, name, err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

/* An unchanged configuration is copied, byte for byte, unless more is in its file. */
static fg_status write_config(const fg_conversion *c, const fg_format_contents *contents, fg_stage *stage,
                              fg_error *err) {
    fg_status status = FG_OK;
    const fg_format *to = c->decided.route.to;
    const fg_checkpoint *source = &c->decided.source.checkpoint;
    fg_buffer text = {0};
    bool unchanged = c->decided.route.keeps_format && !source->metadata &&
                     fg_json_equal(c->settings.config, source->config);
    if (unchanged) return copy_whole(source, to->config_file, stage, err);
    FG_TRY(to->write_config(contents, &text, err));
    FG_TRY(fg_stage_write(stage, to->config_file, text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

/* Next to the weights. */
static fg_status write_index(const fg_conversion *c, const fg_format_contents *contents, fg_stage *stage,
                             fg_error *err) {
    fg_status status = FG_OK;
    const fg_format *to = c->decided.route.to;
    const char *folder = c->layout.checkpoint;
    fg_buffer text = {0};
    char *name = NULL;
    if (!c->layout.has_index) goto done;
    FG_TRY_NEW(name, fg_path_join(folder ? folder : "", to->index_file, err));
    FG_TRY(to->write_index(contents, &text, err));
    FG_TRY(fg_stage_write(stage, name, text.data, text.length, err));
done:
    fg_free(name);
    fg_buffer_free(&text);
    return status;
}

static fg_status write_made(const fg_made_files *files, fg_stage *stage, fg_error *err) {
    for (size_t i = 0; i < files->count; i++) {
        const fg_made_file *file = &files->items[i];
        const fg_buffer *text = file->given ? file->given : &file->text;
        FG_CALL(fg_stage_write(stage, file->name, text->data, text->length, err));
    }
    return FG_OK;
}

/* ---- copies ---- */

/* The destination may be meant to have no generation_config.json, and what is carried is in its configuration
 * again. */
static bool is_wanted(const fg_conversion *c, const char *name) {
    if (fg_made_files_has(&c->made, name)) return false;
    if (strcmp(name, FG_CARRIED_FILE) == 0) return !c->decided.route.to->carried_path;
    return c->settings.generation_config || strcmp(name, "generation_config.json") != 0;
}

static fg_status copy_file(const fg_conversion *c, const char *directory, const char *name, fg_stage *stage,
                           json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    if (!is_wanted(c, name)) goto done;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_stage_copy_file(stage, path, name, err));
    FG_TRY(fg_json_push(copied, json_string(name), err));
done:
    fg_free(path);
    return status;
}

static fg_status copy_files(const fg_conversion *c, const fg_names *names, fg_stage *stage, json_t *copied,
                            fg_error *err) {
    for (size_t i = 0; i < names->count; i++)
        FG_CALL(copy_file(c, c->decided.source.checkpoint.directory, names->items[i], stage, copied, err));
    return FG_OK;
}

/* Code that is not rewritten, and side files; update-vocab copies all files. */
static fg_status copy_all(const fg_conversion *c, fg_stage *stage, json_t *copied, fg_error *err) {
    const fg_decisions *d = &c->decided;
    const fg_checkpoint *source = &d->source.checkpoint;
    const fg_hf_base *base = &d->source.base;
    json_t *name;
    if (d->route.keeps_format && !d->recipe->no_code)
        FG_CALL(copy_files(c, &source->code_files, stage, copied, err));
    FG_CALL(copy_files(c, &source->side_files, stage, copied, err));
    FG_JSON_EACH(base->files, i, name)
        FG_CALL(copy_file(c, base->checkpoint.directory, json_string_value(name), stage, copied, err));
    if (d->recipe->kind == FG_RECIPE_UPDATE_VOCAB)
        FG_CALL(copy_files(c, &source->other_files, stage, copied, err));
    return FG_OK;
}

/* ---- a training checkpoint ---- */

/* So that loaders find the index next to the configuration. */
static fg_status link_index(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    const char *index = c->decided.route.to->index_file;
    if (!c->layout.has_index) return FG_OK;
    char *path = fg_path_join(c->layout.checkpoint, index, err);
    fg_status status = path ? fg_stage_link(stage, path, index, err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

/* Links to the weights, and a copy of the optimizer state. */
static fg_status write_checkpoint(const fg_conversion *c, fg_stage *stage, json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    const fg_layout *layout = &c->layout;
    char *name = NULL;
    if (!layout->checkpoint) goto done;
    for (size_t i = 0; i < layout->plan.shard_count; i++) {
        const char *file = layout->plan.shard_files[i];
        FG_TRY(fg_stage_link(stage, file, fg_path_name(file), err));
    }
    FG_TRY(link_index(c, stage, err));
    if (!layout->optimizer) goto done;
    FG_TRY_NEW(name, fg_path_join(layout->checkpoint, FG_TRAINING_OPTIMIZER, err));
    FG_TRY(fg_stage_copy_file(stage, layout->optimizer, name, err));
    FG_TRY(fg_json_push(copied, fg_json_string(name), err));
done:
    fg_free(name);
    return status;
}

/* ---- all of it ---- */

fg_status fg_conversion_write_files(const fg_conversion *c, fg_stage *stage, json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    json_t *weight_map = NULL;
    bool listed = c->layout.has_index || c->decided.route.to->index == FG_INDEX_NEVER;
    if (listed) FG_TRY(map_weights(&c->layout.plan, &weight_map, err));
    const fg_format_contents contents = contents_of(c, weight_map);
    FG_TRY(write_config(c, &contents, stage, err));
    FG_TRY(write_made(&c->made, stage, err));
    FG_TRY(write_index(c, &contents, stage, err));
    FG_TRY(fg_destination_code_write(&c->decided, &c->code, stage, err));
    FG_TRY(copy_all(c, stage, copied, err));
    FG_TRY(write_checkpoint(c, stage, copied, err));
done:
    json_decref(weight_map);
    return status;
}

fg_status fg_conversion_finish_files(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    const char *last = c->decided.route.to->last_file;
    return last ? fg_stage_write(stage, last, "", 0, err) : FG_OK;
}
