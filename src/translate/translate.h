/* Translating a configuration with a converter's declarations, with coverage: every key of the source is
 * claimed, ignored with a reason, or refused; nothing is dropped in silence.
 *
 * Rotary settings are read in both spellings (`rope_theta` + `rope_scaling`, and `rope_parameters`), which
 * must agree when both are given; which one declarations see is the choice of the converter's "custom"
 * (translate/custom.h). Keys that hf leaves out mean what converters/defaults/transformers.json says for the
 * model type; fields that a target with classes leaves out, what its classes say.
 *
 * A target with classes is covered twice: a rule covers every key of hf, and every architecture field of the
 * target.
 */
#ifndef FG_TRANSLATE_TRANSLATE_H
#define FG_TRANSLATE_TRANSLATE_H

#include "base/warnings.h"
#include "language/converter.h"
#include "translate/translate_options.h"

typedef struct fg_translation {
    json_t *result; /* owned: the configuration of the destination */
    /* Owned: the completed hf configuration in the rotary spelling that declarations see (every architecture
     * key present): what the shapes in "tensors" are evaluated over. */
    json_t *hf;
    /* Owned: array of the paths in `result` that hold the number of tokens. */
    json_t *vocabulary_sizes;
    /* Owned: of a target with classes, its configuration with every default filled in; else NULL. */
    json_t *target;
    /* Owned: array of {"key", "value", "reason"}: source keys that the destination does not have (of a target
     * with classes those that are not of the architecture only where they have another value than their
     * default); "as": what stands for the value there, if it is another; "absent": true: the key's absence
     * does; "approximated": true: the destination computes something else with it. */
    json_t *left_out;
    /* Owned: for each side (FG_SIDE_HF, FG_SIDE_TARGET) an object: path -> the rule that claims it, as
     * "llama.json:12 hidden_size". */
    json_t *rules[2];
    /* Import: the source has rope_parameters. An export writes the spelling of hf_version whatever this says,
     * but for the models inside whose settings are what every version assumes when it finds none: these keep
     * the spelling of the source. */
    bool newer_rotary;
    fg_warnings warnings; /* owned: what to say (fg_warn_all) where the result is used */
} fg_translation;

/* FG_ERR_INPUT names key, value, rule and what to do; several refused keys are in one message. Keys that are
 * unknown but neutral (null, false, 0, empty) are warnings where the converter says so. An import
 * is exported again as a check: a key that would come back with another value is refused. */
fg_status fg_translate(const fg_converter *converter, fg_direction direction, const json_t *source,
                       const fg_translate_options *options, fg_translation *translation, fg_error *err);
/* The result for a vocabulary with this number of rows, where tokens are added: a new reference. */
fg_status fg_translation_grow(const fg_translation *translation, uint64_t rows, json_t **result,
                              fg_error *err);
void fg_translation_free(fg_translation *translation);

#endif
