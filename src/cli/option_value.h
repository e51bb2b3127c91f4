/* The value of one option, from text.
 *
 * Invariant: a value that is not exactly of the option's kind is refused with what was found and what is
 * expected, and the nearest choice; nothing is stored then.
 */
#ifndef FG_CLI_OPTION_VALUE_H
#define FG_CLI_OPTION_VALUE_H

#include "cli/option_table.h"

/* Stores it in the option's field. `spelling` is how the option was typed, for messages; `text` is NULL
 * for an option without a value, and borrowed by the options otherwise. FG_ERR_USAGE. */
fg_status fg_option_set(fg_options *options, const fg_option *option, const char *spelling, const char *text,
                        fg_error *err);

#endif
