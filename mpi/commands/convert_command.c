/* fgconv convert: from one format to another. */
#include "commands/command_table.h"
#include "commands/conversion_run.h"

static fg_status run_convert(const fg_run *run, fg_error *err) {
    return fg_run_conversion(run, FG_RECIPE_CONVERT, err);
}

const fg_command fg_convert_command = {
    .name = "convert",
    .arguments = "SRC DST",
    .least = 2,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_CONVERSION | FG_TAKES_FROM | FG_TAKES_TARGET | FG_TAKES_CONVERT | FG_TAKES_FAMILY |
               FG_TAKES_TRAINED | FG_TAKES_TOKENS,
    .collective = true,
    .summary = "convert a checkpoint (the word convert may be left out)",
    .about = "Converts the checkpoint in directory SRC into the new directory DST. Formats are detected: "
             "Hugging Face becomes Forgather, Forgather and Fast-LLM become Hugging Face, unless --to says "
             "otherwise. Every key of the configuration and every tensor must be covered by a rule, and DST "
             "appears only when it is complete and proved.",
    .example = "fgconv --ranks 8 --dtype bfloat16 --max-shard-size 2GB Qwen3-8B qwen3-fg",
    .headline = FG_HEADLINE_WRITES("Converting", "converted", "Converted"),
    .run = run_convert,
};
