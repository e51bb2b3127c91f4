#include "translate/translate_options.h"

#include "language/primitive.h"

bool fg_translate_option(const fg_translate_options *options, const char *name, uint64_t *value) {
    fg_option_id option = fg_option_find(name);
    *value = option == FG_OPTION_MAX_LENGTH ? options->max_length : 0;
    return option != FG_OPTIONS;
}
