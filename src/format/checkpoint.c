#include "format/checkpoint.h"

#include <string.h>

#include "base/alloc.h"
#include "format/carried.h"
#include "format/experiment.h"
#include "format/missing_model.h"
#include "format/training_checkpoint.h"
#include "format/weight_files.h"

/* ---- what kind of directory it is ---- */

static fg_status check_directory(const char *directory, fg_error *err) {
    bool is_directory;
    fg_status status = fg_path_is_directory(directory, &is_directory, err);
    return status != FG_OK || is_directory ? status : fg_refuse_no_directory(directory, err);
}

/* The directory of the model: the one that is given, or the training checkpoint of an experiment. */
static fg_status take_directory(fg_checkpoint *c, const char *directory, const fg_checkpoint_options *options,
                                fg_error *err) {
    bool experiment, checkpoint = false;
    FG_CALL(check_directory(directory, err));
    FG_CALL(fg_experiment_is(directory, &experiment, err));
    if (experiment) {
        FG_CALL_NEW(c->experiment, fg_strdup(directory, err));
        FG_CALL(fg_experiment_find(directory, options->checkpoint_path, &c->directory, err));
    } else {
        FG_CALL_NEW(c->directory, fg_strdup(directory, err));
        FG_CALL(fg_experiment_has(directory, &checkpoint, err));
    }
    bool checked = (experiment || checkpoint) && !options->allow_unfinished;
    return checked ? fg_experiment_check_finished(c->directory, err) : FG_OK;
}

fg_status fg_checkpoint_has_steps(const char *directory, bool *has, fg_error *err) {
    FG_CALL(check_directory(directory, err));
    FG_CALL(fg_experiment_is(directory, has, err));
    return *has ? FG_OK : fg_training_has_any(directory, has, err);
}

/* Takes what a document says into the checkpoint. A configuration that lies in a file of its own may be
 * the whole document. */
static fg_status take_document(fg_checkpoint *c, const fg_format *format, const char *path, json_t *document,
                               fg_error *err) {
    if (format->check_family) FG_CALL(format->check_family(path, document, err));
    const char *family = json_string_value(fg_json_at(document, format->family_key));
    if (family) FG_CALL_NEW(c->model_type, fg_strdup(family, err));
    json_t *config = fg_format_config(format, document);
    c->format = format;
    c->config = json_incref(fg_format_model_config(format, config) ? config : document);
    if (!format->config_path) return FG_OK;
    c->metadata = json_incref(document);
    if (format->carried_path) c->carried = fg_json_at(document, format->carried_path);
    if (format->newer_rotary_path)
        c->newer_rotary = json_is_true(fg_json_at(document, format->newer_rotary_path));
    return FG_OK;
}

static fg_status read_document(fg_checkpoint *c, const fg_format *wanted, fg_error *err) {
    fg_status status = FG_OK;
    const fg_format *format = wanted;
    char *path = NULL;
    json_t *document = NULL;
    if (!wanted) FG_TRY(fg_format_of_directory(c->directory, NULL, &format, err));
    FG_TRY(format->read(c->directory, &document, err));
    const fg_format *said = fg_format_of_document(document, wanted ? NULL : format);
    if (!wanted || strcmp(said->schema, wanted->schema) == 0) format = said; /* a name for all of a schema */
    FG_TRY_NEW(path, fg_path_join(c->directory, format->config_file, err));
    if (format->check) FG_TRY(format->check(path, document, err));
    status = take_document(c, format, path, document, err);
    if (status != FG_OK) fg_where(err, "opening %s", c->directory);
done:
    fg_free(path);
    json_decref(document);
    return status;
}

fg_status fg_checkpoint_open_config(fg_checkpoint *c, const char *path, const fg_format *asked,
                                    fg_error *err) {
    fg_status status = FG_OK;
    fg_path_kind kind;
    const fg_format *format;
    json_t *document = NULL;
    *c = (fg_checkpoint){0};
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) FG_FAIL(err, FG_ERR_USAGE, "%s: no such file or directory", path);
    if (kind == FG_PATH_DIRECTORY) {
        FG_TRY(fg_format_of_directory(path, asked, &format, err));
        FG_TRY_NEW(c->directory, fg_path_join(path, format->config_file, err));
        FG_TRY(fg_path_look(c->directory, &kind, err));
        if (kind == FG_PATH_ABSENT) FG_TRY(fg_refuse_no_config(path, err));
    } else {
        FG_TRY_NEW(c->directory, fg_strdup(path, err));
    }
    FG_TRY(fg_format_read_file(c->directory, &document, err));
    FG_TRY(take_document(c, fg_format_of_document(document, NULL), c->directory, document, err));
done:
    json_decref(document);
    if (status != FG_OK) fg_checkpoint_close(c);
    return status;
}

fg_status fg_checkpoint_declare(fg_checkpoint *c, const fg_format *format, fg_error *err) {
    json_t *config = c->config;
    fg_free(c->model_type);
    c->model_type = NULL;
    c->format = format;
    if (!format->model_path) return FG_OK;
    c->config = json_object();
    return fg_json_set_at(c->config, format->model_path, config, err);
}

/* ---- where the weights are ---- */

static fg_status find_weights(fg_checkpoint *c, const char *checkpoint_path, bool config_only,
                              fg_error *err) {
    fg_status status = FG_OK;
    char *folder = NULL;
    bool is_directory = false;
    if (checkpoint_path && !c->experiment) {
        FG_TRY(fg_training_find(c->directory, checkpoint_path, &c->weights_directory, err));
        goto done;
    }
    FG_TRY_NEW(folder, fg_path_join(c->directory, FG_TRAINING_FOLDER, err));
    if (c->format->opens_latest && !config_only) FG_TRY(fg_path_is_directory(folder, &is_directory, err));
    if (is_directory) {
        FG_TRY(fg_training_latest(folder, &c->weights_directory, err));
    } else {
        FG_TRY_NEW(c->weights_directory, fg_strdup(c->directory, err));
    }
done:
    fg_free(folder);
    return status;
}

fg_status fg_checkpoint_read_weights(fg_checkpoint *c, const char *checkpoint_path, bool unfinished,
                                     fg_error *err) {
    fg_free(c->weights_directory);
    c->weights_directory = NULL;
    FG_CALL(find_weights(c, checkpoint_path, false, err));
    fg_stamped_files_free(&c->weights_files);
    if (strcmp(c->weights_directory, c->directory) != 0)
        FG_CALL(fg_stamped_files_add(&c->weights_files, c->weights_directory, err));
    return c->format->read_weights(c, unfinished, err);
}

/* ---- the other files ---- */

bool fg_checkpoint_is_tokenizer_file(const char *name) {
    static const char *const whole[] = {
        "added_tokens.json",       "chat_template.jinja",   "chat_template.json", "merges.txt",
        "special_tokens_map.json", "spiece.model",          "tekken.json",        "tokenizer.json",
        "tokenizer.model",         "tokenizer_config.json", "vocab.json",         "vocab.txt",
        FG_CARRIED_FILE,
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        if (strcmp(name, whole[i]) == 0) return true;
    }
    return fg_starts_with(name, FG_CHECKPOINT_TEMPLATES "/");
}

static bool is_license(const char *name) {
    static const char *const starts[] = {"LICENSE", "NOTICE", "USE_POLICY"};
    if (strcmp(name, "LICENSES") == 0) return false; /* a folder where there is one: reuse.software */
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (fg_starts_with(name, starts[i])) return true;
    }
    return false;
}

static bool is_side_file(const char *name) {
    return fg_checkpoint_is_tokenizer_file(name) || strcmp(name, "generation_config.json") == 0 ||
           is_license(name);
}

/* Rewritten by a conversion, or read by it. */
static bool is_known(const fg_checkpoint *c, const char *name) {
    const char *last = c->format->last_file;
    if (strcmp(name, c->format->config_file) == 0 || (last && strcmp(name, last) == 0)) return true;
    return strcmp(name, "fgconv_report.json") == 0;
}

/* Adds "NAME" or, with the folder that it lies in, "FOLDER/NAME". */
static fg_status add_name(fg_names *names, const char *folder, const char *name, fg_error *err) {
    return fg_names_add(names, fg_path_join(folder, name, err), err);
}

/* A file that belongs to the model must be there and be itself. The largest that are known, tokenizers, have
 * some 40 MB. */
static fg_status check_file(const char *path, fg_error *err) {
    enum { MOST = 256 << 20 };
    fg_file_stamp stamp;
    bool regular;
    FG_CALL(fg_path_is_file(path, &regular, err));
    if (!regular)
        return fg_fail(err, FG_ERR_INPUT, "%s: it was there when the directory was listed and is gone", path);
    FG_CALL(fg_file_stamp_of(path, &stamp, err));
    if (stamp.size > MOST)
        return fg_fail(err, FG_ERR_INPUT, "%s: found %llu bytes, expected at most %d", path,
                       (unsigned long long)stamp.size, MOST);
    return fg_file_refuse_pointer(path, err);
}

/* Adds the named chat templates, which have a folder of their own. */
static fg_status add_templates(fg_checkpoint *c, const char *folder, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    bool is_directory;
    FG_TRY(fg_path_is_directory(folder, &is_directory, err));
    if (!is_directory) FG_FAIL(err, FG_ERR_INPUT, "%s: not a directory", folder);
    FG_TRY(fg_directory_list(folder, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        bool template = fg_ends_with(names.items[i], ".jinja");
        FG_TRY_RENEW(path, fg_path_join(folder, names.items[i], err));
        if (template) FG_TRY(check_file(path, err));
        FG_TRY(add_name(template ? &c->side_files : &c->special_files, FG_CHECKPOINT_TEMPLATES,
                        names.items[i], err));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* What lies in the directory and belongs to no model: a folder may be there, and a link to nothing. */
static fg_status add_other(fg_checkpoint *c, const char *path, const char *name, fg_error *err) {
    fg_error strange = {0};
    fg_path_kind kind;
    fg_status status = fg_path_look(path, &kind, &strange);
    if (status != FG_OK && status != FG_ERR_INPUT) return fg_fail_again(err, &strange);
    if (status == FG_OK && kind == FG_PATH_FILE) return add_name(&c->other_files, "", name, err);
    if (status == FG_OK && kind == FG_PATH_DIRECTORY) {
        bool used = c->format->opens_latest && strcmp(name, FG_TRAINING_FOLDER) == 0;
        return used ? FG_OK : fg_names_add(&c->special_files, fg_strformat(err, "%s/", name), err);
    }
    return add_name(&c->special_files, "", name, err);
}

/* The list that a file of the model belongs to; NULL: none. */
static fg_names *list_of(fg_checkpoint *c, const char *name) {
    if (is_side_file(name)) return &c->side_files;
    if (fg_weight_files_is_name(name)) return &c->weight_files;
    return fg_ends_with(name, ".py") ? &c->code_files : NULL;
}

static fg_status sort_file(fg_checkpoint *c, const char *name, const char *path, fg_error *err) {
    if (is_known(c, name)) return FG_OK;
    if (strcmp(name, FG_CHECKPOINT_TEMPLATES) == 0) return add_templates(c, path, err);
    fg_names *list = list_of(c, name);
    if (!list && strcmp(name, FG_MODEL_CARD) != 0) return add_other(c, path, name, err);
    if (list != &c->weight_files)
        FG_CALL(check_file(path, err)); /* others are looked at when they are read */
    return add_name(list ? list : &c->other_files, "", name, err);
}

static fg_status sort_files(fg_checkpoint *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    FG_TRY(fg_directory_list(c->directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        FG_TRY_RENEW(path, fg_path_join(c->directory, names.items[i], err));
        FG_TRY(sort_file(c, names.items[i], path, err));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* ---- changes ---- */

static fg_status stamp_files(fg_checkpoint *c, fg_error *err) {
    char *templates;
    FG_CALL(fg_stamped_files_add(&c->files, c->directory, err));
    FG_CALL_NEW(templates, fg_path_join(c->directory, FG_CHECKPOINT_TEMPLATES, err));
    fg_status status = fg_stamped_files_add(&c->files, templates, err);
    fg_free(templates);
    return status;
}

static bool is_listed(const fg_names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], name) == 0) return true;
    }
    return false;
}

/* Weights that are read have stamps of their own (fg_tensors), and those that are not do not matter. */
static bool is_read(const fg_checkpoint *c, const char *name, bool others) {
    if (strcmp(name, "fgconv_report.json") == 0) return false;
    if (fg_weight_files_is_name(name)) return fg_ends_with(name, ".index.json") && !c->weights_files.count;
    return others || !is_listed(&c->other_files, name);
}

fg_status fg_checkpoint_check_unchanged(const fg_checkpoint *c, bool others, fg_error *err) {
    for (size_t i = 0; i < c->files.count; i++) {
        const fg_stamped_file *file = &c->files.items[i];
        if (is_read(c, fg_path_name(file->path), others))
            FG_CALL(fg_file_check_unchanged(file->path, &file->stamp, true, err));
    }
    for (size_t i = 0; i < c->weights_files.count; i++)
        FG_CALL(fg_file_check_unchanged(c->weights_files.items[i].path, &c->weights_files.items[i].stamp,
                                        true, err));
    return fg_tensors_check_unchanged(&c->tensors, err);
}

/* ---- opening and closing ---- */

fg_status fg_checkpoint_open(fg_checkpoint *checkpoint, const char *directory,
                             const fg_checkpoint_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint_options none = {0};
    fg_checkpoint *c = checkpoint;
    if (!options) options = &none;
    *c = (fg_checkpoint){0};
    FG_TRY(take_directory(c, directory, options, err));
    FG_TRY(stamp_files(c, err));
    FG_TRY(read_document(c, options->format, err));
    FG_TRY(fg_json_read_object(directory, "generation_config.json", &c->generation_config, err));
    FG_TRY(options->config_only
               ? find_weights(c, options->checkpoint_path, true, err)
               : fg_checkpoint_read_weights(c, options->checkpoint_path, options->unfinished, err));
    FG_TRY(sort_files(c, err));
done:
    if (status != FG_OK) fg_checkpoint_close(c);
    return status;
}

void fg_checkpoint_close(fg_checkpoint *checkpoint) {
    fg_free(checkpoint->directory);
    fg_free(checkpoint->experiment);
    fg_free(checkpoint->weights_directory);
    fg_free(checkpoint->model_type);
    json_decref(checkpoint->config);
    json_decref(checkpoint->metadata);
    json_decref(checkpoint->generation_config);
    json_decref(checkpoint->index_metadata);
    fg_tensors_free(&checkpoint->tensors);
    fg_stamped_files_free(&checkpoint->files);
    fg_stamped_files_free(&checkpoint->weights_files);
    fg_names_free(&checkpoint->side_files);
    fg_names_free(&checkpoint->code_files);
    fg_names_free(&checkpoint->weight_files);
    fg_names_free(&checkpoint->other_files);
    fg_names_free(&checkpoint->special_files);
    *checkpoint = (fg_checkpoint){0};
}
