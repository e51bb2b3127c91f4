#include "report/page_tables.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "report/page_charts.h"
#include "report/report_text.h"

enum { VALUE = 160, SHAPE = 120 };

static void number_cell(const fg_page *page, const json_t *entry, const char *key) {
    char text[32] = "";
    double value;
    if (fg_report_number(entry, key, &value)) snprintf(text, sizeof text, "%.15g", value);
    fg_page_cell(page, "n", text);
}

static void figure_cell(const fg_page *page, const json_t *entry, const char *key) {
    char text[32] = "";
    double value;
    if (json_object_get(entry, key)) snprintf(text, sizeof text, "without bound");
    if (fg_report_number(entry, key, &value)) snprintf(text, sizeof text, "%.5g", value);
    fg_page_cell(page, "n", text);
}

static void text_cell(const fg_page *page, const char *class_name, const json_t *entry, const char *key) {
    fg_page_cell(page, class_name, fg_report_string(entry, key, ""));
}

static void bytes_cell(const fg_page *page, const json_t *entry, const char *key) {
    uint64_t bytes = 0;
    fg_report_count(entry, key, &bytes);
    fg_page_bytes_cell(page, bytes);
}

static void value_cell(const fg_page *page, const json_t *value) {
    char text[VALUE];
    fg_page_cell(page, "m", value ? fg_json_brief(value, text, sizeof text) : "");
}

/* ---- tensors ---- */

static void sources_cell(const fg_page *page, const json_t *entry) {
    const json_t *sources = json_object_get(entry, "sources");
    fg_page_raw(page, "<td class=m>");
    for (size_t i = 0; i < json_array_size(sources); i++) {
        if (i) fg_page_raw(page, "<br>+ ");
        fg_page_name(page, json_string_value(json_array_get(sources, i)));
    }
}

static void dtype_cell(const fg_page *page, const json_t *entry) {
    const char *from = fg_report_string(entry, "source_dtype", NULL);
    fg_page_raw(page, "<td class=k>");
    if (from) {
        fg_page_text(page, from);
        fg_page_raw(page, " to ");
    }
    fg_page_text(page, fg_report_string(entry, "dtype", ""));
}

void fg_page_map(const fg_page *page, const json_t *report) {
    static const char *const titles[] = {"source",    "destination", "shape",  "type",
                                         "operation", "#tensors",    "#bytes", NULL};
    const json_t *map = json_object_get(report, "map");
    json_t *entry;
    if (!json_array_size(map)) return;
    fg_page_heading(page, "Tensors", "By name without their numbers: {0..79} stands for 80 tensors.");
    fg_page_table(page, titles);
    FG_JSON_EACH(map, i, entry) {
        char shape[SHAPE];
        fg_page_row(page, NULL);
        sources_cell(page, entry);
        text_cell(page, "m", entry, "name");
        fg_page_cell(page, "k", fg_json_brief(json_object_get(entry, "shape"), shape, sizeof shape));
        dtype_cell(page, entry);
        text_cell(page, NULL, entry, "operation");
        number_cell(page, entry, "tensors");
        bytes_cell(page, entry, "bytes");
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
}

/* ---- files ---- */

static void shards_table(const fg_page *page, const json_t *shards) {
    static const char *const titles[] = {"file", "#bytes", NULL};
    json_t *entry;
    fg_page_fold(page, false, json_array_size(shards), "file");
    fg_page_table(page, titles);
    FG_JSON_EACH(shards, i, entry) {
        fg_page_row(page, NULL);
        text_cell(page, "m", entry, "file");
        bytes_cell(page, entry, "bytes");
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
    fg_page_fold_end(page);
}

static void stack_of(const fg_page *page, const json_t *list, const char *name_key) {
    size_t count = json_array_size(list);
    fg_page_part *parts = fg_alloc(count, sizeof *parts, page->err);
    for (size_t i = 0; parts && i < count; i++) {
        parts[i].name = fg_report_string(json_array_get(list, i), name_key, "?");
        fg_report_count(json_array_get(list, i), "bytes", &parts[i].bytes);
    }
    if (parts) fg_page_stack(page, parts, count);
    fg_free(parts);
}

static void dtypes_stack(const fg_page *page, const json_t *dtypes) {
    fg_page_part parts[16];
    size_t count = 0;
    json_t *bytes;
    FG_JSON_MEMBERS(dtypes, name, bytes) {
        if (count == sizeof parts / sizeof *parts || json_integer_value(bytes) < 0) continue;
        parts[count++] = (fg_page_part){.name = name, .bytes = (uint64_t)json_integer_value(bytes)};
    }
    fg_page_stack(page, parts, count);
}

void fg_page_shards(const fg_page *page, const json_t *report) {
    const json_t *shards = fg_json_at(report, "destination/shards"),
                 *dtypes = fg_json_at(report, "source/dtypes");
    if (!json_array_size(shards)) return;
    fg_page_heading(page, "Files",
                    "Bytes of the weight files, of the tensors in them, and of the source by data type.");
    fg_page_raw(page, "<p class=legend>weight files</p>\n");
    stack_of(page, shards, "file");
    fg_page_raw(page, "<p class=legend>tensors</p>\n");
    stack_of(page, json_object_get(report, "map"), "name");
    if (json_object_size(dtypes)) fg_page_raw(page, "<p class=legend>source by data type</p>\n");
    dtypes_stack(page, dtypes);
    shards_table(page, shards);
}

/* ---- configuration ---- */

static size_t count_rule(const json_t *keys, bool carried) {
    size_t count = 0;
    json_t *entry;
    FG_JSON_EACH(keys, i, entry)
        count += (strcmp(fg_report_string(entry, "rule", ""), "carried") == 0) == carried;
    return count;
}

static const char *reason_of(const json_t *report, const char *key) {
    json_t *entry;
    FG_JSON_EACH(fg_json_at(report, "config/left_out"), i, entry) {
        if (strcmp(fg_report_string(entry, "key", ""), key) == 0)
            return fg_report_string(entry, "reason", "");
    }
    return "";
}

static void keys_table(const fg_page *page, const json_t *report, const json_t *keys, bool carried) {
    static const char *const titles[] = {"key",    "what", "value", "before", "rule of the converter",
                                         "reason", NULL};
    json_t *entry;
    size_t count = count_rule(keys, carried);
    if (!count) return;
    fg_page_fold(page, !carried && count <= 24, count, carried ? "carried key" : "other key");
    fg_page_table(page, titles);
    FG_JSON_EACH(keys, i, entry) {
        const char *rule = fg_report_string(entry, "rule", "");
        if ((strcmp(rule, "carried") == 0) != carried) continue;
        fg_page_row(page, NULL);
        text_cell(page, "m", entry, "key");
        fg_page_cell(page, NULL, rule);
        value_cell(page, json_object_get(entry, "value"));
        value_cell(page, json_object_get(entry, "from"));
        text_cell(page, "m", entry, "declared");
        fg_page_cell(page, NULL, reason_of(report, fg_report_string(entry, "key", "")));
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
    fg_page_fold_end(page);
}

void fg_page_config(const fg_page *page, const json_t *report) {
    const json_t *keys = fg_json_at(report, "config/keys");
    if (!json_array_size(keys)) return;
    fg_page_heading(
        page, "Configuration",
        "Changed: the same key, another value. Made: no key of this name in the source. Left out: not "
        "in the destination. Renamed: its value has another name there. Carried: the same.");
    keys_table(page, report, keys, false);
    keys_table(page, report, keys, true);
}

/* ---- ranks ---- */

void fg_page_ranks(const fg_page *page, const json_t *report) {
    static const char *const titles[] = {"#rank",      "#node",      "#read",        "#written",
                                         "#s writing", "#s proving", "#peak memory", NULL};
    const json_t *ranks = json_object_get(report, "per_rank");
    json_t *entry;
    size_t count = json_array_size(ranks);
    if (!count) return;
    fg_page_heading(page, "Ranks", NULL);
    fg_page_fold(page, count <= 16, count, "rank");
    fg_page_table(page, titles);
    FG_JSON_EACH(ranks, i, entry) {
        fg_page_row(page, NULL);
        number_cell(page, entry, "rank");
        number_cell(page, entry, "node");
        bytes_cell(page, entry, "bytes_read");
        bytes_cell(page, entry, "bytes_written");
        figure_cell(page, entry, "write_seconds");
        figure_cell(page, entry, "proof_seconds");
        bytes_cell(page, entry, "peak_bytes");
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
    fg_page_fold_end(page);
}

/* ---- logits ---- */

static void measured_row(const fg_page *page, const char *name, const json_t *measured) {
    static const char *const keys[] = {"max_abs",          "mean_abs",       "kl",
                                       "kl_p95",           "kl_max",         "cosine",
                                       "argmax_agreement", "top5_agreement", "non_finite"};
    if (!json_object_get(measured, "max_abs")) return;
    fg_page_row(page, NULL);
    fg_page_cell(page, NULL, name);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) figure_cell(page, measured, keys[i]);
    fg_page_row_end(page);
}

void fg_page_rounding(const fg_page *page, const json_t *report) {
    static const char *const titles[] = {"",         "#largest difference", "#mean",   "#KL mean",
                                         "#KL 95 %", "#KL largest",         "#cosine", "#top 1",
                                         "#top 5",   "#not finite",         NULL};
    const json_t *proof = json_object_get(report, "proof"), *rounding = json_object_get(proof, "rounding");
    if (!json_object_get(proof, "max_abs")) return;
    fg_page_heading(
        page, rounding ? "Logits and rounding" : "Logits",
        rounding ? "The proof compares with the rounded source; rounding says what the cast changes." : NULL);
    fg_page_table(page, titles);
    measured_row(page, "proof", proof);
    measured_row(page, "rounding", rounding);
    measured_row(page, "limits", json_object_get(proof, "profile"));
    fg_page_table_end(page);
    fg_page_raw(page, "<p class=about>Tokens by KL divergence:</p>");
    fg_page_histogram(page, rounding ? rounding : proof);
}

/* ---- tokens ---- */

static void added_table(const fg_page *page, const json_t *tokens) {
    static const char *const titles[] = {"#id", "token", "", "new row", NULL};
    json_t *entry;
    if (!json_array_size(tokens)) return;
    fg_page_table(page, titles);
    FG_JSON_EACH(tokens, i, entry) {
        bool made = json_is_true(json_object_get(entry, "new")),
             special = json_is_true(json_object_get(entry, "special"));
        fg_page_row(page, NULL);
        number_cell(page, entry, "id");
        text_cell(page, "m", entry, "text");
        fg_page_cell(page, NULL, made ? (special ? "added, special" : "added") : "became special");
        text_cell(page, NULL, entry, "row");
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
}

static void stops_table(const fg_page *page, const json_t *stops) {
    static const char *const titles[] = {"#id", "stops generation", "reason", NULL};
    json_t *entry;
    if (!json_array_size(stops)) return;
    fg_page_table(page, titles);
    FG_JSON_EACH(stops, i, entry) {
        fg_page_row(page, NULL);
        number_cell(page, entry, "id");
        text_cell(page, "m", entry, "text");
        text_cell(page, NULL, entry, "reason");
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
}

void fg_page_tokens(const fg_page *page, const json_t *report) {
    const json_t *tokens = json_object_get(report, "tokens"), *stops = json_object_get(report, "stop_tokens");
    if (!json_array_size(tokens) && !json_array_size(stops)) return;
    fg_page_heading(page, "Tokens", NULL);
    added_table(page, tokens);
    stops_table(page, stops);
}

/* ---- the rest ---- */

enum { OPEN_WARNINGS = 5 }; /* more of them are folded */

/* Texts, or objects with `key` and a reason. */
static void list(const fg_page *page, const json_t *items, const char *noun, bool open) {
    static const char *const titles[] = {NULL};
    json_t *item;
    if (!json_array_size(items)) return;
    fg_page_fold(page, open, json_array_size(items), noun);
    fg_page_table(page, titles);
    FG_JSON_EACH(items, i, item) {
        fg_page_row(page, NULL);
        fg_page_cell(page, "m",
                     json_is_string(item) ? json_string_value(item) : fg_report_string(item, "name", ""));
        text_cell(page, NULL, item, "reason");
        fg_page_row_end(page);
    }
    fg_page_table_end(page);
    fg_page_fold_end(page);
}

void fg_page_warnings(const fg_page *page, const json_t *report) {
    const json_t *warnings = json_object_get(report, "warnings");
    list(page, warnings, "warning", json_array_size(warnings) <= OPEN_WARNINGS);
}

void fg_page_lists(const fg_page *page, const json_t *report) {
    static const struct {
        const char *key, *noun;
    } lists[] = {{"dropped", "dropped tensor"},
                 {"left_files", "file that was not copied"},
                 {"made_files", "file that was rewritten"},
                 {"copied_files", "copied file"}};
    enum { LISTS = sizeof lists / sizeof *lists };
    size_t items = 0;
    for (size_t i = 0; i < LISTS; i++) items += json_array_size(json_object_get(report, lists[i].key));
    if (items) fg_page_heading(page, "More", NULL);
    for (size_t i = 0; i < LISTS; i++)
        list(page, json_object_get(report, lists[i].key), lists[i].noun, false);
}
