/* fgconv config: the configuration that a conversion would write, without the tensors. */
#include <string.h>

#include "base/alloc.h"
#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "conversion/conversion.h"
#include "conversion/detect_family.h"
#include "conversion/token_id_check.h"

/* ---- the source ---- */

/* --from: only a file that names no known family can be declared to have another format. */
static fg_status declare(const fg_options *options, fg_catalogue *catalogue, fg_checkpoint *source,
                         fg_error *err) {
    if (!options->from || options->from == source->format) return FG_OK;
    bool known;
    fg_status status = fg_family_is_known(catalogue, source->model_type, &known, err);
    if (status != FG_OK) return status;
    if (source->format == fg_formats[0] && !known) return fg_checkpoint_declare(source, options->from, err);
    fg_fail(err, FG_ERR_USAGE, "%s is a configuration of %s (%s %s), but --from is %s", source->directory,
            source->format->name, source->format->family_key,
            source->model_type ? source->model_type : "not given", options->from->name);
    return fg_hint(err, "remove --from");
}

/* ---- the result ---- */

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
    const fg_options *options = run->options;
    fg_catalogue *catalogue = run->catalogue;
    fg_conversion c = {0};
    json_t *translated, *result = NULL;
    FG_TRY(fg_checkpoint_open_config(&c.source, options->source, options->from, err));
    FG_TRY(declare(options, catalogue, &c.source, err));
    FG_TRY_NEW(c.config_file, fg_strdup(c.source.directory, err));
    FG_TRY(fg_conversion_decide_steps(&c, options, catalogue, err));
    FG_TRY(fg_conversion_translate_steps(&c, options, catalogue, run->version, err));
    translated = fg_conversion_last(&c)->translation.result;
    FG_TRY(fg_conversion_warn_of_token_ids(&c, translated, err));
    FG_TRY(fg_format_document(c.to, translated, &result, err));
    if (c.to->names_dtype)
        FG_TRY(carry_dtype(c.source.metadata ? c.source.metadata : c.source.config, result, err));
    FG_TRY(fg_print_json(run->out, result, FG_JSON_SORTED, err));
done:
    json_decref(result);
    fg_conversion_free(&c);
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
