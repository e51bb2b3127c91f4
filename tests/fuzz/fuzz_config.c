/* libFuzzer: any JSON as a configuration, and as changes to the configuration of a small model, translated by each
 * converter in both directions. What an import accepts must export again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "convert/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Of each converter: a configuration of either side. */
typedef struct subject {
    const char *type, *golden;
    fg_converter *converter;
    json_t *base[2]; /* by direction: what is read */
} subject;

static subject subjects[] = {{.type = "llama", .golden = "llama_untied_fp32"},
                             {.type = "mistral", .golden = "mistral_window_to_fp32"},
                             {.type = "qwen3", .golden = "qwen3_tied_bf16"}};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };
static fg_converter_dirs dirs;

static json_t *golden(const char *name, const char *side) {
    char path[512];
    json_t *config = NULL;
    snprintf(path, sizeof path, "%s/golden/%s/%s/config.json", FG_TEST_DATA, name, side);
    if (fg_json_read(path, &config, NULL) != FG_OK) abort();
    return config;
}

static void make_subjects(void) {
    fg_error err = {0};
    if (fg_converter_dirs_add(&dirs, FG_CONVERTERS, &err) != FG_OK) abort();
    for (size_t i = 0; i < SUBJECTS; i++) {
        subject *s = &subjects[i];
        if (fg_converter_load(&s->converter, &dirs, FG_FORMAT_FORGATHER, s->type, &err) != FG_OK) abort();
        s->base[FG_IMPORT] = golden(s->golden, "hf");
        s->base[FG_EXPORT] = golden(s->golden, "forgather");
    }
}

static bool translate(const subject *s, fg_direction direction, const json_t *source, fg_translation *out,
                      fg_error *err) {
    fg_translate_options options = {.version = "1", .file = "config.json", .hf_version = 4};
    fg_status status = fg_translate(s->converter, &dirs, direction, source, &options, out, err);
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
    if (!config || json_object_update(config, (json_t *)(uintptr_t)changes)) abort();
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    json_t *source = NULL;
    fg_error err = {0};
    fg_log_silence();
    fg_log_reset();
    if (!subjects[0].converter) make_subjects();
    if (fg_json_parse("config.json", (const char *)bytes, size, &source, &err) != FG_OK) return 0;
    for (size_t i = 0; i < SUBJECTS; i++) {
        const subject *s = &subjects[i];
        there_and_back(s, source);
        back(s, source);
        if (!json_is_object(source) || json_object_get(source, "hidden_size")) continue;
        json_t *import = changed(s->base[FG_IMPORT], source), *export = changed(s->base[FG_EXPORT], source);
        there_and_back(s, import);
        back(s, export);
        json_decref(import);
        json_decref(export);
    }
    json_decref(source);
    return 0;
}
