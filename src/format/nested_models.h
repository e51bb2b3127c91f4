/* Models below a directory that is not a model itself: a hub cache, a training run, an experiment, an archive
 * unpacked into a directory of its own. For messages.
 */
#ifndef FG_FORMAT_NESTED_MODELS_H
#define FG_FORMAT_NESTED_MODELS_H

#include <stdbool.h>

#include "base/buffer.h"

/* Appends what lies below `directory` to `text` ("; it holds ...") and which path to give to `advice`;
 * `found` false: nothing. */
fg_status fg_nested_models_describe(const char *directory, fg_buffer *text, fg_buffer *advice, bool *found,
                                    fg_error *err);

#endif
