/* fgconv verify: a finished conversion compared with the plan that made it, byte by byte, without running a
 * model. */
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "commands/command_table.h"
#include "commands/recipe_options.h"
#include "commands/run.h"
#include "conversion/conversion_report.h"
#include "distribute.h"
#include "format/missing_model.h"
#include "report/report.h"
#include "translate/rotary_settings.h"
#include "write.h"

typedef struct verification {
    fg_copier *copier;
    fg_tensors table; /* of the destination */
    fg_reader *reader;
} verification;

static fg_status check_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                            void *progress_context, fg_error *err) {
    verification *v = context;
    fg_status status = fg_copier_verify(v->copier, item, &v->table, v->reader, err);
    if (status == FG_OK) progress(progress_context, item->bytes);
    return status;
}

/* The first of the tensors that the plan does not make. */
static fg_status refuse_surplus(const fg_plan *plan, const fg_tensors *table, fg_error *err) {
    fg_status status = FG_OK;
    fg_map made = {0};
    size_t extra = 0;
    for (size_t o = 0; o < plan->output_count; o++)
        FG_TRY(fg_map_set(&made, plan->outputs[o].name, (uint32_t)o, err));
    while (fg_map_get(&made, table->items[extra].name) != FG_MAP_NONE) extra++;
    FG_FAIL(err, FG_ERR_DIFFER, "the destination has %zu tensors, the plan makes %zu: \"%s\" is too much",
            table->count, plan->output_count, table->items[extra].name);
done:
    fg_map_free(&made);
    return status;
}

/* Each output must be there with its dtype and shape, and nothing besides. */
static fg_status check_tables(const fg_plan *plan, const fg_tensors *table, fg_error *err) {
    for (size_t o = 0; o < plan->output_count; o++) {
        const fg_output *output = &plan->outputs[o];
        const fg_tensor *held = fg_tensors_find(table, output->name);
        if (!held)
            return fg_fail(err, FG_ERR_DIFFER, "tensor %s is missing in the destination", output->name);
        bool same = held->dtype == output->dtype && held->rank == output->rank &&
                    memcmp(held->shape, output->shape, output->rank * sizeof *output->shape) == 0;
        char text[120];
        if (!same)
            return fg_fail(
                err, FG_ERR_DIFFER,
                "tensor %s: the destination has %s, expected %s and the planned shape (%u dimensions)",
                output->name, fg_tensor_text(held, text, sizeof text), fg_dtype_name(output->dtype),
                output->rank);
    }
    return table->count == plan->output_count ? FG_OK : refuse_surplus(plan, table, err);
}

static fg_status open_destination(const fg_run *run, const char *directory, bool unfinished,
                                  fg_tensors *table, fg_error *err) {
    fg_checkpoint checkpoint = {0};
    fg_checkpoint_options how = {.checkpoint_path = directory, .unfinished = unfinished};
    fg_buffer encoded = {0};
    if (run->ranks->rank == 0 && fg_checkpoint_open(&checkpoint, directory, &how, err) == FG_OK)
        fg_tensors_encode(&checkpoint.tensors, &encoded, err);
    fg_checkpoint_close(&checkpoint);
    fg_status status = fg_ranks_share_text(run->ranks, &encoded, err);
    if (status == FG_OK) {
        fg_tensors_decode(encoded.data, encoded.length, table, err);
        status = fg_ranks_agree(run->ranks, err);
    }
    fg_buffer_free(&encoded);
    return status;
}

/* Bytes that differ because a file changed while it was read are no difference. */
static fg_status check_unchanged(const fg_run *run, const verification *v, const fg_conversion *conversion,
                                 fg_error *err) {
    const fg_error found = *err;
    *err = (fg_error){0};
    if (conversion && fg_conversion_check_unchanged(conversion, err) == FG_OK)
        fg_tensors_check_unchanged(&v->table, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status != FG_OK) return status;
    *err = found;
    return (fg_status)found.status;
}

fg_status fg_verify_directory(const fg_run *run, const fg_plan *plan, const fg_conversion *conversion,
                              const char *directory, bool unfinished, fg_error *err) {
    verification v = {0};
    fg_item_task task = {
        .carry_out = check_item, .context = &v, .what = "verifying", .style = fg_run_progress(run)};
    fg_status status = open_destination(run, directory, unfinished, &v.table, err);
    if (status == FG_OK) {
        if (check_tables(plan, &v.table, err) != FG_OK) fg_about_file(err, directory);
        if (err->status == FG_OK) fg_copier_new(&v.copier, plan, NULL, err);
        if (err->status == FG_OK) fg_reader_new(&v.reader, &v.table, err);
        status = fg_ranks_agree(run->ranks, err);
    }
    if (status == FG_OK) status = fg_distribute(run->ranks, plan, &task, err);
    if (status == FG_OK || status == FG_ERR_DIFFER) status = check_unchanged(run, &v, conversion, err);
    fg_reader_free(&v.reader);
    fg_copier_free(&v.copier);
    fg_tensors_free(&v.table);
    return status;
}

/* ---- the command ---- */

/* The file with the report of the conversion; NULL: there is none. */
static fg_status find_report(const fg_options *options, char **path, fg_error *err) {
    fg_path_kind kind;
    FG_CALL(fg_path_look(options->destination, &kind, err));
    if (kind != FG_PATH_DIRECTORY) FG_CALL(fg_refuse_no_directory(options->destination, err));
    FG_CALL_NEW(*path, options->report ? fg_strdup(options->report, err)
                                       : fg_path_join(options->destination, FG_REPORT_FILE, err));
    FG_CALL(fg_path_look(*path, &kind, err));
    if (kind != FG_PATH_ABSENT) return FG_OK;
    if (options->report) {
        fg_fail(err, FG_ERR_USAGE, "--report %s: there is no such file", *path);
        return fg_about_file(err, *path);
    }
    fg_warn("%s is missing: the options of the conversion are taken from the command line", *path);
    fg_free(*path);
    *path = NULL;
    return FG_OK;
}

/* The destination's format that a report names, unless one is given. */
static fg_status recall_format(const json_t *report, const char *path, const fg_format **format,
                               fg_error *err) {
    const char *name = json_string_value(fg_json_at(report, "destination/format"));
    const fg_format *named = name ? fg_format_find(name) : NULL;
    if (name && !named)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: destination/format: found \"%s\", expected the name of a format", path, name);
    if (!*format) *format = named;
    return FG_OK;
}

/* What the conversion was asked for, from its report; the command line takes precedence. */
static fg_status recall_recipe(const fg_options *options, fg_recipe *recipe, json_t **report, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    FG_TRY(fg_recipe_from_options(FG_RECIPE_CONVERT, options, recipe, err));
    FG_TRY(find_report(options, &path, err));
    if (!path) goto done;
    FG_TRY(fg_json_read(path, report, err));
    FG_TRY(fg_recipe_recall(recipe, json_object_get(*report, "options"), path, err));
    const char *command = json_string_value(json_object_get(*report, "command"));
    if (command) recipe->kind = fg_recipe_kind_find(command, recipe->kind);
    FG_TRY(recall_format(*report, path, &recipe->to, err));
done:
    fg_free(path);
    return status;
}

static bool has_newer_rotary(const json_t *held, const json_t *expected) {
    json_t *value;
    if (json_object_get(held, "rope_parameters") && !json_object_get(expected, "rope_parameters"))
        return true;
    FG_JSON_MEMBERS(held, key, value) {
        if (has_newer_rotary(value, json_object_get(expected, key))) return true;
    }
    return false;
}

/* Earlier versions of fgconv wrote rope_parameters whatever --hf-version said. Numbers that agree are no
 * difference. */
static fg_status align_rotary(const char *path, json_t *held, json_t *expected, fg_error *err) {
    if (!has_newer_rotary(held, expected)) return FG_OK;
    fg_warn("%s has rope_parameters, which transformers 4 does not read; convert again for rope_theta", path);
    FG_CALL(fg_rotary_settings_spell(held, true, path, err));
    return fg_rotary_settings_spell(expected, true, path, err);
}

/* Equal but for keys: each that differs, is missing or too much is named with its values. */
static fg_status compare(const char *path, const json_t *held, const json_t *planned, fg_error *err) {
    json_t *value;
    char found[80], expected[80];
    FG_JSON_MEMBERS(planned, key, value) {
        const json_t *there = json_object_get(held, key);
        if (!fg_json_equal(there, value))
            return fg_fail(err, FG_ERR_DIFFER, "%s: key \"%s\": found %s, expected %s", path, key,
                           fg_json_brief(there, found, sizeof found),
                           fg_json_brief(value, expected, sizeof expected));
    }
    FG_JSON_MEMBERS(held, key, value) {
        if (!json_object_get(planned, key))
            return fg_fail(err, FG_ERR_DIFFER, "%s: key \"%s\": found %s, expected none", path, key,
                           fg_json_brief(value, found, sizeof found));
    }
    return FG_OK;
}

/* The destination's configuration must be what the converter makes; keys that users add are named. */
static fg_status check_config(const fg_conversion *conversion, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    const fg_format *to = conversion->decided.route.to;
    char *path = NULL;
    json_t *document = NULL, *planned = NULL;
    FG_TRY_NEW(path, fg_path_join(directory, to->config_file, err));
    FG_TRY(fg_format_read_file(path, &document, err));
    json_t *held = fg_format_config(to, document);
    FG_TRY_NEW(planned, fg_json_deep_copy(conversion->settings.config, err));
    if (to->hub) FG_TRY(align_rotary(path, held, planned, err));
    FG_TRY(compare(path, held, planned, err));
done:
    json_decref(document);
    json_decref(planned);
    fg_free(path);
    return status;
}

static fg_status plan_again(const fg_run *run, const fg_recipe *recipe, fg_conversion *conversion,
                            fg_error *err) {
    FG_CALL(fg_conversion_prepare(conversion, recipe, run->catalogue, run->version, err));
    return check_config(conversion, run->options->destination, err);
}

/* The report says what was asked for here. */
static fg_status make_report(const fg_run *run, const fg_conversion *conversion, double seconds,
                             json_t **report, fg_error *err) {
    fg_status status = FG_OK;
    fg_recipe asked = {0};
    FG_TRY(fg_recipe_from_options(FG_RECIPE_CONVERT, run->options, &asked, err));
    asked.weights_choice = NULL; /* by the conversion, not here */
    FG_TRY(fg_run_report_begin(run, report, err));
    FG_TRY(fg_conversion_report(conversion, &asked, *report, err));
    FG_TRY(fg_conversion_report_tensors(fg_conversion_named_plan(conversion), NULL, *report, err));
    FG_TRY(fg_json_put(*report, "proof", json_pack("{s:s, s:f}", "kind", "bytes", "seconds", seconds), err));
done:
    fg_recipe_free(&asked);
    return status;
}

/* Collective. */
static fg_status say_result(const fg_run *run, const fg_conversion *conversion, const char *started,
                            double begun, fg_outputs *outputs, fg_error *err) {
    json_t *report = NULL;
    bool first = run->ranks->rank == 0;
    double seconds = fg_clock_seconds() - begun;
    if (first) make_report(run, conversion, seconds, &report, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status == FG_OK) {
        if (first) fg_json_put(report, "started", json_string(started), err); /* not when it is made */
        fg_run_report_end(run, "done", seconds, &(fg_rank_work){.proof_seconds = seconds}, report, err);
        if (first && err->status == FG_OK) fg_run_report_write(run, outputs, report, err);
        if (first && err->status == FG_OK) fg_run_report_show(run, report, err);
        status = fg_ranks_agree(run->ranks, err);
    }
    json_decref(report);
    return status;
}

static fg_status reserve_page(const fg_options *options, fg_outputs *outputs, fg_error *err) {
    const fg_output_request request = {.html = options->html,
                                       .reads = {options->source, options->destination}};
    return fg_outputs_reserve(outputs, &request, err);
}

static fg_status run_verify(const fg_run *run, fg_error *err) {
    fg_conversion conversion = {0};
    fg_plan received = {0}, *plan = run->ranks->rank == 0 ? &conversion.layout.plan : &received;
    fg_stage nowhere = {0};
    fg_recipe recipe = {0};
    json_t *recalled = NULL;
    fg_outputs outputs = {0}; /* rank 0 */
    double begun = fg_clock_seconds();
    char started[FG_CLOCK_TEXT];
    fg_clock_text(started);
    if (run->ranks->rank == 0 && recall_recipe(run->options, &recipe, &recalled, err) == FG_OK &&
        plan_again(run, &recipe, &conversion, err) == FG_OK)
        reserve_page(run->options, &outputs, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status == FG_OK) status = fg_write_share(run->ranks, plan, &nowhere, err);
    if (status == FG_OK)
        status = fg_verify_directory(run, plan, run->ranks->rank == 0 ? &conversion : NULL,
                                     run->options->destination, false, err);
    if (status == FG_OK) status = say_result(run, &conversion, started, begun, &outputs, err);
    if (run->ranks->rank == 0) status = fg_outputs_close(&outputs, status, err);
    fg_conversion_free(&conversion);
    fg_recipe_free(&recipe);
    json_decref(recalled);
    fg_plan_free(&received);
    fg_stage_free(&nowhere);
    return status;
}

const fg_command fg_verify_command = {
    .name = "verify",
    .arguments = "SRC DST",
    .least = 2,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_CONVERTERS | FG_TAKES_IGNORED | FG_TAKES_REPORT | FG_TAKES_RANKS | FG_TAKES_JSON,
    .collective = true,
    .summary = "re-check a finished conversion byte by byte",
    .about =
        "Plans the conversion again, with the options recorded in its report, and compares DST with that "
        "plan byte by byte. No model runs.",
    .example = "fgconv verify Llama-3.2-1B llama-fg",
    .headline = {.done = "{destination} matches a conversion of {source}",
                 .differ = "{destination} differs from a conversion of {source}"},
    .run = run_verify,
};
