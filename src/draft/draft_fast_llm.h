/* A first converter to a format whose tensors are described by sections (Fast-LLM): only where the family
 * that is nearest to the model has one, which takes the whole model as it is. Others may compute otherwise
 * what looks alike.
 */
#ifndef FG_DRAFT_DRAFT_FAST_LLM_H
#define FG_DRAFT_DRAFT_FAST_LLM_H

#include "draft/draft_converter.h"

/* The file as an object, or NULL; then `why` has the reason. New references. */
fg_status fg_draft_fast_llm(const fg_draft_source *source, json_t **document, json_t **why, fg_error *err);

#endif
