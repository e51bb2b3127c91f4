/* The files of a conversion other than its tensors: those that are made, and those that are copied. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/utf8_text.h"
#include "conversion/conversion.h"
#include "copy/shards.h"
#include "format/carried.h"
#include "format/weight_files.h"

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

fg_status fg_conversion_check_replaceable(const fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    const char *directory = c->source.directory;
    fg_names names = {0};
    char *path = NULL;
    FG_TRY(fg_directory_list(directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        fg_free(path);
        FG_TRY_NEW(path, fg_path_join(directory, names.items[i], err));
        bool is_directory;
        FG_TRY(fg_path_is_directory(path, &is_directory, err));
        const char *why = would_lose(&c->source, names.items[i], path, is_directory);
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

fg_status fg_conversion_add_made(fg_conversion *c, const char *name, fg_buffer **text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_grow(&c->made, c->made_count, &c->made_capacity, sizeof *c->made, err));
    FG_TRY_NEW(c->made[c->made_count].name, fg_strdup(name, err));
    *text = &c->made[c->made_count++].text;
done:
    return status;
}

static bool is_made(const fg_conversion *c, const char *name) {
    for (size_t i = 0; i < c->made_count; i++) {
        if (strcmp(c->made[i].name, name) == 0) return true;
    }
    return false;
}

static fg_status make_json(fg_conversion *c, const char *name, const json_t *value, unsigned flags,
                           fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text;
    if (!value) goto done;
    FG_TRY(fg_conversion_add_made(c, name, &text, err));
    FG_TRY(fg_json_write(value, flags, text, err));
    FG_TRY(fg_buffer_add(text, "\n", 1, err));
done:
    return status;
}

static fg_status read_template(const char *path, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_file_read_all(path, TEMPLATE_LIMIT, text, err));
    const char *at = text->data, *end = at ? at + text->length : at;
    if (!text->length) FG_FAIL(err, FG_ERR_INPUT, "%s is empty, expected a chat template", path);
    while (at < end) {
        const char *begin = at;
        if (fg_utf8_next(&at, end) == FG_UTF8_INVALID || !*begin)
            FG_FAIL(err, FG_ERR_INPUT, "%s: byte %zu is not UTF-8 text, expected a chat template", path,
                    (size_t)(begin - text->data));
    }
done:
    return status;
}

static bool is_template_name(const char *name) {
    return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_LIMIT;
}

/* transformers ignores the templates of tokenizer_config.json once there is a file: the other named templates
 * become files too. */
static fg_status move_templates(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *entry;
    char *name = NULL;
    fg_buffer *text;
    json_array_foreach(json_object_get(c->tokenizer.config, "chat_template"), i, entry) {
        const char *called = json_string_value(json_object_get(entry, "name"));
        const char *template = json_string_value(json_object_get(entry, "template"));
        if (!template || !is_template_name(called))
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s/tokenizer_config.json: chat_template/%zu: expected an object with template and a "
                    "name that is valid as a file name",
                    fg_conversion_tokenizer_directory(c), i);
        if (strcmp(called, "default") == 0) continue;
        fg_free(name);
        FG_TRY_NEW(name, fg_strformat(err, "additional_chat_templates/%s.jinja", called));
        if (is_made(c, name))
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s/tokenizer_config.json: chat_template/%zu: the name \"%s\" is given twice",
                    fg_conversion_tokenizer_directory(c), i, called);
        FG_TRY(fg_conversion_add_made(c, name, &text, err));
        FG_TRY(fg_buffer_add(text, template, strlen(template), err));
    }
done:
    fg_free(name);
    return status;
}

/* transformers looks here first, so the old template in tokenizer_config.json is removed. */
static fg_status make_template(fg_conversion *c, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text;
    if (!path) goto done;
    FG_TRY(fg_conversion_add_made(c, "chat_template.jinja", &text, err));
    FG_TRY(read_template(path, text, err));
    FG_TRY(move_templates(c, err));
    json_object_del(c->tokenizer.config, "chat_template");
    if (!c->tokenizer.config && !c->tokenizer.tokenizer.length)
        fg_warn("%s has no tokenizer, which would use the chat template", c->source.directory);
done:
    return status;
}

static fg_status make_tokenizer(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer *text;
    FG_TRY(fg_conversion_add_made(c, "tokenizer.json", &text, err));
    c->made[c->made_count - 1].given = &c->tokenizer.tokenizer;
    FG_TRY(make_json(c, "special_tokens_map.json", c->tokenizer.map, FG_JSON_UTF8, err));
done:
    return status;
}

/* A released model without a template cannot chat. */
static void warn_without_template(const fg_conversion *c) {
    bool found = is_made(c, "chat_template.jinja") || json_object_get(c->tokenizer.config, "chat_template");
    for (size_t i = 0; i < c->source.side_files.count; i++)
        found |= strstr(c->source.side_files.items[i], "chat_template") != NULL;
    if (!found) fg_warn("%s has no chat template; add one with -t", c->source.directory);
}

static fg_status make_audit(fg_conversion *c, fg_error *err) {
    json_t *audit = NULL;
    fg_status status = fg_conversion_audit(c, &audit, err);
    if (status == FG_OK) status = make_json(c, "forgather_update.json", audit, 0, err);
    json_decref(audit);
    return status;
}

fg_status fg_conversion_make_files(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    bool tokens = fg_new_tokens_any(&c->tokens);
    json_t *carried = NULL;
    FG_TRY(make_template(c, options->chat_template, err));
    if (tokens) FG_TRY(make_tokenizer(c, err));
    if (tokens || options->chat_template)
        FG_TRY(make_json(c, "tokenizer_config.json", c->tokenizer.config, FG_JSON_UTF8, err));
    if (c->checkpoint) FG_TRY(fg_conversion_make_manifest(c, err));
    if (options->kind == FG_CONVERSION_FINALIZE) warn_without_template(c);
    if (c->update) FG_TRY(make_audit(c, err));
    if (c->generation_config && !fg_json_equal(c->generation_config, c->source.generation_config))
        FG_TRY(make_json(c, "generation_config.json", c->generation_config, FG_JSON_SORTED, err));
    FG_TRY(fg_conversion_to_carry(c, &carried, err));
    FG_TRY(make_json(c, FG_CARRIED_FILE, carried, FG_JSON_SORTED, err));
done:
    json_decref(carried);
    return status;
}

/* ---- writing ---- */

/* An unchanged configuration is copied, byte for byte. */
static fg_status copy_config(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    char *path = fg_path_join(c->source.directory, "config.json", err);
    fg_status status = path ? fg_stage_copy_file(stage, path, "config.json", err) : FG_ERR_MEMORY;
    fg_free(path);
    return status;
}

static fg_status write_config(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    if (c->keeps_format && fg_json_equal(c->config, c->source.config)) return copy_config(c, stage, err);
    FG_TRY(fg_json_write(c->config, FG_JSON_SORTED, &text, err));
    FG_TRY(fg_buffer_add(&text, "\n", 1, err));
    FG_TRY(fg_stage_write(stage, "config.json", text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status write_metadata(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_conversion_metadata(c, &text, err));
    FG_TRY(fg_stage_write(stage, "metadata.yaml", text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status write_index(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    char *name = NULL;
    FG_TRY_NEW(name, fg_path_join(c->checkpoint ? c->checkpoint : "", FG_CONVERSION_INDEX, err));
    FG_TRY(fg_shards_index(&c->plan, c->index_metadata, &text, err));
    FG_TRY(fg_stage_write(stage, name, text.data, text.length, err));
done:
    fg_free(name);
    fg_buffer_free(&text);
    return status;
}

/* The destination may be meant to have no generation_config.json. */
static bool is_wanted(const fg_conversion *c, const char *name) {
    return !is_made(c, name) && (c->generation_config || strcmp(name, "generation_config.json") != 0);
}

static fg_status copy_file(const fg_conversion *c, const char *directory, const char *name, fg_stage *stage,
                           json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    bool given_back = c->to == &fg_format_fast_llm && strcmp(name, FG_CARRIED_FILE) == 0;
    if (!is_wanted(c, name) || given_back) goto done;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_stage_copy_file(stage, path, name, err));
    FG_TRY(fg_json_push(copied, json_string(name), err));
done:
    fg_free(path);
    return status;
}

static fg_status copy_files(const fg_conversion *c, const fg_names *names, fg_stage *stage, json_t *copied,
                            fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < names->count; i++)
        FG_TRY(copy_file(c, c->source.directory, names->items[i], stage, copied, err));
done:
    return status;
}

/* Code that is not rewritten, and side files; update-vocab copies all files. */
static fg_status copy_all(const fg_conversion *c, const fg_options *options, fg_stage *stage, json_t *copied,
                          fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *name;
    if (c->keeps_format && !options->no_code)
        FG_TRY(copy_files(c, &c->source.code_files, stage, copied, err));
    FG_TRY(copy_files(c, &c->source.side_files, stage, copied, err));
    json_array_foreach(c->base.files, i, name)
        FG_TRY(copy_file(c, c->base.checkpoint.directory, json_string_value(name), stage, copied, err));
    if (options->kind == FG_CONVERSION_UPDATE_VOCAB)
        FG_TRY(copy_files(c, &c->source.other_files, stage, copied, err));
done:
    return status;
}

fg_status fg_conversion_write_files(const fg_conversion *c, const fg_options *options, fg_stage *stage,
                                    json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    bool fast_llm = c->to == &fg_format_fast_llm;
    FG_TRY(fast_llm ? write_metadata(c, stage, err) : write_config(c, stage, err));
    for (size_t i = 0; i < c->made_count; i++) {
        const fg_buffer *text = c->made[i].given ? c->made[i].given : &c->made[i].text;
        FG_TRY(fg_stage_write(stage, c->made[i].name, text->data, text->length, err));
    }
    if (fg_conversion_has_index(c)) FG_TRY(write_index(c, stage, err));
    FG_TRY(fg_conversion_write_code(c, stage, err));
    FG_TRY(copy_all(c, options, stage, copied, err));
    if (c->checkpoint) FG_TRY(fg_conversion_write_checkpoint(c, stage, copied, err));
done:
    return status;
}

fg_status fg_conversion_finish_files(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    return c->to->last_file ? fg_stage_write(stage, c->to->last_file, "", 0, err) : FG_OK;
}
