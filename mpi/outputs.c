#include "outputs.h"

#include "interrupt.h"

/* ---- where they may not lie ---- */

static fg_status check_apart(const char *option, const char *path, const char *directory, fg_error *err) {
    bool inside = false;
    if (!path || !directory) return FG_OK;
    fg_status status = fg_output_file_is_inside(path, directory, &inside, err);
    if (status != FG_OK || !inside) return status;
    fg_fail(err, FG_ERR_USAGE, "%s %s: this lies inside the destination %s", option, path, directory);
    return fg_hint(err,
                   "name a file outside of it; the destination gets its report, fgconv_report.json, anyway");
}

static fg_status check_same(const char *report, const char *dump, fg_error *err) {
    bool same = false;
    if (!report || !dump) return FG_OK;
    fg_status status = fg_output_file_is_inside(report, dump, &same, err);
    if (status != FG_OK || !same) return status;
    fg_fail(err, FG_ERR_USAGE, "--report and --dump both name %s", dump);
    return fg_hint(err, "give them different names");
}

static fg_status check_paths(const char *report, const char *dump, const fg_stage *stage, fg_error *err) {
    FG_CALL(check_same(report, dump, err));
    if (!stage) return FG_OK;
    FG_CALL(check_apart("--report", report, stage->destination, err));
    FG_CALL(check_apart("--report", report, stage->partial, err));
    FG_CALL(check_apart("--dump", dump, stage->destination, err));
    return check_apart("--dump", dump, stage->partial, err);
}

/* ---- from reserving to closing ---- */

fg_status fg_outputs_reserve(fg_outputs *outputs, const char *report, const char *dump, const fg_stage *stage,
                             fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(check_paths(report, dump, stage, err));
    fg_interrupt_hold();
    status = fg_output_file_reserve(&outputs->dump, "--dump", dump, err);
    if (status == FG_OK) status = fg_output_file_reserve_report(&outputs->report, "--report", report, err);
    if (outputs->dump.partial) fg_interrupt_guard_file(outputs->dump.partial);
    if (outputs->report.partial) fg_interrupt_guard_file(outputs->report.partial);
    fg_interrupt_release();
done:
    return status;
}

fg_status fg_outputs_close(fg_outputs *outputs, fg_status status, fg_error *err) {
    bool keep = status == FG_OK || status == FG_ERR_DIFFER;
    fg_interrupt_hold();
    fg_status report = fg_output_file_close(&outputs->report, keep, err);
    fg_status dump = fg_output_file_close(&outputs->dump, keep, err);
    fg_interrupt_forget_files();
    fg_interrupt_release();
    if (status != FG_OK) return status;
    return report != FG_OK ? report : dump;
}
