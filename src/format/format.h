/* What a checkpoint format is: one constant struct of facts and functions for each. The program asks the
 * struct and never which format it is; a new format is one file and one row of fg_formats.
 *
 * Invariant: `name` is also the name of the folder of the format's converters and of its side in models/.
 */
#ifndef FG_FORMAT_FORMAT_H
#define FG_FORMAT_FORMAT_H

#include <stddef.h>

typedef struct fg_format {
    const char *name;       /* "hf", "forgather", "fast_llm" */
    const char *family_key; /* where a directory names its family: a path in config.json or the metadata */
} fg_format;

extern const fg_format fg_format_hf, fg_format_forgather, fg_format_fast_llm;

/* All of them. */
extern const fg_format *const fg_formats[];
extern const size_t fg_format_count;

/* The format with this name; NULL: there is none. */
const fg_format *fg_format_find(const char *name);

#endif
