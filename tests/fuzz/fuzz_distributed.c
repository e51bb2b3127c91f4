/* libFuzzer: any bytes as the metadata.yaml of a distributed checkpoint of Fast-LLM; what is behind a NUL is the
 * configuration in the headers of its rank files. The files are as long as the layout that metadata.yaml asks
 * for, so that what it describes is put together, too. What is accepted must be a plan that passes fg_plan_check
 * in both orders of parameters.
 */
#include <stdint.h>

#include "base/log.h"
#include "base/yaml.h"
#include "format/assembly.h"
#include "format/checkpoint.h"
#include "format/distributed_settings.h"
#include "fuzz_folder.h"
#include "language/classes.h"
#include "plan/plan_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { RANKS = 12, LENGTH = 1 << 14, LARGEST = 1 << 16 };

static fg_catalogue catalogue;
static uint64_t ranks_there; /* files of the run before */

static fg_status pass_over(void *context, const char *path, const char *what, fg_error *err) {
    (void)context, (void)path, (void)what, (void)err;
    return FG_OK;
}

static json_t *complete(const json_t *model) {
    fg_error err = {0};
    const fg_classes *classes;
    const fg_class_problems problems = {.say = pass_over};
    const bool vision = json_object_get(model, "vision_encoder");
    json_t *completed = NULL;
    if (fg_classes_load(&classes, &catalogue, &fg_format_fast_llm, &err)) abort();
    fuzz_expect(fg_class_complete(classes, vision ? "MultiModalBaseModelConfig" : "GPTBaseModelConfig", model,
                                  &problems, &completed, &err),
                &err);
    return completed;
}

/* A file of `length` zeros, with `config` (NULL: nothing) in its header. */
static void put_rank(uint64_t rank, uint64_t length, const char *config) {
    static char file[LARGEST * 2 + LENGTH * 4];
    char name[40];
    fg_error err = {0};
    fg_buffer text = {0};
    json_t *header = json_pack("{s:{s:s, s:[I], s:[i, I]}}", "weights_shard", "dtype", "F32", "shape",
                               (json_int_t)length, "data_offsets", 0, (json_int_t)length * 4);
    json_t *value = config ? json_string(config) : NULL;
    if (value) json_object_set_new(header, "__metadata__", json_pack("{s:o}", "config", value));
    if (fg_json_write(header, FG_JSON_COMPACT, &text, &err)) abort();
    json_decref(header);
    if (text.length > LARGEST * 2 - 8) abort();
    for (unsigned i = 0; i < 8; i++) file[i] = (char)(text.length >> 8 * i);
    memcpy(file + 8, text.data, text.length);
    memset(file + 8 + text.length, 0, length * 4);
    snprintf(name, sizeof name, "rank_%d.safetensors", (int)rank);
    fuzz_put(name, file, 8 + text.length + length * 4);
    fg_buffer_free(&text);
}

/* The files that the layout of a document asks for, as far as they are few and small. */
static void put_ranks(const json_t *document, const char *config) {
    fg_error err = {0};
    fg_layout_settings settings;
    fg_distributed_layout layout = {0};
    json_t *completed = complete(fg_json_at(document, "config/base_model"));
    fg_status status = fg_layout_settings_read(json_object_get(document, "config"), "m", &settings, &err);
    fuzz_expect(status, &err);
    bool small = status == FG_OK && settings.grid.ranks <= RANKS;
    if (small) {
        status = fg_distributed_layout_make(completed, &settings, "m", &layout, &err);
        fuzz_expect(status, &err);
    }
    for (uint64_t r = 0; small && status == FG_OK && r < settings.grid.ranks; r++) {
        uint64_t t, d, p;
        fg_rank_split(&settings.grid, r, &t, &d, &p);
        put_rank(r, layout.pipeline[p].length <= LENGTH ? layout.pipeline[p].length : LENGTH, config);
        ranks_there = r + 1;
    }
    fg_distributed_layout_free(&layout);
    json_decref(completed);
}

static void remove_ranks(void) {
    char name[40], path[FUZZ_PATH];
    for (; ranks_there; ranks_there--) {
        snprintf(name, sizeof name, "rank_%d.safetensors", (int)ranks_there - 1);
        fg_file_remove(fuzz_path(name, path));
    }
}

static void assemble(const fg_checkpoint *c, fg_parameter_order order) {
    fg_error err = {0};
    fg_assembly a = {0};
    const fg_assembly_options options = {.parameter_order = order};
    json_t *completed = complete(json_object_get(c->config, "base_model"));
    fg_status status = c->format->assemble(c, completed, &options, &a, &err);
    fuzz_expect(status, &err);
    if (status == FG_OK && fg_plan_check(&a.plan, &err)) abort();
    fg_assembly_free(&a);
    json_decref(completed);
}

static void open_folder(void) {
    fg_error err = {0};
    fg_checkpoint c;
    const fg_checkpoint_options options = {.format = &fg_format_distributed};
    fg_status status = fg_checkpoint_open(&c, fuzz_folder(), &options, &err);
    fuzz_expect(status, &err);
    if (status != FG_OK) return;
    assemble(&c, FG_ORDER_BY_VALUES);
    assemble(&c, FG_ORDER_OLDER);
    fg_checkpoint_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static char config[LARGEST];
    fg_error err = {0};
    json_t *document = NULL;
    fg_log_silence();
    fg_log_end();
    if (!catalogue.count && fg_catalogue_add(&catalogue, FG_CONVERTERS, &err)) abort();
    const uint8_t *nul = size ? memchr(bytes, 0, size) : NULL;
    const size_t yaml = nul ? (size_t)(nul - bytes) : size, rest = nul ? size - yaml - 1 : 0;
    if (rest > LARGEST / 8) return -1; /* JSON may write a byte as six */
    if (nul) memcpy(config, nul + 1, rest);
    config[rest] = '\0';
    remove_ranks();
    fuzz_put("metadata.yaml", bytes, yaml);
    fuzz_expect(fg_yaml_parse("m", (const char *)bytes, yaml, &document, NULL, &err), &err);
    if (json_is_object(fg_json_at(document, "config/base_model"))) put_ranks(document, nul ? config : NULL);
    json_decref(document);
    open_folder();
    return 0;
}
