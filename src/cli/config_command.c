/* fgconv config: the configuration that a conversion would write, without the tensors. */
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/family.h"
#include "convert/translate.h"

typedef struct config_task {
    char *file;          /* owned */
    char *found_family;  /* owned; unless something says the family */
    json_t *source;      /* owned; the file */
    const json_t *given; /* borrowed: the configuration in it */
    fg_format from, to;
    const char *family; /* borrowed */
} config_task;

/* ---- reading ---- */

static fg_status find_file(const char *path, fg_format asked, config_task *task, fg_error *err) {
    fg_status status = FG_OK;
    if (!fg_path_exists(path)) FG_TRY(fg_fail(err, FG_ERR_USAGE, "%s: no such file or directory", path));
    if (!fg_path_is_directory(path)) {
        FG_TRY_NEW(task->file, fg_strdup(path, err));
        goto done;
    }
    if (asked == FG_FORMAT_AUTO || asked == FG_FORMAT_FAST_LLM)
        FG_TRY_NEW(task->file, fg_path_join(path, "metadata.yaml", err));
    if (task->file && fg_path_is_file(task->file)) goto done;
    fg_free(task->file);
    FG_TRY_NEW(task->file, fg_path_join(path, "config.json", err));
done:
    return status;
}

static fg_status read_source(const fg_options *options, config_task *task, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(find_file(options->first, options->from, task, err));
    bool yaml = fg_ends_with(task->file, ".yaml") || fg_ends_with(task->file, ".yml");
    FG_TRY(yaml ? fg_yaml_read(task->file, &task->source, NULL, err)
                : fg_json_read(task->file, &task->source, err));
    if (!json_is_object(task->source))
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", task->file,
                       fg_json_kind(task->source)));
    task->given = task->source;
done:
    return status;
}

/* ---- formats ---- */

static bool is_known_family(const fg_converter_dirs *dirs, const char *family) {
    fg_converter *converter = NULL;
    fg_error ignored = {0};
    bool known =
        family && fg_converter_load(&converter, dirs, FG_FORMAT_FORGATHER, family, &ignored) == FG_OK;
    fg_converter_free(&converter);
    return known;
}

/* What the file says by itself: `marked` if it could not be anything else. */
static fg_status recognise(const fg_converter_dirs *dirs, config_task *task, bool *marked, fg_error *err) {
    fg_status status = FG_OK;
    const char *model_type = NULL, *hf_model_type = NULL;
    const json_t *base_model = fg_json_at(task->source, "config/base_model");
    if (!base_model) base_model = json_object_get(task->source, "base_model");
    FG_TRY(fg_json_get_string(task->source, "model_type", task->file, &model_type, err));
    FG_TRY(fg_json_get_string(task->source, "hf_model_type", task->file, &hf_model_type, err));
    if (json_is_object(base_model)) {
        task->from = FG_FORMAT_FAST_LLM;
        task->given = base_model;
        task->family = json_string_value(fg_json_at(task->source, FG_CHECKPOINT_ORIGIN));
    } else if (hf_model_type || (model_type && fg_starts_with(model_type, "forgather-"))) {
        task->from = FG_FORMAT_FORGATHER;
        task->family = hf_model_type;
    } else {
        task->from = FG_FORMAT_HF;
        task->family = model_type;
    }
    *marked = task->from != FG_FORMAT_HF || is_known_family(dirs, model_type);
done:
    return status;
}

/* Where a configuration says its family. */
static const char *family_key(fg_format format) {
    return format == FG_FORMAT_HF          ? "model_type"
           : format == FG_FORMAT_FORGATHER ? "hf_model_type"
                                           : FG_CHECKPOINT_ORIGIN;
}

/* Held against --from: only a file that says nothing can be declared to be of another format. */
static fg_status decide_formats(const fg_options *options, const fg_converter_dirs *dirs, config_task *task,
                                fg_error *err) {
    fg_status status = FG_OK;
    bool marked;
    FG_TRY(recognise(dirs, task, &marked, err));
    if (options->from != FG_FORMAT_AUTO && options->from != task->from) {
        if (marked) {
            fg_fail(err, FG_ERR_USAGE, "%s is a configuration of %s (%s %s), but --from says %s", task->file,
                    fg_format_name(task->from), family_key(task->from),
                    task->family ? task->family : "not given", fg_format_name(options->from));
            FG_TRY(fg_hint(err, "leave --from out"));
        }
        task->from = options->from;
        task->family = NULL;
    }
    task->to = task->from == FG_FORMAT_HF ? FG_FORMAT_FORGATHER : FG_FORMAT_HF;
    if (options->to != FG_FORMAT_AUTO) task->to = options->to;
    if (task->to == task->from)
        FG_TRY(fg_fail(err, FG_ERR_USAGE, "--to %s: %s is in that format already",
                       fg_format_name(options->to), task->file));
    if (options->model_type) task->family = options->model_type;
    if (!task->family && task->from == FG_FORMAT_FAST_LLM) {
        FG_TRY(fg_family_find(dirs, task->given, task->file, &task->found_family, err));
        task->family = task->found_family;
    }
    if (!task->family) {
        fg_fail(err, FG_ERR_INPUT, "%s does not say which model family this is (no %s)", task->file,
                family_key(task->from));
        FG_TRY(fg_hint(err, "give it with --model-type; `fgconv list` shows the families"));
    }
done:
    return status;
}

/* ---- translating ---- */

/* One step: between hf and another format. */
static fg_status step(const config_task *task, const fg_converter_dirs *dirs, fg_format other,
                      fg_direction direction, const json_t *source, const fg_translate_options *how,
                      json_t **result, fg_error *err) {
    fg_status status = FG_OK;
    fg_converter *converter = NULL;
    fg_translation translation = {0};
    FG_TRY(fg_converter_load(&converter, dirs, other, task->family, err));
    FG_TRY(fg_translate(converter, dirs, direction, source, how, &translation, err));
    *result = json_incref(translation.result);
done:
    fg_translation_free(&translation);
    fg_converter_free(&converter);
    return status;
}

/* From one format to another, by way of hf where neither is hf. */
static fg_status translate(const config_task *task, const fg_options *options, const fg_converter_dirs *dirs,
                           const char *version, json_t **result, fg_error *err) {
    fg_status status = FG_OK;
    json_t *between = NULL;
    fg_translate_options how = {.max_length = options->max_length,
                                .hf_version = options->hf_version,
                                .version = version,
                                .file = task->file,
                                .newer_rotary =
                                    json_is_true(fg_json_at(task->source, FG_CHECKPOINT_NEWER_ROTARY)),
                                .carried = fg_json_at(task->source, FG_CHECKPOINT_CARRIED)};
    if (task->from == FG_FORMAT_HF) {
        FG_TRY(step(task, dirs, task->to, FG_IMPORT, task->given, &how, result, err));
    } else {
        FG_TRY(step(task, dirs, task->from, FG_EXPORT, task->given, &how, &between, err));
        if (task->to != FG_FORMAT_HF)
            FG_TRY(step(task, dirs, task->to, FG_IMPORT, between, &how, result, err));
        else
            *result = json_incref(between);
    }
done:
    json_decref(between);
    return status;
}

/* The type of the weights is not a matter of translation: it is carried over under the name that both formats
 * read. */
static fg_status carry_dtype(const json_t *source, json_t *result, fg_error *err) {
    const json_t *dtype = json_object_get(source, "dtype");
    if (!json_is_string(dtype)) dtype = json_object_get(source, "torch_dtype");
    if (!json_is_string(dtype)) return FG_OK;
    const char *name = json_string_value(dtype);
    json_object_del(result, "torch_dtype");
    return fg_json_put(result, "dtype",
                       json_string(name + (fg_starts_with(name, "torch.") ? strlen("torch.") : 0)), err);
}

fg_status fg_command_config(const fg_options *options, const fg_converter_dirs *dirs, const char *version,
                            FILE *out, fg_error *err) {
    fg_status status = FG_OK;
    config_task task = {0};
    json_t *result = NULL;
    FG_TRY(read_source(options, &task, err));
    FG_TRY(decide_formats(options, dirs, &task, err));
    FG_TRY(translate(&task, options, dirs, version, &result, err));
    if (task.to == FG_FORMAT_FAST_LLM) {
        result = json_pack("{s:{s:o}}", "config", "base_model", result);
        if (!result) FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while printing a configuration"));
    } else {
        FG_TRY(carry_dtype(task.source, result, err));
    }
    FG_TRY(fg_cli_print_json(out, result, FG_JSON_SORTED, err));
done:
    json_decref(result);
    json_decref(task.source);
    fg_free(task.file);
    fg_free(task.found_family);
    return status;
}
