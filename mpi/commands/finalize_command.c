/* fgconv finalize: one checkpoint of a training run as a directory of its own. */
#include <string.h>

#include "commands/command_table.h"
#include "commands/conversion_run.h"

/* Stop tokens are written to generation_config.json only; optimizer states to checkpoints/ only. */
static fg_status check_finalize(fg_options *o, fg_error *err) {
    bool none = o->generation_config && strcmp(o->generation_config, "none") == 0;
    if (o->root_copy && o->keep_optimizer)
        fg_fail(err, FG_ERR_USAGE,
                "--keep-optimizer needs a checkpoints/ directory, and --root-copy writes none");
    else if (none && o->stop_tokens)
        fg_fail(
            err, FG_ERR_USAGE,
            "--stop-tokens are written to generation_config.json, and --generation-config none writes none");
    else
        return FG_OK;
    return fg_hint(err, "remove one of the two");
}

static fg_status run_finalize(const fg_run *run, fg_error *err) {
    return fg_run_conversion(run, FG_RECIPE_FINALIZE, err);
}

const fg_command fg_finalize_command = {
    .name = "finalize",
    .arguments = "SRC DST",
    .least = 2,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options =
        FG_TAKES_CONVERSION | FG_TAKES_FAMILY | FG_TAKES_TOKENS | FG_TAKES_FINALIZE | FG_TAKES_COMPATIBLE,
    .collective = true,
    .summary = "export one training checkpoint as a self-contained directory",
    .about = "Exports one checkpoint of a training run (the latest, or that of -c) with code, tokenizer and "
             "configurations, in the format of SRC. The weights are written to DST/checkpoints/checkpoint-N, "
             "with links to them next to config.json.",
    .example = "fgconv finalize --ranks 4 --add-tokens chatml.yaml -t chatml.jinja run release",
    .headline = FG_HEADLINE_WRITES("Finalizing", "finalized", "Finalized"),
    .check = check_finalize,
    .run = run_finalize,
};
