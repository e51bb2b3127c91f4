/* The model code of a Forgather destination: where it comes from, and whether it loads what is written. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/conversion.h"
#include "convert/code_parameters.h"

enum { CODE_LIMIT = 4 << 20 }; /* bytes of a Python file */

/* ---- where it comes from ---- */

static fg_emitted_code converter_code(const fg_conversion *job) {
    const fg_route_step *last = fg_conversion_last(job);
    return last->converter && last->direction == FG_IMPORT ? fg_converter_code(last->converter)
                                                           : (fg_emitted_code){0};
}

static fg_code_origin origin_of(const fg_conversion *job, const fg_options *options) {
    if (options->no_code) return FG_CODE_NONE;
    if (job->keeps_format) return job->source.code_files.count ? FG_CODE_OF_SOURCE : FG_CODE_NONE;
    return converter_code(job).path ? FG_CODE_OF_CONVERTER : FG_CODE_NONE;
}

static const char *why_none(const fg_conversion *job, const fg_options *options) {
    if (options->no_code) return "--no-code";
    if (job->keeps_format) return "the source has none";
    return fg_conversion_last(job)->migration ? "fgconv has none for this version" : "the converter has none";
}

/* ---- code that is copied ---- */

/* The code file of the source that has the name of the converter's. Newly allocated; NULL: there is none. */
static fg_status find_copied(const fg_conversion *job, const fg_emitted_code *code, char **path,
                             fg_error *err) {
    *path = NULL;
    for (size_t i = 0; code->path && i < job->source.code_files.count; i++) {
        if (strcmp(job->source.code_files.items[i], fg_path_name(code->path)) != 0) continue;
        *path = fg_path_join(job->source.directory, job->source.code_files.items[i], err);
        return *path ? FG_OK : FG_ERR_MEMORY;
    }
    return FG_OK;
}

static fg_status same_bytes(const char *a, const char *b, bool *same, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer first = {0}, second = {0};
    FG_TRY(fg_file_read_all(a, CODE_LIMIT, &first, err));
    FG_TRY(fg_file_read_all(b, CODE_LIMIT, &second, err));
    *same = first.length == second.length && memcmp(first.data, second.data, first.length) == 0;
done:
    fg_buffer_free(&first);
    fg_buffer_free(&second);
    return status;
}

/* Whether the code of the destination is that which the converter declares. */
static fg_status is_declared(const fg_conversion *job, bool *declared, fg_error *err) {
    fg_status status = FG_OK;
    const fg_emitted_code code = converter_code(job);
    char *path = NULL;
    *declared = job->code.origin == FG_CODE_OF_CONVERTER;
    if (job->code.origin != FG_CODE_OF_SOURCE) goto done;
    FG_TRY(find_copied(job, &code, &path, err));
    if (path) FG_TRY(same_bytes(path, code.path, declared, err));
done:
    fg_free(path);
    return status;
}

/* ---- what it loads ---- */

fg_status fg_conversion_check_code(fg_conversion *job, const fg_options *options,
                                   const fg_converter_dirs *dirs, fg_error *err) {
    fg_status status = FG_OK;
    fg_code_declaration declaration = {0};
    const fg_route_step *last = fg_conversion_last(job);
    if (job->to != FG_FORMAT_FORGATHER) return FG_OK;
    job->code.origin = origin_of(job, options);
    if (job->code.origin == FG_CODE_NONE) job->code.why_none = why_none(job, options);
    FG_TRY(is_declared(job, &job->code.checked, err));
    if (!job->code.checked) goto done;
    fg_code_written written = {.config = job->config,
                               .plan = &job->plan,
                               .tied = json_object_get(job->index_metadata, "param_sharing"),
                               .may_lack = job->update && options->no_strict};
    FG_TRY(fg_code_declaration_load(&declaration, last->converter, dirs, err));
    FG_TRY(fg_code_check_config(&declaration, last->translation.result, job->config, err));
    FG_TRY(fg_code_check_parameters(&declaration, &written, &job->code.lacking, err));
    if (job->code.lacking)
        fg_warn("%s makes %" PRIu64
                " parameter%s that the destination lacks (--no-strict), and refuses to load it",
                declaration.code, job->code.lacking, job->code.lacking > 1 ? "s" : "");
done:
    fg_code_declaration_free(&declaration);
    return status;
}

fg_status fg_conversion_write_code(const fg_conversion *job, fg_stage *stage, fg_error *err) {
    const fg_emitted_code code = converter_code(job);
    if (job->code.origin != FG_CODE_OF_CONVERTER) return FG_OK;
    return fg_stage_copy_file(stage, code.path, fg_path_name(code.path), err);
}

/* ---- the report ---- */

fg_status fg_conversion_report_code(const fg_conversion *job, json_t *report, fg_error *err) {
    static const char *const origins[] = {"none", "converter", "source"};
    fg_status status = FG_OK;
    json_t *code = json_object(), *files = json_array();
    const fg_names *copied = &job->source.code_files;
    if (job->to != FG_FORMAT_FORGATHER) goto done;
    if (job->code.origin == FG_CODE_OF_CONVERTER)
        FG_TRY(fg_json_push(files, json_string(fg_path_name(converter_code(job).path)), err));
    for (size_t i = 0; job->code.origin == FG_CODE_OF_SOURCE && i < copied->count; i++)
        FG_TRY(fg_json_push(files, json_string(copied->items[i]), err));
    FG_TRY(fg_json_put_text(code, "origin", origins[job->code.origin], err));
    FG_TRY(fg_json_put(code, "files", json_incref(files), err));
    FG_TRY(fg_json_put(code, "checked", json_boolean(job->code.checked), err));
    FG_TRY(fg_json_put_u64(code, "lacking", job->code.lacking, err));
    if (job->code.why_none) FG_TRY(fg_json_put_text(code, "why_none", job->code.why_none, err));
    FG_TRY(fg_json_put(report, "code", json_incref(code), err));
done:
    json_decref(code);
    json_decref(files);
    return status;
}
