/* Writing the files of a conversion other than its tensors: those that were made, and those that are copied. */
#ifndef FG_CONVERSION_CONVERSION_FILES_H
#define FG_CONVERSION_CONVERSION_FILES_H

#include "conversion/conversion.h"

/* Writes everything but tensors into the stage: configuration, index, emitted code (not with --no-code), the side files that were
 * made, and copies of the others. `copied` (an array) gets the names of these. */
fg_status fg_conversion_write_files(const fg_conversion *conversion, fg_stage *stage, json_t *copied,
                                    fg_error *err);
/* The last file, which marks the directory as complete. */
fg_status fg_conversion_finish_files(const fg_conversion *conversion, fg_stage *stage, fg_error *err);

#endif
