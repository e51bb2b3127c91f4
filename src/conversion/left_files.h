/* What lies in the directory of the source and does not reach the destination. Nothing is left out without a
 * word: the report and the summary name these files.
 */
#ifndef FG_CONVERSION_LEFT_FILES_H
#define FG_CONVERSION_LEFT_FILES_H

#include "conversion/destination_code.h"

/* Adds the names: files that are neither read, rewritten nor copied, and folders ("NAME/"); of finalize also
 * what lies next to the weights in the training checkpoint, with its path. `left` begins empty; free it with
 * fg_names_free. */
fg_status fg_left_files_list(const fg_decisions *decided, const fg_layout *layout,
                             const fg_destination_code *code, fg_names *left, fg_error *err);

#endif
