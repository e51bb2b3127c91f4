/* fgconv config: the configuration that a conversion would write, without the tensors. */
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "conversion/conversion.h"
#include "conversion/detect_family.h"
#include "conversion/token_id_check.h"
#include "store/fast_llm.h"
#include "store/missing_model.h"

/* ---- reading ---- */

static fg_status find_file(const char *path, fg_format asked, char **file, fg_error *err) {
    fg_status status = FG_OK;
    fg_path_kind kind;
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) FG_FAIL(err, FG_ERR_USAGE, "%s: no such file or directory", path);
    if (kind != FG_PATH_DIRECTORY) {
        FG_TRY_NEW(*file, fg_strdup(path, err));
        goto done;
    }
    if (asked == FG_FORMAT_AUTO || asked == FG_FORMAT_FAST_LLM) {
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
    fg_format format;
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
    *c = (contents){.format = FG_FORMAT_HF, .family = model_type, .config = document};
    if (json_is_object(base_model)) {
        c->format = FG_FORMAT_FAST_LLM;
        c->family = json_string_value(fg_json_at(document, FG_CHECKPOINT_ORIGIN));
        c->config = base_model;
    } else if (hf_model_type || (model_type && fg_starts_with(model_type, "forgather-"))) {
        c->format = FG_FORMAT_FORGATHER;
        c->family = hf_model_type;
    }
done:
    return status;
}

/* --from: only a file that names no known family can be declared to have another format. */
static fg_status declare(const fg_options *options, fg_catalogue *catalogue, const char *file, contents *c,
                         fg_error *err) {
    if (options->from == FG_FORMAT_AUTO || options->from == c->format) return FG_OK;
    bool known;
    fg_status status = fg_family_is_known(catalogue, c->family, &known, err);
    if (status != FG_OK) return status;
    if (c->format != FG_FORMAT_HF || known) {
        fg_fail(err, FG_ERR_USAGE, "%s is a configuration of %s (%s %s), but --from is %s", file,
                fg_format_name(c->format), fg_family_key(c->format), c->family ? c->family : "not given",
                fg_format_name(options->from));
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
    if (found.format == FG_FORMAT_FAST_LLM) {
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

fg_status fg_command_config(const fg_options *options, fg_catalogue *catalogue, const char *version,
                            FILE *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_conversion c = {0};
    json_t *document = NULL, *result = NULL;
    FG_TRY(read_document(options, &c, &document, err));
    FG_TRY(make_source(options, catalogue, document, &c, err));
    FG_TRY(fg_conversion_decide_steps(&c, options, catalogue, err));
    FG_TRY(fg_conversion_translate_steps(&c, options, catalogue, version, err));
    result = json_incref(fg_conversion_last(&c)->translation.result);
    FG_TRY(fg_conversion_warn_of_token_ids(&c, result, err));
    if (c.to == FG_FORMAT_FAST_LLM) {
        result = json_pack("{s:{s:o}}", "config", "base_model", result);
        if (!result) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while printing a configuration");
    } else {
        FG_TRY(carry_dtype(document, result, err));
    }
    FG_TRY(fg_cli_print_json(out, result, FG_JSON_SORTED, err));
done:
    json_decref(result);
    json_decref(document);
    fg_conversion_free(&c);
    return status;
}
