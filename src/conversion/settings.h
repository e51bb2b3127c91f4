/* What the destination's files say besides tensors: configuration, generation settings, and what the format has no place for. */
#ifndef FG_CONVERSION_SETTINGS_H
#define FG_CONVERSION_SETTINGS_H

#include "conversion/layout.h"

typedef struct fg_settings {
    json_t *config;            /* owned; of the destination's format */
    json_t *generation_config; /* owned; what generation_config.json holds; NULL: there is none */
    json_t *stop_tokens;       /* owned; of finalize: the stop tokens and the reason for each, else NULL */
    json_t *
        left_out; /* owned; for each step an array as fg_translation.left_out: what the destination lacks of its source */
    char *
        library_version; /* owned; of the library whose classes the configuration follows; NULL: none, or that of the source */
} fg_settings;

/* Token ids, dtype, and what is left out. Warns of ids and dtypes that do not fit. To be freed whatever comes back. */
fg_status fg_settings_resolve(const fg_decisions *decisions, const fg_layout *layout, fg_settings *settings,
                              fg_error *err);
void fg_settings_free(fg_settings *settings);
/* What the last step leaves out. Borrowed. */
const json_t *fg_settings_last_left_out(const fg_settings *settings);

#endif
