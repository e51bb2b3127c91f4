#include "conversion/conversion_report.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/visible_text.h"
#include "conversion/config_keys.h"
#include "conversion/left_files.h"
#include "conversion/tensor_groups.h"
#include "format/experiment.h"
#include "format/training_checkpoint.h"
#include "format/weight_files.h"

/* Which training checkpoint it is. */
static fg_status report_training(const char *path, uint64_t step, const char *chosen, json_t *side,
                                 fg_error *err) {
    char saved[32];
    json_t *training;
    FG_CALL(fg_training_saved(path, saved, sizeof saved, err));
    FG_CALL_NEW(training, fg_json_put_object(side, "training_checkpoint", err));
    FG_CALL(fg_json_put_u64(training, "step", step, err));
    FG_CALL(fg_json_put_text(training, "saved", saved, err));
    if (chosen) FG_CALL(fg_json_put_text(training, "chosen", chosen, err));
    return FG_OK;
}

static fg_status report_experiment(const fg_checkpoint *checkpoint, const char *chosen, json_t *side,
                                   fg_error *err) {
    uint64_t step;
    bool latest = chosen && strcmp(chosen, "latest") == 0;
    FG_CALL(fg_json_put_text(side, "experiment", checkpoint->experiment, err));
    if (!fg_experiment_step(checkpoint->directory, &step)) return FG_OK;
    return report_training(checkpoint->directory, step, latest ? "latest_step" : chosen, side, err);
}

fg_status fg_conversion_report_weights(const fg_checkpoint *checkpoint, const char *chosen, json_t *side,
                                       fg_error *err) {
    const char *path = checkpoint->weights_directory;
    FG_CALL(fg_json_put_text(side, "weights_directory", path, err));
    if (checkpoint->experiment) return report_experiment(checkpoint, chosen, side, err);
    if (strcmp(path, checkpoint->directory) == 0 || !fg_training_is_checkpoint(path)) return FG_OK;
    return report_training(path, fg_training_steps(path), chosen, side, err);
}

static fg_status report_source(const fg_conversion *c, const fg_recipe *recipe, json_t *report,
                               fg_error *err) {
    const fg_checkpoint *checkpoint = &c->decided.source.checkpoint;
    const fg_tensors *tensors = &fg_conversion_named_plan(c)->source;
    fg_dtype_tally tally = fg_tensors_tally(tensors);
    json_t *source, *dtypes;
    FG_CALL_NEW(source, fg_json_put_object(report, "source", err));
    FG_CALL(fg_json_put_text(source, "directory", checkpoint->directory, err));
    FG_CALL(fg_conversion_report_weights(checkpoint, recipe->weights_choice, source, err));
    FG_CALL(fg_json_put_text(source, "format", checkpoint->format->name, err));
    FG_CALL(fg_json_put_text(source, "model_type", fg_conversion_source_type(c), err));
    FG_CALL(fg_json_put_u64(source, "tensors", tensors->count, err));
    FG_CALL(fg_json_put_u64(source, "bytes", tally.total_bytes, err));
    FG_CALL_NEW(dtypes, fg_json_put_object(source, "dtypes", err));
    for (int d = 0; d < FG_DTYPE_COUNT; d++) {
        if (tally.count[d]) FG_CALL(fg_json_put_u64(dtypes, fg_dtype_name((fg_dtype)d), tally.bytes[d], err));
    }
    json_t *facts = c->assembled.assembly.facts;
    return facts ? fg_json_put(source, "distributed", json_incref(facts), err) : FG_OK;
}

static fg_status report_shards(const fg_plan *plan, json_t *destination, fg_error *err) {
    json_t *shards;
    FG_CALL_NEW(shards, fg_json_put_array(destination, "shards", err));
    for (size_t s = 0; s < plan->shard_count; s++) {
        json_t *shard =
            json_pack("{s:s, s:I}", "file", plan->shard_files[s], "bytes", (json_int_t)plan->shard_bytes[s]);
        FG_CALL(fg_json_push(shards, shard, err));
    }
    return FG_OK;
}

static fg_status report_destination(const fg_conversion *c, const fg_recipe *recipe, json_t *report,
                                    fg_error *err) {
    const fg_plan *plan = &c->layout.plan;
    json_t *destination;
    FG_CALL_NEW(destination, fg_json_put_object(report, "destination", err));
    FG_CALL(fg_json_put_text(destination, "directory", recipe->destination, err));
    FG_CALL(fg_json_put_text(destination, "format", c->decided.route.to->name, err));
    FG_CALL(fg_json_put_u64(destination, "tensors", plan->output_count, err));
    FG_CALL(fg_json_put_u64(destination, "bytes", fg_plan_bytes(plan), err));
    return report_shards(plan, destination, err);
}

/* What `-c` has to name to take the same weights: where they are, without links, which may lead to another
 * training checkpoint later; or of the latest training checkpoint its place in SRC, which may be moved; of an
 * experiment the step. */
static fg_status weights_path(const fg_checkpoint *source, const fg_recipe *recipe, char **path,
                              fg_error *err) {
    const char *directory = source->directory, *weights = source->weights_directory,
               *asked = recipe->checkpoint_path;
    if (source->experiment && !(asked && strchr(asked, '/'))) {
        FG_CALL_NEW(*path, fg_strdup(fg_path_name(directory), err));
        return FG_OK;
    }
    if (asked) return fg_path_real(weights, path, err);
    if (strcmp(directory, weights) == 0) return FG_OK;
    FG_CALL_NEW(*path, fg_path_join(FG_TRAINING_FOLDER, fg_path_name(weights), err));
    return FG_OK;
}

/* What `fgconv verify` needs to make the same plan again, in another working directory too. */
static fg_status report_options(const fg_conversion *c, const fg_recipe *recipe, json_t *report,
                                fg_error *err) {
    fg_status status = FG_OK;
    json_t *held;
    char *checkpoint_path = NULL, *hf_base = NULL;
    fg_recipe recorded = *recipe;
    if (recipe->hf_base) FG_TRY(fg_path_real(recipe->hf_base, &hf_base, err));
    FG_TRY(weights_path(&c->decided.source.checkpoint, recipe, &checkpoint_path, err));
    recorded.checkpoint_path = checkpoint_path;
    recorded.hf_base = hf_base;
    recorded.tokens = c->decided.vocabulary.request.document;
    FG_TRY_NEW(held, fg_json_put_object(report, "options", err));
    FG_TRY(fg_recipe_put(&recorded, false, held, err));
done:
    fg_free(checkpoint_path);
    fg_free(hf_base);
    return status;
}

static const char *step_end(const fg_route_step *step, fg_direction reached_by) {
    return (step->direction == reached_by ? step->other : &fg_format_hf)->name;
}

/* NULL if there is no memory. */
static json_t *report_step(const fg_config_step *step) {
    const fg_migration *m = step->route->migration;
    if (m)
        return json_pack("{s:s, s:s, s:s, s:s}", "from", m->from.text, "to", m->to.text, "migration",
                         fg_path_name(m->file->path), "about", fg_migration_about(m));
    return json_pack("{s:s, s:s, s:s, s:s}", "from", step_end(step->route, FG_EXPORT), "to",
                     step_end(step->route, FG_IMPORT), "converter",
                     fg_path_name(fg_converter_file(step->converter)), "model_type",
                     fg_converter_model_type(step->converter));
}

/* Where a step reads, and where it writes. */
static const json_t *rules_of(const fg_config_step *step, bool written) {
    bool imports = step->route->direction == FG_IMPORT;
    return step->translation.rules[imports == written ? FG_SIDE_TARGET : FG_SIDE_HF];
}

static fg_status report_keys(const fg_conversion *c, const json_t *left_out, json_t *config, fg_error *err) {
    const fg_configs *configs = &c->decided.configs;
    fg_config_change change = {.source = c->decided.source.checkpoint.config,
                               .destination = c->settings.config,
                               .left_out = left_out};
    if (configs->count) {
        change.source_rules = rules_of(&configs->steps[0], false);
        change.destination_rules = rules_of(fg_configs_last(configs), true);
    }
    return fg_config_keys_report(&change, config, err);
}

/* Each step with its converter or migration, and what of the configuration they leave out. */
static fg_status report_steps(const fg_conversion *c, json_t *report, fg_error *err) {
    const fg_configs *configs = &c->decided.configs;
    json_t *list, *config, *left_out, *entry;
    FG_CALL_NEW(list, fg_json_put_array(report, "steps", err));
    FG_CALL_NEW(config, fg_json_put_object(report, "config", err));
    FG_CALL_NEW(left_out, fg_json_put_array(config, "left_out", err));
    for (size_t i = 0; i < configs->count; i++) {
        FG_CALL(fg_json_push(list, report_step(&configs->steps[i]), err));
        if (c->decided.route.keeps_format) continue;
        FG_JSON_EACH(json_array_get(c->settings.left_out, i), entry_index, entry)
            FG_CALL(fg_json_push(left_out, json_incref(entry), err));
    }
    return report_keys(c, left_out, config, err);
}

static fg_status report_base(const fg_conversion *c, json_t *report, fg_error *err) {
    const fg_hf_base *base = &c->decided.source.base;
    const char *directory = base->checkpoint.directory;
    if (!directory) return FG_OK;
    return fg_json_put(report, "hf_base",
                       json_pack("{s:o, s:O, s:O}", "directory", fg_json_string(directory), "files",
                                 base->files, "keys", c->decided.configs.base_keys),
                       err);
}

static fg_status report_token(const fg_new_tokens *tokens, const fg_new_token *token, json_t *list,
                              fg_error *err) {
    char row[FG_ROW_TEXT];
    json_t *entry = json_pack("{s:I, s:s, s:b, s:b}", "id", (json_int_t)token->id, "text", token->text, "new",
                              token->is_new, "special", token->special);
    const fg_row_edit *edit = fg_row_edits_from(&tokens->rows, token->id);
    FG_CALL(fg_json_push(list, entry, err));
    if (edit && edit->row == token->id)
        FG_CALL(fg_json_put_text(entry, "row", fg_row_value_text(edit->value, row), err));
    return FG_OK;
}

static fg_status report_tokens(const fg_conversion *c, json_t *report, fg_error *err) {
    json_t *list, *made;
    const fg_new_tokens *tokens = &c->decided.vocabulary.tokens;
    FG_CALL_NEW(list, fg_json_put_array(report, "tokens", err));
    for (size_t i = 0; i < tokens->count; i++) FG_CALL(report_token(tokens, &tokens->items[i], list, err));
    FG_CALL_NEW(made, fg_json_put_array(report, "made_files", err));
    for (size_t i = 0; i < c->made.count; i++)
        FG_CALL(fg_json_push(made, json_string(c->made.items[i].name), err));
    return FG_OK;
}

/* A tied tensor is dropped on the way to hf, and made again from its partner on the way back. */
static bool is_made_again(const fg_conversion *c, const char *name) {
    const fg_plan *plan = fg_conversion_named_plan(c);
    bool returns = c->decided.route.to == c->decided.source.checkpoint.format;
    for (size_t o = 0; returns && o < plan->output_count; o++) {
        if (strcmp(plan->outputs[o].name, name) == 0) return true;
    }
    return false;
}

static fg_status report_dropped(const fg_conversion *c, json_t *report, fg_error *err) {
    const fg_plan *plan = fg_conversion_named_plan(c);
    json_t *dropped;
    FG_CALL_NEW(dropped, fg_json_put_array(report, "dropped", err));
    for (size_t i = 0; i < plan->dropped_count; i++) {
        const char *name = plan->source.items[plan->dropped[i].source].name;
        if (is_made_again(c, name)) continue;
        FG_CALL(fg_json_push(dropped,
                             json_pack("{s:s, s:s}", "name", name, "reason", plan->dropped[i].reason), err));
    }
    return FG_OK;
}

static fg_status report_left(const fg_conversion *c, json_t *report, fg_error *err) {
    fg_names left = {0};
    fg_status status = fg_left_files_list(&c->decided, &c->layout, &c->code, &left, err);
    if (status == FG_OK) status = fg_json_put_texts(report, "left_files", left.items, left.count, err);
    fg_names_free(&left);
    return status;
}

static fg_status report_update(const fg_conversion *c, json_t *report, fg_error *err) {
    json_t *audit = NULL;
    const fg_update *update = c->decided.route.update;
    const char *source = c->decided.source.checkpoint.directory;
    if (!update) return FG_OK;
    fg_status status = fg_update_audit(update, source, &c->layout.plan, &c->gaps, &audit, err);
    return status == FG_OK ? fg_json_put(report, "update", audit, err) : status;
}

fg_status fg_conversion_report(const fg_conversion *c, const fg_recipe *recipe, json_t *report,
                               fg_error *err) {
    json_t *stop_tokens = c->settings.stop_tokens;
    FG_CALL(report_source(c, recipe, report, err));
    FG_CALL(report_destination(c, recipe, report, err));
    FG_CALL(report_options(c, recipe, report, err));
    FG_CALL(report_steps(c, report, err));
    FG_CALL(report_base(c, report, err));
    FG_CALL(fg_destination_code_report(&c->decided, &c->code, report, err));
    FG_CALL(report_update(c, report, err));
    FG_CALL(report_tokens(c, report, err));
    FG_CALL(report_dropped(c, report, err));
    FG_CALL(fg_tensor_groups_report(fg_conversion_named_plan(c), NULL, report, err));
    FG_CALL(report_left(c, report, err));
    if (stop_tokens) FG_CALL(fg_json_put(report, "stop_tokens", json_incref(stop_tokens), err));
    return FG_OK;
}

/* The source of an output that is one whole tensor or a concatenation: the first piece's. */
static const char *source_name(const fg_plan *plan, const fg_output *output) {
    const fg_piece *piece = output->piece_count ? &plan->pieces[output->first_piece] : NULL;
    return piece && piece->kind != FG_PIECE_ZERO ? plan->source.items[piece->source].name : NULL;
}

static fg_status report_tensor(const fg_plan *plan, const fg_output *output, const uint64_t *digest,
                               json_t *list, fg_error *err) {
    json_t *entry;
    FG_CALL_NEW(entry, fg_json_push_object(list, err));
    FG_CALL(fg_json_put_text(entry, "name", output->name, err));
    FG_CALL(fg_json_put_text(entry, "source", source_name(plan, output), err));
    FG_CALL(fg_json_put_text(entry, "dtype", fg_dtype_name(output->dtype), err));
    FG_CALL(fg_json_put_u64s(entry, "shape", output->shape, output->rank, err));
    if (!digest) return FG_OK;
    char text[24];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)*digest);
    return fg_json_put_text(entry, "digest", text, err);
}

fg_status fg_conversion_report_tensors(const fg_plan *plan, const uint64_t *digests, json_t *report,
                                       fg_error *err) {
    json_t *list;
    FG_CALL_NEW(list, fg_json_put_array(report, "tensors", err));
    for (size_t o = 0; o < plan->output_count; o++)
        FG_CALL(report_tensor(plan, &plan->outputs[o], digests ? &digests[o] : NULL, list, err));
    return FG_OK;
}

/* A name on a line of its own stays on it. */
static fg_status put_name(fg_buffer *out, const char *name, fg_error *err) {
    return fg_visible_add(name, strlen(name), FG_VISIBLE_LINE, out, err);
}

fg_status fg_conversion_names(const fg_plan *plan, fg_buffer *out, fg_error *err) {
    for (size_t o = 0; o < plan->output_count; o++) {
        const char *source = source_name(plan, &plan->outputs[o]);
        FG_CALL(put_name(out, source ? source : "(filled)", err));
        FG_CALL(fg_buffer_put(out, " -> ", err));
        FG_CALL(put_name(out, plan->outputs[o].name, err));
        FG_CALL(fg_buffer_put(out, "\n", err));
    }
    for (size_t i = 0; i < plan->dropped_count; i++) {
        const fg_dropped *dropped = &plan->dropped[i];
        FG_CALL(put_name(out, plan->source.items[dropped->source].name, err));
        FG_CALL(fg_buffer_printf(out, err, " -> (dropped: %s)\n", dropped->reason));
    }
    return FG_OK;
}
