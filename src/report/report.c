#include "report/report.h"

#include <stdbool.h>
#include <string.h>

#include "report/report_distributed.h"
#include "report/report_text.h"

static bool is(const json_t *report, const char *key, const char *value) {
    return strcmp(fg_report_string(report, key, ""), value) == 0;
}

/* The proof passed, but the models generated different tokens. */
static bool generation_differs(const json_t *report) {
    return is(report, "generation/stopped_by", "difference");
}

static const char *headline_of(const json_t *report, const fg_headline *headline) {
    bool differ = is(report, "status", "differ"), done = is(report, "status", "done");
    const char *text = NULL;
    if (generation_differs(report)) text = headline->tokens_differ;
    if (!text && differ) text = headline->differ;
    if (!text && !differ && !done) text = headline->stopped;
    if (!text && done && json_is_true(json_object_get(report, "dry_run"))) text = headline->planned;
    return text ? text : headline->done;
}

static fg_status headline_line(const json_t *report, const fg_headline *headline, fg_buffer *out,
                               fg_error *err) {
    char from[FG_REPORT_WORDS], to[FG_REPORT_WORDS];
    const struct {
        const char *name, *value;
    } places[] = {{"{source}", fg_report_side(report, "source", from)},
                  {"{destination}", fg_report_side(report, "destination", to)},
                  {"{status}", is(report, "status", "no_space")
                                   ? "no space"
                                   : fg_report_string(report, "status", "stopped")}};
    for (const char *at = headline_of(report, headline); *at;) {
        size_t place = 0, places_count = sizeof places / sizeof *places;
        while (place < places_count && !fg_starts_with(at, places[place].name)) place++;
        if (place < places_count) {
            FG_CALL(fg_buffer_put(out, places[place].value, err));
            at += strlen(places[place].name);
        } else {
            FG_CALL(fg_buffer_add(out, at++, 1, err));
        }
    }
    return fg_buffer_put(out, "\n", err);
}

static fg_status tensors_line(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], dtypes[FG_REPORT_WORDS], files[FG_REPORT_WORDS], size[24];
    uint64_t count, bytes = 0;
    const char *side = json_object_get(json_object_get(report, "destination"), "tensors")
                           ? "destination/tensors"
                           : "source/tensors";
    if (!fg_report_count(report, side, &count)) return FG_OK;
    bool written = strcmp(side, "destination/tensors") == 0;
    fg_report_count(report, written ? "destination/bytes" : "source/bytes", &bytes);
    size_t shards = json_array_size(fg_json_at(report, "destination/shards"));
    const char *cast = fg_report_string(report, "options/dtype", NULL);
    fg_report_dtypes(report, "source", dtypes);
    if (cast) {
        snprintf(files, sizeof files, ", %s%s%.150s", cast, *dtypes ? " from " : "", dtypes);
    } else {
        snprintf(files, sizeof files, "%s%.150s", *dtypes ? ", " : "", dtypes);
    }
    if (shards)
        snprintf(files + strlen(files), sizeof files - strlen(files), ", in %zu file%s", shards,
                 shards == 1 ? "" : "s");
    return fg_report_line(out, "tensors", err, "%s, %s%s", fg_report_counted(count, "tensor", words),
                          fg_bytes_text(bytes, size), files);
}

static fg_status time_line(const json_t *report, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer line = {0};
    char words[FG_REPORT_WORDS], size[24];
    double seconds, rate;
    uint64_t ranks = 0, nodes = 0, peak;
    if (fg_report_number(report, "rates/seconds", &seconds))
        FG_TRY(fg_buffer_printf(&line, err, "%s", fg_report_duration(seconds, words)));
    if (fg_report_number(report, "rates/bytes_per_second", &rate) && rate >= 1 && rate < 1e18)
        FG_TRY(fg_buffer_printf(&line, err, "%s%s/s", line.length ? ", " : "",
                                fg_bytes_text((uint64_t)rate, size)));
    if (fg_report_count(report, "ranks", &ranks) && ranks) {
        FG_TRY(fg_buffer_printf(&line, err, "%s%s", line.length ? " with " : "",
                                fg_report_counted(ranks, "rank", words)));
        if (fg_report_count(report, "nodes", &nodes) && nodes > 1)
            FG_TRY(fg_buffer_printf(&line, err, " on %s", fg_report_counted(nodes, "node", words)));
    }
    if (fg_report_count(report, "memory/peak_bytes_per_rank", &peak) && peak)
        FG_TRY(fg_buffer_printf(&line, err, "%sat most %s of memory%s", line.length ? ", " : "",
                                fg_bytes_text(peak, size), ranks > 1 ? " each" : ""));
    if (line.length) FG_TRY(fg_report_line(out, "took", err, "%s", line.data));
done:
    fg_buffer_free(&line);
    return status;
}

/* "24 tokens through 30 blocks on both sides" */
static const char *what_ran(const json_t *report, char *buffer) {
    char tokens[FG_REPORT_WORDS] = "the tokens", blocks[FG_REPORT_WORDS] = "all blocks";
    uint64_t count;
    if (fg_report_count(report, "proof/tokens", &count)) fg_report_counted(count, "token", tokens);
    if (fg_report_count(report, "proof/blocks", &count)) fg_report_counted(count, "block", blocks);
    snprintf(buffer, FG_REPORT_WORDS, "%.60s through %.60s on both sides", tokens, blocks);
    return buffer;
}

/* "by at most 0.031 (mean 0.0012), KL 1.2e-05, the top-1 token agrees for 98 %" from `proof` or
 * `proof.rounding`. */
static const char *how_far(const json_t *measured, char *buffer) {
    double value;
    snprintf(buffer, FG_REPORT_WORDS, "by an unknown amount");
    if (fg_report_number(measured, "max_abs", &value))
        snprintf(buffer, FG_REPORT_WORDS, "by at most %.3g", value);
    if (fg_report_number(measured, "mean_abs", &value))
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer), " (mean %.3g)", value);
    if (fg_report_number(measured, "kl", &value))
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer), ", KL divergence %.3g", value);
    if (fg_report_number(measured, "argmax_agreement", &value))
        snprintf(buffer + strlen(buffer), FG_REPORT_WORDS - strlen(buffer),
                 ", the top-1 token agrees for %.4g %%", value * 100);
    return buffer;
}

/* What equal logits say nothing about. */
static fg_status gap_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    const json_t *gaps = fg_json_at(report, "proof/not_exercised"),
                 *experts = json_object_get(gaps, "experts");
    const char *label = "untested";
    char words[FG_REPORT_WORDS];
    uint64_t window, left = 0, all = 0, count;
    size_t stochastic = json_array_size(json_object_get(gaps, "mixers"));
    json_t *item;
    if (stochastic) {
        FG_CALL(fg_report_line(out, label, err, "the mixers of %s that are not the main one",
                               fg_report_counted(stochastic, "stochastic block", words)));
        label = "";
    }
    FG_JSON_EACH(json_object_get(gaps, "windows"), i, item) {
        if (!fg_report_count(item, "window", &window) || !fg_report_count(item, "blocks", &count)) continue;
        FG_CALL(fg_report_line(out, label, err,
                               "the sliding window of %llu tokens in %s: the prompt is not longer",
                               (unsigned long long)window, fg_report_counted(count, "block", words)));
        label = "";
    }
    if (json_is_true(json_object_get(gaps, "image"))) {
        FG_CALL(
            fg_report_line(out, label, err, "the vision encoder: the configuration names no image token"));
        label = "";
    }
    FG_JSON_EACH(experts, i, item) {
        left += json_array_size(json_object_get(item, "experts"));
        if (fg_report_count(item, "of", &count)) all += count;
    }
    if (!left) return FG_OK;
    return fg_report_line(out, label, err, "%llu of %llu experts in %s: no token was routed to them",
                          (unsigned long long)left, (unsigned long long)all,
                          fg_report_counted(json_array_size(experts), "block", words));
}

/* "with an image of 12 x 16 (12 patches): 36 tokens, logits equal bit for bit", a line for each prompt. */
static fg_status prompt_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    const json_t *prompts = fg_json_at(report, "proof/prompts");
    char what[FG_REPORT_WORDS], tokens[FG_REPORT_WORDS], far[FG_REPORT_WORDS];
    json_t *prompt;
    FG_JSON_EACH(prompts, i, prompt) {
        uint64_t height, width, patches, count = 0;
        double most = -1;
        bool image = fg_report_count(prompt, "image/height", &height) &&
                     fg_report_count(prompt, "image/width", &width) &&
                     fg_report_count(prompt, "image/patches", &patches);
        snprintf(what, sizeof what, "text alone");
        if (image)
            snprintf(what, sizeof what, "an image of %llu x %llu (%llu patches)", (unsigned long long)height,
                     (unsigned long long)width, (unsigned long long)patches);
        fg_report_count(prompt, "tokens", &count);
        fg_report_number(prompt, "max_abs", &most);
        FG_CALL(fg_report_line(
            out, "", err, "with %.80s: %.60s, logits %s%s", what, fg_report_counted(count, "token", tokens),
            most == 0 ? "equal bit for bit" : "differ ", most == 0 ? "" : how_far(prompt, far)));
    }
    return FG_OK;
}

/* The limits of --profile, and what was found. */
static fg_status profile_line(const json_t *proof, fg_buffer *out, fg_error *err) {
    double kl = 0, p95 = 0, cosine = 0, most_kl, most_p95, least;
    if (!fg_report_number(proof, "profile/kl", &most_kl) ||
        !fg_report_number(proof, "profile/kl_p95", &most_p95) ||
        !fg_report_number(proof, "profile/cosine", &least))
        return FG_OK;
    fg_report_number(proof, "kl", &kl);
    fg_report_number(proof, "kl_p95", &p95);
    fg_report_number(proof, "cosine", &cosine);
    return fg_report_line(
        out, "profile", err,
        "%s: KL divergence %.3g (at most %g), 95th percentile %.3g (at most %g), cosine %.6g (at least %g)",
        fg_report_string(proof, "profile/name", "?"), kl, most_kl, p95, most_p95, cosine, least);
}

static fg_status logits_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    char ran[FG_REPORT_WORDS], far[FG_REPORT_WORDS], words[FG_REPORT_WORDS], after[FG_REPORT_WORDS + 8] = "";
    const json_t *proof = json_object_get(report, "proof"),
                 *first = json_object_get(proof, "first_difference");
    double most = -1, seconds;
    uint64_t count;
    fg_report_number(proof, "max_abs", &most);
    what_ran(report, ran);
    if (fg_report_number(proof, "seconds", &seconds))
        snprintf(after, sizeof after, " (%s)", fg_report_duration(seconds, words));
    if (is(report, "status", "differ") && !generation_differs(report))
        FG_CALL(fg_report_line(out, "differ", err, "%s, logits differ %s", ran, how_far(proof, far)));
    else if (most == 0)
        FG_CALL(fg_report_line(out, "proved", err, "%s, logits equal bit for bit%s", ran, after));
    else
        FG_CALL(fg_report_line(out, "passed", err, "%s, logits differ %s, within %s%s", ran,
                               how_far(proof, far),
                               json_object_get(proof, "profile") ? "the profile" : "--atol", after));
    FG_CALL(profile_line(proof, out, err));
    FG_CALL(prompt_lines(report, out, err));
    if (json_is_object(first)) {
        const char *part = fg_report_part(fg_report_string(first, "part", NULL));
        if (fg_report_count(first, "block", &count))
            FG_CALL(fg_report_line(
                out, "", err, "first difference: block %llu%s%s%s", (unsigned long long)count,
                json_is_true(json_object_get(first, "vision_encoder")) ? " of the vision encoder" : "",
                part ? ", " : "", part ? part : ""));
        else if (part)
            FG_CALL(fg_report_line(out, "", err, "first difference: %s", part));
    }
    if (fg_report_count(proof, "non_finite", &count) && count) {
        fg_report_counted(count, "logit", words);
        FG_CALL(fg_report_line(out, "beware", err, "%s not finite (infinite or not a number)", words));
    }
    if (json_is_object(json_object_get(proof, "rounding")))
        FG_CALL(fg_report_line(out, "rounding", err, "the cast moves the logits %s",
                               how_far(json_object_get(proof, "rounding"), far)));
    return gap_lines(report, out, err);
}

static fg_status proof_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    if (is(report, "proof/kind", "logits")) return logits_lines(report, out, err);
    if (is(report, "proof/kind", "none"))
        return fg_report_line(out, "proof", err, "not proved (--validate none)");
    if (!is(report, "proof/kind", "bytes")) return FG_OK;
    if (is(report, "status", "differ") && !generation_differs(report))
        return fg_report_line(out, "differ", err, "the bytes are not those of the plan");
    if (json_is_true(json_object_get(report, "dry_run")))
        return fg_report_line(out, "proof", err, "not proved: nothing was written that could be read back");
    bool asked = !json_object_get(json_object_get(report, "proof"), "verdict"); /* verify asks for no more */
    return fg_report_line(out, asked ? "checked" : "proof", err,
                          "%severy byte was read back and matches the plan%s",
                          asked ? "" : "not proved: ", asked ? "" : ", but no model was run");
}

/* "64 tokens, 31 a second, the same from both models; stopped by the limit" */
static fg_status generation_line(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], rate[FG_REPORT_WORDS] = "";
    const json_t *held = json_object_get(report, "generation");
    double per_second;
    uint64_t id;
    if (!json_is_object(held)) return FG_OK;
    fg_report_counted(json_array_size(json_object_get(held, "tokens")), "token", words);
    if (generation_differs(report))
        return fg_report_line(out, "differ", err, "of %.60s generated, the last differs", words);
    if (fg_report_number(held, "tokens_per_second", &per_second))
        snprintf(rate, sizeof rate, ", %.*f a second", per_second < 10 ? 1 : 0, per_second);
    if (fg_report_count(held, "eos_token_id", &id))
        return fg_report_line(out, "generated", err,
                              "%.60s%.60s, the same from both models; stopped by token %llu", words, rate,
                              (unsigned long long)id);
    return fg_report_line(out, "generated", err,
                          "%.60s%.60s, the same from both models; stopped by the limit", words, rate);
}

/* The steps of an update, and what --no-strict has let pass. */
static fg_status update_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], names[FG_REPORT_WORDS];
    const json_t *migrations = fg_json_at(report, "update/migrations"),
                 *missing = fg_json_at(report, "update/missing_keys");
    json_t *item;
    if (!migrations) return FG_OK;
    if (!json_array_size(migrations))
        FG_CALL(fg_report_line(out, "migrated", err, "nothing: version %s is the current one",
                               fg_report_string(report, "update/from_version", "?")));
    FG_JSON_EACH(migrations, i, item)
        FG_CALL(fg_report_line(out, i ? "" : "migrated", err, "%s", json_string_value(item)));
    if (json_array_size(missing))
        FG_CALL(fg_report_line(out, "unfilled", err, "%s, which the destination lacks: %s",
                               fg_report_counted(json_array_size(missing), "tensor", words),
                               fg_report_names(missing, NULL, names)));
    return FG_OK;
}

static fg_status loss_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    char words[FG_REPORT_WORDS], names[FG_REPORT_WORDS];
    const json_t *dropped = json_object_get(report, "dropped"), *left = fg_json_at(report, "config/left_out");
    const json_t *files = json_object_get(report, "left_files"),
                 *warnings = json_object_get(report, "warnings");
    uint64_t overflows;
    if (fg_report_count(report, "overflows", &overflows) && overflows)
        FG_CALL(fg_report_line(out, "overflow", err, "%s too large for the type became infinite",
                               fg_report_counted(overflows, "value", words)));
    if (json_array_size(dropped))
        FG_CALL(fg_report_line(out, "dropped", err, "%s: %s",
                               fg_report_counted(json_array_size(dropped), "tensor", words),
                               fg_report_names(dropped, "name", names)));
    if (json_array_size(left))
        FG_CALL(fg_report_line(out, "left out", err, "%s of the configuration: %s",
                               fg_report_counted(json_array_size(left), "key", words),
                               fg_report_names(left, "key", names)));
    if (json_array_size(files))
        FG_CALL(fg_report_line(out, "not taken", err, "%s: %s",
                               fg_report_counted(json_array_size(files), "file", words),
                               fg_report_names(files, NULL, names)));
    if (json_array_size(warnings))
        FG_CALL(fg_report_line(out, "warnings", err, "%zu, see above", json_array_size(warnings)));
    return FG_OK;
}

/* Which tokens stop a generation, and why: "381 "</s>": config.json". */
static fg_status stop_lines(const json_t *report, fg_buffer *out, fg_error *err) {
    const json_t *stops = json_object_get(report, "stop_tokens");
    uint64_t id;
    for (size_t i = 0; i < json_array_size(stops); i++) {
        const json_t *token = json_array_get(stops, i);
        const char *text = fg_report_string(token, "text", NULL), *quote = text ? "\"" : "";
        if (!fg_report_count(token, "id", &id)) continue;
        FG_CALL(fg_report_line(out, i ? "" : "stops at", err, "token %llu %s%s%s: %s", (unsigned long long)id,
                               quote, text ? text : "", quote, fg_report_string(token, "reason", "unknown")));
    }
    return FG_OK;
}

fg_status fg_report_summary(const json_t *report, const fg_headline *headline, fg_buffer *out,
                            fg_error *err) {
    FG_CALL(headline_line(report, headline, out, err));
    FG_CALL(fg_report_weights(report, out, err));
    FG_CALL(fg_report_distributed(fg_json_at(report, "source/distributed"), out, err));
    FG_CALL(tensors_line(report, out, err));
    FG_CALL(time_line(report, out, err));
    FG_CALL(proof_lines(report, out, err));
    FG_CALL(fg_report_code(report, out, err));
    FG_CALL(generation_line(report, out, err));
    FG_CALL(stop_lines(report, out, err));
    FG_CALL(update_lines(report, out, err));
    return loss_lines(report, out, err);
}
