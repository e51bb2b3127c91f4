/* fgconv config: the configuration that a conversion would write, without the tensors. */
#include <string.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "convert/translate.h"

typedef struct config_task {
    char *file;     /* owned */
    json_t *source; /* owned */
    fg_format from, to;
    const char *family; /* borrowed */
} config_task;

static fg_status read_source(const char *path, config_task *task, fg_error *err) {
    fg_status status = FG_OK;
    if (!fg_path_exists(path)) FG_TRY(fg_fail(err, FG_ERR_USAGE, "%s: no such file or directory", path));
    FG_TRY_NEW(task->file,
               fg_path_is_directory(path) ? fg_path_join(path, "config.json", err) : fg_strdup(path, err));
    FG_TRY(fg_json_read(task->file, &task->source, err));
    if (!json_is_object(task->source))
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", task->file,
                       fg_json_kind(task->source)));
done:
    return status;
}

static bool is_known_family(const fg_converter_dirs *dirs, const char *family) {
    fg_converter *converter = NULL;
    fg_error ignored = {0};
    bool known =
        family && fg_converter_load(&converter, dirs, FG_FORMAT_FORGATHER, family, &ignored) == FG_OK;
    fg_converter_free(&converter);
    return known;
}

/* Which format the file is in, held against --from: only a file that says nothing can be declared to be
 * Forgather's. */
static fg_status decide_formats(const fg_options *options, const fg_converter_dirs *dirs, config_task *task,
                                fg_error *err) {
    fg_status status = FG_OK;
    const char *model_type = NULL, *hf_model_type = NULL;
    FG_TRY(fg_json_get_string(task->source, "model_type", task->file, &model_type, err));
    FG_TRY(fg_json_get_string(task->source, "hf_model_type", task->file, &hf_model_type, err));
    bool marked = hf_model_type || (model_type && fg_starts_with(model_type, "forgather-"));
    task->from = marked ? FG_FORMAT_FORGATHER : FG_FORMAT_HF;
    bool contradicts = options->from != FG_FORMAT_AUTO && options->from != task->from &&
                       (marked || is_known_family(dirs, model_type));
    if (contradicts) {
        fg_fail(err, FG_ERR_USAGE, "%s is a configuration of %s (%s %s), but --from says %s", task->file,
                fg_format_name(task->from), hf_model_type ? "hf_model_type" : "model_type",
                hf_model_type ? hf_model_type : model_type, fg_format_name(options->from));
        FG_TRY(fg_hint(err, "leave --from out"));
    }
    if (options->from != FG_FORMAT_AUTO) task->from = options->from;
    task->to = task->from == FG_FORMAT_HF ? FG_FORMAT_FORGATHER : FG_FORMAT_HF;
    if (options->to != FG_FORMAT_AUTO && options->to != task->to)
        FG_TRY(fg_fail(err, FG_ERR_USAGE, "--to %s: %s is in that format already",
                       fg_format_name(options->to), task->file));
    task->family = options->model_type          ? options->model_type
                   : task->from == FG_FORMAT_HF ? model_type
                                                : hf_model_type;
    if (!task->family) {
        fg_fail(err, FG_ERR_INPUT, "%s does not say which model family this is (no %s)", task->file,
                task->from == FG_FORMAT_HF ? "model_type" : "hf_model_type");
        FG_TRY(fg_hint(err, "give it with --model-type; `fgconv list` shows the families"));
    }
done:
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
    fg_converter *converter = NULL;
    fg_translation translation = {0};
    FG_TRY(read_source(options->first, &task, err));
    FG_TRY(decide_formats(options, dirs, &task, err));
    FG_TRY(fg_converter_load(&converter, dirs, FG_FORMAT_FORGATHER, task.family, err));
    fg_translate_options how = {.max_length = options->max_length,
                                .hf_version = options->hf_version,
                                .version = version,
                                .file = task.file};
    FG_TRY(fg_translate(converter, dirs, task.from == FG_FORMAT_HF ? FG_IMPORT : FG_EXPORT, task.source, &how,
                        &translation, err));
    FG_TRY(carry_dtype(task.source, translation.result, err));
    FG_TRY(fg_cli_print_json(out, translation.result, FG_JSON_SORTED, err));
done:
    fg_translation_free(&translation);
    fg_converter_free(&converter);
    json_decref(task.source);
    fg_free(task.file);
    return status;
}
