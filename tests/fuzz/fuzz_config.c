/* libFuzzer: any JSON as a configuration, and as changes to the configuration of a small model, translated by
 * a converter in both directions. What an import accepts must export again. The length of the input chooses
 * the converter, so that all have their turn and none slows the others down.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/yaml.h"
#include "fuzz_mutate.h"
#include "translate/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Of each converter: a configuration of either side. */
typedef struct subject {
    const fg_format *format;
    const char *type, *golden;
    const fg_converter *converter;
    json_t *base[2]; /* by direction: what is read */
} subject;

static subject subjects[] = {
    {.format = &fg_format_forgather, .type = "llama", .golden = "golden/llama_untied_fp32"},
    {.format = &fg_format_forgather, .type = "mistral", .golden = "golden/mistral_window_to_fp32"},
    {.format = &fg_format_forgather, .type = "qwen3", .golden = "golden/qwen3_tied_bf16"},
    {.format = &fg_format_fast_llm, .type = "llama", .golden = "fast_llm/llama/llama3-tied-bias"},
    {.format = &fg_format_fast_llm, .type = "mistral", .golden = "fast_llm/mistral/window"},
    {.format = &fg_format_fast_llm, .type = "qwen2", .golden = "fast_llm/qwen2/tied"},
    {.format = &fg_format_fast_llm, .type = "mixtral", .golden = "fast_llm/mixtral/experts4"},
    {.format = &fg_format_fast_llm, .type = "mtp_llama", .golden = "fast_llm/mtp_llama/heads3"},
    {.format = &fg_format_fast_llm, .type = "dream", .golden = "fast_llm/dream/basic"},
    {.format = &fg_format_fast_llm, .type = "diffusion_llama", .golden = "fast_llm/diffusion_llama/yarn"},
    {.format = &fg_format_fast_llm, .type = "gemma4", .golden = "fast_llm/gemma4/moe"},
    {.format = &fg_format_fast_llm, .type = "apriel2_text", .golden = "fast_llm/apriel2_text/hybrid"},
    {.format = &fg_format_fast_llm, .type = "apriel2_text", .golden = "fast_llm/apriel2_text/stochastic"},
    {.format = &fg_format_fast_llm, .type = "apriel2", .golden = "fast_llm/apriel2/vision"},
    {.format = &fg_format_fast_llm, .type = "llava", .golden = "fast_llm/llava/basic"},
    {.format = &fg_format_fast_llm,
     .type = "apriel_hybrid_ssm",
     .golden = "fast_llm/apriel_hybrid_ssm/attention-mamba"},
    {.format = &fg_format_fast_llm,
     .type = "llava_hybrid_ssm",
     .golden = "fast_llm/llava_hybrid_ssm/attention"},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };
static fg_catalogue catalogue;

static json_t *read_hf(const char *golden) {
    char path[512];
    json_t *config = NULL;
    snprintf(path, sizeof path, "%s/%s/hf/config.json", FG_TEST_DATA, golden);
    if (fg_json_read(path, &config, NULL) != FG_OK) abort();
    return config;
}

static json_t *read_target(const subject *s) {
    char path[512];
    json_t *config = NULL, *base_model;
    bool fast_llm = s->format == &fg_format_fast_llm;
    snprintf(path, sizeof path, "%s/%s/%s", FG_TEST_DATA, s->golden,
             fast_llm ? "fast_llm/metadata.yaml" : "forgather/config.json");
    fg_status status = fast_llm ? fg_yaml_read(path, &config, NULL, NULL) : fg_json_read(path, &config, NULL);
    if (status != FG_OK) abort();
    if (!fast_llm) return config;
    base_model = json_incref(fg_json_at(config, "config/base_model"));
    json_decref(config);
    return base_model;
}

/* Made when it is first needed. */
static const subject *choose(size_t which) {
    fg_error err = {0};
    subject *s = &subjects[which % SUBJECTS];
    if (!catalogue.count && fg_catalogue_add(&catalogue, FG_CONVERTERS, &err) != FG_OK) abort();
    if (!s->converter) {
        if (fg_converter_load(&s->converter, &catalogue, s->format, s->type, &err) != FG_OK) abort();
        s->base[FG_IMPORT] = read_hf(s->golden);
        s->base[FG_EXPORT] = read_target(s);
    }
    return s;
}

static bool translate(const subject *s, fg_direction direction, const json_t *source, fg_translation *out,
                      fg_error *err) {
    fg_translate_options options = {.version = "1", .file = "config.json", .hf_version = 4};
    fg_status status = fg_translate(s->converter, direction, source, &options, out, err);
    if (status != FG_OK && (status != FG_ERR_INPUT || !err->text[0])) abort();
    return status == FG_OK;
}

static void there_and_back(const subject *s, const json_t *source) {
    fg_error err = {0};
    fg_translation there = {0}, back = {0};
    if (translate(s, FG_IMPORT, source, &there, &err) &&
        !translate(s, FG_EXPORT, there.result, &back, &err)) {
        fprintf(stderr, "%s: was accepted and is not exported: %s\n", s->type, err.text);
        abort();
    }
    fg_translation_free(&there);
    fg_translation_free(&back);
}

static void back(const subject *s, const json_t *source) {
    fg_error err = {0};
    fg_translation out = {0};
    translate(s, FG_EXPORT, source, &out, &err);
    fg_translation_free(&out);
}

static json_t *changed(const json_t *base, const json_t *changes) {
    json_t *config = json_deep_copy(base);
    if (!config || json_object_update_recursive(config, (json_t *)(uintptr_t)changes)) abort();
    return config;
}

static void change(const subject *s, const json_t *changes) {
    json_t *import = changed(s->base[FG_IMPORT], changes), *export = changed(s->base[FG_EXPORT], changes);
    there_and_back(s, import);
    back(s, export);
    json_decref(import);
    json_decref(export);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    json_t *source = NULL;
    fg_error err = {0};
    fg_log_silence();
    fg_log_end();
    if (fg_json_parse("config.json", (const char *)bytes, size, &source, &err) != FG_OK) return 0;
    const subject *s = choose(size);
    there_and_back(s, source);
    back(s, source);
    if (json_is_object(source)) change(s, source);
    json_decref(source);
    return 0;
}
