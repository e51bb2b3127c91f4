/* Where converters are searched: the directories of the command line, then the built-in one, which is the
 * first of these that has forgather/common.json: the environment variable FGCONV_CONVERTERS (if set, no other
 * is tried), `../converters` relative to the directory of the executable (a build in the source tree),
 * `../share/fgconv/converters` (an installed one), then `candidates`, which NULL ends.
 */
#ifndef FG_MPI_COMMANDS_CONVERTER_SEARCH_H
#define FG_MPI_COMMANDS_CONVERTER_SEARCH_H

#include "language/converter.h"

/* FG_ERR_USAGE: a directory of `own` does not exist; FG_ERR_SYSTEM: no built-in one was found. */
fg_status fg_converter_search(const char *const *own, size_t own_count, const char *const *candidates,
                              fg_catalogue *catalogue, fg_error *err);

#endif
