#include "conversion/destination_code.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "mapping/code_parameters.h"

enum { CODE_LIMIT = 4 << 20 }; /* bytes of a Python file */

/* ---- where it comes from ---- */

static fg_emitted_code converter_code(const fg_decisions *d) {
    const fg_config_step *last = fg_configs_last(&d->configs);
    return last->converter && last->route->direction == FG_IMPORT ? fg_converter_code(last->converter)
                                                                  : (fg_emitted_code){0};
}

static fg_code_origin origin_of(const fg_decisions *d) {
    if (d->recipe->no_code) return FG_CODE_NONE;
    if (d->route.keeps_format)
        return d->source.checkpoint.code_files.count ? FG_CODE_OF_SOURCE : FG_CODE_NONE;
    return converter_code(d).path ? FG_CODE_OF_CONVERTER : FG_CODE_NONE;
}

static const char *why_none(const fg_decisions *d) {
    if (d->recipe->no_code) return "--no-code";
    if (d->route.keeps_format) return "the source has none";
    return fg_configs_last(&d->configs)->converter ? "the converter has none"
                                                   : "fgconv has none for this version";
}

/* ---- code that is copied ---- */

/* The code file of the source that has the name of the converter's. Newly allocated; NULL: there is none. */
static fg_status find_copied(const fg_checkpoint *source, const fg_emitted_code *code, char **path,
                             fg_error *err) {
    *path = NULL;
    for (size_t i = 0; code->path && i < source->code_files.count; i++) {
        if (strcmp(source->code_files.items[i], fg_path_name(code->path)) != 0) continue;
        *path = fg_path_join(source->directory, source->code_files.items[i], err);
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
static fg_status is_declared(const fg_decisions *d, fg_code_origin origin, bool *declared, fg_error *err) {
    fg_status status = FG_OK;
    const fg_emitted_code code = converter_code(d);
    char *path = NULL;
    *declared = origin == FG_CODE_OF_CONVERTER;
    if (origin != FG_CODE_OF_SOURCE) goto done;
    FG_TRY(find_copied(&d->source.checkpoint, &code, &path, err));
    if (path) FG_TRY(same_bytes(path, code.path, declared, err));
done:
    fg_free(path);
    return status;
}

/* ---- what it loads ---- */

static fg_status check(const fg_decisions *d, const fg_layout *layout, uint64_t *lacking, fg_error *err) {
    fg_status status = FG_OK;
    fg_code_declaration declaration = {0};
    const fg_config_step *last = fg_configs_last(&d->configs);
    const fg_code_written written = {.config = d->config,
                                     .plan = &layout->plan,
                                     .tied = json_object_get(layout->index_metadata, "param_sharing"),
                                     .may_lack = d->route.update && d->recipe->no_strict};
    FG_TRY(fg_code_declaration_load(&declaration, last->converter, err));
    FG_TRY(fg_code_check_config(&declaration, last->translation.result, d->config, err));
    FG_TRY(fg_code_check_parameters(&declaration, &written, lacking, err));
    if (*lacking)
        fg_warn("%s makes %" PRIu64
                " parameter%s that the destination lacks (--no-strict); loading will fail",
                declaration.code, *lacking, *lacking > 1 ? "s" : "");
done:
    fg_code_declaration_free(&declaration);
    return status;
}

fg_status fg_destination_code_check(const fg_decisions *d, const fg_layout *layout, fg_destination_code *code,
                                    fg_error *err) {
    if (!d->route.to->emits_code) return FG_OK;
    code->origin = origin_of(d);
    if (code->origin == FG_CODE_NONE) code->why_none = why_none(d);
    FG_CALL(is_declared(d, code->origin, &code->checked, err));
    if (code->checked) FG_CALL(check(d, layout, &code->lacking, err));
    return FG_OK;
}

const char *fg_destination_code_written(const fg_decisions *d, const fg_destination_code *code) {
    return code->origin == FG_CODE_OF_CONVERTER ? fg_path_name(converter_code(d).path) : NULL;
}

fg_status fg_destination_code_write(const fg_decisions *d, const fg_destination_code *code, fg_stage *stage,
                                    fg_error *err) {
    const char *name = fg_destination_code_written(d, code);
    return name ? fg_stage_copy_file(stage, converter_code(d).path, name, err) : FG_OK;
}

/* ---- the report ---- */

fg_status fg_destination_code_report(const fg_decisions *d, const fg_destination_code *code, json_t *report,
                                     fg_error *err) {
    static const char *const origins[] = {"none", "converter", "source"};
    json_t *entry, *files;
    const fg_names *copied = &d->source.checkpoint.code_files;
    if (!d->route.to->emits_code) return FG_OK;
    FG_CALL_NEW(entry, fg_json_put_object(report, "code", err));
    FG_CALL(fg_json_put_text(entry, "origin", origins[code->origin], err));
    FG_CALL_NEW(files, fg_json_put_array(entry, "files", err));
    if (code->origin == FG_CODE_OF_CONVERTER)
        FG_CALL(fg_json_push(files, json_string(fg_path_name(converter_code(d).path)), err));
    for (size_t i = 0; code->origin == FG_CODE_OF_SOURCE && i < copied->count; i++)
        FG_CALL(fg_json_push(files, json_string(copied->items[i]), err));
    FG_CALL(fg_json_put(entry, "checked", json_boolean(code->checked), err));
    FG_CALL(fg_json_put_u64(entry, "lacking", code->lacking, err));
    return code->why_none ? fg_json_put_text(entry, "why_none", code->why_none, err) : FG_OK;
}
