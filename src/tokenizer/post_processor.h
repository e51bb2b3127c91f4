/* The post-processor of a tokenizer.json: which special tokens are around a text. TemplateProcessing,
 * ByteLevel (which changes offsets only), and Sequence of them.
 *
 * Invariant: only the template for one text ("single") is used. There is at most one: HF tokenizers takes
 * what a first one makes for several texts, which is refused here.
 */
#ifndef FG_TOKENIZER_POST_PROCESSOR_H
#define FG_TOKENIZER_POST_PROCESSOR_H

#include "tokenizer/id_list.h"
#include "tokenizer/tokenizer_json.h"

enum { FG_TEMPLATE_TEXT = -1 };

typedef struct fg_post_processor {
    bool present;   /* there is a template */
    int64_t *items; /* owned; ids, FG_TEMPLATE_TEXT in place of the text */
    size_t count, capacity;
} fg_post_processor;

/* `json` may be null or NULL: nothing is added. Types and fields that are not known are FG_ERR_INPUT. */
fg_status fg_post_processor_read(fg_post_processor *post, const json_t *json, const char *file,
                                 fg_error *err);
/* Puts the ids from `first` on where the template has the text, and its special tokens around if
 * `special`. */
fg_status fg_post_processor_apply(const fg_post_processor *post, fg_id_list *ids, size_t first, bool special,
                                  fg_error *err);
void fg_post_processor_free(fg_post_processor *post);

#endif
