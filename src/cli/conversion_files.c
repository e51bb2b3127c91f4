/* The files of a conversion other than its tensors: those that are made, and those that are copied. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/utf8_text.h"
#include "cli/conversion.h"
#include "copy/shards.h"
#include "store/fast_llm.h"
#include "store/weight_files.h"

enum { TEMPLATE_LIMIT = 4 << 20, NAME_LIMIT = 200 }; /* bytes of a chat template, and of its name */

/* ---- replacing ---- */

static bool is_read(const fg_checkpoint *source, const char *path) {
    for (size_t i = 0; i < source->tensors.file_count; i++) {
        if (strcmp(source->tensors.files[i], path) == 0) return true;
    }
    return false;
}

/* Why the result would lack the file if it replaced the source; NULL: it has it. */
static const char *would_lose(const fg_checkpoint *source, const char *name, const char *path,
                              bool is_directory) {
    if (is_directory) return strcmp(name, FG_CHECKPOINT_TEMPLATES) == 0 ? NULL : "a folder";
    bool weights = fg_weight_files_is_name(name) && !fg_ends_with(name, ".index.json");
    return weights && !is_read(source, path) ? "weights that are not read" : NULL;
}

fg_status fg_conversion_check_replaceable(const fg_conversion *job, fg_error *err) {
    fg_status status = FG_OK;
    const char *directory = job->source.directory;
    fg_names names = {0};
    char *path = NULL;
    FG_TRY(fg_directory_list(directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        fg_free(path);
        FG_TRY_NEW(path, fg_path_join(directory, names.items[i], err));
        bool is_directory;
        FG_TRY(fg_path_is_directory(path, &is_directory, err));
        const char *why = would_lose(&job->source, names.items[i], path, is_directory);
        if (!why) continue;
        fg_fail(err, FG_ERR_INPUT, "%s: --in-place would lose %s: %s", directory, names.items[i], why);
        FG_TRY(fg_hint(err, "give a DST, or move it elsewhere first"));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

/* ---- making ---- */

fg_status fg_conversion_add_made(fg_conversion *job, const char *name, fg_buffer **text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_grow(&job->made, job->made_count, &job->made_capacity, sizeof *job->made, err));
    FG_TRY_NEW(job->made[job->made_count].name, fg_strdup(name, err));
    *text = &job->made[job->made_count++].text;
done:
    return status;
}

static bool is_made(const fg_conversion *job, const char *name) {
    for (size_t i = 0; i < job->made_count; i++) {
        if (strcmp(job->made[i].name, name) == 0) return true;
    }
    return false;
}

static fg_status make_json(fg_conversion *job, const char *name, const json_t *value, unsigned flags,
                           fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text;
    if (!value) goto done;
    FG_TRY(fg_conversion_add_made(job, name, &text, err));
    FG_TRY(fg_json_write(value, flags, text, err));
    FG_TRY(fg_buffer_add(text, "\n", 1, err));
done:
    return status;
}

static fg_status read_template(const char *path, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_file_read_all(path, TEMPLATE_LIMIT, text, err));
    const char *at = text->data, *end = at ? at + text->length : at;
    if (!text->length) FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s is empty, expected a chat template", path));
    while (at < end) {
        const char *begin = at;
        if (fg_utf8_next(&at, end) == FG_UTF8_INVALID || !*begin)
            FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: byte %zu is not UTF-8 text, expected a chat template",
                           path, (size_t)(begin - text->data)));
    }
done:
    return status;
}

static bool is_template_name(const char *name) {
    return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_LIMIT;
}

/* transformers ignores the templates of tokenizer_config.json once there is a file: the other named templates become
 * files too. */
static fg_status move_templates(fg_conversion *job, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *entry;
    char *name = NULL;
    fg_buffer *text;
    json_array_foreach(json_object_get(job->tokenizer.config, "chat_template"), i, entry) {
        const char *called = json_string_value(json_object_get(entry, "name"));
        const char *template = json_string_value(json_object_get(entry, "template"));
        if (!template || !is_template_name(called))
            FG_TRY(
                fg_fail(err, FG_ERR_INPUT,
                        "%s/tokenizer_config.json: chat_template/%zu: expected an object with template and a "
                        "name that is valid as a file name",
                        fg_conversion_tokenizer_directory(job), i));
        if (strcmp(called, "default") == 0) continue;
        fg_free(name);
        FG_TRY_NEW(name, fg_strformat(err, "additional_chat_templates/%s.jinja", called));
        if (is_made(job, name))
            FG_TRY(fg_fail(err, FG_ERR_INPUT,
                           "%s/tokenizer_config.json: chat_template/%zu: the name \"%s\" is given twice",
                           fg_conversion_tokenizer_directory(job), i, called));
        FG_TRY(fg_conversion_add_made(job, name, &text, err));
        FG_TRY(fg_buffer_add(text, template, strlen(template), err));
    }
done:
    fg_free(name);
    return status;
}

/* transformers looks here first, so the old template in tokenizer_config.json is removed. */
static fg_status make_template(fg_conversion *job, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text;
    if (!path) goto done;
    FG_TRY(fg_conversion_add_made(job, "chat_template.jinja", &text, err));
    FG_TRY(read_template(path, text, err));
    FG_TRY(move_templates(job, err));
    json_object_del(job->tokenizer.config, "chat_template");
    if (!job->tokenizer.config && !job->tokenizer.tokenizer.length)
        fg_warn("%s has no tokenizer to use the chat template", job->source.directory);
done:
    return status;
}

static fg_status make_tokenizer(fg_conversion *job, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text;
    FG_TRY(fg_conversion_add_made(job, "tokenizer.json", &text, err));
    job->made[job->made_count - 1].given = &job->tokenizer.tokenizer;
    FG_TRY(make_json(job, "special_tokens_map.json", job->tokenizer.map, FG_JSON_UTF8, err));
done:
    return status;
}

/* A released model without a template cannot chat. */
static void warn_without_template(const fg_conversion *job) {
    bool found =
        is_made(job, "chat_template.jinja") || json_object_get(job->tokenizer.config, "chat_template");
    for (size_t i = 0; i < job->source.side_files.count; i++)
        found |= strstr(job->source.side_files.items[i], "chat_template") != NULL;
    if (!found) fg_warn("%s has no chat template; add one with -t", job->source.directory);
}

static fg_status make_audit(fg_conversion *job, fg_error *err) {
    json_t *audit = NULL;
    fg_status status = fg_conversion_audit(job, &audit, err);
    if (status == FG_OK) status = make_json(job, "forgather_update.json", audit, 0, err);
    json_decref(audit);
    return status;
}

fg_status fg_conversion_make_files(fg_conversion *job, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    bool tokens = fg_new_tokens_any(&job->tokens);
    json_t *carried = NULL;
    FG_TRY(make_template(job, options->chat_template, err));
    if (tokens) FG_TRY(make_tokenizer(job, err));
    if (tokens || options->chat_template)
        FG_TRY(make_json(job, "tokenizer_config.json", job->tokenizer.config, FG_JSON_UTF8, err));
    if (job->checkpoint) FG_TRY(fg_conversion_make_manifest(job, err));
    if (options->command == FG_COMMAND_FINALIZE) warn_without_template(job);
    if (job->update) FG_TRY(make_audit(job, err));
    if (job->generation_config && !fg_json_equal(job->generation_config, job->source.generation_config))
        FG_TRY(make_json(job, "generation_config.json", job->generation_config, FG_JSON_SORTED, err));
    FG_TRY(fg_conversion_to_carry(job, &carried, err));
    FG_TRY(make_json(job, FG_CHECKPOINT_CARRIED_FILE, carried, FG_JSON_SORTED, err));
done:
    json_decref(carried);
    return status;
}

/* ---- writing ---- */

/* An unchanged configuration is copied, byte for byte. */
static fg_status copy_config(const fg_conversion *job, fg_stage *stage, fg_error *err) {
    char *path = fg_path_join(job->source.directory, "config.json", err);
    fg_status status = path ? fg_stage_copy_file(stage, path, "config.json", err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

static fg_status write_config(const fg_conversion *job, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    if (job->keeps_format && fg_json_equal(job->config, job->source.config))
        return copy_config(job, stage, err);
    FG_TRY(fg_json_write(job->config, FG_JSON_SORTED, &text, err));
    FG_TRY(fg_buffer_add(&text, "\n", 1, err));
    FG_TRY(fg_stage_write(stage, "config.json", text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status write_metadata(const fg_conversion *job, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_conversion_metadata(job, &text, err));
    FG_TRY(fg_stage_write(stage, "metadata.yaml", text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status write_index(const fg_conversion *job, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    char *name = NULL;
    FG_TRY_NEW(name, fg_path_join(job->checkpoint ? job->checkpoint : "", FG_CONVERSION_INDEX, err));
    FG_TRY(fg_shards_index(&job->plan, job->index_metadata, &text, err));
    FG_TRY(fg_stage_write(stage, name, text.data, text.length, err));
done:
    fg_free(name);
    fg_buffer_free(&text);
    return status;
}

/* The destination may be meant to have no generation_config.json. */
static bool is_wanted(const fg_conversion *job, const char *name) {
    return !is_made(job, name) && (job->generation_config || strcmp(name, "generation_config.json") != 0);
}

static fg_status copy_file(const fg_conversion *job, const char *directory, const char *name, fg_stage *stage,
                           json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    bool given_back = job->to == FG_FORMAT_FAST_LLM && strcmp(name, FG_CHECKPOINT_CARRIED_FILE) == 0;
    if (!is_wanted(job, name) || given_back) goto done;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_stage_copy_file(stage, path, name, err));
    FG_TRY(fg_json_push(copied, json_string(name), err));
done:
    fg_free(path);
    return status;
}

static fg_status copy_files(const fg_conversion *job, const fg_names *names, fg_stage *stage, json_t *copied,
                            fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < names->count; i++)
        FG_TRY(copy_file(job, job->source.directory, names->items[i], stage, copied, err));
done:
    return status;
}

/* Code that is not rewritten, and side files; update-vocab copies all files. */
static fg_status copy_all(const fg_conversion *job, const fg_options *options, fg_stage *stage,
                          json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *name;
    if (job->keeps_format && !options->no_code)
        FG_TRY(copy_files(job, &job->source.code_files, stage, copied, err));
    FG_TRY(copy_files(job, &job->source.side_files, stage, copied, err));
    json_array_foreach(job->base.files, i, name)
        FG_TRY(copy_file(job, job->base.checkpoint.directory, json_string_value(name), stage, copied, err));
    if (options->command == FG_COMMAND_UPDATE_VOCAB)
        FG_TRY(copy_files(job, &job->source.other_files, stage, copied, err));
done:
    return status;
}

fg_status fg_conversion_write_files(const fg_conversion *job, const fg_options *options, fg_stage *stage,
                                    json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    bool fast_llm = job->to == FG_FORMAT_FAST_LLM;
    FG_TRY(fast_llm ? write_metadata(job, stage, err) : write_config(job, stage, err));
    for (size_t i = 0; i < job->made_count; i++) {
        const fg_buffer *text = job->made[i].given ? job->made[i].given : &job->made[i].text;
        FG_TRY(fg_stage_write(stage, job->made[i].name, text->data, text->length, err));
    }
    if (fg_conversion_has_index(job)) FG_TRY(write_index(job, stage, err));
    FG_TRY(fg_conversion_write_code(job, stage, err));
    FG_TRY(copy_all(job, options, stage, copied, err));
    if (job->checkpoint) FG_TRY(fg_conversion_write_checkpoint(job, stage, copied, err));
done:
    return status;
}

fg_status fg_conversion_finish_files(const fg_conversion *job, fg_stage *stage, fg_error *err) {
    return job->to == FG_FORMAT_FAST_LLM ? fg_stage_write(stage, FG_FAST_LLM_OK, "", 0, err) : FG_OK;
}
