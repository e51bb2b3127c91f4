/* Where the bytes of outputs go: shard files, checksums, progress.
 *
 * Invariant: the bytes of an output reach the sink in order within a checksum block, so that checksums do not
 * depend on how they were cut on the way.
 */
#ifndef FG_COPY_SINK_H
#define FG_COPY_SINK_H

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "copy/copier.h"

enum { FG_SINK_OPEN_SHARDS = 16 };

typedef struct fg_sink_slot {
    fg_file file;
    uint32_t shard;
    uint64_t used; /* the sink's clock when it was last written to */
} fg_sink_slot;

typedef struct fg_sink {
    const fg_plan *plan;   /* borrowed */
    char *directory;       /* owned; NULL: nothing is written, only counted */
    uint64_t *first_block; /* owned; of each output, as fg_digest_blocks gives it */
    XXH3_state_t *state;   /* owned; the checksum block that has begun */
    fg_sink_slot slots[FG_SINK_OPEN_SHARDS];
    size_t slot_count;
    uint64_t clock, bytes_written, bytes_skipped;
    bool counts;         /* numbers that are not finite are counted */
    uint64_t non_finite; /* how many were */
    /* of the item that is being written */
    uint64_t *digests; /* borrowed; NULL: not wanted */
    fg_copy_progress progress;
    void *context;
    uint64_t unreported; /* bytes since progress was called */
    bool stopped;        /* progress said so */
} fg_sink;

fg_status fg_sink_new(fg_sink *sink, const fg_plan *plan, const char *directory, fg_error *err);
/* Closes the files that were written: an error if bytes of them did not arrive. */
fg_status fg_sink_finish(fg_sink *sink, fg_error *err);
void fg_sink_free(fg_sink *sink);

/* Begins an item. */
void fg_sink_begin(fg_sink *sink, uint64_t *digests, fg_copy_progress progress, void *context);
/* Takes `elements` of an output from element `first` on; `bytes` NULL means zeros, which are digested
 * and not written. Stops early when progress says so. */
fg_status fg_sink_put(fg_sink *sink, size_t output, uint64_t first, uint64_t elements,
                      const unsigned char *bytes, fg_error *err);
/* The same for whole outputs that were computed together: first each one's checksum, then `size` bytes of
 * the shard at once. */
void fg_sink_digest_whole(fg_sink *sink, size_t output, const unsigned char *bytes);
fg_status fg_sink_put_raw(fg_sink *sink, uint32_t shard, uint64_t offset, const unsigned char *bytes,
                          uint64_t size, fg_error *err);
/* Reports what is left to report. */
void fg_sink_end(fg_sink *sink);

#endif
