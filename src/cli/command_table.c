#include "cli/command_table.h"

#include <string.h>

const fg_command_entry fg_command_table[] = {
    {.name = "convert",
     .command = FG_COMMAND_CONVERT,
     .arguments = "SRC DST",
     .least = 2,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .parallel = true,
     .summary = "convert a checkpoint (the word convert may be left out)",
     .about = "Converts the checkpoint in directory SRC into the new directory DST. Formats are detected: "
              "Hugging Face becomes Forgather, Forgather and Fast-LLM become Hugging Face, unless --to says "
              "otherwise. Every key of the configuration and every tensor must be covered by a rule, and DST "
              "appears only when it is complete and proved.",
     .example = "mpirun -n 8 fgconv --dtype bfloat16 --max-shard-size 2GB Qwen3-8B qwen3-fg"},
    {.name = "config",
     .command = FG_COMMAND_CONFIG,
     .arguments = "FILE|DIR",
     .least = 1,
     .most = 1,
     .complete = FG_COMPLETE_FILES,
     .summary = "print the converted configuration as JSON",
     .about = "Prints the configuration that a conversion would write, as JSON with sorted keys. FILE is a "
              "config.json or a Fast-LLM metadata.yaml; no weights are needed.",
     .example = "fgconv config --to fast_llm Llama-3.2-1B/config.json"},
    {.name = "validate",
     .command = FG_COMMAND_VALIDATE,
     .arguments = "A B",
     .least = 2,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .parallel = true,
     .summary = "run two checkpoints of any formats and compare their logits",
     .about =
         "Runs the models of two directories of any formats on the same tokens, in float32, and compares "
         "their logits. They must be equal bit for bit, or within --atol.",
     .example = "fgconv validate --dump both.h5 Llama-3.2-1B llama-fg"},
    {.name = "verify",
     .command = FG_COMMAND_VERIFY,
     .arguments = "SRC DST",
     .least = 2,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .parallel = true,
     .summary = "re-check a finished conversion byte by byte",
     .about =
         "Plans the conversion again, with the options recorded in its report, and compares DST with that "
         "plan byte by byte. No model runs.",
     .example = "fgconv verify Llama-3.2-1B llama-fg"},
    {.name = "inspect",
     .command = FG_COMMAND_INSPECT,
     .arguments = "DIR",
     .least = 1,
     .most = 1,
     .complete = FG_COMPLETE_DIRECTORIES,
     .summary = "print what a checkpoint holds",
     .about =
         "Prints the format, family, number of parameters, types and files of a checkpoint. With --verbose "
         "it lists every tensor.",
     .example = "fgconv inspect -v Llama-3.2-1B"},
    {.name = "diff",
     .command = FG_COMMAND_DIFF,
     .arguments = "A B",
     .least = 2,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .summary = "compare the configurations and tensors of two checkpoints by name",
     .about = "Compares the configurations and the tensors of two checkpoints by name. The exit code is 0 if "
              "they are equal and 10 if they differ.",
     .example = "fgconv diff run/checkpoints/checkpoint-100 run/checkpoints/checkpoint-200"},
    {.name = "list",
     .command = FG_COMMAND_LIST,
     .arguments = "",
     .summary = "list the model families, what they convert to, and how that is proved",
     .about =
         "Prints a row per model family: the formats that it converts to and from, and whether a conversion "
         "is proved by logits or by bytes. With --verbose it adds the converter files.",
     .example = "fgconv list"},
    {.name = "lint",
     .command = FG_COMMAND_LINT,
     .arguments = "[FILE...]",
     .most = SIZE_MAX,
     .complete = FG_COMPLETE_FILES,
     .summary = "check converter files",
     .about = "Checks the given converter files and files of models/, or all of them. Each problem is "
              "printed with "
              "its file and rule.",
     .example = "fgconv lint --converter-path my-converters my-converters/forgather/llama.json"},
    {.name = "tokenize",
     .command = FG_COMMAND_TOKENIZE,
     .arguments = "DIR [TEXT | -]",
     .least = 1,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .summary = "print the token ids of a text, or of each line of standard input",
     .about = "Prints the token ids of TEXT, or of each line of standard input, as JSON arrays. It uses the "
              "tokenizer.json in DIR; bytes that are not UTF-8 are read as U+FFFD.",
     .example = "fgconv tokenize --special Llama-3.2-1B \"Hello, world\""},
    {.name = "update",
     .command = FG_COMMAND_UPDATE,
     .arguments = "SRC DST",
     .least = 2,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .parallel = true,
     .summary = "migrate a Forgather checkpoint to the current schema",
     .about =
         "Migrates a Forgather checkpoint to the current schema of its architecture, or to --to-version. The "
         "result is converted to Hugging Face and back with the current converter; if a migration forgot a "
         "key or tensor, the run stops.",
     .example = "fgconv update --arch llama --from-version 0 old-run new-run"},
    {.name = "finalize",
     .command = FG_COMMAND_FINALIZE,
     .arguments = "SRC DST",
     .least = 2,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .parallel = true,
     .summary = "export one training checkpoint as a self-contained directory",
     .about =
         "Exports one checkpoint of a training run (the latest, or that of -c) with code, tokenizer and "
         "configurations, in the format of SRC. The weights are written to DST/checkpoints/checkpoint-N, "
         "with links to them next to config.json.",
     .example = "mpirun -n 4 fgconv finalize --add-tokens chatml.yaml -t chatml.jinja run release"},
    {.name = "update-vocab",
     .command = FG_COMMAND_UPDATE_VOCAB,
     .arguments = "SRC [DST]",
     .least = 1,
     .most = 2,
     .complete = FG_COMPLETE_DIRECTORIES,
     .parallel = true,
     .summary = "add tokens to a checkpoint of any format, or set its chat template",
     .about =
         "Adds tokens to a checkpoint of any format, or sets its chat template, and changes nothing else. "
         "With --in-place the result replaces SRC once it is complete and proved.",
     .example = "fgconv update-vocab --add-tokens chatml.yaml --in-place llama-fg"},
    {.name = "completion",
     .command = FG_COMMAND_COMPLETION,
     .arguments = "bash|zsh|fish",
     .least = 1,
     .most = 1,
     .complete = FG_COMPLETE_SHELLS,
     .summary = "print a completion script for a shell",
     .about =
         "Prints a script that completes the commands, options and values of fgconv. Load it with \"source "
         "<(fgconv completion bash)\"; for zsh write it to a file _fgconv in a directory of fpath, for fish "
         "to ~/.config/fish/completions/fgconv.fish.",
     .example = "source <(fgconv completion bash)"},
    {.name = "help",
     .command = FG_COMMAND_HELP,
     .arguments = "[COMMAND]",
     .most = 1,
     .complete = FG_COMPLETE_COMMANDS,
     .summary = "print the help of a command, or of the program",
     .about = "Prints the help of COMMAND, as \"fgconv COMMAND --help\" does. Without COMMAND it prints the "
              "help of "
              "the program.",
     .example = "fgconv help convert"},
};
const size_t fg_command_count = sizeof fg_command_table / sizeof *fg_command_table;

const fg_command_entry *fg_command_find(const char *name) {
    for (size_t i = 0; i < fg_command_count; i++) {
        if (strcmp(fg_command_table[i].name, name) == 0) return &fg_command_table[i];
    }
    return NULL;
}

const fg_command_entry *fg_command_entry_of(fg_command command) {
    for (size_t i = 0; i < fg_command_count; i++) {
        if (fg_command_table[i].command == command) return &fg_command_table[i];
    }
    return NULL;
}

const fg_exit_code fg_exit_codes[] = {
    {0, "done"},
    {2, "wrong options, SRC is missing, or DST exists"},
    {3, "input refused: malformed, not supported, or not covered by the rules"},
    {4, "the disk or the system failed"},
    {5, "out of memory"},
    {10, "the models differ; nothing was published"},
    {70, "a bug in fgconv"},
    {130, "stopped by SIGINT (143: by SIGTERM)"},
};
const size_t fg_exit_code_count = sizeof fg_exit_codes / sizeof *fg_exit_codes;
