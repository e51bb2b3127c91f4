#include "report/report_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 1200, NAMES_WIDTH = 150, DTYPES = 8 };

fg_status fg_report_line(fg_buffer *out, const char *label, fg_error *err, const char *format, ...) {
    char line[LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return fg_buffer_printf(out, err, "  %-9s %s\n", label, line);
}

bool fg_report_number(const json_t *report, const char *path, double *value) {
    const json_t *held = fg_json_at(report, path);
    if (!json_is_number(held)) return false;
    *value = json_number_value(held);
    return true;
}

bool fg_report_count(const json_t *report, const char *path, uint64_t *value) {
    const json_t *held = fg_json_at(report, path);
    if (!json_is_integer(held) || json_integer_value(held) < 0) return false;
    *value = (uint64_t)json_integer_value(held);
    return true;
}

const char *fg_report_string(const json_t *report, const char *path, const char *otherwise) {
    const char *held = json_string_value(fg_json_at(report, path));
    return held ? held : otherwise;
}

const char *fg_report_part(const char *part) {
    static const char *const words[][2] = {
        {"patches", "the embedding of patches"},
        {"adapter", "the adapter of the vision encoder"},
        {"embedding", "the embedding"},
        {"mixer", "the mixer"},
        {"mlp", "the feed-forward layer"},
        {"final_norm", "the final norm"},
        {"further_final_norm", "the final norm of a further prediction head"},
        {"head", "the output head"}};
    for (size_t i = 0; part && i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i][0], part) == 0) return words[i][1];
    }
    return part;
}

const char *fg_report_counted(uint64_t count, const char *noun, char *buffer) {
    snprintf(buffer, FG_REPORT_WORDS, "%llu %s%s", (unsigned long long)count, noun, count == 1 ? "" : "s");
    return buffer;
}

const char *fg_report_side(const json_t *report, const char *side, char *buffer) {
    const json_t *held = json_object_get(report, side);
    const char *format = fg_report_string(held, "format", NULL),
               *family = fg_report_string(held, "model_type", NULL);
    snprintf(buffer, FG_REPORT_WORDS, "%.200s", fg_report_string(held, "directory", side));
    if (format || family)
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer), " (%.40s%s%.40s)",
                 format ? format : "", format && family ? ", " : "", family ? family : "");
    return buffer;
}

/* The key with the most bytes that is not marked yet; NULL when all are. */
static const char *most_bytes(const json_t *dtypes, const char *const *marked, size_t count) {
    const char *best = NULL;
    const json_t *value;
    double most = -1;
    FG_JSON_MEMBERS(dtypes, name, value) {
        bool taken = false;
        for (size_t i = 0; i < count; i++) taken = taken || strcmp(marked[i], name) == 0;
        if (taken || json_number_value(value) <= most) continue;
        most = json_number_value(value);
        best = name;
    }
    return best;
}

const char *fg_report_dtypes(const json_t *report, const char *side, char *buffer) {
    const json_t *dtypes = json_object_get(json_object_get(report, side), "dtypes");
    const char *names[DTYPES];
    size_t count = 0;
    buffer[0] = '\0';
    while (count < DTYPES && (names[count] = most_bytes(dtypes, names, count))) count++;
    for (size_t i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : i + 1 == count ? " and " : ", ";
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer), "%s%.24s", between, names[i]);
    }
    return buffer;
}

static const char *why_chosen(const json_t *training) {
    const char *chosen = fg_report_string(training, "chosen", "");
    if (strcmp(chosen, "latest") == 0) return "the latest training checkpoint by time, ";
    if (strcmp(chosen, "latest_step") == 0) return "the latest step of the experiment, ";
    return strcmp(chosen, "given") == 0 ? "given with -c, " : "";
}

fg_status fg_report_weights(const json_t *report, fg_buffer *out, fg_error *err) {
    static const char *const sides[] = {"source", "destination"};
    const char *label = "weights";
    for (size_t i = 0; i < 2; i++) {
        const json_t *side = json_object_get(report, sides[i]),
                     *training = json_object_get(side, "training_checkpoint");
        if (!training) continue;
        FG_CALL(fg_report_line(out, label, err, "%s (%ssaved %s)",
                               fg_report_string(side, "weights_directory", "?"), why_chosen(training),
                               fg_report_string(training, "saved", "at an unknown time")));
        label = "";
    }
    return FG_OK;
}

const char *fg_report_names(const json_t *array, const char *key, char *buffer) {
    size_t total = json_array_size(array), shown = 0;
    buffer[0] = '\0';
    for (; shown < total; shown++) {
        const json_t *item = json_array_get(array, shown);
        const char *name = json_string_value(key ? json_object_get(item, key) : item);
        if (!name) name = "?";
        if (shown && strlen(buffer) + strlen(name) > NAMES_WIDTH) break;
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer), "%s%.*s", shown ? ", " : "",
                 NAMES_WIDTH, name);
    }
    if (shown < total)
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer), " and %zu more", total - shown);
    return buffer;
}

fg_status fg_report_code(const json_t *report, fg_buffer *out, fg_error *err) {
    char names[FG_REPORT_WORDS];
    const json_t *code = json_object_get(report, "code");
    const char *origin = fg_report_string(code, "origin", NULL),
               *why = fg_report_string(code, "why_none", NULL);
    uint64_t lacking = 0;
    if (!origin) return FG_OK;
    if (why)
        return fg_report_line(out, "code", err,
                              "none is written (%s): nothing is proved of the code that will load this", why);
    fg_report_count(code, "lacking", &lacking);
    fg_report_names(json_object_get(code, "files"), NULL, names);
    if (lacking)
        return fg_report_line(out, "code", err, "%s, which refuses to load this: parameters are missing",
                              names);
    if (json_is_true(json_object_get(code, "checked")))
        return fg_report_line(out, "code", err, "%s, whose parameters are exactly the tensors written",
                              names);
    return fg_report_line(out, "code", err, "%s of the source: nothing is proved of it", names);
}

const char *fg_report_duration(double seconds, char *buffer) {
    if (!(seconds < 1e9) || seconds < 0) seconds = 0;
    if (seconds < 9.95) {
        snprintf(buffer, FG_REPORT_WORDS, "%.2g s", seconds);
    } else if (seconds < 119.5) {
        snprintf(buffer, FG_REPORT_WORDS, "%.0f s", seconds);
    } else {
        unsigned long whole = (unsigned long)(seconds + 0.5);
        snprintf(buffer, FG_REPORT_WORDS, "%lu min %02lu s", whole / 60, whole % 60);
    }
    return buffer;
}
