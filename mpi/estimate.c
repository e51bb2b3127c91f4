#include "estimate.h"

#include "base/alloc.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "report/output_file.h"
#include "report/progress.h"

static fg_status put_bytes(json_t *report, const char *path, uint64_t bytes, fg_error *err) {
    return fg_json_set_at(report, path, json_integer((json_int_t)bytes), err);
}

/* ---- space ---- */

/* Room that the file system must have: shards, and some for the other files. */
static const uint64_t OTHER_FILES = 64 << 20;

uint64_t fg_estimate_bytes(const fg_plan *plan, uint64_t copied) {
    uint64_t needed = OTHER_FILES + copied;
    for (size_t s = 0; s < plan->shard_count; s++) needed += plan->shard_bytes[s];
    return needed;
}

fg_status fg_estimate_disk(uint64_t needed, const fg_stage *stage, json_t *report, fg_error *err) {
    uint64_t room;
    FG_CALL(put_bytes(report, "disk/needed_bytes", needed, err));
    if (!stage->destination) return FG_OK;
    FG_CALL(fg_stage_room(stage, &room, err));
    return put_bytes(report, "disk/free_bytes", room, err);
}

fg_status fg_estimate_check_disk(uint64_t needed, const fg_stage *stage, fg_error *err) {
    return stage->destination ? fg_stage_check_room(stage, needed, err) : FG_OK;
}

/* What of `needed` is written on the file system of `partial`. */
static fg_status bytes_beside(const char *partial, uint64_t needed, const fg_stage *stage, uint64_t *bytes,
                              fg_error *err) {
    fg_status status = FG_OK;
    fg_file_stamp own, other;
    char *parent = NULL;
    *bytes = 0;
    if (!stage || !stage->destination) goto done;
    FG_TRY_NEW(parent, fg_path_parent(stage->destination, err));
    FG_TRY(fg_file_stamp_of(partial, &own, err));
    FG_TRY(fg_file_stamp_of(parent, &other, err));
    if (own.device == other.device) *bytes = needed;
done:
    fg_free(parent);
    return status;
}

fg_status fg_estimate_dump(const char *path, uint64_t bytes, uint64_t needed, const fg_stage *stage,
                           fg_error *err) {
    fg_status status = FG_OK;
    char *partial = NULL, room_text[24], bytes_text[24], beside_text[24];
    uint64_t beside, room;
    if (!path) goto done;
    FG_TRY_NEW(partial, fg_output_file_partial(path, err));
    FG_TRY(bytes_beside(partial, needed, stage, &beside, err));
    FG_TRY(fg_disk_free(partial, &room, err));
    if (bytes <= room && beside <= room - bytes) goto done;
    fg_fail(err, FG_ERR_SYSTEM, "--dump %s: %s free, %s needed for it%s%s", path,
            fg_bytes_text(room, room_text), fg_bytes_text(bytes, bytes_text),
            beside ? " and for the destination " : "", beside ? fg_bytes_text(beside, beside_text) : "");
    fg_about_found(err, "%s free", room_text);
    fg_about_expected(err, "%s free", bytes_text);
    FG_TRY(fg_hint(err, "name a file on another file system, or give fewer tokens (--token-ids, --prompt)"));
done:
    fg_free(partial);
    return status;
}

/* ---- memory ---- */

/* What every rank holds: libraries and buffers, measured; the plan, from its tables. Names take some 64
 * bytes. */
static uint64_t writing_bytes(const fg_plan *plan) {
    const uint64_t libraries_and_buffers = 48 << 20, name = 64;
    return libraries_and_buffers + plan->source.count * (sizeof *plan->source.items + name) +
           plan->output_count * (sizeof *plan->outputs + name) + plan->piece_count * sizeof *plan->pieces;
}

fg_status fg_estimate_memory(const fg_plan *plan, uint64_t proof, uint64_t generation, json_t *report,
                             fg_error *err) {
    uint64_t base = writing_bytes(plan);
    FG_CALL(put_bytes(report, "memory/expected_bytes_per_rank", base, err));
    if (proof) FG_CALL(put_bytes(report, "memory/expected_proof_bytes_per_rank", base + proof, err));
    if (generation)
        FG_CALL(put_bytes(report, "memory/expected_generation_bytes_per_rank", base + generation, err));
    return FG_OK;
}

/* ---- time ---- */

enum { PROBE_BYTES = 4 << 20, PROBES = 8 };

/* The file of the source that is largest; NULL: there is none. */
static const char *largest_file(const fg_tensors *source, uint64_t *size) {
    const char *largest = NULL;
    *size = 0;
    for (size_t i = 0; i < source->file_count; i++) {
        fg_error unsaid = {0};
        fg_file_stamp stamp;
        if (fg_file_stamp_of(source->files[i], &stamp, &unsaid) != FG_OK || stamp.size <= *size) continue;
        *size = stamp.size;
        largest = source->files[i];
    }
    return largest;
}

/* Reads parts of a file from its beginning to its end. */
static fg_status probe(const char *path, uint64_t size, uint64_t *bytes, double *seconds, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    void *buffer = NULL;
    uint64_t part = fg_min(size, PROBE_BYTES), last = size - part;
    size_t count = size <= PROBE_BYTES ? 1 : PROBES;
    *bytes = 0;
    FG_TRY_NEW(buffer, fg_alloc_buffer(PROBE_BYTES, err));
    FG_TRY(fg_file_open(&file, path, FG_OPEN_READ, err));
    double begun = fg_clock_seconds();
    for (size_t i = 0; i < count; i++, *bytes += part)
        FG_TRY(fg_file_read(&file, buffer, part, count > 1 ? last / (count - 1) * i : 0, err));
    *seconds = fg_clock_seconds() - begun;
done:
    fg_file_close(&file);
    fg_free(buffer);
    return status;
}

fg_status fg_estimate_time(const fg_plan *plan, bool verifies, json_t *report, fg_error *err) {
    uint64_t size, bytes;
    double seconds;
    const char *path = largest_file(&plan->source, &size);
    if (!path || !size) return FG_OK;
    FG_CALL(probe(path, size, &bytes, &seconds, err));
    if (seconds <= 0) return FG_OK;
    double rate = (double)bytes / seconds;
    double moved = (double)fg_tensors_tally(&plan->source).total_bytes + (double)fg_plan_bytes(plan);
    return fg_json_put(report, "estimate",
                       json_pack("{s:f, s:f, s:I}", "seconds", moved * (verifies ? 2 : 1) / rate,
                                 "read_bytes_per_second", rate, "read_bytes", (json_int_t)bytes),
                       err);
}
