#include "report/page.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/shell_word.h"
#include "base/visible_json.h"
#include "report/page_charts.h"
#include "report/page_tables.h"
#include "report/report_text.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1d2329;--soft:#5c6772;--line:#d7dde3;--paper:#fff;--wash:#f3f5f7;"
    "--good:#11753c;--bad:#b3261e;--a:#1f6feb;--b:#c4591b;--c:#188a61;--d:#7b4fc9}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e3e8ed;--soft:#9aa5b0;--line:#3a424b;--paper:#14181c;"
    "--wash:#1e242a;--good:#56c98a;--bad:#ff8a80;--a:#6aa7ff;--b:#f0985f;--c:#5fd0a5;--d:#b79bf0}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;"
    "margin:0 auto;padding:1rem}h1{font-size:1.35rem;margin:.2rem 0;overflow-wrap:anywhere}"
    "h2{font-size:1.1rem;margin:2rem 0 .4rem;border-top:1px solid var(--line);padding-top:1rem}"
    ".about{color:var(--soft);margin:.2rem 0 .6rem}.verdict{border-left:6px solid var(--soft);padding:.4rem "
    "1rem;background:var(--wash)}.good{border-color:var(--good)}.bad{border-color:var(--bad)}.verdict "
    "b{color:var(--soft)}.good b{color:var(--good)}.bad b{color:var(--bad)}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem;margin:.4rem 0}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;width:100%}"
    "th,td{text-align:left;padding:.2rem .7rem .2rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;white-space:nowrap}"
    "td.m{font-family:ui-monospace,monospace;font-size:.8rem;overflow-wrap:anywhere;"
    "min-width:12rem}h1::first-letter{text-transform:uppercase}.legend span{white-space:nowrap}"
    "td.k{white-space:nowrap}details{margin:.4rem 0}summary{cursor:pointer;color:var(--a)}"
    "svg{width:100%;min-width:32rem;height:auto;display:block}.grid{stroke:var(--line)}text{fill:var(--soft);"
    "font-size:11px}"
    ".tick{text-anchor:end}.mid{text-anchor:middle}.line{fill:none;stroke-width:1;opacity:.5}"
    "circle.mixer{fill:var(--a)}circle.mlp{fill:var(--b)}circle.output{fill:var(--c)}"
    "circle.embedding,circle.final_norm{fill:var(--d)}path.mixer{stroke:var(--a)}path.mlp{stroke:var(--b)}"
    "path.output{stroke:var(--c)}.bar,.s0{fill:var(--a)}.s1{fill:var(--c)}.s2{fill:var(--b)}.s3{fill:var(--d)"
    "}"
    ".s4{fill:var(--soft)}.s5{fill:var(--good)}.legend{font-size:.85rem;color:var(--soft);margin:.3rem 0}"
    ".legend i{display:inline-block;width:.7rem;height:.7rem;border-radius:50%;margin:0 .3rem 0 "
    ".6rem}i.mixer{background:var(--a)}i.mlp{background:var(--b)}i.output{background:var(--c)}"
    "i.final_norm{background:var(--d)}";

enum { EMBEDDED_TENSORS = 200 }; /* with more, the JSON in the page has the map alone */

/* ---- verdict ---- */

static void fact(const fg_page *page, const char *name, const char *value) {
    if (!value || !*value) return;
    fg_page_row(page, NULL);
    fg_page_cell(page, "k", name);
    fg_page_cell(page, "m", value);
    fg_page_row_end(page);
}

static void command_fact(const fg_page *page, const json_t *report) {
    fg_buffer line = {0};
    char word[FG_SHELL_WORD];
    json_t *argument;
    if (page->err->status == FG_OK) fg_buffer_put(&line, "fgconv", page->err);
    FG_JSON_EACH(json_object_get(report, "arguments"), i, argument) {
        const char *text = json_string_value(argument);
        if (!text || page->err->status != FG_OK) continue;
        fg_buffer_put(&line, " ", page->err);
        fg_buffer_put(&line, text[0] == '-' ? text : fg_shell_word(text, word), page->err);
    }
    fact(page, "command", line.data);
    fg_buffer_free(&line);
}

static void side_facts(const fg_page *page, const json_t *report, const char *side) {
    char words[FG_REPORT_WORDS], name[40];
    const json_t *held = json_object_get(report, side);
    uint64_t step;
    fact(page, side, fg_report_side(report, side, words));
    const char *weights = fg_report_string(held, "weights_directory", NULL);
    if (weights && strcmp(weights, fg_report_string(held, "directory", "")) != 0)
        fact(page, "weights of it", weights);
    if (!fg_report_count(held, "training_checkpoint/step", &step)) return;
    snprintf(words, sizeof words, "step %llu, %.100s", (unsigned long long)step,
             fg_report_string(held, "training_checkpoint/chosen", "given"));
    snprintf(name, sizeof name, "checkpoint of %.20s", side);
    fact(page, name, words);
}

static void hardware_fact(const fg_page *page, const json_t *report) {
    fg_buffer line = {0};
    json_t *processor;
    const char *kernels = fg_report_string(report, "hardware/kernels", NULL);
    if (page->err->status != FG_OK) return;
    FG_JSON_EACH(fg_json_at(report, "hardware/processors"), i, processor) {
        fg_buffer_put(&line, i ? ", " : "", page->err);
        fg_buffer_put(&line, json_string_value(processor), page->err);
    }
    if (kernels) fg_buffer_printf(&line, page->err, ", %s kernels of OpenBLAS", kernels);
    fact(page, "computed on", line.data);
    fg_buffer_free(&line);
}

/* Of a dry run. */
static void plan(const fg_page *page, const json_t *report) {
    fg_buffer text = {0};
    if (!json_is_true(json_object_get(report, "dry_run"))) return;
    if (page->err->status == FG_OK) fg_report_plan(report, &text, page->err);
    fg_page_raw(page, "<details><summary>the plan</summary><pre>");
    fg_page_text(page, text.data);
    fg_page_raw(page, "</pre></details>\n");
    fg_buffer_free(&text);
}

static void facts(const fg_page *page, const json_t *report) {
    char words[FG_REPORT_WORDS];
    double seconds;
    const char *const none[] = {NULL};
    fg_page_table(page, none);
    command_fact(page, report);
    fact(page, "fgconv", fg_report_string(report, "fgconv/version", NULL));
    side_facts(page, report, "source");
    side_facts(page, report, "destination");
    fact(page, "started", fg_report_string(report, "started", NULL));
    if (fg_report_number(report, "seconds", &seconds)) fact(page, "took", fg_report_duration(seconds, words));
    hardware_fact(page, report);
    fg_page_table_end(page);
}

static const char *class_of(const json_t *report) {
    const char *status = fg_report_string(report, "status", ""),
               *verdict = fg_report_string(report, "proof/verdict", "");
    if (strcmp(status, "done") != 0) return "bad";
    return strcmp(verdict, "not_proved") == 0 ? "open" : "good";
}

static const char *verdict_of(const json_t *report) {
    const char *status = fg_report_string(report, "status", "?"),
               *verdict = fg_report_string(report, "proof/verdict", status);
    if (strcmp(status, "no_space") == 0) return "no space";
    if (strcmp(verdict, "not_proved") == 0) return "not proved";
    return strcmp(verdict, "within_tolerance") == 0 ? "within tolerance" : verdict;
}

/* Its line about warnings says where a terminal has them. */
static fg_status summarize(const json_t *report, const fg_headline *headline, fg_buffer *summary,
                           fg_error *err) {
    json_t *rest;
    FG_CALL_NEW(rest, fg_json_copy(report, err));
    json_object_del(rest, "warnings");
    fg_status status = fg_report_summary(rest, headline, summary, err);
    json_decref(rest);
    return status;
}

/* The summary's first line, then its others, and the warnings themselves. */
static void verdict(const fg_page *page, const json_t *report, const fg_headline *headline) {
    fg_buffer summary = {0};
    if (page->err->status == FG_OK) summarize(report, headline, &summary, page->err);
    if (page->err->status == FG_OK) {
        char *end = strchr(summary.data, '\n');
        if (end) *end = '\0';
        fg_page_rawf(page, "<div class='verdict %s'><b>", class_of(report));
        fg_page_text(page, verdict_of(report));
        fg_page_raw(page, "</b><h1>");
        fg_page_text(page, summary.data);
        fg_page_raw(page, "</h1><pre>");
        fg_page_text(page, end ? end + 1 : "");
        fg_page_raw(page, "</pre></div>\n");
    }
    fg_buffer_free(&summary);
    fg_page_warnings(page, report);
    facts(page, report);
    plan(page, report);
}

/* ---- the page ---- */

/* Without what would make the page of a large model long, if there is much of it. */
static fg_status embedded(const json_t *report, json_t **copy, fg_error *err) {
    FG_CALL_NEW(*copy, fg_json_copy(report, err));
    if (json_array_size(json_object_get(report, "tensors")) > EMBEDDED_TENSORS)
        json_object_del(*copy, "tensors");
    return FG_OK;
}

static void whole(const fg_page *page, const json_t *report) {
    json_t *copy = NULL;
    if (page->err->status == FG_OK && embedded(report, &copy, page->err) == FG_OK) {
        fg_page_raw(page, "<script type='application/json' id=report>");
        fg_page_json(page, copy);
        fg_page_raw(page, "</script>\n");
    }
    json_decref(copy);
}

static void differences(const fg_page *page, const json_t *report) {
    const json_t *proof = json_object_get(report, "proof");
    if (!json_array_size(json_object_get(proof, "half_blocks"))) return;
    fg_page_heading(page, "Difference by block",
                    "The largest difference between the two models after each half of each block, over all "
                    "tokens of the prompt.");
    const fg_page_stack_of_blocks text = {.list = json_object_get(proof, "half_blocks"),
                                          .logits = proof,
                                          .first = "embedding",
                                          .last = "final_norm",
                                          .title = "largest difference by block",
                                          .ends = "final norm, logits"},
                                  vision = {.list = fg_report_vision(proof),
                                            .first = "patches",
                                            .last = "adapter",
                                            .title = "largest difference by block of the vision encoder",
                                            .ends = "adapter"};
    fg_page_differences(page, &text);
    if (!json_array_size(vision.list)) return;
    fg_page_heading(page, "Vision encoder", "The same over all patches of the image.");
    fg_page_differences(page, &vision);
}

fg_status fg_report_page(const json_t *report, const fg_headline *headline, fg_buffer *out, fg_error *err) {
    json_t *visible;
    const fg_page page = {.out = out, .err = err};
    FG_CALL(fg_visible_json(report, &visible, err));
    fg_page_raw(&page, FG_PAGE_BEGIN);
    fg_page_text(&page, fg_report_string(visible, "command", ""));
    fg_page_raw(&page, "</title><style>");
    fg_page_raw(&page, style);
    fg_page_raw(&page, "</style>\n");
    verdict(&page, visible, headline);
    differences(&page, visible);
    fg_page_map(&page, visible);
    fg_page_shards(&page, visible);
    fg_page_config(&page, visible);
    fg_page_ranks(&page, visible);
    fg_page_rounding(&page, visible);
    fg_page_tokens(&page, visible);
    fg_page_lists(&page, visible);
    whole(&page, report);
    fg_page_raw(&page, "</html>\n");
    json_decref(visible);
    return (fg_status)err->status;
}
