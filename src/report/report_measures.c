/* What a proof measured, in lines: of the logits, then half-block by half-block. */
#include "report/report.h"
#include "report/report_text.h"

const json_t *fg_report_vision(const json_t *proof) {
    const json_t *list = json_object_get(proof, "vision_half_blocks");
    json_t *prompt;
    FG_JSON_EACH(json_object_get(proof, "prompts"), i, prompt) {
        if (!list) list = json_object_get(prompt, "vision_half_blocks");
    }
    return list;
}

static const char *figure(const json_t *entry, const char *key, char *buffer) {
    double value;
    if (fg_report_number(entry, key, &value))
        snprintf(buffer, FG_REPORT_WORDS, "%.6g", value);
    else
        snprintf(buffer, FG_REPORT_WORDS, "without bound");
    return buffer;
}

/* "block 3, mlp" */
static const char *place(const json_t *entry, char *buffer) {
    const char *part = fg_report_string(entry, "part", "?");
    uint64_t number;
    if (fg_report_count(entry, "block", &number))
        snprintf(buffer, FG_REPORT_WORDS, "block %llu, %.40s", (unsigned long long)number, part);
    else if (fg_report_count(entry, "head", &number))
        snprintf(buffer, FG_REPORT_WORDS, "%.40s of prediction head %llu", part, (unsigned long long)number);
    else
        snprintf(buffer, FG_REPORT_WORDS, "%.40s", part);
    return buffer;
}

static fg_status half_block_line(const json_t *entry, const char *of, fg_buffer *out, fg_error *err) {
    char where[FG_REPORT_WORDS], most[FG_REPORT_WORDS], relative[FG_REPORT_WORDS], cosine[FG_REPORT_WORDS],
        lost[64] = "";
    uint64_t nan = 0, inf = 0;
    fg_report_count(entry, "nan", &nan);
    fg_report_count(entry, "inf", &inf);
    if (nan || inf)
        snprintf(lost, sizeof lost, ", %llu NaN, %llu Inf", (unsigned long long)nan, (unsigned long long)inf);
    return fg_report_line(out, "", err, "%s%.80s: at most %.30s (relative %.30s), cosine %.30s%s", of,
                          place(entry, where), figure(entry, "max_abs", most),
                          figure(entry, "relative", relative), figure(entry, "cosine", cosine), lost);
}

fg_status fg_report_measures(const json_t *report, fg_buffer *out, fg_error *err) {
    const json_t *proof = json_object_get(report, "proof"), *list = json_object_get(proof, "half_blocks");
    char mean[FG_REPORT_WORDS], most[FG_REPORT_WORDS], p95[FG_REPORT_WORDS], cosine[FG_REPORT_WORDS];
    double top1, top5;
    json_t *entry;
    if (!fg_report_number(proof, "argmax_agreement", &top1) ||
        !fg_report_number(proof, "top5_agreement", &top5))
        return FG_OK;
    FG_CALL(fg_report_line(out, "measured", err,
                           "logits: KL divergence %.30s mean, %.30s at 95 %%, %.30s at most; cosine %.30s",
                           figure(proof, "kl", mean), figure(proof, "kl_p95", p95),
                           figure(proof, "kl_max", most), figure(proof, "cosine", cosine)));
    FG_CALL(fg_report_line(out, "", err, "logits: the top-1 token agrees for %.4g %%, the top 5 for %.4g %%",
                           top1 * 100, top5 * 100));
    FG_JSON_EACH(list, i, entry) FG_CALL(half_block_line(entry, "", out, err));
    FG_JSON_EACH(fg_report_vision(proof), i, entry)
        FG_CALL(half_block_line(entry, "vision encoder, ", out, err));
    return FG_OK;
}
