/* The weights of one directory: which files hold them, and their headers. For the formats whose
 * directories are as Hugging Face's. */
#ifndef FG_FORMAT_WEIGHT_FILES_H
#define FG_FORMAT_WEIGHT_FILES_H

#include "base/json.h"
#include "store/tensors.h"

/* Whether the directory has one of the files that weights are looked for in. */
fg_status fg_weight_files_present(const char *directory, bool *present, fg_error *err);

/* Adds the tensors of the directory to the table, from the first of the files `names`
 * (fg_format.weight_files) that exists; those that come later are named in a warning. `metadata` gets a
 * new reference to the `metadata` of the index, NULL if there is none. */
fg_status fg_weight_files_read(const char *directory, const char *const *names, fg_tensors *table,
                               json_t **metadata, fg_error *err);

/* Whether a file of this name holds weights or says where they are. */
bool fg_weight_files_is_name(const char *name);

#endif
