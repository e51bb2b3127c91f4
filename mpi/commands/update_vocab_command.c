/* fgconv update-vocab: a checkpoint with more tokens or another chat template, next to the old one or in
 * its place. */
#include "commands/command_table.h"
#include "commands/conversion_run.h"

enum { SHOWN = 60 };

static fg_status check_update_vocab(fg_options *o, fg_error *err) {
    if (o->in_place == (o->file_count == 1)) {
        if (o->in_place) o->destination = o->source;
        return FG_OK;
    }
    if (o->in_place)
        fg_fail(err, FG_ERR_USAGE, "--in-place replaces SRC, but DST is given too: %.*s", SHOWN, o->files[1]);
    else
        fg_fail(err, FG_ERR_USAGE, "fgconv update-vocab needs SRC DST, found only %.*s", SHOWN, o->files[0]);
    return fg_hint(err, "give either DST or --in-place");
}

static fg_status run_update_vocab(const fg_run *run, fg_error *err) {
    return fg_run_conversion(run, FG_RECIPE_UPDATE_VOCAB, err);
}

const fg_command fg_update_vocab_command = {
    .name = "update-vocab",
    .arguments = "SRC [DST]",
    .least = 1,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options =
        FG_TAKES_CONVERSION | FG_TAKES_FAMILY | FG_TAKES_TOKENS | FG_TAKES_IN_PLACE | FG_TAKES_COMPATIBLE,
    .collective = true,
    .summary = "add tokens to a checkpoint of any format, or set its chat template",
    .about =
        "Adds tokens to a checkpoint of any format, or sets its chat template, and changes nothing else. "
        "With --in-place the result replaces SRC once it is complete and proved.",
    .example = "fgconv update-vocab --add-tokens chatml.yaml --in-place llama-fg",
    .headline = FG_HEADLINE_WRITES("Updating", "updated", "Updated"),
    .check = check_update_vocab,
    .run = run_update_vocab,
};
