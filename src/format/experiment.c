#include "format/experiment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/shell_word.h"
#include "base/yaml.h"
#include "format/format.h"
#include "format/training_checkpoint.h"

#define LAST_FILE "ok"

enum { DIGITS = 18 }; /* of a step: more do not fit into 64 bits */

/* ---- names ---- */

static bool read_step(const char *name, uint64_t *step) {
    size_t length = strlen(name);
    if (!length || length > DIGITS || strspn(name, "0123456789") != length) return false;
    if (*name == '0' && length > 1) return false; /* it would not be found by its number */
    *step = strtoull(name, NULL, 10);
    return true;
}

/* Slashes behind the last name aside, newly allocated. */
static char *trim_slashes(const char *path, fg_error *err) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    return fg_strndup(path, length, err);
}

bool fg_experiment_step(const char *checkpoint, uint64_t *step) {
    char *path = trim_slashes(checkpoint, NULL);
    bool is = path && read_step(fg_path_name(path), step);
    fg_free(path);
    return is;
}

/* Whether a directory has a file of this name; anything else of that name does not count. */
static fg_status has_file(const char *directory, const char *name, bool *has, fg_error *err) {
    fg_path_kind kind;
    char *path = fg_path_join(directory, name, err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_path_look(path, &kind, err);
    fg_free(path);
    *has = status == FG_OK && kind == FG_PATH_FILE;
    return status;
}

static fg_status has_folder(const char *directory, const char *name, bool *has, fg_error *err) {
    char *path = fg_path_join(directory, name, err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_path_is_directory(path, has, err);
    fg_free(path);
    return status;
}

/* ---- what it is ---- */

static fg_status is_model(const char *directory, bool *is, fg_error *err) {
    *is = false;
    for (size_t i = 0; !*is && i < fg_format_count; i++)
        FG_CALL(has_file(directory, fg_formats[i]->config_file, is, err));
    return FG_OK;
}

fg_status fg_experiment_is(const char *directory, bool *is, fg_error *err) {
    bool model = false, checkpoints = false, exports = false;
    FG_CALL(has_file(directory, FG_EXPERIMENT_CONFIG, is, err));
    if (!*is) return FG_OK;
    FG_CALL(is_model(directory, &model, err));
    FG_CALL(has_folder(directory, FG_EXPERIMENT_CHECKPOINTS, &checkpoints, err));
    FG_CALL(has_folder(directory, FG_EXPERIMENT_EXPORTS, &exports, err));
    *is = !model && (checkpoints || exports);
    return FG_OK;
}

/* The experiment that a training checkpoint belongs to, newly allocated; NULL: to none. `real` is a path
 * without links. */
static fg_status experiment_above(const char *real, char **experiment, fg_error *err) {
    fg_status status = FG_OK;
    uint64_t step;
    bool has;
    char *folder = NULL, *above = NULL;
    *experiment = NULL;
    if (!read_step(fg_path_name(real), &step)) goto done;
    FG_TRY_NEW(folder, fg_path_parent(real, err));
    if (strcmp(fg_path_name(folder), FG_EXPERIMENT_CHECKPOINTS) != 0) goto done;
    FG_TRY_NEW(above, fg_path_parent(folder, err));
    FG_TRY(has_file(above, FG_EXPERIMENT_CONFIG, &has, err));
    if (!has) goto done;
    *experiment = above;
    above = NULL;
done:
    fg_free(folder);
    fg_free(above);
    return status;
}

static fg_status experiment_of(const char *checkpoint, char **experiment, fg_error *err) {
    char *real = NULL;
    FG_CALL(fg_path_real(checkpoint, &real, err));
    fg_status status = experiment_above(real, experiment, err);
    fg_free(real);
    return status;
}

fg_status fg_experiment_has(const char *checkpoint, bool *has, fg_error *err) {
    char *experiment = NULL;
    FG_CALL(experiment_of(checkpoint, &experiment, err));
    *has = experiment != NULL;
    fg_free(experiment);
    return FG_OK;
}

/* What is no YAML says nothing. */
static fg_status read_config(const char *experiment, json_t **config, fg_error *err) {
    fg_error unreadable = {0};
    char *path = fg_path_join(experiment, FG_EXPERIMENT_CONFIG, err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_yaml_read(path, config, NULL, &unreadable);
    fg_free(path);
    return status == FG_OK || status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &unreadable);
}

fg_status fg_experiment_config(const char *checkpoint, json_t **config, fg_error *err) {
    char *experiment = NULL;
    *config = NULL;
    FG_CALL(experiment_of(checkpoint, &experiment, err));
    fg_status status = experiment ? read_config(experiment, config, err) : FG_OK;
    fg_free(experiment);
    return status;
}

fg_status fg_experiment_family(const char *checkpoint, char **family, fg_error *err) {
    static const char *const places[] = {"training/export/format", "pretrained/format"};
    fg_status status = FG_OK;
    json_t *config = NULL;
    *family = NULL;
    FG_TRY(fg_experiment_config(checkpoint, &config, err));
    for (size_t i = 0; !*family && i < sizeof places / sizeof *places; i++) {
        const char *name = json_string_value(fg_json_at(config, places[i]));
        if (name && !fg_format_find(name)) FG_TRY_NEW(*family, fg_strdup(name, err));
    }
done:
    json_decref(config);
    return status;
}

/* ---- steps ---- */

typedef struct steps {
    uint64_t *items; /* owned; ascending */
    size_t count;
} steps;

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The folders of `folder` that are called as a step; none if there is no such folder. */
static fg_status list_steps(const char *folder, steps *list, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    bool is_directory;
    *list = (steps){0};
    FG_TRY(fg_path_is_directory(folder, &is_directory, err));
    if (!is_directory) goto done;
    FG_TRY(fg_directory_list(folder, &names, err));
    FG_NEW(list->items, names.count);
    for (size_t i = 0; i < names.count; i++) {
        uint64_t step;
        if (!read_step(names.items[i], &step)) continue;
        FG_TRY(has_folder(folder, names.items[i], &is_directory, err));
        if (is_directory) list->items[list->count++] = step;
    }
    if (list->count) qsort(list->items, list->count, sizeof *list->items, by_number);
done:
    fg_names_free(&names);
    return status;
}

static char *step_path(const char *folder, uint64_t step, fg_error *err) {
    return fg_strformat(err, "%s/%" PRIu64, folder, step);
}

static fg_status is_finished(const char *checkpoint, bool *is, fg_error *err) {
    return has_file(checkpoint, LAST_FILE, is, err);
}

/* ---- finding one ---- */

/* "100, 200, 300", the last of them. */
static fg_status add_steps(const steps *list, fg_buffer *text, fg_error *err) {
    enum { SHOWN = 8 };
    size_t first = list->count > SHOWN ? list->count - SHOWN : 0;
    if (first) FG_CALL(fg_buffer_printf(text, err, "%zu more, ", first));
    for (size_t i = first; i < list->count; i++)
        FG_CALL(fg_buffer_printf(text, err, "%s%" PRIu64, i > first ? ", " : "", list->items[i]));
    return FG_OK;
}

static fg_status no_such_step(const char *folder, const char *asked, const steps *list, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    fg_fail(err, FG_ERR_USAGE, "-c %s: %s has no such step", asked, folder);
    fg_about_file(err, folder);
    fg_about_found(err, "%s", asked);
    FG_TRY(add_steps(list, &text, err));
    fg_about_expected(err, "one of %s", text.data ? text.data : "no steps");
    status = fg_hint(err, "-c takes a number (%s) or the path of a checkpoint directory",
                     text.data ? text.data : "there is none");
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status find_asked(const char *folder, const char *asked, const steps *list, char **path,
                            fg_error *err) {
    uint64_t step;
    bool is_directory = false;
    if (read_step(asked, &step)) {
        for (size_t i = 0; i < list->count; i++) {
            if (list->items[i] != step) continue;
            FG_CALL_NEW(*path, step_path(folder, step, err));
            return FG_OK;
        }
    } else if (*asked) {
        FG_CALL(fg_path_is_directory(asked, &is_directory, err));
    }
    if (!is_directory) return no_such_step(folder, asked, list, err);
    FG_CALL_NEW(*path, fg_strdup(asked, err));
    return FG_OK;
}

/* ---- whether it is whole ---- */

/* The last step before this one that is whole; 0: there is none. */
static fg_status last_finished(const char *folder, uint64_t before, uint64_t *last, fg_error *err) {
    fg_status status = FG_OK;
    steps list = {0};
    char *path = NULL;
    *last = 0;
    FG_TRY(list_steps(folder, &list, err));
    for (size_t i = list.count; !*last && i-- > 0;) {
        bool finished;
        if (list.items[i] >= before) continue;
        FG_TRY_RENEW(path, step_path(folder, list.items[i], err));
        FG_TRY(is_finished(path, &finished, err));
        if (finished) *last = list.items[i];
    }
done:
    fg_free(path);
    fg_free(list.items);
    return status;
}

static fg_status refuse_unfinished(const char *checkpoint, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL, *folder = NULL, word[FG_SHELL_WORD];
    uint64_t step = 0, last = 0;
    FG_TRY_NEW(path, trim_slashes(checkpoint, err));
    FG_TRY_NEW(folder, fg_path_parent(path, err));
    if (read_step(fg_path_name(path), &step)) FG_TRY(last_finished(folder, step, &last, err));
    fg_fail(err, FG_ERR_INPUT,
            "%s: no file \"" LAST_FILE
            "\", which the trainer creates last: the checkpoint is being saved, or its "
            "save was interrupted",
            checkpoint);
    if (!last) FG_TRY(fg_hint(err, "wait until it is saved, or take it as it is with --allow-unfinished"));
    FG_TRY_RENEW(path, step_path(folder, last, err));
    status = fg_hint(err, "step %" PRIu64 " is complete (%s); --allow-unfinished takes this one as it is",
                     last, fg_shell_word(path, word));
done:
    fg_free(path);
    fg_free(folder);
    return status;
}

fg_status fg_experiment_check_finished(const char *checkpoint, fg_error *err) {
    bool finished;
    FG_CALL(is_finished(checkpoint, &finished, err));
    return finished ? FG_OK : refuse_unfinished(checkpoint, err);
}

/* ---- what is in it ---- */

/* Adds {"format", "step", "finished", "saved"} for each step in a folder; `format` may be NULL. */
static fg_status describe_steps(const char *folder, const char *format, json_t *list, fg_error *err) {
    fg_status status = FG_OK;
    steps found = {0};
    char *path = NULL, saved[32];
    FG_TRY(list_steps(folder, &found, err));
    for (size_t i = 0; i < found.count; i++) {
        json_t *entry;
        bool finished;
        FG_TRY_RENEW(path, step_path(folder, found.items[i], err));
        FG_TRY(is_finished(path, &finished, err));
        FG_TRY(fg_training_saved(path, saved, sizeof saved, err));
        FG_TRY_NEW(entry, fg_json_push_object(list, err));
        if (format) FG_TRY(fg_json_put_text(entry, "format", format, err));
        FG_TRY(fg_json_put_u64(entry, "step", found.items[i], err));
        FG_TRY(fg_json_put(entry, "finished", json_boolean(finished), err));
        FG_TRY(fg_json_put_text(entry, "saved", saved, err));
    }
done:
    fg_free(path);
    fg_free(found.items);
    return status;
}

static fg_status describe_exports(const char *directory, json_t *list, fg_error *err) {
    fg_status status = FG_OK;
    fg_names formats = {0};
    char *folder = NULL, *path = NULL;
    bool is_directory;
    FG_TRY_NEW(folder, fg_path_join(directory, FG_EXPERIMENT_EXPORTS, err));
    FG_TRY(fg_path_is_directory(folder, &is_directory, err));
    if (is_directory) FG_TRY(fg_directory_list(folder, &formats, err));
    for (size_t i = 0; i < formats.count; i++) {
        FG_TRY_RENEW(path, fg_path_join(folder, formats.items[i], err));
        FG_TRY(describe_steps(path, formats.items[i], list, err));
    }
done:
    fg_free(folder);
    fg_free(path);
    fg_names_free(&formats);
    return status;
}

fg_status fg_experiment_describe(const char *directory, json_t **contents, fg_error *err) {
    fg_status status = FG_OK;
    char *folder = NULL;
    json_t *list, *made = json_object();
    FG_TRY(fg_json_put_text(made, "config", FG_EXPERIMENT_CONFIG, err));
    FG_TRY_NEW(list, fg_json_put_array(made, "checkpoints", err));
    FG_TRY_NEW(folder, fg_path_join(directory, FG_EXPERIMENT_CHECKPOINTS, err));
    FG_TRY(describe_steps(folder, NULL, list, err));
    FG_TRY_NEW(list, fg_json_put_array(made, "exports", err));
    FG_TRY(describe_exports(directory, list, err));
    *contents = made;
    made = NULL;
done:
    fg_free(folder);
    json_decref(made);
    return status;
}

/* ---- the one that is read ---- */

/* The path of the last model that it exported, newly allocated; NULL: there is none. */
static fg_status last_export(const char *directory, char **path, fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = json_array();
    FG_TRY(describe_exports(directory, list, err));
    const json_t *last = json_array_size(list) ? json_array_get(list, json_array_size(list) - 1) : NULL;
    if (last)
        FG_TRY_NEW(*path, fg_strformat(err, "%s/" FG_EXPERIMENT_EXPORTS "/%s/%" JSON_INTEGER_FORMAT,
                                       directory, json_string_value(json_object_get(last, "format")),
                                       json_integer_value(json_object_get(last, "step"))));
done:
    json_decref(list);
    return status;
}

static fg_status no_checkpoints(const char *directory, fg_error *err) {
    char *path = NULL, word[FG_SHELL_WORD];
    FG_CALL(last_export(directory, &path, err));
    fg_fail(err, FG_ERR_INPUT,
            "%s: an experiment of Fast-LLM without a training checkpoint (" FG_EXPERIMENT_CHECKPOINTS
            "/STEP)",
            directory);
    fg_status status =
        path ? fg_hint(err, "convert the model that it exported: %s", fg_shell_word(path, word))
             : fg_hint(err, "`fgconv inspect %s` shows what is in it", fg_shell_word(directory, word));
    fg_free(path);
    return status;
}

fg_status fg_experiment_find(const char *directory, const char *asked, char **path, fg_error *err) {
    fg_status status = FG_OK;
    steps list = {0};
    char *folder = NULL;
    *path = NULL;
    FG_TRY_NEW(folder, fg_path_join(directory, FG_EXPERIMENT_CHECKPOINTS, err));
    FG_TRY(list_steps(folder, &list, err));
    if (!asked && !list.count) FG_TRY(no_checkpoints(directory, err));
    if (asked)
        FG_TRY(find_asked(folder, asked, &list, path, err));
    else
        FG_TRY_NEW(*path, step_path(folder, list.items[list.count - 1], err));
done:
    fg_free(list.items);
    fg_free(folder);
    return status;
}
