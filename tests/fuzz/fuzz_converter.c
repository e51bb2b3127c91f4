/* libFuzzer: any bytes as a converter file. What is accepted must translate a configuration, or refuse it, in both
 * directions, and name the tensors of what it made, or refuse that.
 */
#include <stdint.h>

#include "base/json.h"
#include "base/log.h"
#include "convert/tensor_map.h"
#include "convert/translate.h"
#include "fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char CONFIG[] =
    "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 8, "
    "\"intermediate_size\": 12, \"num_attention_heads\": 2, \"num_hidden_layers\": 2, \"vocab_size\": 16, "
    "\"rms_norm_eps\": 1e-05, \"a\": 1, \"b\": [2]}";

static void name_tensors(const fg_converter *converter, const fg_converter_dirs *dirs, const json_t *target) {
    fg_error err = {0};
    fg_tensor_map weights = {0};
    fuzz_expect(fg_tensor_map_new(&weights, converter, dirs, target, &err), &err);
    fg_tensor_map_free(&weights);
}

static void use(const fg_converter *converter, const fg_converter_dirs *dirs, const json_t *config) {
    fg_translate_options options = {.version = "1", .file = "config.json", .hf_version = 4};
    for (size_t way = 0; way < 2; way++) {
        fg_direction direction = way ? FG_EXPORT : FG_IMPORT;
        fg_error err = {0};
        fg_translation translation = {0};
        bool weights = fg_tensor_map_used(converter);
        if (!fg_converter_document(converter) || !(weights || fg_converter_rules(converter, direction)))
            abort();
        fg_status status = fg_translate(converter, dirs, direction, config, &options, &translation, &err);
        fuzz_expect(status, &err);
        if (status == FG_OK && weights) name_tensors(converter, dirs, translation.target);
        fg_translation_free(&translation);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static fg_converter_dirs dirs;
    static json_t *config;
    char path[FUZZ_PATH];
    fg_error err = {0};
    fg_converter *converter = NULL;
    fg_log_silence();
    fg_log_reset();
    if (!config) {
        if (fg_converter_dirs_add(&dirs, FG_CONVERTERS, &err) != FG_OK) abort();
        config = json_loads(CONFIG, 0, NULL);
    }
    fuzz_put("fuzz.json", bytes, size);
    fg_status status = fg_converter_load_file(&converter, &dirs, fuzz_path("fuzz.json", path), &err);
    fuzz_expect(status, &err);
    if (status == FG_OK && !fg_converter_abstract(converter)) use(converter, &dirs, config);
    fg_converter_free(&converter);
    return 0;
}
