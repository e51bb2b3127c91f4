#include "copy/recheck.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "copy/fill.h"

struct fg_recheck {
    const fg_plan *plan;   /* borrowed */
    const char *partial;   /* borrowed */
    uint64_t *first_block; /* owned */
    XXH3_state_t *state;   /* owned */
    unsigned char *buffer; /* owned; FG_BLOCK_BYTES */
    fg_file file;          /* shard `shard`, if it is open */
    uint32_t shard;
};

fg_status fg_recheck_new(fg_recheck **recheck, const fg_plan *plan, const char *partial, fg_error *err) {
    fg_status status = FG_OK;
    fg_recheck *r = NULL;
    FG_NEW(r, 1);
    *r = (fg_recheck){.plan = plan, .partial = partial, .file = FG_FILE_NONE};
    FG_TRY(fg_digest_blocks(plan, &r->first_block, err));
    FG_TRY_NEW(r->state, fg_alloc_buffer(sizeof *r->state, err));
    XXH3_INITSTATE(r->state);
    FG_TRY_NEW(r->buffer, fg_alloc_buffer(FG_BLOCK_BYTES, err));
    *recheck = r;
    r = NULL;
done:
    fg_recheck_free(&r);
    return status;
}

void fg_recheck_free(fg_recheck **recheck) {
    fg_recheck *r = *recheck;
    if (!r) return;
    fg_file_close(&r->file);
    fg_free(r->first_block);
    fg_free(r->state);
    fg_free(r->buffer);
    fg_free(r);
    *recheck = NULL;
}

static fg_status open_shard(fg_recheck *r, uint32_t shard, fg_error *err) {
    if (r->file.fd >= 0 && r->shard == shard) return FG_OK;
    fg_file_close(&r->file);
    char *path = fg_path_join(r->partial, r->plan->shard_files[shard], err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_file_open(&r->file, path, FG_OPEN_READ, err);
    r->shard = shard;
    fg_free(path);
    return status;
}

/* Of bytes [at, end) of an output. */
static fg_status digest(fg_recheck *r, const fg_output *output, uint64_t at, uint64_t end, uint64_t *result,
                        fg_error *err) {
    FG_CALL(open_shard(r, output->shard, err));
    XXH3_64bits_reset(r->state);
    for (uint64_t count; at < end; at += count) {
        count = fg_min(end - at, FG_BLOCK_BYTES);
        FG_CALL(fg_file_read(&r->file, r->buffer, count, output->offset + at, err));
        XXH3_64bits_update(r->state, r->buffer, count);
    }
    *result = XXH3_64bits_digest(r->state);
    return FG_OK;
}

fg_status fg_recheck_run(fg_recheck *r, const fg_work_item *item, uint64_t *digests,
                         fg_copy_progress progress, void *context, fg_error *err) {
    uint64_t block, end_block;
    size_t output = item->output;
    fg_work_blocks(r->plan, r->first_block, item, &block, &end_block);
    for (; block < end_block; block++) {
        while (block >= r->first_block[output + 1]) output++;
        const fg_output *o = &r->plan->outputs[output];
        uint64_t at = (block - r->first_block[output]) * FG_WORK_ITEM_BYTES;
        uint64_t end = fg_min(at + FG_WORK_ITEM_BYTES, fg_output_bytes(o));
        FG_CALL(digest(r, o, at, end, &digests[block], err));
        if (!progress(context, end - at)) return FG_OK;
    }
    return FG_OK;
}
