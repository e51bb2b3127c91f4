#include "format/format.h"

#include <string.h>

const fg_format *const fg_formats[] = {&fg_format_hf, &fg_format_forgather, &fg_format_fast_llm};
const size_t fg_format_count = sizeof fg_formats / sizeof *fg_formats;

const fg_format *fg_format_find(const char *name) {
    for (size_t i = 0; i < fg_format_count; i++) {
        if (strcmp(fg_formats[i]->name, name) == 0) return fg_formats[i];
    }
    return NULL;
}
