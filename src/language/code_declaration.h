/* What the Python file that a converter emits reads and makes, as NAME.json next to NAME.py declares it:
 *
 *   { "about": "...", "extends": FILE,
 *     "config": { KEY: { "absent": V, "null": V, "keys": [MEMBER, ...] }, ... },
 *     "metadata": [KEY, ...], "requires": [ [EXPRESSION, MESSAGE], ... ],
 *     "parameters": { NAME_TEMPLATE: { "shape": [EXPRESSION, ...], "repeat": EXPRESSION, "if": EXPRESSION,
 *                                      "tied_to": NAME, "tied_if": EXPRESSION }, ... },
 *     "example": { KEY: V, ... } }
 *
 * "config" lists the keys of config.json that the classes read: "absent" is what a missing key means (without
 * it the key must be there, and not null), "null" what null means (without it null stays null), "keys" the
 * members that are read of an object ("*": all). "metadata" lists keys that do not change what is computed;
 * so do those that the converter's declarations ignore. "requires" lists what the classes demand of the
 * configuration. "parameters" is the state dict of the model class. All expressions are over the
 * destination's config.json with "absent" and "null" applied. "example" is a small configuration for lint.
 *
 * Invariant: a declaration has known keys of the right kinds, and expressions that parse.
 */
#ifndef FG_LANGUAGE_CODE_DECLARATION_H
#define FG_LANGUAGE_CODE_DECLARATION_H

#include "language/converter.h"
#include "language/inherit.h"

typedef struct fg_code_declaration {
    fg_layers layers;
    json_t *document;              /* owned; merged */
    const fg_converter *converter; /* borrowed: whose code it is */
    const char *file;              /* borrowed: where it stands */
    const char *code;              /* borrowed from the converter: name of the Python file */
} fg_code_declaration;

/* The declaration of the code that `converter` emits, which outlives it. Without code: all zero.
 * FG_ERR_INPUT: there is none, or it is wrong. */
fg_status fg_code_declaration_load(fg_code_declaration *declaration, const fg_converter *converter,
                                   fg_error *err);
void fg_code_declaration_free(fg_code_declaration *declaration);

/* `config` as the code reads it: missing keys and nulls have the values that they mean. New reference. */
fg_status fg_code_complete_config(const fg_code_declaration *declaration, const json_t *config,
                                  json_t **complete, fg_error *err);

/* Each key that the converter writes to config.json is read by the code or does not change what is computed,
 * and what the code requires holds. `written` is what the converter has made, `config` the destination's
 * whole config.json. Else FG_ERR_INPUT. */
fg_status fg_code_check_config(const fg_code_declaration *declaration, const json_t *written,
                               const json_t *config, fg_error *err);

#endif
