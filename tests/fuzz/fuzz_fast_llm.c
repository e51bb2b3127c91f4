/* libFuzzer: any bytes as the metadata.yaml of a Fast-LLM directory; what is behind a NUL is the header of
 * its model_0.safetensors. What is accepted must have its tensors inside the files of the folder, export to a
 * configuration or be refused, and be read back as the same value after it was written.
 */
#include <stdint.h>

#include "base/log.h"
#include "base/yaml.h"
#include "format/checkpoint.h"
#include "fuzz_folder.h"
#include "translate/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char HEADER[] =
    "{\"a/weights\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}, "
    "\"a/exp_avg\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}";
enum { LENGTH_BYTES = 8, DATA_BYTES = 8, LARGEST = 1 << 16 };

static void put_shard(const void *header, size_t length) {
    static unsigned char file[LENGTH_BYTES + LARGEST + DATA_BYTES];
    for (unsigned i = 0; i < LENGTH_BYTES; i++) file[i] = (unsigned char)(length >> 8 * i);
    memcpy(file + LENGTH_BYTES, header, length);
    memset(file + LENGTH_BYTES + length, 0, DATA_BYTES);
    fuzz_put("model_0.safetensors", file, LENGTH_BYTES + length + DATA_BYTES);
}

static void check_tensors(const fg_tensors *table) {
    for (size_t i = 0; i < table->count; i++) {
        const fg_tensor *t = &table->items[i];
        const char *path = table->files[t->file], *rest = path + strlen(fuzz_folder());
        fg_file file = FG_FILE_NONE;
        uint64_t size = 0;
        if (strncmp(path, fuzz_folder(), strlen(fuzz_folder())) != 0 || strchr(rest + 1, '/')) abort();
        if (fg_file_open(&file, path, FG_OPEN_READ, NULL) || fg_file_size(&file, &size, NULL)) abort();
        fg_file_close(&file);
        if (strchr(t->name, '/') || t->offset + fg_tensor_bytes(t) > size) abort();
    }
}

static void check_writing(const json_t *metadata) {
    fg_buffer text = {0};
    json_t *again = NULL;
    if (fg_yaml_write(metadata, &text, NULL) != FG_OK) abort();
    if (fg_yaml_parse("again", text.data, text.length, &again, NULL, NULL) != FG_OK) abort();
    if (!fg_json_equal(metadata, again)) abort();
    json_decref(again);
    fg_buffer_free(&text);
}

static void export(const fg_converter *converter, const fg_checkpoint *checkpoint) {
    fg_error err = {0};
    fg_translate_options options = {.version = "1", .file = "metadata.yaml", .hf_version = 4};
    fg_translation out = {0};
    options.carried = checkpoint->carried;
    options.newer_rotary = checkpoint->newer_rotary;
    fuzz_expect(fg_translate(converter, FG_EXPORT, json_object_get(checkpoint->config, "base_model"),
                             &options, &out, &err),
                &err);
    fg_translation_free(&out);
}

static void open_folder(const fg_converter *converter) {
    fg_error err = {0};
    fg_checkpoint checkpoint;
    fg_checkpoint_options options = {.format = &fg_format_fast_llm};
    fg_status status = fg_checkpoint_open(&checkpoint, fuzz_folder(), &options, &err);
    fuzz_expect(status, &err);
    if (status != FG_OK) return;
    check_tensors(&checkpoint.tensors);
    check_writing(checkpoint.metadata);
    export(converter, &checkpoint);
    fg_checkpoint_close(&checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static fg_catalogue catalogue;
    static const fg_converter *converter;
    fg_error err = {0};
    fg_log_silence();
    fg_log_end();
    if (!converter) {
        if (fg_catalogue_add(&catalogue, FG_CONVERTERS, &err)) abort();
        if (fg_converter_load(&converter, &catalogue, &fg_format_fast_llm, "llama", &err)) abort();
        fuzz_put("ok", "", 0);
    }
    const uint8_t *nul = size ? memchr(bytes, 0, size) : NULL;
    size_t yaml = nul ? (size_t)(nul - bytes) : size;
    if (nul && size - yaml - 1 > LARGEST) return -1;
    fuzz_put("metadata.yaml", bytes, yaml);
    if (nul)
        put_shard(nul + 1, size - yaml - 1);
    else
        put_shard(HEADER, sizeof HEADER - 1);
    open_folder(converter);
    return 0;
}
