/* The commands that need one process only: inspect, list, lint, config, diff, tokenize, completion. None of
 * them writes a file.
 *
 * Invariant: results go to `out`, warnings through base/log.h, failures into `err`; nothing here ends the
 * program.
 */
#ifndef FG_CLI_COMMANDS_H
#define FG_CLI_COMMANDS_H

#include "cli/options.h"
#include "language/converter.h"

/* Where converters are searched: the --converter-path entries, then the built-in directory, which is the
 * first of these that has forgather/common.json: the environment variable FGCONV_CONVERTERS (if set, no other
 * is tried), `../converters` relative to the directory of the executable (a build in the source tree),
 * `../share/fgconv/converters` (an installed one), then `candidates`, which NULL ends. None for help, version
 * and completion, which must work without converters.
 * FG_ERR_USAGE: a given directory does not exist; FG_ERR_SYSTEM: no built-in one was found. */
fg_status fg_cli_catalogue(const fg_options *options, const char *const *candidates, fg_catalogue *catalogue,
                           fg_error *err);

/* What a checkpoint holds. With --verbose every tensor; with --json one object that always has them. */
fg_status fg_command_inspect(const fg_options *options, FILE *out, fg_error *err);

/* The model families. The first converter of a family hides later ones, as it does for a conversion. */
fg_status fg_command_list(const fg_options *options, fg_catalogue *catalogue, FILE *out, fg_error *err);

/* Checks the files given, or all. Problems are printed to `out` and end in FG_ERR_INPUT. */
fg_status fg_command_lint(const fg_options *options, fg_catalogue *catalogue, FILE *out, fg_error *err);

/* The converted configuration as sorted JSON. `version` is fgconv's. */
fg_status fg_command_config(const fg_options *options, fg_catalogue *catalogue, const char *version,
                            FILE *out, fg_error *err);

/* Compares two checkpoints by key and tensor name. FG_ERR_DIFFER when they differ (the differences are on
 * `out`). */
fg_status fg_command_diff(const fg_options *options, FILE *out, fg_error *err);

/* Text to ids or ids to text: the second argument, or the lines of `in` if it is absent or "-". */
fg_status fg_command_tokenize(const fg_options *options, FILE *in, FILE *out, fg_error *err);

/* A script that completes the command line in the shell that `source` names: bash, zsh or fish. FG_ERR_USAGE
 * for any other. */
fg_status fg_command_completion(const fg_options *options, FILE *out, fg_error *err);

/* For the commands: all of `text`, or a document as JSON with a newline behind, to `out`. FG_ERR_SYSTEM if it
 * cannot be written. */
fg_status fg_cli_print(FILE *out, const fg_buffer *text, fg_error *err);
fg_status fg_cli_print_json(FILE *out, const json_t *document, unsigned flags, fg_error *err);
/* The same for a command that does more than print: a reader that went away has seen what it wanted. */
fg_status fg_cli_print_beside(FILE *out, const fg_buffer *text, fg_error *err);
/* What was printed with stdio has arrived. */
fg_status fg_cli_flush(FILE *out, fg_error *err);

#endif
