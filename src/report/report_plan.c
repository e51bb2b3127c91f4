/* The plan for people: what a conversion would write. */
#include <string.h>

#include "report/report.h"
#include "report/report_distributed.h"
#include "report/report_text.h"

enum { SHARDS_SHOWN = 8, REASONS_SHOWN = 12, VALUE = 80 };

static fg_status plan_tensors(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], dtypes[FG_REPORT_WORDS], size[24];
    uint64_t count = 0, bytes = 0, from = 0;
    if (!fg_report_count(report, "destination/tensors", &count)) return FG_OK;
    fg_report_count(report, "destination/bytes", &bytes);
    const char *cast = fg_report_string(report, "options/dtype", NULL);
    fg_report_counted(count, "tensor", words);
    fg_bytes_text(bytes, size);
    fg_report_dtypes(report, "source", dtypes);
    if (!cast)
        return fg_report_line(out, "tensors", err, "%s, %s%s%s", words, size, *dtypes ? ", " : "", dtypes);
    char before[24] = "an unknown size";
    if (fg_report_count(report, "source/bytes", &from)) fg_bytes_text(from, before);
    return fg_report_line(out, "tensors", err, "%s, %s in %s, rounded from %s in %s", words, size, cast,
                          before, *dtypes ? dtypes : "their own types");
}

static fg_status plan_files(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], size[24];
    const json_t *shards = fg_json_at(report, "destination/shards"),
                 *copied = json_object_get(report, "copied_files");
    const json_t *left = json_object_get(report, "left_files");
    size_t count = json_array_size(shards);
    for (size_t i = 0; i < count; i++) {
        const json_t *shard = json_array_get(shards, i);
        uint64_t bytes = 0;
        if (count > SHARDS_SHOWN && i == SHARDS_SHOWN - 1) {
            FG_CALL(fg_report_line(out, "", err, "... %zu more", count - SHARDS_SHOWN));
            i = count - 1;
            shard = json_array_get(shards, i);
        }
        fg_report_count(shard, "bytes", &bytes);
        FG_CALL(fg_report_line(out, i ? "" : "files", err, "%s, %s", fg_report_string(shard, "file", "?"),
                               fg_bytes_text(bytes, size)));
    }
    if (json_array_size(copied))
        FG_CALL(fg_report_line(out, "copied", err, "%s", fg_report_names(copied, NULL, words)));
    if (json_array_size(left))
        FG_CALL(fg_report_line(out, "not taken", err, "%s", fg_report_names(left, NULL, words)));
    return FG_OK;
}

/* Tensors that are dropped for one reason follow each other: one line for each run of them. */
static fg_status plan_dropped(const json_t *report, fg_buffer *out, fg_error *err) {
    const json_t *dropped = json_object_get(report, "dropped");
    size_t count = json_array_size(dropped), lines = 0;
    for (size_t i = 0; i < count; lines++) {
        const json_t *first = json_array_get(dropped, i);
        const char *reason = fg_report_string(first, "reason", "no reason given");
        size_t next = i + 1;
        while (next < count &&
               strcmp(fg_report_string(json_array_get(dropped, next), "reason", ""), reason) == 0)
            next++;
        if (lines == REASONS_SHOWN) {
            FG_CALL(fg_report_line(out, "", err, "... %zu more", count - i));
            break;
        }
        const char *name = fg_report_string(first, "name", "?"), *label = lines ? "" : "dropped";
        if (next - i == 1)
            FG_CALL(fg_report_line(out, label, err, "tensor %s: %s", name, reason));
        else
            FG_CALL(
                fg_report_line(out, label, err, "%zu tensors, %s and others: %s", next - i, name, reason));
        i = next;
    }
    return FG_OK;
}

static fg_status plan_left_out(const json_t *report, fg_buffer *out, fg_error *err) {
    char value[VALUE];
    const json_t *left = fg_json_at(report, "config/left_out");
    for (size_t i = 0; i < json_array_size(left); i++) {
        const json_t *entry = json_array_get(left, i);
        FG_CALL(fg_report_line(out, i ? "" : "left out", err, "%s = %s: %s",
                               fg_report_string(entry, "key", "?"),
                               fg_json_brief(json_object_get(entry, "value"), value, sizeof value),
                               fg_report_string(entry, "reason", "no reason given")));
    }
    return FG_OK;
}

static fg_status plan_steps(const json_t *report, fg_buffer *out, fg_error *err) {
    const json_t *steps = json_object_get(report, "steps");
    const char *last = "";
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        const char *migration = fg_report_string(step, "migration", NULL);
        const char *label = migration ? "migration" : "converter";
        FG_CALL(fg_report_line(out, strcmp(label, last) == 0 ? "" : label, err, "%s (%s to %s)",
                               migration ? migration : fg_report_string(step, "converter", "?"),
                               fg_report_string(step, "from", "?"), fg_report_string(step, "to", "?")));
        last = label;
    }
    return FG_OK;
}

static fg_status plan_disk(const json_t *report, fg_buffer *out, fg_error *err) {
    char needed[24], room[24];
    uint64_t bytes;
    if (!fg_report_count(report, "disk/needed_bytes", &bytes)) return FG_OK;
    fg_bytes_text(bytes, needed);
    if (!fg_report_count(report, "disk/free_bytes", &bytes))
        return fg_report_line(out, "disk", err, "%s needed", needed);
    return fg_report_line(out, "disk", err, "%s needed, %s free", needed, fg_bytes_text(bytes, room));
}

static fg_status plan_memory(const json_t *report, fg_buffer *out, fg_error *err) {
    static const struct {
        const char *path, *purpose;
    } parts[] = {{"memory/expected_bytes_per_rank", "write"},
                 {"memory/expected_proof_bytes_per_rank", "prove"},
                 {"memory/expected_generation_bytes_per_rank", "generate"}};
    fg_status status = FG_OK;
    fg_buffer line = {0};
    char size[24];
    uint64_t bytes;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!fg_report_count(report, parts[i].path, &bytes)) continue;
        FG_TRY(fg_buffer_printf(&line, err, "%s%s %sto %s", line.length ? ", " : "about ",
                                fg_bytes_text(bytes, size), line.length ? "" : "a rank ", parts[i].purpose));
    }
    if (line.length) FG_TRY(fg_report_line(out, "memory", err, "%s", line.data));
done:
    fg_buffer_free(&line);
    return status;
}

static fg_status plan_time(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], rate_text[24], read[24];
    double seconds, rate;
    uint64_t bytes;
    if (!fg_report_number(report, "estimate/seconds", &seconds) ||
        !fg_report_number(report, "estimate/read_bytes_per_second", &rate) || !(rate < 1e18) ||
        !fg_report_count(report, "estimate/read_bytes", &bytes))
        return FG_OK;
    return fg_report_line(
        out, "time", err,
        "about %s to write, without running models (an estimate, from reading %s of the source at %s/s)",
        fg_report_duration(seconds, words), fg_bytes_text(bytes, read),
        fg_bytes_text((uint64_t)rate, rate_text));
}

fg_status fg_report_plan(const json_t *report, fg_buffer *out, fg_error *err) {
    char from[FG_REPORT_WORDS], to[FG_REPORT_WORDS];
    FG_CALL(fg_buffer_printf(out, err, "Plan: %s to %s; nothing is written\n",
                             fg_report_side(report, "source", from),
                             fg_report_side(report, "destination", to)));
    FG_CALL(fg_report_weights(report, out, err));
    FG_CALL(fg_report_distributed(fg_json_at(report, "source/distributed"), out, err));
    FG_CALL(plan_steps(report, out, err));
    FG_CALL(plan_tensors(report, out, err));
    FG_CALL(plan_files(report, out, err));
    FG_CALL(fg_report_code(report, out, err));
    FG_CALL(plan_dropped(report, out, err));
    FG_CALL(plan_left_out(report, out, err));
    FG_CALL(plan_disk(report, out, err));
    FG_CALL(plan_memory(report, out, err));
    return plan_time(report, out, err);
}
