/* The model code of a Forgather destination: where it comes from, and whether it loads what is written. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/conversion.h"
#include "mapping/code_parameters.h"

enum { CODE_LIMIT = 4 << 20 }; /* bytes of a Python file */

/* ---- where it comes from ---- */

static fg_emitted_code converter_code(const fg_conversion *c) {
    const fg_route_step *last = fg_conversion_last(c);
    return last->converter && last->direction == FG_IMPORT ? fg_converter_code(last->converter)
                                                           : (fg_emitted_code){0};
}

static fg_code_origin origin_of(const fg_conversion *c, const fg_options *options) {
    if (options->no_code) return FG_CODE_NONE;
    if (c->keeps_format) return c->source.code_files.count ? FG_CODE_OF_SOURCE : FG_CODE_NONE;
    return converter_code(c).path ? FG_CODE_OF_CONVERTER : FG_CODE_NONE;
}

static const char *why_none(const fg_conversion *c, const fg_options *options) {
    if (options->no_code) return "--no-code";
    if (c->keeps_format) return "the source has none";
    return fg_conversion_last(c)->migration ? "fgconv has none for this version" : "the converter has none";
}

/* ---- code that is copied ---- */

/* The code file of the source that has the name of the converter's. Newly allocated; NULL: there is none. */
static fg_status find_copied(const fg_conversion *c, const fg_emitted_code *code, char **path,
                             fg_error *err) {
    *path = NULL;
    for (size_t i = 0; code->path && i < c->source.code_files.count; i++) {
        if (strcmp(c->source.code_files.items[i], fg_path_name(code->path)) != 0) continue;
        *path = fg_path_join(c->source.directory, c->source.code_files.items[i], err);
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

/* Whether the code of the destination is the one that the converter declares. */
static fg_status is_declared(const fg_conversion *c, bool *declared, fg_error *err) {
    fg_status status = FG_OK;
    const fg_emitted_code code = converter_code(c);
    char *path = NULL;
    *declared = c->code.origin == FG_CODE_OF_CONVERTER;
    if (c->code.origin != FG_CODE_OF_SOURCE) goto done;
    FG_TRY(find_copied(c, &code, &path, err));
    if (path) FG_TRY(same_bytes(path, code.path, declared, err));
done:
    fg_free(path);
    return status;
}

/* ---- what it loads ---- */

fg_status fg_conversion_check_code(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_code_declaration declaration = {0};
    const fg_route_step *last = fg_conversion_last(c);
    if (c->to != &fg_format_forgather) return FG_OK;
    c->code.origin = origin_of(c, options);
    if (c->code.origin == FG_CODE_NONE) c->code.why_none = why_none(c, options);
    FG_TRY(is_declared(c, &c->code.checked, err));
    if (!c->code.checked) goto done;
    fg_code_written written = {.config = c->config,
                               .plan = &c->plan,
                               .tied = json_object_get(c->index_metadata, "param_sharing"),
                               .may_lack = c->update && options->no_strict};
    FG_TRY(fg_code_declaration_load(&declaration, last->converter, err));
    FG_TRY(fg_code_check_config(&declaration, last->translation.result, c->config, err));
    FG_TRY(fg_code_check_parameters(&declaration, &written, &c->code.lacking, err));
    if (c->code.lacking)
        fg_warn("%s makes %" PRIu64
                " parameter%s that the destination lacks (--no-strict); loading will fail",
                declaration.code, c->code.lacking, c->code.lacking > 1 ? "s" : "");
done:
    fg_code_declaration_free(&declaration);
    return status;
}

fg_status fg_conversion_write_code(const fg_conversion *c, fg_stage *stage, fg_error *err) {
    const fg_emitted_code code = converter_code(c);
    if (c->code.origin != FG_CODE_OF_CONVERTER) return FG_OK;
    return fg_stage_copy_file(stage, code.path, fg_path_name(code.path), err);
}

/* ---- the report ---- */

fg_status fg_conversion_report_code(const fg_conversion *c, json_t *report, fg_error *err) {
    static const char *const origins[] = {"none", "converter", "source"};
    fg_status status = FG_OK;
    json_t *code = json_object(), *files = json_array();
    const fg_names *copied = &c->source.code_files;
    if (c->to != &fg_format_forgather) goto done;
    if (c->code.origin == FG_CODE_OF_CONVERTER)
        FG_TRY(fg_json_push(files, json_string(fg_path_name(converter_code(c).path)), err));
    for (size_t i = 0; c->code.origin == FG_CODE_OF_SOURCE && i < copied->count; i++)
        FG_TRY(fg_json_push(files, json_string(copied->items[i]), err));
    FG_TRY(fg_json_put_text(code, "origin", origins[c->code.origin], err));
    FG_TRY(fg_json_put(code, "files", json_incref(files), err));
    FG_TRY(fg_json_put(code, "checked", json_boolean(c->code.checked), err));
    FG_TRY(fg_json_put_u64(code, "lacking", c->code.lacking, err));
    if (c->code.why_none) FG_TRY(fg_json_put_text(code, "why_none", c->code.why_none, err));
    FG_TRY(fg_json_put(report, "code", json_incref(code), err));
done:
    json_decref(code);
    json_decref(files);
    return status;
}
