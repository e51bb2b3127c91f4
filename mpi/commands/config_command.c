/* fgconv config: the configuration that a conversion would write, without the tensors. */
#include <string.h>

#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/recipe_options.h"
#include "commands/run.h"
#include "conversion/configs.h"
#include "conversion/token_id_check.h"

/* The dtype is not translated: it is copied under the name that both formats read. */
static fg_status carry_dtype(const json_t *source, json_t *result, fg_error *err) {
    const json_t *dtype = json_object_get(source, "dtype");
    if (!json_is_string(dtype)) dtype = json_object_get(source, "torch_dtype");
    if (!json_is_string(dtype)) return FG_OK;
    const char *name = json_string_value(dtype);
    json_object_del(result, "torch_dtype");
    return fg_json_put(result, "dtype",
                       json_string(name + (fg_starts_with(name, "torch.") ? strlen("torch.") : 0)), err);
}

static fg_status run_config(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    fg_recipe recipe = {0};
    fg_source source = {0};
    fg_route route = {0};
    fg_configs configs = {0};
    json_t *result = NULL;
    const fg_checkpoint *read = &source.checkpoint;
    FG_TRY(fg_recipe_from_options(FG_RECIPE_CONVERT, run->options, &recipe, err));
    FG_TRY(fg_source_open_config(&recipe, run->catalogue, &source, err));
    FG_TRY(fg_route_decide(&recipe, &source, run->catalogue, &route, err));
    FG_TRY(fg_configs_translate(&recipe, &source, &route, run->catalogue, run->version, &configs, err));
    const fg_translation *last = &fg_configs_last(&configs)->translation;
    const fg_written_ids written = {
        .file = source.config_file, .model = last->result, .left_out = last->left_out};
    FG_TRY(fg_written_ids_warn(route.to, &written, err));
    FG_TRY(fg_format_document(route.to, last->result, &result, err));
    if (route.to->names_dtype)
        FG_TRY(carry_dtype(read->metadata ? read->metadata : read->config, result, err));
    FG_TRY(fg_print_json(run->out, result, FG_JSON_SORTED, err));
done:
    json_decref(result);
    fg_configs_free(&configs);
    fg_route_free(&route);
    fg_source_free(&source);
    fg_recipe_free(&recipe);
    return status;
}

const fg_command fg_config_command = {
    .name = "config",
    .arguments = "FILE|DIR",
    .least = 1,
    .most = 1,
    .complete = FG_COMPLETE_FILES,
    .options = FG_TAKES_FROM | FG_TAKES_TARGET | FG_TAKES_FAMILY | FG_TAKES_CONVERTERS | FG_TAKES_IGNORED |
               FG_TAKES_JSON,
    .summary = "print the converted configuration as JSON",
    .about = "Prints the configuration that a conversion would write, as JSON with sorted keys. FILE is a "
             "config.json or a Fast-LLM metadata.yaml; no weights are needed.",
    .example = "fgconv config --to fast_llm Llama-3.2-1B/config.json",
    .run = run_config,
};
