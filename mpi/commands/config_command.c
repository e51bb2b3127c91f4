/* fgconv config: the configuration that a conversion would write, without the tensors. */
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "conversion/conversion.h"
#include "conversion/detect_family.h"
#include "conversion/token_id_check.h"
#include "format/fast_llm.h"
#include "format/missing_model.h"

/* ---- reading ---- */

static fg_status find_file(const char *path, const fg_format *asked, char **file, fg_error *err) {
    fg_status status = FG_OK;
    fg_path_kind kind;
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) FG_FAIL(err, FG_ERR_USAGE, "%s: no such file or directory", path);
    if (kind != FG_PATH_DIRECTORY) {
        FG_TRY_NEW(*file, fg_strdup(path, err));
        goto done;
    }
    if (asked == NULL || asked == &fg_format_fast_llm) {
        FG_TRY_NEW(*file, fg_path_join(path, FG_FAST_LLM_METADATA, err));
        FG_TRY(fg_path_look(*file, &kind, err));
        if (kind == FG_PATH_FILE) goto done;
    }
    fg_free(*file);
    FG_TRY_NEW(*file, fg_path_join(path, "config.json", err));
    FG_TRY(fg_path_look(*file, &kind, err));
    if (kind == FG_PATH_ABSENT) FG_TRY(fg_refuse_no_config(path, err));
done:
    return status;
}

static fg_status read_document(const fg_options *options, fg_conversion *c, json_t **document,
                               fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(find_file(options->source, options->from, &c->config_file, err));
    const char *file = c->config_file;
    bool yaml = fg_ends_with(file, ".yaml") || fg_ends_with(file, ".yml");
    FG_TRY(yaml ? fg_yaml_read(file, document, NULL, err) : fg_json_read(file, document, err));
    if (!json_is_object(*document))
        FG_FAIL(err, FG_ERR_INPUT, "%s: found %s, expected an object", file, fg_json_kind(*document));
done:
    return status;
}

/* ---- as the source of a conversion ---- */

/* Format and family as the file itself names them. Borrowed from it. */
typedef struct contents {
    const fg_format *format;
    const char *family;   /* NULL: not named */
    const json_t *config; /* of a Fast-LLM file the base model's */
} contents;

static fg_status recognise(const char *file, const json_t *document, contents *c, fg_error *err) {
    fg_status status = FG_OK;
    const char *model_type = NULL, *hf_model_type = NULL;
    const json_t *base_model = fg_json_at(document, "config/base_model");
    if (!base_model) base_model = json_object_get(document, "base_model");
    FG_TRY(fg_json_get_string(document, "model_type", file, &model_type, err));
    FG_TRY(fg_json_get_string(document, "hf_model_type", file, &hf_model_type, err));
    *c = (contents){.format = &fg_format_hf, .family = model_type, .config = document};
    if (json_is_object(base_model)) {
        c->format = &fg_format_fast_llm;
        c->family = json_string_value(fg_json_at(document, FG_CHECKPOINT_ORIGIN));
        c->config = base_model;
    } else if (hf_model_type || (model_type && fg_starts_with(model_type, "forgather-"))) {
        c->format = &fg_format_forgather;
        c->family = hf_model_type;
    }
done:
    return status;
}

/* --from: only a file that names no known family can be declared to have another format. */
static fg_status declare(const fg_options *options, fg_catalogue *catalogue, const char *file, contents *c,
                         fg_error *err) {
    if (options->from == NULL || options->from == c->format) return FG_OK;
    bool known;
    fg_status status = fg_family_is_known(catalogue, c->family, &known, err);
    if (status != FG_OK) return status;
    if (c->format != &fg_format_hf || known) {
        fg_fail(err, FG_ERR_USAGE, "%s is a configuration of %s (%s %s), but --from is %s", file,
                c->format->name, c->format->family_key, c->family ? c->family : "not given",
                options->from->name);
        return fg_hint(err, "remove --from");
    }
    c->format = options->from;
    c->family = NULL;
    return FG_OK;
}

/* The file stands for a directory that contains nothing else. */
static fg_status make_source(const fg_options *options, fg_catalogue *catalogue, json_t *document,
                             fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint *source = &c->source;
    contents found;
    FG_TRY(recognise(c->config_file, document, &found, err));
    FG_TRY(declare(options, catalogue, c->config_file, &found, err));
    source->format = found.format;
    FG_TRY_NEW(source->directory, fg_strdup(c->config_file, err));
    if (found.family) FG_TRY_NEW(source->model_type, fg_strdup(found.family, err));
    if (found.format == &fg_format_fast_llm) {
        source->metadata = json_incref(document);
        source->config = json_pack("{s:O}", "base_model", found.config);
    } else {
        source->config = json_incref(document);
    }
    if (!source->config) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while reading a configuration");
done:
    return status;
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
    json_t *document = NULL, *result = NULL;
    FG_TRY(read_document(options, &c, &document, err));
    FG_TRY(make_source(options, catalogue, document, &c, err));
    FG_TRY(fg_conversion_decide_steps(&c, options, catalogue, err));
    FG_TRY(fg_conversion_translate_steps(&c, options, catalogue, run->version, err));
    result = json_incref(fg_conversion_last(&c)->translation.result);
    FG_TRY(fg_conversion_warn_of_token_ids(&c, result, err));
    if (c.to == &fg_format_fast_llm) {
        result = json_pack("{s:{s:o}}", "config", "base_model", result);
        if (!result) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while printing a configuration");
    } else {
        FG_TRY(carry_dtype(document, result, err));
    }
    FG_TRY(fg_print_json(run->out, result, FG_JSON_SORTED, err));
done:
    json_decref(result);
    json_decref(document);
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
