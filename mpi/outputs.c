#include "outputs.h"

#include <string.h>

#include "base/alloc.h"
#include "format/format.h"
#include "interrupt.h"
#include "report/report.h"

/* ---- where they may not lie ---- */

/* Whether the file, or the one that it is filled as, is `other` or lies in it. */
static fg_status lies_inside(const char *path, const char *other, bool *inside, fg_error *err) {
    fg_status status = FG_OK;
    char *partial = NULL;
    FG_TRY_NEW(partial, fg_output_file_partial(path, err));
    FG_TRY(fg_output_file_is_inside(path, other, inside, err));
    if (!*inside) FG_TRY(fg_output_file_is_inside(partial, other, inside, err));
done:
    fg_free(partial);
    return status;
}

static fg_status check_apart(const char *option, const char *path, const char *directory, fg_error *err) {
    bool inside = false;
    if (!path || !directory) return FG_OK;
    FG_CALL(lies_inside(path, directory, &inside, err));
    if (!inside) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "%s %s: this lies inside the destination %s", option, path, directory);
    return fg_hint(err, "name a file outside of it; the destination gets its report, %s, anyway",
                   FG_REPORT_FILE);
}

typedef struct named_path {
    const char *option, *path;
} named_path;
enum { PATHS = 3 };

static fg_status check_same(const named_path *one, const named_path *other, fg_error *err) {
    bool same = false, inside = false;
    if (!one->path || !other->path) return FG_OK;
    FG_CALL(lies_inside(one->path, other->path, &same, err));
    if (!same) FG_CALL(lies_inside(other->path, one->path, &inside, err));
    if (!same && !inside) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "%s and %s both name %s", one->option, other->option, other->path);
    return fg_hint(err, "give them different names");
}

static fg_status check_stage(const named_path *one, const fg_stage *stage, fg_error *err) {
    const char *const places[] = {stage->destination, stage->partial, stage->old};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        FG_CALL(check_apart(one->option, one->path, places[i], err));
    return FG_OK;
}

static fg_status check_paths(const fg_output_request *request, fg_error *err) {
    const named_path paths[PATHS] = {
        {"--report", request->report}, {"--html", request->html}, {"--dump", request->dump}};
    for (size_t i = 0; i < PATHS; i++) {
        for (size_t k = i + 1; k < PATHS; k++) FG_CALL(check_same(&paths[i], &paths[k], err));
    }
    for (size_t i = 0; request->stage && i < PATHS; i++) FG_CALL(check_stage(&paths[i], request->stage, err));
    return FG_OK;
}

/* ---- older reports that are not to be replaced ---- */

/* Whether the directory has a configuration: then its report says where it comes from; verify reads it. */
static fg_status is_checkpoint(const char *directory, bool *is, fg_error *err) {
    *is = false;
    for (size_t i = 0; i < fg_format_count && !*is; i++) {
        char *path;
        FG_CALL_NEW(path, fg_path_join(directory, fg_formats[i]->config_file, err));
        fg_status status = fg_path_exists(path, is, err);
        fg_free(path);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

/* Whether a file has the name of the report that a directory keeps, and lies in such a directory. */
static fg_status is_kept_report(const char *real, bool *is, fg_error *err) {
    char *parent;
    *is = false;
    if (strcmp(fg_path_name(real), FG_REPORT_FILE) != 0) return FG_OK;
    FG_CALL_NEW(parent, fg_path_parent(real, err));
    fg_status status = is_checkpoint(parent, is, err);
    fg_free(parent);
    return status;
}

static fg_status refuse_replacing(const fg_output_request *request, const fg_output_file *file,
                                  fg_error *err) {
    bool kept;
    FG_CALL(is_kept_report(file->path, &kept, err));
    for (size_t i = 0; i < FG_OUTPUT_READS && !kept; i++) {
        if (request->reads[i]) FG_CALL(fg_output_file_is_inside(file->path, request->reads[i], &kept, err));
    }
    if (!kept) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--report %s: this is the report of a checkpoint directory", request->report);
    fg_about_file(err, request->report);
    return fg_hint(err, "give another name: verify reads this one");
}

/* ---- from reserving to closing ---- */

static fg_status reserve(fg_outputs *outputs, const fg_output_request *request, fg_error *err) {
    FG_CALL(fg_output_file_reserve(&outputs->dump, "--dump", request->dump, err));
    FG_CALL(fg_output_file_reserve_page(&outputs->page, "--html", request->html, err));
    FG_CALL(fg_output_file_reserve_report(&outputs->report, "--report", request->report, err));
    return outputs->report.replaces ? refuse_replacing(request, &outputs->report, err) : FG_OK;
}

fg_status fg_outputs_reserve(fg_outputs *outputs, const fg_output_request *request, fg_error *err) {
    FG_CALL(check_paths(request, err));
    fg_interrupt_hold();
    fg_status status = reserve(outputs, request, err);
    if (outputs->dump.partial) fg_interrupt_guard_file(outputs->dump.partial);
    if (outputs->page.partial) fg_interrupt_guard_file(outputs->page.partial);
    if (outputs->report.partial) fg_interrupt_guard_file(outputs->report.partial);
    fg_interrupt_release();
    return status;
}

fg_status fg_outputs_close(fg_outputs *outputs, fg_status status, fg_error *err) {
    bool keep = outputs->keep || status == FG_OK || status == FG_ERR_DIFFER;
    fg_interrupt_hold();
    fg_status report = fg_output_file_close(&outputs->report, keep, err);
    fg_status page = fg_output_file_close(&outputs->page, keep, err);
    fg_status dump = fg_output_file_close(&outputs->dump, keep, err);
    fg_interrupt_forget_files();
    fg_interrupt_release();
    if (status != FG_OK) return status;
    if (report != FG_OK) return report;
    return page != FG_OK ? page : dump;
}
