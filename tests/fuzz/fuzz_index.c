/* libFuzzer: any bytes as model.safetensors.index.json next to two shards. What is accepted must have every
 * tensor of the shards and no file outside the folder. The index, read alone, agrees with its values.
 */
#include <stdint.h>

#include "base/log.h"
#include "format/format.h"
#include "format/weight_files.h"
#include "fuzz_folder.h"
#include "store/shard_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LENGTH_BYTES = 8, DATA_BYTES = 4 };

/* A shard with one tensor of four bytes. */
static void put_shard(const char *name, const char *tensor) {
    char file[256];
    int length = snprintf(file + LENGTH_BYTES, sizeof file - LENGTH_BYTES - DATA_BYTES,
                          "{\"%s\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, %d]}}", tensor,
                          DATA_BYTES);
    memset(file, 0, LENGTH_BYTES);
    file[0] = (char)length;
    memset(file + LENGTH_BYTES + length, 0, DATA_BYTES);
    fuzz_put(name, file, (size_t)(LENGTH_BYTES + length + DATA_BYTES));
}

static void check(const fg_tensors *table) {
    if (!fg_tensors_find(table, "a") && !fg_tensors_find(table, "b")) abort();
    for (size_t i = 0; i < table->file_count; i++) {
        const char *rest = table->files[i] + strlen(fuzz_folder());
        if (strncmp(table->files[i], fuzz_folder(), strlen(fuzz_folder())) != 0 || strchr(rest + 1, '/'))
            abort();
    }
}

/* What the reader of JSON refuses is refused in the same words; what is accepted has the entries that it
 * finds. */
static void compare(const char *path) {
    fg_error err = {0}, expected = {0};
    fg_shard_index index;
    json_t *document, *file;
    const char *tensor;
    size_t count = 0;
    fg_status status = fg_shard_index_read(path, &index, &err);
    if (fg_json_read(path, &document, &expected) != FG_OK &&
        (status == FG_OK || strcmp(err.text, expected.text) != 0))
        abort();
    json_object_foreach(status == FG_OK ? json_object_get(document, "weight_map") : NULL, tensor, file) {
        if (count == index.count || strcmp(index.entries[count].tensor, tensor) != 0 ||
            strcmp(fg_shard_index_find(&index, tensor, NULL)->file, json_string_value(file)) != 0)
            abort();
        count++;
    }
    const json_t *metadata = json_object_get(document, "metadata");
    if (count != index.count) abort();
    if (status == FG_OK && (metadata ? !fg_json_equal(index.metadata, metadata) : index.metadata != NULL))
        abort();
    fg_shard_index_free(&index);
    json_decref(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static bool made = false;
    fg_error err = {0};
    fg_tensors table = {0};
    json_t *metadata = NULL;
    fg_log_silence();
    fg_log_end();
    if (!made) {
        put_shard("1.safetensors", "a");
        put_shard("2.safetensors", "b");
        made = true;
    }
    char path[FUZZ_PATH];
    fuzz_put("model.safetensors.index.json", bytes, size);
    compare(fuzz_path("model.safetensors.index.json", path));
    fg_status status =
        fg_weight_files_read(fuzz_folder(), fg_format_hf.weight_files, &table, &metadata, &err);
    fuzz_expect(status, &err);
    if (status == FG_OK) check(&table);
    json_decref(metadata);
    fg_tensors_free(&table);
    return 0;
}
