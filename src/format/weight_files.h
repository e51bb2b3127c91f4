/* The weights of one directory: which files hold them, and their headers. For checkpoint.c, which says where
 * to look. */
#ifndef FG_FORMAT_WEIGHT_FILES_H
#define FG_FORMAT_WEIGHT_FILES_H

#include "base/json.h"
#include "store/tensors.h"

/* Which of several files with weights counts: as transformers or as Forgather decides; both orders are in
 * checkpoint.h. */
typedef enum fg_weight_files_order { FG_WEIGHTS_HF, FG_WEIGHTS_FORGATHER } fg_weight_files_order;

/* Whether the directory has one of the files that weights are looked for in. */
fg_status fg_weight_files_present(const char *directory, bool *present, fg_error *err);

/* Adds the tensors of the directory to the table, by the rules of checkpoint.h; files that come later in the
 * order are named in a warning. `metadata` gets a new reference to the `metadata` of the index, NULL if there
 * is none. */
fg_status fg_weight_files_read(const char *directory, fg_weight_files_order order, fg_tensors *table,
                               json_t **metadata, fg_error *err);

/* Whether a file of this name holds weights or says where they are. */
bool fg_weight_files_is_name(const char *name);

#endif
