#include "cli/option_table.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { CHOICES = 160 };

/* Name; its group, the commands that take it, and its kind, each without its prefix; where it is stored. */
#define OPTION(spelling, in, commands, how, field)                                                           \
    .name = (spelling), .group = FG_GROUP_##in, .set = FG_TAKES_##commands, .kind = FG_OPTION_##how,         \
    .offset = offsetof(fg_options, field)

/* FG_OPTION_VALUE and FG_OPTION_CHOICE store an int. */
_Static_assert(sizeof(fg_dtype) == sizeof(int) && sizeof(fg_validate) == sizeof(int) &&
                   sizeof(fg_mask) == sizeof(int) && sizeof(fg_profile_kind) == sizeof(int) &&
                   sizeof(fg_parameter_order) == sizeof(int) && sizeof(fg_progress_style) == sizeof(int) &&
                   sizeof(fg_help_form) == sizeof(int),
               "enumerations are as large as int");

const fg_option fg_option_table[] = {
    {OPTION("from", CONVERSION, FROM, FORMAT, from), .common = true,
     .about = "source format (default: detected)"},
    {OPTION("to", CONVERSION, TARGET, TARGET, to), .common = true,
     .about = "destination format (default: forgather for an hf source, hf for any other)"},
    {OPTION("reverse", CONVERSION, CONVERT, FLAG, reverse),
     .about = "convert Forgather to Hugging Face; an error if SRC has another format"},
    {OPTION("model-type", CONVERSION, FAMILY, TEXT, model_type), .argument = "TYPE",
     .about =
         "model family (llama, mistral, qwen3, ...; see fgconv list), instead of the one that SRC names"},
    {OPTION("dtype", CONVERSION, WRITE, CHOICE, dtype),
     .choices = {{"bfloat16", FG_BF16, NULL, "bf16"},
                 {"float32", FG_F32, NULL, "fp32"},
                 {"float16", FG_F16, NULL, "fp16"}},
     .common = true, .about = "cast all weights to this type (default: each tensor keeps its own)"},
    {OPTION("max-length", CONVERSION, TARGET, COUNT, max_length), .argument = "INT",
     .about = "maximum sequence length (max_position_embeddings) to write (default: that of SRC)"},
    {OPTION("checkpoint-path", CONVERSION, CHECKPOINT, TEXT, checkpoint_path), .alias = "checkpoint",
     .letter = 'c', .argument = "PATH", .complete = FG_COMPLETE_DIRECTORIES, .common = true,
     .about =
         "number, name or path of the training checkpoint to read the weights from, inside or outside SRC "
         "(default: the latest in SRC/checkpoints, of a Fast-LLM experiment in SRC/checkpoint)"},
    {OPTION("parameter-order", CONVERSION, TRAINED, CHOICE, parameter_order),
     .choices = {{"older", FG_ORDER_OLDER, NULL, NULL}, {"newer", FG_ORDER_NEWER, NULL, NULL}},
     .about =
         "order of the parameters in a distributed checkpoint of Fast-LLM: that before 19 June 2026 or the "
         "newer one (default: the one in which norms look like norms)"},
    {OPTION("allow-unfinished", CONVERSION, TRAINED, FLAG, allow_unfinished),
     .about =
         "read a checkpoint of a Fast-LLM experiment that has no file ok, which the trainer creates last"},
    {OPTION("hf-base", CONVERSION, CONVERT, TEXT, hf_base), .argument = "DIR",
     .complete = FG_COMPLETE_DIRECTORIES,
     .about =
         "Hugging Face directory with what a Fast-LLM checkpoint lacks: tokenizer, generation_config.json, "
         "keys of config.json such as token ids; values stored in the checkpoint take precedence"},
    {OPTION("converter-path", CONVERSION, CONVERTERS, PATHS, converter_paths), .argument = "DIR",
     .complete = FG_COMPLETE_DIRECTORIES,
     .about = "directory with converters of your own, searched before the built-in ones; repeatable"},
    {OPTION("ignore-key", CONVERSION, IGNORED, KEYS, ignore_keys), .argument = "KEY",
     .about =
         "leave out a key of config.json (a.b inside an object) that no rule covers and that does not change "
         "the model; repeatable"},
    {OPTION("arch", CONVERSION, UPDATE, TEXT, arch), .argument = "NAME",
     .about = "architecture of SRC, if its config.json has no forgather_arch"},
    {OPTION("from-version", CONVERSION, UPDATE, TEXT, from_version), .argument = "N",
     .about = "schema version of SRC, if its config.json has no forgather_arch_version"},
    {OPTION("to-version", CONVERSION, UPDATE, TEXT, to_version), .argument = "N",
     .about = "schema version to update to (default: the current one of the architecture)"},
    {OPTION("no-strict", CONVERSION, UPDATE, FLAG, no_strict),
     .about = "allow missing tensors and skip unexpected ones; the report lists them"},
    {OPTION("dry-run", CONVERSION, WRITE, FLAG, dry_run), .common = true,
     .about = "plan and prove the conversion and print what would be written; DST is not written"},
    {OPTION("debug-params", CONVERSION, WRITE, FLAG, debug_params),
     .about = "print the source and destination name of each tensor"},
    {OPTION("add-tokens", TOKENS, TOKENS, TEXT, add_tokens), .argument = "YAML",
     .complete = FG_COMPLETE_FILES, .common = true,
     .about = "add the tokens of a YAML file to the vocabulary, with new rows in the embedding and the "
              "output head"},
    {OPTION("skip-default-tokens", TOKENS, TOKENS, FLAG, skip_default_tokens),
     .about =
         "do not add a [PAD] token to a tokenizer without a pad token (added by default towards forgather)"},
    {OPTION("chat-template-path", TOKENS, TOKENS, TEXT, chat_template), .alias = "chat-template",
     .letter = 't', .argument = "FILE", .complete = FG_COMPLETE_FILES,
     .about = "file with the chat template to write (default: that of SRC)"},
    {OPTION("stop-tokens", TOKENS, FINALIZE, TEXT, stop_tokens), .argument = "A,B",
     .about = "more tokens that stop generation, separated by commas"},
    {OPTION("no-auto-stop-tokens", TOKENS, FINALIZE, FLAG, no_auto_stop_tokens),
     .about = "do not add end-of-turn tokens (<|im_end|>, <|eot|>, <|end_of_turn|>) or the new eos_token to "
              "the stop list"},
    {OPTION("decode", TOKENS, TEXT, FLAG, decode),
     .about = "read JSON arrays of token ids and print their texts"},
    {OPTION("special", TOKENS, TEXT, FLAG, special),
     .about = "add special tokens (bos, eos) as the tokenizer's post-processor does"},
    {OPTION("jsonl", TOKENS, TEXT, FLAG, jsonl),
     .about = "read and print each text as a JSON string on its own line, so that it can hold newlines"},
    {OPTION("generation-config", OUTPUT, FINALIZE, TEXT, generation_config),
     .argument = "carry|none|FILE|NAME", .complete = FG_COMPLETE_FILES,
     .about = "generation_config.json to write: carry (default) keeps that of SRC or makes one of its token "
              "ids, none writes none, otherwise a JSON file, or ~/.forgather/generation_config/NAME.json"},
    {OPTION("keep-optimizer", OUTPUT, FINALIZE, FLAG, keep_optimizer),
     .about = "keep optimizer_state.pt of the training checkpoint, for a warm start"},
    {OPTION("root-copy", OUTPUT, FINALIZE, FLAG, root_copy),
     .about = "write the weights next to config.json instead of in checkpoints/"},
    {OPTION("safetensors", OUTPUT, COMPATIBLE, FLAG, safetensors), .hidden = true,
     .about = "accepted for compatibility; weights are always safetensors"},
    {OPTION("in-place", OUTPUT, IN_PLACE, FLAG, in_place),
     .about = "replace SRC with the result once it is complete and proved"},
    {OPTION("max-shard-size", OUTPUT, WRITE, SIZE, max_shard_size), .argument = "SIZE", .common = true,
     .about = "maximum size of a weight file, such as 5GB or 500MiB; a larger tensor gets its own file "
              "(default: 5GB)"},
    {OPTION("hf-version", OUTPUT, TARGET, CHOICE, hf_version),
     .choices = {{"4", 4, NULL, NULL}, {"5", 5, NULL, NULL}},
     .about = "major version of transformers whose spelling of rotary settings is written; every version "
              "reads that of 4, the default"},
    {OPTION("resume", OUTPUT, WRITE, FLAG, resume),
     .about = "keep a journal in DST.partial; continue the DST.partial of an interrupted run with the same "
              "options"},
    {OPTION("trust-journal", OUTPUT, WRITE, FLAG, trust_journal),
     .about = "with --resume: do not read again and compare what the interrupted run wrote"},
    {OPTION("no-fsync", OUTPUT, WRITE, FLAG, no_fsync),
     .about = "do not wait until the output is on the disk"},
    {OPTION("no-code", OUTPUT, WRITE, FLAG, no_code),
     .about = "write no model code next to a Forgather config.json"},
    {OPTION("report", OUTPUT, REPORT, TEXT, report), .argument = "FILE.json", .complete = FG_COMPLETE_FILES,
     .about =
         "path of the report (default: DST/fgconv_report.json; none for validate); verify reads it there"},
    {OPTION("html", OUTPUT, REPORT, TEXT, html), .argument = "FILE.html", .complete = FG_COMPLETE_FILES,
     .about = "write the report as a page with charts, too; fgconv report makes one later"},
    {OPTION("validate", PROOF, WRITE, CHOICE, validate),
     .choices = {{"logits", FG_VALIDATE_LOGITS, NULL, NULL},
                 {"bytes", FG_VALIDATE_BYTES, NULL, NULL},
                 {"none", FG_VALIDATE_NONE, NULL, NULL}},
     .common = true,
     .about = "check before publishing: logits (default) runs both models; bytes, the default for models "
              "that fgconv cannot run, reads the output back; none: no check"},
    {OPTION("token-ids", PROOF, PROOF, TOKENS, token_ids), .argument = "1,2,3",
     .about = "token ids to run both models on, instead of a prompt"},
    {OPTION("prompt", PROOF, PROOF, TEXT, prompt), .argument = "TEXT", .common = true,
     .about = "prompt for both models, tokenized by the source's tokenizer (default: a built-in sentence; "
              "random token ids without a usable tokenizer)"},
    {OPTION("image", PROOF, PROOF, TEXT, image), .argument = "FILE.npy", .complete = FG_COMPLETE_FILES,
     .about = "image to run both models of vision and text on: float32 [channels, height, width], used as it "
              "is (default: a made-up one)"},
    {OPTION("mask", PROOF, PROOF, CHOICE, mask),
     .choices = {{"native", FG_MASK_NATIVE, NULL, NULL},
                 {"causal", FG_MASK_CAUSAL, NULL, NULL},
                 {"none", FG_MASK_NONE, NULL, NULL}},
     .about = "attention mask of the proof: native (default) is each model's own, or that of SRC for both "
              "when converting"},
    {OPTION("atol", PROOF, TOLERANCE, REAL, atol), .argument = "X",
     .about = "largest absolute difference of logits to accept (default: 0, equal bit for bit)"},
    {OPTION("profile", PROOF, TOLERANCE, CHOICE, profile),
     .choices = {{"exact", FG_PROFILE_EXACT, NULL, NULL},
                 {"strict", FG_PROFILE_STRICT, NULL, NULL},
                 {"standard", FG_PROFILE_STANDARD, NULL, NULL},
                 {"relaxed", FG_PROFILE_RELAXED, NULL, NULL}},
     .about = "judge models that cannot be equal, such as those of another data type, by mean and 95th "
              "percentile of the KL divergence and by the cosine of the logits (default: exact, equal bit "
              "for bit)"},
    {OPTION("dump", PROOF, PROOF, TEXT, dump), .argument = "FILE.h5", .complete = FG_COMPLETE_FILES,
     .about = "write the logits and hidden states of both models to an HDF5 file"},
    {OPTION("device", PROOF, PROOF, CHOICE, device),
     .choices = {{"cpu", FG_DEVICE_CPU, NULL, NULL}, {"cuda", FG_DEVICE_CUDA, NULL, NULL}},
     .about = "what both models run on: cpu (default), or cuda: NVIDIA GPUs; rank r of a node uses "
              "GPU r modulo their number"},
    {OPTION("generation-test", GENERATION, PROOF, FLAG, generation_test), .letter = 'g', .common = true,
     .about = "generate with both models and require identical tokens; prints the text"},
    {OPTION("max-new-tokens", GENERATION, PROOF, COUNT, max_new_tokens), .argument = "N",
     .about = "maximum number of tokens to generate (default: 64)"},
    {OPTION("sample", GENERATION, PROOF, FLAG, sample),
     .about = "sample with the settings of generation_config.json (default: greedy)"},
    {OPTION("temperature", GENERATION, PROOF, REAL, temperature), .argument = "X",
     .about = "sampling temperature; 0 is greedy"},
    {OPTION("top-p", GENERATION, PROOF, REAL, top_p), .argument = "X",
     .about = "nucleus sampling: cumulative probability cut-off (0 to 1)"},
    {OPTION("seed", GENERATION, PROOF, NUMBER, seed), .argument = "N",
     .about = "random seed of the sampler (default: 0)"},
    {OPTION("stats", GENERAL, STATS, FLAG, stats),
     .about =
         "read all weights and print minimum, maximum, mean, standard deviation, and how many values are "
         "zero, NaN or infinite"},
    {OPTION("ranks", GENERAL, RANKS, COUNT, ranks), .argument = "N", .common = true,
     .about = "distribute the work over N processes, which mpirun starts on this machine, or on the nodes of "
              "a Slurm job (default: one process)"},
    {OPTION("quiet", GENERAL, ALWAYS, VALUE, verbosity), .letter = 'q', .constant = -1, .common = true,
     .about = "print only warnings and errors"},
    {OPTION("verbose", GENERAL, ALWAYS, VALUE, verbosity), .letter = 'v', .constant = 1, .common = true,
     .about = "print more: what a proof measured, half-block by half-block; inspect lists every tensor"},
    {OPTION("log-level", GENERAL, COMPATIBLE, CHOICE, verbosity),
     .choices = {{"DEBUG", 1, NULL, NULL},
                 {"INFO", 0, NULL, NULL},
                 {"WARNING", -1, NULL, NULL},
                 {"ERROR", -1, "warnings cannot be silenced; use WARNING", NULL}},
     .hidden = true, .about = "accepted for compatibility; DEBUG is --verbose, WARNING is --quiet"},
    {OPTION("json", GENERAL, JSON, FLAG, json), .about = "print the result as JSON on stdout"},
    {OPTION("progress", GENERAL, RANKS, CHOICE, progress),
     .choices = {{"auto", FG_PROGRESS_AUTO, NULL, NULL},
                 {"bar", FG_PROGRESS_BAR, NULL, NULL},
                 {"lines", FG_PROGRESS_LINES, NULL, NULL},
                 {"json", FG_PROGRESS_JSON, NULL, NULL},
                 {"none", FG_PROGRESS_NONE, NULL, NULL}},
     .about = "progress display: auto (default) draws a bar on a terminal and prints lines elsewhere; json "
              "prints an object a second on stderr"},
    {OPTION("help", GENERAL, ALWAYS, HELP, help_form), .letter = 'h',
     .choices = {{"markdown", FG_HELP_MARKDOWN, NULL, NULL}, {"man", FG_HELP_MAN, NULL, NULL}},
     .common = true, .about = "print the help of the command, or of the program if none is given"},
    {OPTION("version", GENERAL, ALWAYS, VERSION, help_form), .constant = FG_HELP_VERSION, .common = true,
     .about = "print the version; with --verbose or --json also the commit, the compiler, the libraries, "
              "OpenBLAS's kernels and the CUDA module"},
};
_Static_assert(sizeof fg_option_table / sizeof *fg_option_table <= FG_OPTION_LIMIT, "room for all options");
const size_t fg_option_count = sizeof fg_option_table / sizeof *fg_option_table;

const char *fg_option_group_title(fg_option_group group) {
    static const char *const titles[FG_GROUP_COUNT] = {
        [FG_GROUP_CONVERSION] = "Conversion",
        [FG_GROUP_TOKENS] = "Tokens",
        [FG_GROUP_OUTPUT] = "Output",
        [FG_GROUP_PROOF] = "Proof",
        [FG_GROUP_GENERATION] = "Generation test",
        [FG_GROUP_GENERAL] = "General",
    };
    return titles[group];
}

bool fg_option_repeats(const fg_option *option) {
    return option->kind == FG_OPTION_PATHS || option->kind == FG_OPTION_KEYS;
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

fg_option_choice fg_option_choice_at(const fg_option *option, size_t index) {
    const fg_option_choice none = {0};
    if (option->kind != FG_OPTION_FORMAT && option->kind != FG_OPTION_TARGET)
        return index < FG_OPTION_CHOICES ? option->choices[index] : none;
    for (size_t i = 0; i < fg_format_count; i++) {
        const fg_format *format = fg_formats[i];
        bool offered =
            format->write_config; /* --from takes that of the same schema for one that is only read */
        if (offered && index-- == 0) return (fg_option_choice){.name = format->name, .alias = format->alias};
    }
    return none;
}

const char *fg_option_choices(const fg_option *option, const char *between, char *buffer, size_t size) {
    buffer[0] = '\0';
    for (size_t i = 0; fg_option_choice_at(option, i).name; i++) {
        if (i) strncat(buffer, between, size - strlen(buffer) - 1);
        strncat(buffer, fg_option_choice_at(option, i).name, size - strlen(buffer) - 1);
    }
    return buffer;
}

const char *fg_option_argument(const fg_option *option, char *buffer, size_t size) {
    char choices[CHOICES];
    buffer[0] = '\0';
    if (!fg_option_takes_value(option)) return buffer;
    if (option->argument)
        snprintf(buffer, size, "%s", option->argument);
    else
        snprintf(buffer, size, "{%s}", fg_option_choices(option, ",", choices, sizeof choices));
    return buffer;
}

const char *fg_option_expected(const fg_option *option, char *buffer, size_t size) {
    char choices[CHOICES];
    if (option->argument) return option->argument;
    snprintf(buffer, size, "one of %s", fg_option_choices(option, ", ", choices, sizeof choices));
    return buffer;
}
