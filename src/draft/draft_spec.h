/* A first file of models/ for a family: the nearest family's, with the model's names.
 */
#ifndef FG_DRAFT_DRAFT_SPEC_H
#define FG_DRAFT_DRAFT_SPEC_H

#include "draft/draft_converter.h"

/* The file as an object. New reference. It has a "TODO" in any case: how a model computes is in its code, not
 * in the names of its tensors. `nearest`: the spec of the nearest family. */
fg_status fg_draft_spec(const fg_draft_source *source, const json_t *nearest, json_t **document,
                        fg_error *err);

#endif
