/* libFuzzer: any bytes as a model's spec. What is accepted binds a configuration and the weights of a store
 * that has a tensor of a fitting shape under any name, or refuses them.
 */
#include <stdint.h>

#include "base/json.h"
#include "base/log.h"
#include "fuzz_folder.h"
#include "fuzz_mutate.h"
#include "model/forward.h"
#include "model/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char CONFIG[] =
    "{\"hidden_size\": 8, \"intermediate_size\": 8, \"num_attention_heads\": 1, \"num_key_value_heads\": 1, "
    "\"head_dim\": 8, "
    "\"num_hidden_layers\": 2, \"vocab_size\": 8, \"num_local_experts\": 2, \"tie_word_embeddings\": false, "
    "\"rope_scaling\": "
    "{\"rope_type\": \"yarn\", \"factor\": 2, \"original_max_position_embeddings\": 8}}";

/* What is under a name follows from it: a vector, a matrix, a stack of them, or nothing. */
static bool find(void *context, const char *name, fg_weight *weight) {
    (void)context;
    unsigned sum = 0;
    for (const char *c = name; *c; c++) sum = sum * 31 + (unsigned char)*c;
    *weight = (fg_weight){.dtype = FG_F32, .rank = 1 + sum % 3, .shape = {8, 8, 8}, .elements = 8};
    return sum % 7 != 0;
}

static void bind(const json_t *spec, const fg_format *format, const json_t *config) {
    fg_error err = {0};
    fg_model *model = NULL;
    const fg_weight_source weights = {.find = find};
    fuzz_expect(fg_model_bind(&model, &fg_device_cpu, spec, format, config, weights, &err), &err);
    fg_model_free(&model);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static fg_catalogue catalogue;
    static json_t *config;
    fg_error err = {0};
    json_t *spec = NULL;
    fg_log_silence();
    fg_log_end();
    if (!config) {
        char path[FUZZ_PATH];
        if (fg_directory_create(fuzz_path("models", path), &err) != FG_OK ||
            fg_catalogue_add(&catalogue, fuzz_folder(), &err) != FG_OK ||
            fg_catalogue_add(&catalogue, FG_CONVERTERS, &err) != FG_OK)
            abort();
        config = json_loads(CONFIG, 0, NULL);
    }
    fuzz_put("models/fuzz.json", bytes, size);
    fg_catalogue_forget(&catalogue);
    fg_status status = fg_model_spec_read(&spec, &catalogue, "fuzz", &err);
    fuzz_expect(status, &err);
    for (size_t i = 0; status == FG_OK && i < fg_format_count; i++) bind(spec, fg_formats[i], config);
    json_decref(spec);
    return 0;
}
