/* Printing results, so that a full disk behind a redirection does not pass for success.
 *
 * Each returns FG_ERR_SYSTEM if it, or something printed before it, did not arrive.
 */
#ifndef FG_CLI_PRINT_H
#define FG_CLI_PRINT_H

#include <stdio.h>

#include "base/json.h"

/* Who reads it: people, for whom what a terminal might obey becomes an escape (base/visible_text.h);
 * programs, for which it stays as it is; or people at a terminal, of a text that was made visible before it
 * got FG_BOLD and its kin. */
typedef enum fg_audience { FG_FOR_PEOPLE, FG_FOR_PROGRAMS, FG_FOR_TERMINALS } fg_audience;

/* All of `text`. */
fg_status fg_print(FILE *out, fg_audience audience, const fg_buffer *text, fg_error *err);
/* A document as JSON with a newline behind it. */
fg_status fg_print_json(FILE *out, const json_t *document, unsigned flags, fg_error *err);
/* The same for a command that does more than print: a reader that went away has seen what it wanted. */
fg_status fg_print_beside(FILE *out, fg_audience audience, const fg_buffer *text, fg_error *err);
/* What was printed with stdio. */
fg_status fg_print_flush(FILE *out, fg_error *err);

#endif
