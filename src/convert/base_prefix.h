/* Checkpoints of base models: AutoModel's save_pretrained leaves out base_model_prefix ("model."), and transformers puts it back when it
 * loads such names into a model with a head. The converter's "base_model_prefix" says what it is.
 *
 * Invariant: a prefix is added only where no name of the source has it, so that no two names can meet.
 */
#ifndef FG_CONVERT_BASE_PREFIX_H
#define FG_CONVERT_BASE_PREFIX_H

#include "base/map.h"
#include "convert/converter.h"
#include "store/tensors.h"

typedef struct fg_base_prefix {
    const char *prefix; /* borrowed; of the family; NULL: it has none */
    bool lacking;       /* no name of the source begins with it */
    bool added;         /* some name was found with it */
    fg_buffer name;     /* owned; the last name with the prefix */
} fg_base_prefix;

/* `direction`: only an import reads names of hf. */
fg_base_prefix fg_base_prefix_of(const fg_converter *converter, fg_direction direction,
                                 const fg_tensors *source);
/* The value of `name`, or where the prefix is lacking of prefix and name; FG_MAP_NONE. */
fg_status fg_base_prefix_find(fg_base_prefix *base, const fg_map *map, const char *name, int64_t *value,
                              fg_error *err);
/* As fg_name_rules_apply, to the name and then to prefix and name. */
fg_status fg_base_prefix_apply(fg_base_prefix *base, fg_name_rules *rules, const char *name, fg_buffer *out,
                               bool *matched, fg_error *err);
/* A warning if it was added. */
void fg_base_prefix_warn(const fg_base_prefix *base, const fg_tensors *source);
void fg_base_prefix_free(fg_base_prefix *base);

#endif
