#include "translate/translate_options.h"

#include "language/primitive.h"

bool fg_translate_option(const fg_translate_options *options, const char *name, uint64_t *value) {
    const uint64_t values[] = {[FG_OPTION_MAX_LENGTH] = options->max_length,
                               [FG_OPTION_VOCAB_SIZE] = options->vocab_size,
                               [FG_OPTIONS] = 0};
    fg_option_id option = fg_option_find(name);
    *value = values[option];
    return option != FG_OPTIONS;
}
