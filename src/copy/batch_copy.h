/* Many small outputs at once: what lies side by side in a file is read, and written, with one call.
 *
 * Invariant: the same bytes and checksums as when each output is computed alone.
 */
#ifndef FG_COPY_BATCH_COPY_H
#define FG_COPY_BATCH_COPY_H

#include "copy/fill.h"
#include "copy/sink.h"

/* Writes the `item->outputs` whole outputs of an item, each at most FG_BLOCK_BYTES long. `block` has
 * FG_BLOCK_BYTES. */
fg_status fg_batch_copy_run(fg_filler *filler, fg_sink *sink, const fg_work_item *item, unsigned char *block,
                            fg_error *err);

#endif
