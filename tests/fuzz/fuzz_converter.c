/* libFuzzer: any bytes as a converter file. What is accepted must translate a configuration, or refuse it, in
 * both directions, name the tensors of what it made, or refuse that, and plan a table of tensors, or refuse
 * it. lint has an answer to all.
 */
#include <stdint.h>

#include "base/json.h"
#include "base/log.h"
#include "fuzz_folder.h"
#include "fuzz_mutate.h"
#include "lint/lint.h"
#include "mapping/converter_map.h"
#include "mapping/section_map.h"
#include "mapping/tensor_plan.h"
#include "translate/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char CONFIG[] =
    "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 8, "
    "\"intermediate_size\": 12, \"num_attention_heads\": 2, \"num_hidden_layers\": 2, \"vocab_size\": 16, "
    "\"rms_norm_eps\": 1e-05, \"a\": 1, \"b\": [2]}";

/* Some tensors that the configuration has, and some that it has not. */
static fg_tensors make_table(void) {
    static const struct {
        const char *name;
        uint64_t rows, columns;
    } rows[] = {{"model.embed_tokens.weight", 16, 8},
                {"lm_head.weight", 16, 8},
                {"model.layers.0.mlp.down_proj.weight", 8, 12},
                {"model.layers.1.self_attn.rotary_emb.inv_freq", 2, 1},
                {"x", 1, 1}};
    fg_tensors table = {0};
    uint32_t file;
    if (fg_tensors_add_place(&table, "fuzz", &file, NULL) != FG_OK) abort();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fg_tensor tensor = {.name = (char *)(uintptr_t)rows[i].name,
                            .dtype = FG_F32,
                            .rank = 2,
                            .shape = {rows[i].rows, rows[i].columns},
                            .file = file};
        fg_tensor_row_major(&tensor);
        if (fg_tensors_add(&table, &tensor, NULL) != FG_OK) abort();
    }
    return table;
}

static void plan(const fg_converter *converter, fg_direction direction, const fg_translation *translation) {
    fg_error err = {0};
    fg_plan made = {0};
    fg_tensors table = make_table();
    fg_tensor_map map;
    const fg_completed completed = {.hf = translation->hf, .target = translation->target};
    const fg_tensor_plan_options options = {0};
    fg_status status = fg_converter_map_new(&map, converter, completed, NULL, &err);
    if (status == FG_OK) status = fg_tensor_plan(&map, direction, &table, &options, &made, &err);
    fuzz_expect(status, &err);
    fg_tensor_map_free(&map);
    fg_tensors_free(&table);
    fg_plan_free(&made);
}

static void use(const fg_converter *converter, const json_t *config) {
    fg_translate_options options = {.version = "1", .file = "config.json", .hf_version = 4};
    for (size_t way = 0; way < 2; way++) {
        fg_direction direction = way ? FG_EXPORT : FG_IMPORT;
        fg_error err = {0};
        fg_translation translation = {0};
        if (!fg_converter_document(converter) ||
            !(fg_section_map_used(converter) || fg_converter_rules(converter, direction)))
            abort();
        fg_status status = fg_translate(converter, direction, config, &options, &translation, &err);
        fuzz_expect(status, &err);
        if (status == FG_OK) plan(converter, direction, &translation);
        fg_translation_free(&translation);
    }
}

static void lint(fg_catalogue *catalogue, const char *path) {
    fg_error err = {0};
    json_t *report = json_array();
    size_t problems = 0;
    fuzz_expect(fg_converter_lint(catalogue, path, report, &problems, &err), &err);
    if (!json_array_size(report)) abort();
    json_decref(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static fg_catalogue catalogue;
    static json_t *config;
    char path[FUZZ_PATH];
    fg_error err = {0};
    const fg_converter *converter = NULL;
    fg_log_silence();
    fg_log_end();
    if (!config) {
        if (fg_catalogue_add(&catalogue, FG_CONVERTERS, &err) != FG_OK) abort();
        config = json_loads(CONFIG, 0, NULL);
    }
    fuzz_put("fuzz.json", bytes, size);
    fg_catalogue_forget(&catalogue);
    fg_status status = fg_converter_load_file(&converter, &catalogue, fuzz_path("fuzz.json", path), &err);
    fuzz_expect(status, &err);
    if (status == FG_OK && !fg_converter_abstract(converter)) use(converter, config);
    lint(&catalogue, path);
    return 0;
}
