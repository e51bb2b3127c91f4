/* fgconv update: a Forgather checkpoint of an older schema in the current one. */
#include "commands/command_table.h"
#include "commands/conversion_run.h"

static fg_status run_update(const fg_run *run, fg_error *err) {
    return fg_run_conversion(run, FG_RECIPE_UPDATE, err);
}

const fg_command fg_update_command = {
    .name = "update",
    .arguments = "SRC DST",
    .least = 2,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_CONVERSION | FG_TAKES_UPDATE | FG_TAKES_COMPATIBLE,
    .collective = true,
    .summary = "migrate a Forgather checkpoint to the current schema",
    .about =
        "Migrates a Forgather checkpoint to the current schema of its architecture, or to --to-version. The "
        "result is converted to Hugging Face and back with the current converter; if a migration forgot a "
        "key or tensor, the run stops.",
    .example = "fgconv update --arch llama --from-version 0 old-run new-run",
    .headline = FG_HEADLINE_WRITES("Updating", "updated", "Updated"),
    .run = run_update,
};
