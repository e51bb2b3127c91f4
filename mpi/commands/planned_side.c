#include "commands/planned_side.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "commands/recipe_options.h"
#include "report/report.h"

/* A report of another command asks for more than another format. */
static fg_status recall(const fg_checkpoint *other, fg_planned_side *planned, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    bool is = false;
    FG_TRY_NEW(path, fg_path_join(other->directory, FG_REPORT_FILE, err));
    FG_TRY(fg_path_is_file(path, &is, err));
    if (!is) goto done;
    FG_TRY(fg_json_read(path, &planned->report, err));
    const char *command = json_string_value(json_object_get(planned->report, "command"));
    is = command && fg_recipe_kind_find(command, FG_RECIPE_UPDATE) == FG_RECIPE_CONVERT;
    if (is)
        FG_TRY(fg_recipe_recall(&planned->recipe, json_object_get(planned->report, "options"), path, err));
done:
    planned->recipe.skip_default_tokens = planned->recipe.skip_default_tokens || !is;
    fg_free(path);
    return status;
}

fg_status fg_planned_side_open(const fg_run *run, const fg_checkpoint *other, fg_planned_side *planned,
                               fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_recipe_from_options(FG_RECIPE_CONVERT, run->options, &planned->recipe, err));
    planned->recipe.destination = NULL;
    planned->recipe.to = other->format;
    FG_TRY(recall(other, planned, err));
    fg_log_level_set(FG_LOG_QUIET); /* nothing is converted: what a conversion says is no news */
    FG_TRY(fg_conversion_prepare(&planned->conversion, &planned->recipe, run->catalogue, run->version, err));
done:
    fg_log_level_set(run->options->verbosity > 0 ? FG_LOG_VERBOSE : FG_LOG_NORMAL);
    return status;
}

void fg_planned_side_free(fg_planned_side *planned) {
    fg_conversion_free(&planned->conversion);
    fg_recipe_free(&planned->recipe);
    json_decref(planned->report);
    *planned = (fg_planned_side){0};
}
