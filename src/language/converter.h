/* Converter files: JSON under converters/FORMAT/, one a model type, which say how a Hugging Face model maps
 * to the format. The language is described in docs/adding-a-model.md.
 *
 * The two sides are called hf and target (Forgather, Fast-LLM). Import goes from hf to the target, export
 * back. What the tensors are is said either by "tensors" and name rules (convert/tensor_names.h), or by the
 * "weights" of the sections (convert/tensor_map.h).
 *
 * Invariant: a converter that was loaded is sound. Unknown keys, more or less than one primitive, unknown
 * sections, broken patterns and expressions, two declarations of a section that claim one path, tensors and
 * rules that do not survive a round trip, rules that can never match, and an extends loop are FG_ERR_INPUT
 * with file, line and rule. lint (convert/lint.h) checks more.
 */
#ifndef FG_LANGUAGE_CONVERTER_H
#define FG_LANGUAGE_CONVERTER_H

#include "base/file.h"
#include "language/name_rules.h"
#include "store/checkpoint.h"

/* Directories that hold FORMAT/TYPE.json (or, for plug-ins, TYPE.json itself), searched in order; and the
 * defaults and models next to the built-in ones. */
typedef struct fg_converter_dirs {
    char **items; /* owned; the last one is the built-in directory */
    size_t count;
} fg_converter_dirs;

fg_status fg_converter_dirs_add(fg_converter_dirs *dirs, const char *path, fg_error *err);
void fg_converter_dirs_free(fg_converter_dirs *dirs);
/* The first existing DIR/`relative` ("models/llama.json", "defaults/transformers.json"); a plug-in directory
 * is also searched for the part after the first slash. FG_ERR_INPUT if there is none; fg_converter_dirs_look
 * gives NULL then. Newly allocated. */
fg_status fg_converter_dirs_look(const fg_converter_dirs *dirs, const char *relative, char **path,
                                 fg_error *err);
fg_status fg_converter_dirs_find(const fg_converter_dirs *dirs, const char *relative, char **path,
                                 fg_error *err);

typedef struct fg_converter fg_converter;

/* Loads and checks the converter for a model type, which may be the one that config.json has
 * ("hf_model_type"). None: FG_ERR_INPUT that lists the types there are. */
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
    /* owned; model_type NULL when abstract, hf_model_type unless it is another; a broken file has format
     * "?" */
    char *path, *format, *model_type, *hf_model_type, *about;
} fg_converter_entry;
fg_status fg_converter_entries(const fg_converter_dirs *dirs, fg_converter_entry **entries, size_t *count,
                               fg_error *err);
void fg_converter_entries_free(fg_converter_entry *entries, size_t count);

/* Name rules of a direction. */
typedef enum fg_direction { FG_IMPORT, FG_EXPORT } fg_direction;
fg_name_rules *fg_converter_rules(const fg_converter *converter, fg_direction direction);

#endif
