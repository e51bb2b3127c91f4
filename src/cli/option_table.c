#include "cli/option_table.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BIT(command) (1u << FG_COMMAND_##command)
#define AT(field) offsetof(fg_options, field)

/* FG_OPTION_VALUE and FG_OPTION_CHOICE store an int. */
_Static_assert(sizeof(fg_format) == sizeof(int) && sizeof(fg_dtype) == sizeof(int) &&
                   sizeof(fg_validate) == sizeof(int) && sizeof(fg_mask_option) == sizeof(int) &&
                   sizeof(fg_progress_mode) == sizeof(int) && sizeof(fg_help_form) == sizeof(int),
               "enumerations are as large as int");

enum {
    ALL = 0,
    CONVERT = BIT(CONVERT),
    CONVERT_CONFIG = BIT(CONVERT) | BIT(CONFIG),
    PROOF = BIT(CONVERT) | BIT(VALIDATE),
};

#define NO_TOKENS "this version of fgconv adds no tokens: the vocabulary stays as SRC has it"
#define NO_FAST_LLM "this version of fgconv converts between hf and forgather only"
#define NO_TEXT                                                                                              \
    "this version of fgconv does not turn text into tokens; --token-ids gives the tokens of the proof"
#define NO_GENERATION                                                                                        \
    "this version of fgconv generates no text; --validate logits, the default, compares the models"

const fg_option fg_option_table[] = {
    {.name = "from",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT_CONFIG | BIT(INSPECT),
     .kind = FG_OPTION_CHOICE,
     .offset = AT(from),
     .choices = {{"hf", FG_FORMAT_HF, NULL},
                 {"forgather", FG_FORMAT_FORGATHER, NULL},
                 {"fast_llm", FG_FORMAT_FAST_LLM, NO_FAST_LLM}},
     .about = "format of the source (default: found out from its files)"},
    {.name = "to",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT_CONFIG,
     .kind = FG_OPTION_CHOICE,
     .offset = AT(to),
     .choices = {{"hf", FG_FORMAT_HF, NULL},
                 {"forgather", FG_FORMAT_FORGATHER, NULL},
                 {"fast_llm", FG_FORMAT_FAST_LLM, NO_FAST_LLM}},
     .about = "format of the destination (default: forgather for an hf source, hf for a forgather source)"},
    {.name = "reverse",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(reverse),
     .about = "Forgather to HF; an error when SRC is something else"},
    {.name = "model-type",
     .argument = "TYPE",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT_CONFIG | BIT(VALIDATE),
     .kind = FG_OPTION_TEXT,
     .offset = AT(model_type),
     .about = "HF family (llama, mistral, qwen3, ...; see fgconv list) instead of the one that SRC names"},
    {.name = "dtype",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT,
     .kind = FG_OPTION_CHOICE,
     .offset = AT(dtype),
     .choices = {{"bfloat16", FG_BF16, NULL}, {"float32", FG_F32, NULL}, {"float16", FG_F16, NULL}},
     .about = "cast all weights to this type (default: each tensor keeps its own)"},
    {.name = "max-length",
     .argument = "INT",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT_CONFIG,
     .kind = FG_OPTION_COUNT,
     .offset = AT(max_length),
     .about = "greatest length (max_position_embeddings) of the destination (default: that of SRC)"},
    {.name = "checkpoint-path",
     .letter = 'c',
     .argument = "PATH",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT | BIT(INSPECT),
     .kind = FG_OPTION_TEXT,
     .offset = AT(checkpoint_path),
     .about = "training checkpoint inside or outside SRC that holds the weights (default: the latest in "
              "SRC/checkpoints)"},
    {.name = "hf-base",
     .argument = "DIR",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT,
     .kind = FG_OPTION_TEXT,
     .offset = AT(hf_base),
     .about = "where Fast-LLM checkpoints get what they cannot hold",
     .missing = NO_FAST_LLM},
    {.name = "converter-path",
     .argument = "DIR",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT_CONFIG | BIT(VALIDATE) | BIT(VERIFY) | BIT(LIST) | BIT(LINT),
     .kind = FG_OPTION_PATHS,
     .about = "converters of your own, searched before the built-in ones; may be given several times"},
    {.name = "dry-run",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(dry_run),
     .about = "plan and prove the conversion, say what would be written, write nothing"},
    {.name = "debug-params",
     .group = FG_GROUP_CONVERSION,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(debug_params),
     .about = "print how each tensor is named on both sides"},

    {.name = "add-tokens",
     .argument = "YAML",
     .group = FG_GROUP_TOKENS,
     .commands = CONVERT,
     .kind = FG_OPTION_TEXT,
     .offset = AT(add_tokens),
     .about = "add the tokens of a YAML file to the vocabulary",
     .missing = NO_TOKENS},
    {.name = "skip-default-tokens",
     .group = FG_GROUP_TOKENS,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(skip_default_tokens),
     .about = "add no [PAD] token to a tokenizer without one (this version never does)"},
    {.name = "chat-template-path",
     .alias = "chat-template",
     .letter = 't',
     .argument = "FILE",
     .group = FG_GROUP_TOKENS,
     .commands = CONVERT,
     .kind = FG_OPTION_TEXT,
     .offset = AT(chat_template),
     .about = "chat template of the destination",
     .missing = "this version of fgconv copies the chat template of SRC and does not replace it"},

    {.name = "max-shard-size",
     .argument = "SIZE",
     .group = FG_GROUP_OUTPUT,
     .commands = CONVERT,
     .kind = FG_OPTION_SIZE,
     .offset = AT(max_shard_size),
     .about = "size of a weight file, such as 5GB or 500MiB; a larger tensor gets a file of its own "
              "(default: 5GB)"},
    {.name = "hf-version",
     .group = FG_GROUP_OUTPUT,
     .commands = CONVERT_CONFIG,
     .kind = FG_OPTION_CHOICE,
     .offset = AT(hf_version),
     .choices = {{"4", 4, NULL}, {"5", 5, NULL}},
     .about = "spelling of rotary settings in hf output: 4, the default, is read by every version of "
              "transformers"},
    {.name = "resume",
     .group = FG_GROUP_OUTPUT,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(resume),
     .about = "go on from the DST.partial of an earlier run",
     .missing = "this version of fgconv does not resume; remove DST.partial and run again without it"},
    {.name = "no-fsync",
     .group = FG_GROUP_OUTPUT,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(no_fsync),
     .about = "do not wait until the output is on the disk"},
    {.name = "no-code",
     .group = FG_GROUP_OUTPUT,
     .commands = CONVERT,
     .kind = FG_OPTION_FLAG,
     .offset = AT(no_code),
     .about = "write no model code beside a Forgather config.json"},
    {.name = "report",
     .argument = "FILE.json",
     .group = FG_GROUP_OUTPUT,
     .commands = PROOF | BIT(VERIFY),
     .kind = FG_OPTION_TEXT,
     .offset = AT(report),
     .about = "where the report goes (default: DST/fgconv_report.json, and none for validate); verify reads "
              "it there"},

    {.name = "validate",
     .group = FG_GROUP_PROOF,
     .commands = CONVERT,
     .kind = FG_OPTION_CHOICE,
     .offset = AT(validate),
     .choices = {{"logits", FG_VALIDATE_LOGITS, NULL},
                 {"bytes", FG_VALIDATE_BYTES, NULL},
                 {"none", FG_VALIDATE_NONE, NULL}},
     .about = "proof before publishing: logits, the default, runs both models; bytes reads the output back; "
              "none trusts the plan"},
    {.name = "token-ids",
     .argument = "1,2,3",
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_TOKENS,
     .offset = AT(token_ids),
     .about = "tokens that both models get (default: a fixed set drawn from the vocabulary)"},
    {.name = "prompt",
     .argument = "TEXT",
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_TEXT,
     .offset = AT(prompt),
     .about = "text that both models get",
     .missing = NO_TEXT},
    {.name = "mask",
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_CHOICE,
     .offset = AT(mask),
     .choices = {{"native", FG_MASK_OPTION_NATIVE, NULL},
                 {"causal", FG_MASK_OPTION_CAUSAL, NULL},
                 {"none", FG_MASK_OPTION_NONE, NULL}},
     .about = "attention mask of the proof: native, the default, is each model's own (that of SRC for both "
              "while converting)"},
    {.name = "atol",
     .argument = "X",
     .group = FG_GROUP_PROOF,
     .commands = BIT(VALIDATE),
     .kind = FG_OPTION_REAL,
     .offset = AT(atol),
     .about = "largest difference of logits that passes (default: 0, equal bit for bit)"},
    {.name = "dump",
     .argument = "FILE.h5",
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_TEXT,
     .offset = AT(dump),
     .about = "write logits and hidden states of both models in HDF5"},
    {.name = "device",
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_CHOICE,
     .offset = SIZE_MAX,
     .choices = {{"cpu", 0, NULL}, {"cuda", 0, "this fgconv was built without CUDA; take --device cpu"}},
     .about = "where the models of the proof run (default: cpu)"},
    {.name = "generation-test",
     .letter = 'g',
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_FLAG,
     .offset = AT(generation_test),
     .about = "let both models generate text and compare it",
     .missing = NO_GENERATION},
    {.name = "max-new-tokens",
     .argument = "N",
     .group = FG_GROUP_PROOF,
     .commands = PROOF,
     .kind = FG_OPTION_COUNT,
     .offset = AT(max_new_tokens),
     .about = "tokens that the generation test generates",
     .missing = NO_GENERATION},

    {.name = "quiet",
     .letter = 'q',
     .group = FG_GROUP_MESSAGES,
     .commands = ALL,
     .kind = FG_OPTION_VALUE,
     .offset = AT(verbosity),
     .constant = -1,
     .about = "say nothing but warnings and errors"},
    {.name = "verbose",
     .letter = 'v',
     .group = FG_GROUP_MESSAGES,
     .commands = ALL,
     .kind = FG_OPTION_VALUE,
     .offset = AT(verbosity),
     .constant = 1,
     .about = "say more; inspect lists every tensor"},
    {.name = "json",
     .group = FG_GROUP_MESSAGES,
     .commands = CONVERT_CONFIG | BIT(VALIDATE) | BIT(VERIFY) | BIT(INSPECT) | BIT(DIFF) | BIT(LIST),
     .kind = FG_OPTION_FLAG,
     .offset = AT(json),
     .about = "print the result as JSON on stdout"},
    {.name = "progress",
     .group = FG_GROUP_MESSAGES,
     .commands = PROOF | BIT(VERIFY),
     .kind = FG_OPTION_CHOICE,
     .offset = AT(progress),
     .choices = {{"auto", FG_PROGRESS_AUTO, NULL},
                 {"bar", FG_PROGRESS_BAR, NULL},
                 {"lines", FG_PROGRESS_LINES, NULL},
                 {"none", FG_PROGRESS_NONE, NULL}},
     .about =
         "how progress is shown: auto, the default, draws a bar on a terminal and writes lines elsewhere"},
    {.name = "help",
     .letter = 'h',
     .group = FG_GROUP_MESSAGES,
     .commands = ALL,
     .kind = FG_OPTION_HELP,
     .offset = AT(help_form),
     .choices = {{"markdown", FG_HELP_MARKDOWN, NULL}, {"man", FG_HELP_MAN, NULL}},
     .about = "print this help; --help=markdown and --help=man print the options in these forms"},
    {.name = "version",
     .group = FG_GROUP_MESSAGES,
     .commands = ALL,
     .kind = FG_OPTION_VERSION,
     .offset = SIZE_MAX,
     .about = "print the version"},
};
_Static_assert(sizeof fg_option_table / sizeof *fg_option_table <= FG_OPTION_LIMIT, "room for all options");
const size_t fg_option_count = sizeof fg_option_table / sizeof *fg_option_table;

#define NO_COMMAND "it is not part of this version of fgconv"

const fg_command_entry fg_command_table[] = {
    {"convert", FG_COMMAND_CONVERT, "SRC DST", 2, 2, "convert a checkpoint; the word convert may be left out",
     NULL},
    {"config", FG_COMMAND_CONFIG, "FILE|DIR", 1, 1, "print the converted configuration as JSON", NULL},
    {"validate", FG_COMMAND_VALIDATE, "A B", 2, 2,
     "run two checkpoints of any formats and compare their logits", NULL},
    {"verify", FG_COMMAND_VERIFY, "SRC DST", 2, 2,
     "compare a conversion with its plan, byte by byte, without running a model", NULL},
    {"inspect", FG_COMMAND_INSPECT, "DIR", 1, 1, "say what a checkpoint holds", NULL},
    {"diff", FG_COMMAND_DIFF, "A B", 2, 2, "compare configurations and tensors of two checkpoints by name",
     NULL},
    {"list", FG_COMMAND_LIST, "", 0, 0, "list the converters", NULL},
    {"lint", FG_COMMAND_LINT, "[FILE...]", 0, SIZE_MAX, "check converter files", NULL},
    {"tokenize", FG_COMMAND_HELP, "DIR [TEXT]", 0, 0, "", NO_COMMAND},
    {"update", FG_COMMAND_HELP, "SRC DST", 0, 0, "", NO_COMMAND},
    {"finalize", FG_COMMAND_HELP, "SRC DST", 0, 0, "", NO_COMMAND},
    {"update-vocab", FG_COMMAND_HELP, "SRC [DST]", 0, 0, "", NO_COMMAND},
};
const size_t fg_command_count = sizeof fg_command_table / sizeof *fg_command_table;

const char *fg_option_group_title(fg_option_group group) {
    static const char *const titles[FG_GROUP_COUNT] = {
        [FG_GROUP_CONVERSION] = "What is converted",
        [FG_GROUP_TOKENS] = "Tokens",
        [FG_GROUP_OUTPUT] = "What is written",
        [FG_GROUP_PROOF] = "Proof",
        [FG_GROUP_MESSAGES] = "Messages",
    };
    return titles[group];
}

bool fg_option_takes_value(const fg_option *option) {
    switch (option->kind) {
    case FG_OPTION_FLAG:
    case FG_OPTION_VALUE:
    case FG_OPTION_HELP:
    case FG_OPTION_VERSION:
        return false;
    default:
        return true;
    }
}

const char *fg_option_argument(const fg_option *option, char *buffer, size_t size) {
    buffer[0] = '\0';
    if (!fg_option_takes_value(option)) return buffer;
    if (option->argument) return strncat(buffer, option->argument, size - 1);
    for (size_t i = 0; i < FG_OPTION_CHOICES && option->choices[i].name; i++) {
        strncat(buffer, i ? "," : "{", size - strlen(buffer) - 1);
        strncat(buffer, option->choices[i].name, size - strlen(buffer) - 1);
    }
    return strncat(buffer, "}", size - strlen(buffer) - 1);
}
