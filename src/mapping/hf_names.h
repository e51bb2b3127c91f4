/* Names of tensors in hf as transformers reads them, not only as it writes them: the names of a converter,
 * those without base_model_prefix (AutoModel's save_pretrained leaves out "model.", and transformers puts it
 * back when it loads such names into a model with a head), and those that the converter's "other_names"
 * translates.
 *
 * Invariant: a prefix is added only where no name of the source has it, so that no two names can meet by it.
 * By "other_names" two can: the caller refuses a tensor that is there twice.
 */
#ifndef FG_MAPPING_HF_NAMES_H
#define FG_MAPPING_HF_NAMES_H

#include "base/map.h"
#include "language/converter.h"
#include "store/tensors.h"

typedef struct fg_hf_names {
    const char *prefix;   /* borrowed; of the family; NULL: it has none */
    bool lacking;         /* no name of the source begins with it */
    bool added;           /* some name was found with it */
    fg_name_rules *other; /* owned; NULL: no other names */
    fg_buffer name;       /* owned; the last name that was made of another */
} fg_hf_names;

/* `direction`: only an import reads names of hf. */
fg_status fg_hf_names_init(fg_hf_names *names, const fg_converter *converter, fg_direction direction,
                           const fg_tensors *source, fg_error *err);
/* The value in `map` of `name`, or where that has none of the name that it stands for; FG_MAP_NONE. */
fg_status fg_hf_names_find(fg_hf_names *names, const fg_map *map, const char *name, int64_t *value,
                           fg_error *err);
/* As fg_name_rules_apply, to the name and then to the names that it stands for. */
fg_status fg_hf_names_apply(fg_hf_names *names, fg_name_rules *rules, const char *name, fg_buffer *out,
                            bool *matched, fg_error *err);
/* A warning if the prefix was added. */
void fg_hf_names_warn(const fg_hf_names *names, const fg_tensors *source);
void fg_hf_names_free(fg_hf_names *names);

#endif
