/* The primitive "custom": functions for what no declaration can say. A declaration in the root section,
 * {"custom": NAME}, calls them at steps of a translation, each with hf's whole configuration. They claim no
 * keys: they only spell settings in another way, at any depth, and coverage is held by the declarations that
 * read them, leaf by leaf.
 *
 * Before adding a row, write the missing word of the language instead.
 */
#ifndef FG_TRANSLATE_CUSTOM_H
#define FG_TRANSLATE_CUSTOM_H

#include "translate/translator.h"

typedef enum fg_custom_step {
    FG_CUSTOM_READ,            /* brings it into the form that declarations see */
    FG_CUSTOM_BEFORE_DEFAULTS, /* from that form into the one that defaults have */
    FG_CUSTOM_AFTER_DEFAULTS,  /* and back */
    FG_CUSTOM_WRITE,           /* brings what declarations wrote into the form that is asked for */
    FG_CUSTOM_STEPS,
} fg_custom_step;

/* `spec` is the declaration, with its modifiers. */
typedef struct fg_custom {
    fg_status (*steps[FG_CUSTOM_STEPS])(const fg_translator *translator, const json_t *spec, json_t *hf,
                                        fg_error *err); /* NULL: nothing happens */
    /* What the source's file, `config` (NULL: not known), calls a path of that form. `buffer` is returned. */
    const char *(*name)(const json_t *spec, const json_t *config, const char *path, char *buffer,
                        size_t size);
} fg_custom;

/* rotary_custom.c: the spelling of rotary settings that declarations see. */
extern const fg_custom fg_rotary_older, fg_rotary_newer, fg_rotary_parameters;
/* rotary_by_layer.c: settings of each layer type by itself. */
extern const fg_custom fg_rotary_by_layer;

/* Runs a step of each custom declaration of the root section. */
fg_status fg_custom_run(const fg_translator *translator, fg_custom_step step, json_t *hf, fg_error *err);
const char *fg_custom_name(const fg_translator *translator, const char *path, char *buffer, size_t size);

#endif
