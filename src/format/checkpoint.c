#include "format/checkpoint.h"

#include <string.h>

#include "base/alloc.h"
#include "format/carried.h"
#include "format/missing_model.h"
#include "format/training_checkpoint.h"
#include "format/weight_files.h"

/* ---- what kind of directory it is ---- */

static fg_status check_directory(const char *directory, fg_error *err) {
    bool is_directory;
    fg_status status = fg_path_is_directory(directory, &is_directory, err);
    return status != FG_OK || is_directory ? status : fg_refuse_no_directory(directory, err);
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
    if (!wanted) format = fg_format_of_document(document, format);
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
    if (checkpoint_path) {
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

static bool is_side_file(const char *name) {
    static const char *const starts[] = {"LICENSE", "NOTICE", "USE_POLICY"};
    if (fg_checkpoint_is_tokenizer_file(name) || strcmp(name, "generation_config.json") == 0) return true;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (fg_starts_with(name, starts[i])) return true;
    }
    return false;
}

/* Rewritten by a conversion, or read by it. */
static bool is_known(const char *name) {
    for (size_t i = 0; i < fg_format_count; i++) {
        const fg_format *f = fg_formats[i];
        if (strcmp(name, f->config_file) == 0 || (f->last_file && strcmp(name, f->last_file) == 0))
            return true;
    }
    return strcmp(name, "fgconv_report.json") == 0 || fg_weight_files_is_name(name);
}

/* A file that belongs to the model must be there and be itself; of others a link to nothing may lie about. */
static fg_status check_file(const char *folder, const char *name, bool travels, bool *regular,
                            fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    FG_TRY_NEW(path, fg_path_join(folder, name, err));
    if (!travels) {
        *regular = fg_path_is_file(path, regular, NULL) == FG_OK && *regular;
        goto done;
    }
    FG_TRY(fg_path_is_file(path, regular, err));
    if (*regular) FG_TRY(fg_file_refuse_pointer(path, err));
done:
    fg_free(path);
    return status;
}

/* Adds the named chat templates, which have a folder of their own. */
static fg_status add_templates(fg_checkpoint *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    bool is_directory;
    FG_TRY_NEW(path, fg_path_join(c->directory, FG_CHECKPOINT_TEMPLATES, err));
    FG_TRY(fg_path_is_directory(path, &is_directory, err));
    if (!is_directory) goto done;
    FG_TRY(fg_directory_list(path, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        bool regular;
        if (!fg_ends_with(names.items[i], ".jinja")) continue;
        FG_TRY(check_file(path, names.items[i], true, &regular, err));
        if (regular)
            FG_TRY(fg_names_add(&c->side_files, fg_path_join(FG_CHECKPOINT_TEMPLATES, names.items[i], err),
                                err));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* The list that a file of the directory belongs to; NULL: none. */
static fg_names *list_of(fg_checkpoint *c, const char *name) {
    if (is_side_file(name)) return &c->side_files;
    if (fg_ends_with(name, ".py")) return &c->code_files;
    return is_known(name) ? NULL : &c->other_files;
}

static fg_status sort_files(fg_checkpoint *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    FG_TRY(fg_directory_list(c->directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        bool regular;
        if (strcmp(names.items[i], FG_CHECKPOINT_TEMPLATES) == 0) FG_TRY(add_templates(c, err));
        fg_names *list = list_of(c, names.items[i]);
        if (!list) continue;
        FG_TRY(check_file(c->directory, names.items[i], list != &c->other_files, &regular, err));
        if (regular) FG_TRY(fg_names_add(list, fg_strdup(names.items[i], err), err));
    }
done:
    fg_names_free(&names);
    return status;
}

/* ---- opening and closing ---- */

fg_status fg_checkpoint_open(fg_checkpoint *checkpoint, const char *directory,
                             const fg_checkpoint_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_checkpoint_options none = {0};
    fg_checkpoint *c = checkpoint;
    if (!options) options = &none;
    *c = (fg_checkpoint){0};
    FG_TRY(check_directory(directory, err));
    FG_TRY_NEW(c->directory, fg_strdup(directory, err));
    FG_TRY(read_document(c, options->format, err));
    FG_TRY(fg_json_read_object(directory, "generation_config.json", &c->generation_config, err));
    FG_TRY(fg_json_read_object(directory, "tokenizer_config.json", &c->tokenizer_config, err));
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
    fg_free(checkpoint->weights_directory);
    fg_free(checkpoint->model_type);
    json_decref(checkpoint->config);
    json_decref(checkpoint->metadata);
    json_decref(checkpoint->generation_config);
    json_decref(checkpoint->tokenizer_config);
    json_decref(checkpoint->index_metadata);
    fg_tensors_free(&checkpoint->tensors);
    fg_names_free(&checkpoint->side_files);
    fg_names_free(&checkpoint->code_files);
    fg_names_free(&checkpoint->other_files);
    *checkpoint = (fg_checkpoint){0};
}
