/* What a conversion reads: a checkpoint, opened once, and the directory that completes it.
 *
 * Invariant: nothing changes in it after it was opened. Its tensor table is given away, for the plan takes it over.
 */
#ifndef FG_CONVERSION_SOURCE_H
#define FG_CONVERSION_SOURCE_H

#include "conversion/hf_base.h"
#include "conversion/recipe.h"

typedef struct fg_source {
    fg_checkpoint checkpoint;        /* without tensors */
    char *config_file;               /* owned; the file with its configuration, for messages */
    fg_hf_base base;                 /* empty without --hf-base */
    const json_t *generation_config; /* borrowed: its own, else that of the base; NULL: none */
    const char *tokenizer_directory; /* borrowed: where the tokenizer is that the destination gets */
} fg_source;

/* Opens what the recipe names. FG_ERR_USAGE: the recipe says another format than it has. To be freed whatever comes back. */
fg_status fg_source_open(const fg_recipe *recipe, fg_catalogue *catalogue, fg_source *source,
                         fg_tensors *tensors, fg_error *err);
/* The configuration alone, of a directory or of a file, which then stands for a directory that contains nothing else. */
fg_status fg_source_open_config(const fg_recipe *recipe, fg_catalogue *catalogue, fg_source *source,
                                fg_error *err);
/* The configuration that a converter translates. Borrowed. */
const json_t *fg_source_model_config(const fg_source *source);
void fg_source_free(fg_source *source);

#endif
