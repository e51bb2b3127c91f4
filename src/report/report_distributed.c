#include "report/report_distributed.h"

#include <string.h>

#include "report/report_text.h"

/* "8 ranks: tensor 2 x pipeline 2 x data 2, 5 stages" */
static fg_status layout_line(const json_t *facts, fg_buffer *out, fg_error *err) {
    static const struct {
        const char *key, *name;
    } axes[] = {{"tensor_parallel", "tensor"}, {"pipeline_parallel", "pipeline"}, {"data_parallel", "data"}};
    char ranks[FG_REPORT_WORDS], text[FG_REPORT_WORDS] = "", stages[FG_REPORT_WORDS] = "?";
    uint64_t count = 0;
    if (!fg_report_count(facts, "ranks", &count)) return FG_OK;
    fg_report_counted(count, "rank", ranks);
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++) {
        size_t length = strlen(text);
        if (!fg_report_count(facts, axes[i].key, &count) || count < 2) continue;
        snprintf(text + length, sizeof text - length, "%s%s %llu", length ? " x " : ": ", axes[i].name,
                 (unsigned long long)count);
    }
    if (fg_report_count(facts, "stages", &count)) fg_report_counted(count, "stage", stages);
    return fg_report_line(out, "layout", err, "%.60s%.120s, %.60s", ranks, text, stages);
}

/* "5000 steps, 12000 documents, 393216 tokens" */
static fg_status run_line(const json_t *facts, fg_buffer *out, fg_error *err) {
    char steps[FG_REPORT_WORDS], documents[FG_REPORT_WORDS], tokens[FG_REPORT_WORDS];
    uint64_t count;
    if (!fg_report_count(facts, "completed_steps", &count)) return FG_OK;
    fg_report_counted(count, "step", steps);
    documents[0] = tokens[0] = '\0';
    if (fg_report_count(facts, "documents_seen", &count)) fg_report_counted(count, "document", documents);
    if (fg_report_count(facts, "consumed_tokens", &count)) fg_report_counted(count, "token", tokens);
    const bool computed = strcmp(fg_report_string(facts, "consumed_tokens_from", ""), "config.yaml") == 0;
    return fg_report_line(out, "trained", err, "%.60s%s%.60s%s%.60s%s", steps, *documents ? ", " : "",
                          documents, *tokens ? ", " : "", tokens,
                          computed ? " (computed: steps x batch size in config.yaml)" : "");
}

static fg_status order_line(const json_t *facts, fg_buffer *out, fg_error *err) {
    const json_t *order = json_object_get(facts, "parameter_order");
    if (!json_is_true(json_object_get(order, "orders_differ"))) return FG_OK;
    return fg_report_line(out, "order", err, "the %s order of parameters: %s",
                          fg_report_string(order, "order", "?"), fg_report_string(order, "why", "?"));
}

static fg_status ignored_line(const json_t *facts, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS];
    const json_t *shards = json_object_get(facts, "optimizer_shards");
    if (!json_array_size(shards)) return FG_OK;
    return fg_report_line(out, "not read", err, "the optimizer's %s", fg_report_names(shards, NULL, words));
}

static fg_status differ_line(const json_t *facts, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS];
    const json_t *differ = fg_json_at(facts, "duplicates/differ");
    if (!json_array_size(differ)) return FG_OK;
    return fg_report_line(out, "beware", err, "copies that differ from what was taken: %s",
                          fg_report_names(differ, "name", words));
}

fg_status fg_report_distributed(const json_t *facts, fg_buffer *out, fg_error *err) {
    FG_CALL(layout_line(facts, out, err));
    FG_CALL(run_line(facts, out, err));
    FG_CALL(order_line(facts, out, err));
    FG_CALL(ignored_line(facts, out, err));
    return differ_line(facts, out, err);
}
