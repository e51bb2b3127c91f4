/* What an error says, in fields: for programs.
 *
 * Invariant: a field is what the format of the message says and the arguments that it says it of; what the
 * arguments contain (a name of a tensor with ", expected " in it) changes nothing. So messages need no words
 * of their own for programs, if their formats use these:
 *
 *     FILE: ..., FILE:LINE: ...                    the file, up to its first ": ": FILE: PLACE may lead, too
 *     FILE is ..., FILE exists already             the file
 *     key "KEY", tensor "NAME", tensor NAME        the key; else a token, an entry, a file that is named so
 *     FILE: PLACE: ..., FILE: "PLACE" ...          the key, if it is one word; else what is in quotes before
 *                                                  ": found" or ": expected"
 *     option --NAME, --NAME ...                    the key, too
 *     OPTION FILE: ..., as "%s %s: "; --dump FILE: both
 *     found X, expected Y; = X: expected Y;        found and expected; else what is before ", expected" is
 *     is X, expected Y; has X, expected Y          what was found
 *     X, at most Y are read; X is not supported;   the same
 *     needs Y, found X; known are: Y; only Y is supported; --NAME X: ...
 *
 * What a message says in other words, its function adds: fg_about_file and its kin in base/error.h.
 */
#ifndef FG_BASE_ERROR_FIELDS_H
#define FG_BASE_ERROR_FIELDS_H

#include <stdarg.h>

#include "base/error.h"

/* Fills the fields of an error from the format of its message. */
void fg_error_fields_read(fg_error *err, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

#endif
