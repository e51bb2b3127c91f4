/* Converter files: JSON under converters/FORMAT/, one a model type, which say how a Hugging Face model maps
 * to the format. The language is described in docs/adding-a-model.md.
 *
 * The two sides are called hf and target (Forgather, Fast-LLM). Import goes from hf to the target, export
 * back. What the tensors are is said by "tensors" and name rules, or by the "weights" of the sections;
 * mapping/ makes a tensor map of either.
 *
 * Invariant: a converter that was loaded is sound. Unknown keys, more or less than one primitive, unknown
 * sections, broken patterns and expressions, two declarations of a section that claim one path, tensors and
 * rules that do not survive a round trip, rules that can never match, and an extends loop are FG_ERR_INPUT
 * with file, line and rule. lint (lint/) checks more.
 */
#ifndef FG_LANGUAGE_CONVERTER_H
#define FG_LANGUAGE_CONVERTER_H

#include "format/checkpoint.h"
#include "language/catalogue.h"
#include "language/declaration.h"
#include "language/name_rules.h"

typedef struct fg_converter fg_converter;

/* The converter for a model type, which may be the one that config.json has ("hf_model_type"): loaded and
 * checked, owned by the catalogue. None: FG_ERR_INPUT that lists the types there are. */
fg_status fg_converter_load(const fg_converter **converter, fg_catalogue *catalogue, const fg_format *format,
                            const char *model_type, fg_error *err);
/* The same for one file. */
fg_status fg_converter_load_file(const fg_converter **converter, fg_catalogue *catalogue, const char *path,
                                 fg_error *err);

/* In which it is, and what belongs to it is found. */
fg_catalogue *fg_converter_catalogue(const fg_converter *converter);
const fg_format *fg_converter_format(const fg_converter *converter);
const char *fg_converter_model_type(const fg_converter *converter);
/* What config.json calls the model type: another name only where the target's format has one of its own. */
const char *fg_converter_hf_model_type(const fg_converter *converter);
const char *fg_converter_file(const fg_converter *converter);
const json_t *fg_converter_document(const fg_converter *converter); /* the merged file; borrowed */
const fg_declarations *fg_converter_declarations(const fg_converter *converter);
bool fg_converter_abstract(const fg_converter *converter); /* only to be extended */
/* The emitted code, or NULLs: absolute path, module name (file name without .py), class names. Borrowed. */
typedef struct fg_emitted_code {
    const char *path, *module, *config_class, *model_class;
} fg_emitted_code;
fg_emitted_code fg_converter_code(const fg_converter *converter);

/* One converter file that is there: for `fgconv list` and `fgconv lint`. */
typedef struct fg_converter_entry {
    /* model_type NULL when abstract, hf_model_type unless it is another; a broken file has format "?" */
    char *path, *format, *model_type, *hf_model_type, *about;
} fg_converter_entry;
typedef struct fg_converter_entries {
    fg_converter_entry *items;
    size_t count, capacity;
} fg_converter_entries;
/* All of them, owned by the catalogue; the first directory's first. */
fg_status fg_converters_list(fg_catalogue *catalogue, const fg_converter_entries **entries, fg_error *err);
/* The family whose models say `hf_type` in config.json: the model_type of the first converter with that
 * "hf_model_type", or else `hf_type` itself. Borrowed. */
fg_status fg_converters_family(fg_catalogue *catalogue, const char *hf_type, const char **family,
                               fg_error *err);

/* Name rules of a direction. */
typedef enum fg_direction { FG_IMPORT, FG_EXPORT } fg_direction;
fg_name_rules *fg_converter_rules(const fg_converter *converter, fg_direction direction);

#endif
