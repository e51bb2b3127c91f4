#include "copy/sink.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/fill.h"
#include "store/non_finite.h"

enum { ZEROS = 64 << 10, REPORT_BYTES = 1 << 20 /* progress is told of this many */ };
static const unsigned char zeros[ZEROS];

fg_status fg_sink_new(fg_sink *sink, const fg_plan *plan, const char *directory, fg_error *err) {
    *sink = (fg_sink){.plan = plan};
    if (directory) FG_CALL_NEW(sink->directory, fg_strdup(directory, err));
    FG_CALL_NEW(sink->state, fg_alloc_buffer(sizeof *sink->state, err));
    XXH3_INITSTATE(sink->state);
    return fg_digest_blocks(plan, &sink->first_block, err);
}

void fg_sink_free(fg_sink *sink) {
    for (size_t i = 0; i < sink->slot_count; i++) fg_file_close(&sink->slots[i].file);
    fg_free(sink->directory);
    fg_free(sink->first_block);
    fg_free(sink->state);
    *sink = (fg_sink){0};
}

fg_status fg_sink_finish(fg_sink *sink, fg_error *err) {
    while (sink->slot_count) FG_CALL(fg_file_finish(&sink->slots[--sink->slot_count].file, err));
    return FG_OK;
}

/* Leaves a free slot: if all hold a file, the one not written to for the longest is closed. */
static fg_status vacate(fg_sink *sink, fg_error *err) {
    if (sink->slot_count < FG_SINK_OPEN_SHARDS) return FG_OK;
    fg_sink_slot *oldest = sink->slots;
    for (size_t i = 1; i < sink->slot_count; i++) {
        if (sink->slots[i].used < oldest->used) oldest = &sink->slots[i];
    }
    FG_CALL(fg_file_finish(&oldest->file, err));
    *oldest = sink->slots[--sink->slot_count];
    return FG_OK;
}

static fg_status open_shard(fg_sink *sink, uint32_t shard, const fg_file **file, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    for (size_t i = 0; i < sink->slot_count; i++) {
        if (sink->slots[i].shard != shard) continue;
        sink->slots[i].used = ++sink->clock;
        *file = &sink->slots[i].file;
        return FG_OK;
    }
    if (shard >= sink->plan->shard_count)
        return fg_fail(err, FG_ERR_BUG, "a copier is asked to write a shard that the plan does not have");
    FG_TRY_NEW(path, fg_path_join(sink->directory, sink->plan->shard_files[shard], err));
    FG_TRY(vacate(sink, err));
    fg_sink_slot *slot = &sink->slots[sink->slot_count];
    FG_TRY(fg_file_open(&slot->file, path, FG_OPEN_WRITE, err));
    slot->shard = shard;
    slot->used = ++sink->clock;
    sink->slot_count++;
    *file = &slot->file;
done:
    fg_free(path);
    return status;
}

void fg_sink_begin(fg_sink *sink, uint64_t *digests, fg_copy_progress progress, void *context) {
    sink->digests = digests;
    sink->progress = progress;
    sink->context = context;
    sink->unreported = 0;
    sink->stopped = false;
    XXH3_64bits_reset(sink->state);
}

void fg_sink_end(fg_sink *sink) {
    if (sink->progress && sink->unreported && !sink->progress(sink->context, sink->unreported))
        sink->stopped = true;
    sink->unreported = 0;
}

static void report(fg_sink *sink, uint64_t bytes) {
    sink->unreported += bytes;
    if (sink->unreported >= REPORT_BYTES) fg_sink_end(sink);
}

fg_status fg_sink_put_raw(fg_sink *sink, uint32_t shard, uint64_t offset, const unsigned char *bytes,
                          uint64_t size, fg_error *err) {
    const fg_file *file = NULL;
    if (bytes && sink->directory) {
        FG_CALL(open_shard(sink, shard, &file, err));
        FG_CALL(fg_file_write(file, bytes, size, offset, err));
        sink->bytes_written += size;
    } else {
        sink->bytes_skipped += size;
    }
    report(sink, size);
    return FG_OK;
}

/* Zeros are finite. */
static void count(fg_sink *sink, const fg_output *output, const unsigned char *bytes, uint64_t elements) {
    if (sink->counts && bytes) sink->non_finite += fg_count_non_finite(output->dtype, bytes, elements);
}

void fg_sink_digest_whole(fg_sink *sink, size_t output, const unsigned char *bytes) {
    const fg_output *o = &sink->plan->outputs[output];
    uint64_t size = fg_output_bytes(o);
    count(sink, o, bytes, o->elements);
    if (sink->digests && size) sink->digests[sink->first_block[output]] = XXH3_64bits(bytes, size);
}

/* Bytes [at, at + size) of an output, which do not go beyond a checksum block. */
static void digest(fg_sink *sink, size_t output, uint64_t at, uint64_t size, const unsigned char *bytes) {
    if (!sink->digests) return;
    for (uint64_t done = 0; !bytes && done < size; done += ZEROS)
        XXH3_64bits_update(sink->state, zeros, fg_min(ZEROS, size - done));
    if (bytes) XXH3_64bits_update(sink->state, bytes, size);
    uint64_t end = at + size;
    if (end % FG_WORK_ITEM_BYTES && end < fg_output_bytes(&sink->plan->outputs[output])) return;
    sink->digests[sink->first_block[output] + at / FG_WORK_ITEM_BYTES] = XXH3_64bits_digest(sink->state);
    XXH3_64bits_reset(sink->state);
}

fg_status fg_sink_put(fg_sink *sink, size_t output, uint64_t first, uint64_t elements,
                      const unsigned char *bytes, fg_error *err) {
    const fg_output *o = &sink->plan->outputs[output];
    uint64_t element = fg_dtype_size(o->dtype), at = first * element, end = at + elements * element;
    while (at < end && !sink->stopped) {
        uint64_t size =
            fg_min(fg_min(end - at, FG_BLOCK_BYTES), FG_WORK_ITEM_BYTES - at % FG_WORK_ITEM_BYTES);
        digest(sink, output, at, size, bytes);
        count(sink, o, bytes, size / element);
        FG_CALL(fg_sink_put_raw(sink, o->shard, o->offset + at, bytes, size, err));
        at += size;
        if (bytes) bytes += size;
    }
    return FG_OK;
}
