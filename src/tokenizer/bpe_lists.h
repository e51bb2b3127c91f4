/* The long lists of a tokenizer.json, read from its text: the two of a BPE model, and the added tokens.
 * Values of them would take several times the text, and most of the time that reading takes.
 *
 * Invariant: what is unusual in any way is left to base/json.h, which reads it or says what is wrong.
 */
#ifndef FG_TOKENIZER_BPE_LISTS_H
#define FG_TOKENIZER_BPE_LISTS_H

#include "base/json_scan.h"
#include "tokenizer/vocabulary.h"

/* Start from zeros. */
typedef struct fg_bpe_lists {
    fg_vocabulary vocabulary; /* owned, until the model takes it over */
    fg_json_scan merges;      /* at the list of merges, which is sound */
    size_t merge_count;
    fg_json_scan added; /* at the list of added tokens, which is an array; text NULL: there is none */
} fg_bpe_lists;

/* Reads the vocabulary and checks the merges. `rest` gets the text with empty lists in their place, on the
 * same lines. `usual` is false, and nothing is kept, where base/json.h has to read all of it. Borrows the
 * text and `file`, its name. */
fg_status fg_bpe_lists_read(fg_bpe_lists *lists, const char *file, const fg_buffer *text, fg_buffer *rest,
                            bool *usual, fg_error *err);
/* The halves of the next of merge_count merges; both are empty for the first line of a merges.txt, which old
 * files carry along. */
fg_status fg_bpe_lists_next(fg_bpe_lists *lists, fg_buffer *left, fg_buffer *right, fg_error *err);
void fg_bpe_lists_free(fg_bpe_lists *lists);

#endif
