/* Converter files: JSON under converters/FORMAT/, one a model type, which say how a HuggingFace model maps to the format.
 *
 * The two sides are called hf and target (Forgather, Fast-LLM). Import goes from hf to the target, export back. A file:
 *
 *   { "format": "forgather", "model_type": "qwen3", "extends": "common.json", "about": "...", "abstract": false,
 *     "hf": { "architectures": ["Qwen3ForCausalLM"] },          spellings that are accepted; the first is written
 *     "hf_model_type": "gemma4_text",                           what config.json calls the type, where the format has a name of its own
 *     "code": { "file": "code/x.py", "config_class": "...", "model_class": "..." },     what is emitted next to config.json; code/x.json declares
 *                                                               what it reads and makes (convert/code_declaration.h)
 *     "base_model_prefix": "model.",                            what transformers puts before the names of a base model's checkpoint
 *     "unknown_keys": "warn_if_neutral" | "refuse",             hf keys that nothing claims
 *     "no_forward_pass": REASON,                                models of this type cannot be run: a conversion is proved by its bytes
 *     "layer_overrides": { ... },                               what single layers may override (convert/layer_overrides.h)
 *     "options": { HF_PATH: OPTION },                           keys that no section has and that a command-line option sets ("max_length")
 *     "rotary": "older" | "newer" | "parameters",               the spelling that declarations see (convert/translate.h)
 *     "defaults": { HF_PATH: MODEL_TYPE },                      whose defaults complete an object inside hf that does not say itself
 *     "tables": { NAME: [[TARGET_VALUE, HF_VALUE], ...] },      for "through"; of rows with one value the first counts. A third member of a row is a
 *                                                               warning for an import: what the value loses
 *     "model": "multimodal",                                    what Fast-LLM calls such a model ("gpt" unless given)
 *     "migrations": [ { ... }, ... ],                           from older schemas of the target's to newer ones (convert/migrations.h)
 *     "example": { ... },                                       for lint: a small configuration, laid over the family's defaults
 *     "root": "model",
 *     "sections": { "model": {
 *         "class": "GPTBaseModelConfig", "like": SECTION,
 *         "config": { FIELD: DECLARATION, ... },
 *         "import_if": [ [EXPRESSION over hf, MESSAGE], ... ], "export_if": [ [EXPRESSION over the target, MESSAGE], ... ],
 *         "import_warn", "export_warn": the same; where one does not hold the message is a warning,
 *         "let": { NAME: EXPRESSION }, "weights": { TARGET_NAME: RULE, ... } } },
 *     "tensors": { HF_NAME_TEMPLATE: { "shape": [EXPRESSION over the completed hf config, ...], "repeat": EXPRESSION (for {i}), "if": EXPRESSION,
 *                                      "tied_to": HF_NAME, "tied_if": EXPRESSION, "also_read": [TARGET_NAME, ...],
 *                                      "vocabulary": true (a row is a token's) }, ... },
 *     "drop": [ [PATTERN over source names, REASON], ... ],
 *     "to_forgather": { "lists": { NAME: [RULE, ...] }, "names": [RULE, ...] }, "to_hf": { ... } }
 *
 * What the tensors are is said either by "tensors" and name rules, or by the "weights" of the sections (convert/tensor_map.h).
 *
 * A section is for the configurations of exactly one class of the target, where the target has classes (convert/classes.h); it may stand
 * at several places. A section "like" another has all that the other has, with its own entries laid over. Conditions may have names, so that
 * a file that extends this one replaces one: {NAME: [EXPRESSION, MESSAGE]}. A declaration has exactly one primitive and its modifiers. FIELD is the target's path
 * unless "field" gives another; labels of declarations that have no target side are free. Paths are relative to the section's place on
 * their side; "../" and a leading "/" lead out of it. Primitives:
 *   {"rename": HF_PATH}                     the same value on both sides
 *   {"rename": HF_PATH, "default": V}       a key that is absent or null in hf means V
 *   {"constant_export": V, "hf": HF_PATH}   written to hf; an import demands it (HF_PATH defaults to the label), or one of
 *                                           "neutral": [V, ...], which mean the same
 *   {"constant_import": V}                  written to the target; an export demands it (absent passes)
 *   {"optional": SENTINEL, "rename": HF_PATH}  hf has the key only when the value is not SENTINEL
 *   {"ignored": REASON}                     a target field that an export leaves out, with all below it; "import_as": V writes it on import
 *   {"ignored": REASON, "hf": [HF_PATH, ...]}  keys of hf that an import leaves out; "export_as": V writes the (one) key on export;
 *                                           with "field": [PATH, ...] target fields beside them
 *   {"import_only": HF_PATH}                import writes the field, export writes nothing; an expression in place of the path claims no key
 *   {"nested": SECTION, "hf": HF_PATH}      another section under FIELD; its hf keys lie flat beside ours, or under HF_PATH
 *   {"dispatch": {TYPE: SECTION, ...}, "hf": HF_PATH, "hf_type": KEY}  the section by hf's KEY ("type"; "true" and "false" mean the
 *                                           booleans), or by the class of FIELD's value; of two names for one section the first is written
 *   {"typed_dict": SECTION or {TYPE: SECTION, ...}, "hf": HF_PATH}  a dictionary, entry by entry: all of one kind, or each with its type
 *   {"blocks": SECTION, "count": HF_PATH}   a sequence of blocks where hf has its keys once: blocks that would export differently, used or
 *                                           not, are refused; an import makes them all one
 *   {"list_dispatch": [[NAME, SECTION, EXPRESSION over the block], ...], "hf": HF_PATH, "count": HF_PATH}  hf names the blocks of the
 *                                           pattern in a list; "every_layer": true: one name a layer, and each name must occur;
 *                                           "last": NAME: what the last layer always is, whatever the list says.
 *                                           "at": HF_PATH moves blocks, list and count below an object of hf
 *   {"custom": NAME, ...}                   a named C function (convert/custom.h); no converter needs one
 * Modifiers: "maybe": true (absent in the source: absent in the result; without it a rename demands the key), "absent": V (what a target
 * without the field, or null in it, means on export), "omit": V (the target's field is left out when it equals V; absent means V),
 * "neutral": [V, ...] (an ignored key or field must have one of these values), "keys": [PATH, ...] (the leaves that an object value may
 * have; others count as unknown keys; "*" is any name, "**" any names from there on, which only an "ignored" may have, because its
 * reason covers them all; with a primitive that leads to a section: what that may leave unclaimed, unless defaults/hf_keys.json has the
 * name among those that change the computation), "together": [KEY, ...] (the "default" counts only where hf gives none of these keys, and is said), "option": NAME (replaces the value by a command-line option, "max_length", or what added tokens come to,
 * "vocab_size"), "through": TABLE, "default_for": [V, ...] (values of hf that mean the default, as absent does; without it null does), "null_if": V (what equals
 * V is written to hf as null).
 * "type": TYPE (what a carried value must be: "count", "size", "number", "positive", "probability", "flag", "text", "texts", "ids",
 * "object"; with "?" also null).
 * V is a JSON value or an expression "= ...", at any depth; expressions see the side that is read, and $model_type, $hf_model_type, $module,
 * $config_class, $model_class, $version. What two declarations write to one path must be equal. nested, dispatch and typed_dict write the
 * target's own types.
 *
 * "extends" (a file of the same directory, or found along the search path; of a list the first counts most) inherits: sections, lists, tensors,
 * config fields, weights, let, tables, defaults and named conditions replace single entries by name; null removes one; the other keys
 * replace as a whole; "drop" and lists of conditions are appended. "about", "abstract" and "extends" belong to one file and are not
 * inherited.
 *
 * Load-time checks (FG_ERR_INPUT with file, line and rule): unknown keys, more or less than one primitive, unknown sections, broken patterns
 * and expressions, two declarations of a section that claim one path, tensors and rules that do not round-trip, rules that
 * can never match, an extends loop. lint (convert/lint.h) checks more.
 */
#ifndef FG_CONVERT_CONVERTER_H
#define FG_CONVERT_CONVERTER_H

#include "base/file.h"
#include "convert/name_rules.h"
#include "store/checkpoint.h"

/* Directories that hold FORMAT/TYPE.json (or, for plug-ins, TYPE.json itself), searched in order; and the defaults and models beside the built-in ones. */
typedef struct fg_converter_dirs {
    char **items; /* owned; the last one is the built-in directory */
    size_t count;
} fg_converter_dirs;

fg_status fg_converter_dirs_add(fg_converter_dirs *dirs, const char *path, fg_error *err);
void fg_converter_dirs_free(fg_converter_dirs *dirs);
/* The first existing DIR/`relative` ("models/llama.json", "defaults/transformers.json"); a plug-in directory is also searched for the
 * part after the first slash. FG_ERR_INPUT if there is none; fg_converter_dirs_look gives NULL then. Newly allocated. */
fg_status fg_converter_dirs_look(const fg_converter_dirs *dirs, const char *relative, char **path,
                                 fg_error *err);
fg_status fg_converter_dirs_find(const fg_converter_dirs *dirs, const char *relative, char **path,
                                 fg_error *err);

typedef struct fg_converter fg_converter;

/* Loads and checks the converter for a model type, which may be the one that config.json has ("hf_model_type"). None: FG_ERR_INPUT
 * that lists the types there are. */
fg_status fg_converter_load(fg_converter **converter, const fg_converter_dirs *dirs, fg_format format,
                            const char *model_type, fg_error *err);
/* The same for one file. */
fg_status fg_converter_load_file(fg_converter **converter, const fg_converter_dirs *dirs, const char *path,
                                 fg_error *err);
void fg_converter_free(fg_converter **converter);

fg_format fg_converter_format(const fg_converter *converter);
const char *fg_converter_model_type(const fg_converter *converter);
/* What config.json calls the model type: another name only where the target's format has one of its own. */
const char *fg_converter_hf_model_type(const fg_converter *converter);
/* Why models of this type cannot be run, so that a conversion is proved by its bytes; NULL: they can. */
const char *fg_converter_no_forward_pass(const fg_converter *converter);
const char *fg_converter_file(const fg_converter *converter);
const json_t *fg_converter_document(const fg_converter *converter); /* the merged file; borrowed */
bool fg_converter_abstract(const fg_converter *converter);          /* only to be extended */
/* The emitted code, or NULLs: absolute path, module name (file name without .py), class names. Borrowed. */
typedef struct fg_emitted_code {
    const char *path, *module, *config_class, *model_class;
} fg_emitted_code;
fg_emitted_code fg_converter_code(const fg_converter *converter);

/* One converter file that is there: for `fgconv list` and `fgconv lint`. */
typedef struct fg_converter_entry {
    /* owned; model_type NULL when abstract, hf_model_type unless it is another; a broken file has format "?" */
    char *path, *format, *model_type, *hf_model_type, *about;
} fg_converter_entry;
fg_status fg_converter_entries(const fg_converter_dirs *dirs, fg_converter_entry **entries, size_t *count,
                               fg_error *err);
void fg_converter_entries_free(fg_converter_entry *entries, size_t count);

/* Name rules of a direction. */
typedef enum fg_direction { FG_IMPORT, FG_EXPORT } fg_direction;
fg_name_rules *fg_converter_rules(const fg_converter *converter, fg_direction direction);

#endif
