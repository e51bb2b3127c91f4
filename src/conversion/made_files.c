#include "conversion/made_files.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/utf8_text.h"
#include "format/carried.h"
#include "format/training_checkpoint.h"

enum {
    TEMPLATE_LIMIT = 4 << 20,
    NAME_LIMIT = 200
}; /* bytes of all chat templates of one file, and of a name */

#define TEMPLATE "chat_template.jinja"
#define TOKENIZER_CONFIG "tokenizer_config.json"

/* ---- one file ---- */

/* Adds a file with an empty text. */
static fg_status add(fg_made_files *files, const char *name, fg_buffer **text, fg_error *err) {
    FG_CALL(fg_grow(&files->items, files->count, &files->capacity, sizeof *files->items, err));
    FG_CALL_NEW(files->items[files->count].name, fg_strdup(name, err));
    *text = &files->items[files->count++].text;
    return FG_OK;
}

/* Nothing for NULL. */
static fg_status add_json(fg_made_files *files, const char *name, const json_t *value, unsigned flags,
                          fg_error *err) {
    fg_buffer *text;
    if (!value) return FG_OK;
    FG_CALL(add(files, name, &text, err));
    return fg_json_write_line(value, flags, text, err);
}

bool fg_made_files_has(const fg_made_files *files, const char *name) {
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->items[i].name, name) == 0) return true;
    }
    return false;
}

void fg_made_files_free(fg_made_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        fg_free(files->items[i].name);
        fg_buffer_free(&files->items[i].text);
    }
    fg_free(files->items);
    *files = (fg_made_files){0};
}

/* ---- chat templates ---- */

static fg_status read_template(const char *path, fg_buffer *text, fg_error *err) {
    FG_CALL(fg_file_read_all(path, TEMPLATE_LIMIT, text, err));
    const char *at = text->data, *end = at ? at + text->length : at;
    if (!text->length) return fg_fail(err, FG_ERR_INPUT, "%s is empty, expected a chat template", path);
    while (at < end) {
        const char *begin = at;
        if (fg_utf8_next(&at, end) == FG_UTF8_INVALID || !*begin)
            return fg_fail(err, FG_ERR_INPUT, "%s: byte %zu is not UTF-8 text, expected a chat template",
                           path, (size_t)(begin - text->data));
    }
    return FG_OK;
}

static bool is_template_name(const char *name) {
    return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_LIMIT;
}

/* transformers ignores the templates of tokenizer_config.json once there is a file: the other named templates
 * become files too. */
static fg_status move_templates(const fg_decisions *d, fg_made_files *files, fg_error *err) {
    fg_status status = FG_OK;
    const char *directory = d->source.tokenizer_directory;
    json_t *entry;
    char *name = NULL;
    fg_buffer *text;
    FG_JSON_EACH(json_object_get(d->vocabulary.files.config, "chat_template"), i, entry) {
        const char *called = json_string_value(json_object_get(entry, "name"));
        const char *template = json_string_value(json_object_get(entry, "template"));
        if (!template || !is_template_name(called))
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s/" TOKENIZER_CONFIG ": chat_template/%zu: expected an object with template and a "
                    "name that is valid as a file name",
                    directory, i);
        if (strcmp(called, "default") == 0) continue;
        fg_free(name);
        FG_TRY_NEW(name, fg_strformat(err, FG_CHECKPOINT_TEMPLATES "/%s.jinja", called));
        if (fg_made_files_has(files, name))
            FG_FAIL(err, FG_ERR_INPUT,
                    "%s/" TOKENIZER_CONFIG ": chat_template/%zu: the name \"%s\" is given twice", directory,
                    i, called);
        FG_TRY(add(files, name, &text, err));
        FG_TRY(fg_buffer_add(text, template, strlen(template), err));
    }
done:
    fg_free(name);
    return status;
}

/* Bytes of the templates that tokenizer_config.json holds: a text, or a list of texts with names. */
static size_t held_bytes(const json_t *held) {
    size_t bytes = json_string_length(held);
    json_t *entry;
    FG_JSON_EACH(held, i, entry) bytes += held_bytes(entry);
    FG_JSON_MEMBERS(held, key, entry) bytes += held_bytes(entry);
    return bytes;
}

static fg_status check_held_templates(const fg_decisions *d, fg_error *err) {
    size_t bytes = held_bytes(json_object_get(d->vocabulary.files.config, "chat_template"));
    if (bytes <= TEMPLATE_LIMIT) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT,
                   "%s/" TOKENIZER_CONFIG ": chat_template has %zu bytes of text, expected at most %d",
                   d->source.tokenizer_directory, bytes, TEMPLATE_LIMIT);
}

static fg_status make_template(const fg_decisions *d, fg_made_files *files, fg_error *err) {
    const fg_tokenizer_files *tokenizer = &d->vocabulary.files;
    fg_buffer *text;
    FG_CALL(check_held_templates(d, err));
    if (!d->recipe->chat_template) return FG_OK;
    FG_CALL(add(files, TEMPLATE, &text, err));
    FG_CALL(read_template(d->recipe->chat_template, text, err));
    FG_CALL(move_templates(d, files, err));
    if (!tokenizer->config && !tokenizer->tokenizer.length)
        fg_warn("%s has no tokenizer, which would use the chat template", d->source.checkpoint.directory);
    return FG_OK;
}

/* A released model without a template cannot chat. */
static void warn_without_template(const fg_decisions *d, const fg_made_files *files) {
    const fg_names *names = &d->source.checkpoint.side_files;
    bool found =
        fg_made_files_has(files, TEMPLATE) || json_object_get(d->vocabulary.files.config, "chat_template");
    for (size_t i = 0; i < names->count; i++) found |= strstr(names->items[i], "chat_template") != NULL;
    if (!found) fg_warn("%s has no chat template; add one with -t", d->source.checkpoint.directory);
}

/* ---- the tokenizer ---- */

/* transformers looks into the file with the template first, so the old template goes. */
static fg_status make_tokenizer_config(const fg_decisions *d, fg_made_files *files, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *config = d->vocabulary.files.config;
    fg_buffer *text;
    json_t *copy = NULL;
    if (!config || (!d->recipe->chat_template && !fg_new_tokens_any(&d->vocabulary.tokens))) goto done;
    FG_TRY_NEW(copy, fg_json_copy(config, err));
    if (d->recipe->chat_template) json_object_del(copy, "chat_template");
    FG_TRY(add(files, TOKENIZER_CONFIG, &text, err));
    FG_TRY(fg_tokenizer_files_write_config(&d->vocabulary.files, copy, text, err));
done:
    json_decref(copy);
    return status;
}

static fg_status make_tokenizer(const fg_decisions *d, fg_made_files *files, fg_error *err) {
    const fg_tokenizer_files *tokenizer = &d->vocabulary.files;
    fg_buffer *text;
    if (!fg_new_tokens_any(&d->vocabulary.tokens)) return FG_OK;
    FG_CALL(add(files, "tokenizer.json", &text, err));
    files->items[files->count - 1].given = &tokenizer->tokenizer;
    return add_json(files, "special_tokens_map.json", tokenizer->map, FG_JSON_UTF8, err);
}

/* ---- other files ---- */

static fg_status make_manifest(const fg_decisions *d, const fg_layout *layout, fg_made_files *files,
                               fg_error *err) {
    fg_status status = FG_OK;
    const fg_plan *plan = &layout->plan;
    fg_training_kept kept = {.directory = d->source.checkpoint.weights_directory,
                             .name = layout->checkpoint,
                             .files = plan->source.files,
                             .file_count = plan->source.file_count,
                             .optimizer = layout->optimizer_bytes};
    json_t *manifest = NULL;
    char *name = NULL;
    if (!layout->checkpoint) goto done;
    for (size_t i = 0; i < plan->shard_count; i++) kept.weights += plan->shard_bytes[i];
    FG_TRY(fg_training_manifest(&kept, &manifest, err));
    FG_TRY_NEW(name, fg_path_join(layout->checkpoint, FG_TRAINING_MANIFEST, err));
    FG_TRY(add_json(files, name, manifest, 0, err));
done:
    json_decref(manifest);
    fg_free(name);
    return status;
}

static fg_status make_audit(const fg_decisions *d, const fg_layout *layout, const fg_tensor_gaps *gaps,
                            fg_made_files *files, fg_error *err) {
    fg_status status = FG_OK;
    json_t *audit = NULL;
    if (!d->route.update) goto done;
    FG_TRY(
        fg_update_audit(d->route.update, d->source.checkpoint.directory, &layout->plan, gaps, &audit, err));
    FG_TRY(add_json(files, "forgather_update.json", audit, 0, err));
done:
    json_decref(audit);
    return status;
}

static fg_status make_generation_config(const fg_decisions *d, const fg_settings *settings,
                                        fg_made_files *files, fg_error *err) {
    const json_t *made = settings->generation_config;
    if (!made || fg_json_equal(made, d->source.generation_config)) return FG_OK;
    return add_json(files, "generation_config.json", made, FG_JSON_SORTED, err);
}

/* What the source's format says and the destination's has no place for, for the way back. */
static fg_status make_carried(const fg_decisions *d, const fg_settings *settings, fg_made_files *files,
                              fg_error *err) {
    fg_status status = FG_OK;
    const fg_format *from = d->source.checkpoint.format;
    const json_t *left_out = json_array_get(settings->left_out, 0);
    json_t *carried = NULL;
    if (!from->carried_path || d->route.to->carried_path || !json_array_size(left_out)) goto done;
    FG_TRY(fg_carried_document(from, left_out, &carried, err));
    FG_TRY(add_json(files, FG_CARRIED_FILE, carried, FG_JSON_SORTED, err));
done:
    json_decref(carried);
    return status;
}

fg_status fg_made_files_make(const fg_decisions *d, const fg_layout *layout, const fg_settings *settings,
                             const fg_tensor_gaps *gaps, fg_made_files *files, fg_error *err) {
    FG_CALL(make_template(d, files, err));
    FG_CALL(make_tokenizer(d, files, err));
    FG_CALL(make_tokenizer_config(d, files, err));
    FG_CALL(make_manifest(d, layout, files, err));
    if (d->recipe->kind == FG_RECIPE_FINALIZE) warn_without_template(d, files);
    FG_CALL(make_audit(d, layout, gaps, files, err));
    FG_CALL(make_generation_config(d, settings, files, err));
    return make_carried(d, settings, files, err);
}
