/* Drafted files as people write them: what fits into a line is on one. */
#ifndef FG_DRAFT_DRAFT_TEXT_H
#define FG_DRAFT_DRAFT_TEXT_H

#include "base/json.h"

/* Appends the document with a newline at its end. */
fg_status fg_draft_text(const json_t *document, fg_buffer *text, fg_error *err);

#endif
