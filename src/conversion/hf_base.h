/* --hf-base: a Hugging Face directory that completes a checkpoint whose format cannot hold everything.
 *
 * Values stored in the checkpoint take precedence: its own tokenizer and generation_config.json, and the keys
 * that its metadata carries. Of the base's configuration only keys that do not describe the architecture are
 * used (language/hf_keys.h).
 */
#ifndef FG_CONVERSION_HF_BASE_H
#define FG_CONVERSION_HF_BASE_H

#include "base/warnings.h"
#include "format/checkpoint.h"
#include "language/catalogue.h"

typedef struct fg_hf_base {
    fg_checkpoint checkpoint; /* its configuration alone; empty: the option is not given */
    bool tokenizer;           /* its tokenizer is used, since the source has none */
    json_t *files;            /* owned; array of names that are copied from it; NULL: not given */
} fg_hf_base;

/* FG_ERR_USAGE: the source's format is complete by itself, or the base is not a Hugging Face directory. */
fg_status fg_hf_base_open(const char *directory, const fg_checkpoint *source, fg_hf_base *base,
                          fg_error *err);
/* Whether it fits a model with `rows` tokens in the directory `source`: a vocabulary of another size is a
 * warning; a tokenizer with more tokens than rows, FG_ERR_INPUT. */
fg_status fg_hf_base_check(const fg_hf_base *base, const char *source, uint64_t rows, fg_warnings *warnings,
                           fg_error *err);
/* Adds missing keys to an hf configuration, and their paths to the array `keys`. Without a base it does
 * nothing. */
fg_status fg_hf_base_fill(const fg_hf_base *base, fg_catalogue *catalogue, json_t *hf, json_t *keys,
                          fg_error *err);
void fg_hf_base_free(fg_hf_base *base);

#endif
