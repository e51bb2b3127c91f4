/* What a translation is asked for besides the configuration. */
#ifndef FG_TRANSLATE_TRANSLATE_OPTIONS_H
#define FG_TRANSLATE_TRANSLATE_OPTIONS_H

#include <stdint.h>

#include "base/json.h"

typedef struct fg_translate_options {
    uint64_t max_length;            /* --max-length; 0: not given */
    int hf_version;                 /* 4: older rotary spelling in hf output; 5: rope_parameters */
    const char *const *ignore_keys; /* --ignore-key: paths (a.b) of the source that may be unknown */
    size_t ignore_key_count;
    bool newer_rotary;   /* export: the hf source had rope_parameters; see fg_translation */
    const char *version; /* of fgconv, for $version */
    const char *file;    /* the source's config file, for messages */
    /* What a translation of the other direction once left out (fg_translation.left_out), to be put back; may
     * be NULL. On import the way back is checked with it in place, so that it cannot change what hf says. */
    const json_t *carried;
} fg_translate_options;

/* The value of the option that "option": NAME means, 0 if it is not given. Unknown names are false. The
 * number of tokens is not given, but set afterwards (fg_translation_grow). */
bool fg_translate_option(const fg_translate_options *options, const char *name, uint64_t *value);

#endif
