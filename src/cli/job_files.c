/* The files of a conversion beside its tensors: those that are made, and those that are copied. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/job.h"
#include "copy/shards.h"
#include "store/fast_llm.h"
#include "vocab/utf8_text.h"

enum { TEMPLATE_LIMIT = 4 << 20, NAME_LIMIT = 200 }; /* bytes of a chat template, and of its name */

/* ---- making ---- */

/* A new file; its text is empty. */
static fg_status add_made(fg_job *job, const char *name, fg_text **text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_grow(&job->made, job->made_count, &job->made_capacity, sizeof *job->made, err));
    FG_TRY_NEW(job->made[job->made_count].name, fg_strdup(name, err));
    *text = &job->made[job->made_count++].text;
done:
    return status;
}

static bool is_made(const fg_job *job, const char *name) {
    for (size_t i = 0; i < job->made_count; i++) {
        if (strcmp(job->made[i].name, name) == 0) return true;
    }
    return false;
}

static fg_status make_json(fg_job *job, const char *name, const json_t *value, unsigned flags,
                           fg_error *err) {
    fg_status status = FG_OK;
    fg_text *text;
    if (!value) goto done;
    FG_TRY(add_made(job, name, &text, err));
    FG_TRY(fg_json_write(value, flags, text, err));
    FG_TRY(fg_text_add(text, "\n", 1, err));
done:
    return status;
}

static fg_status read_template(const char *path, fg_text *text, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_file_slurp(path, TEMPLATE_LIMIT, text, err));
    const char *at = text->data, *end = at ? at + text->length : at;
    if (!text->length)
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: found nothing, expected a chat template", path));
    while (at < end) {
        const char *begin = at;
        if (fg_utf8_next(&at, end) == FG_UTF8_INVALID || !*begin)
            FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: byte %zu: a chat template is UTF-8 text", path,
                           (size_t)(begin - text->data)));
    }
done:
    return status;
}

static bool is_template_name(const char *name) {
    return name && *name && *name != '.' && !strchr(name, '/') && strlen(name) <= NAME_LIMIT;
}

/* Named templates that tokenizer_config.json holds beside the default one would be read no more once there is a file:
 * they become files, too. */
static fg_status move_templates(fg_job *job, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *entry;
    char *name = NULL;
    fg_text *text;
    json_array_foreach(json_object_get(job->tokenizer.config, "chat_template"), i, entry) {
        const char *called = json_string_value(json_object_get(entry, "name"));
        const char *template = json_string_value(json_object_get(entry, "template"));
        if (!template || !is_template_name(called))
            FG_TRY(
                fg_fail(err, FG_ERR_INPUT,
                        "%s/tokenizer_config.json: chat_template/%zu: expected an object with template and a "
                        "name that a file may have",
                        fg_job_tokenizer_directory(job), i));
        if (strcmp(called, "default") == 0) continue;
        fg_free(name);
        FG_TRY_NEW(name, fg_strformat(err, "additional_chat_templates/%s.jinja", called));
        if (is_made(job, name))
            FG_TRY(fg_fail(err, FG_ERR_INPUT,
                           "%s/tokenizer_config.json: chat_template/%zu: the name \"%s\" stands twice",
                           fg_job_tokenizer_directory(job), i, called));
        FG_TRY(add_made(job, name, &text, err));
        FG_TRY(fg_text_add(text, template, strlen(template), err));
    }
done:
    fg_free(name);
    return status;
}

/* Where transformers looks first; a template inside tokenizer_config.json would say something else. */
static fg_status make_template(fg_job *job, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    fg_text *text;
    if (!path) goto done;
    FG_TRY(add_made(job, "chat_template.jinja", &text, err));
    FG_TRY(read_template(path, text, err));
    FG_TRY(move_templates(job, err));
    json_object_del(job->tokenizer.config, "chat_template");
    if (!job->tokenizer.config && !job->tokenizer.tokenizer.length)
        fg_warn("%s has no tokenizer that would use the chat template", job->source.directory);
done:
    return status;
}

static fg_status make_tokenizer(fg_job *job, fg_error *err) {
    fg_status status = FG_OK;
    fg_text *text;
    FG_TRY(add_made(job, "tokenizer.json", &text, err));
    job->made[job->made_count - 1].given = &job->tokenizer.tokenizer;
    FG_TRY(make_json(job, "special_tokens_map.json", job->tokenizer.map, FG_JSON_UTF8, err));
done:
    return status;
}

fg_status fg_job_make_files(fg_job *job, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    bool tokens = fg_new_tokens_any(&job->tokens);
    json_t *carried = NULL;
    FG_TRY(make_template(job, options->chat_template, err));
    if (tokens) FG_TRY(make_tokenizer(job, err));
    if (tokens || options->chat_template)
        FG_TRY(make_json(job, "tokenizer_config.json", job->tokenizer.config, FG_JSON_UTF8, err));
    if (job->generation_config && !fg_json_equal(job->generation_config, job->source.generation_config))
        FG_TRY(make_json(job, "generation_config.json", job->generation_config, FG_JSON_SORTED, err));
    FG_TRY(fg_job_to_carry(job, &carried, err));
    FG_TRY(make_json(job, FG_CHECKPOINT_CARRIED_FILE, carried, FG_JSON_SORTED, err));
done:
    json_decref(carried);
    return status;
}

/* ---- writing ---- */

static fg_status write_config(const fg_job *job, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_text text = {0};
    FG_TRY(fg_json_write(job->config, FG_JSON_SORTED, &text, err));
    FG_TRY(fg_text_add(&text, "\n", 1, err));
    FG_TRY(fg_stage_write(stage, "config.json", text.data, text.length, err));
done:
    fg_text_free(&text);
    return status;
}

static fg_status write_metadata(const fg_job *job, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_text text = {0};
    FG_TRY(fg_job_metadata(job, &text, err));
    FG_TRY(fg_stage_write(stage, "metadata.yaml", text.data, text.length, err));
done:
    fg_text_free(&text);
    return status;
}

static fg_status write_index(const fg_job *job, fg_stage *stage, fg_error *err) {
    fg_text text = {0};
    fg_status status = fg_shards_index(&job->plan, job->index_metadata, &text, err);
    if (status == FG_OK)
        status = fg_stage_write(stage, "model.safetensors.index.json", text.data, text.length, err);
    fg_text_free(&text);
    return status;
}

static fg_status write_code(const fg_job *job, fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    fg_emitted_code code = fg_converter_code(fg_job_last(job)->converter);
    char *name = NULL;
    if (!code.path) goto done;
    FG_TRY_NEW(name, fg_strformat(err, "%s.py", code.module));
    FG_TRY(fg_stage_copy_file(stage, code.path, name, err));
done:
    fg_free(name);
    return status;
}

static fg_status copy_side_file(const fg_job *job, const char *directory, const char *name, fg_stage *stage,
                                json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    bool given_back = job->to == FG_FORMAT_FAST_LLM && strcmp(name, FG_CHECKPOINT_CARRIED_FILE) == 0;
    if (is_made(job, name) || given_back) goto done;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_stage_copy_file(stage, path, name, err));
    FG_TRY(fg_json_push(copied, json_string(name), err));
done:
    fg_free(path);
    return status;
}

static fg_status copy_side_files(const fg_job *job, fg_stage *stage, json_t *copied, fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint *source = &job->source, *base = &job->base.checkpoint;
    size_t i;
    json_t *name;
    for (i = 0; i < source->side_files.count; i++)
        FG_TRY(copy_side_file(job, source->directory, source->side_files.items[i], stage, copied, err));
    json_array_foreach(job->base.files, i, name)
        FG_TRY(copy_side_file(job, base->directory, json_string_value(name), stage, copied, err));
done:
    return status;
}

fg_status fg_job_write_files(const fg_job *job, const fg_options *options, fg_stage *stage, json_t *copied,
                             fg_error *err) {
    fg_status status = FG_OK;
    bool fast_llm = job->to == FG_FORMAT_FAST_LLM;
    FG_TRY(fast_llm ? write_metadata(job, stage, err) : write_config(job, stage, err));
    for (size_t i = 0; i < job->made_count; i++) {
        const fg_text *text = job->made[i].given ? job->made[i].given : &job->made[i].text;
        FG_TRY(fg_stage_write(stage, job->made[i].name, text->data, text->length, err));
    }
    if (job->always_index || (job->plan.shard_count > 1 && !fast_llm)) FG_TRY(write_index(job, stage, err));
    if (fg_job_last(job)->direction == FG_IMPORT && !options->no_code) FG_TRY(write_code(job, stage, err));
    FG_TRY(copy_side_files(job, stage, copied, err));
done:
    return status;
}

fg_status fg_job_finish_files(const fg_job *job, fg_stage *stage, fg_error *err) {
    return job->to == FG_FORMAT_FAST_LLM ? fg_stage_write(stage, FG_FAST_LLM_OK, "", 0, err) : FG_OK;
}
