/* libFuzzer: any bytes as a safetensors file. Whatever is accepted must lie inside the file. */
#include <stdint.h>

#include "fuzz_folder.h"
#include "store/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[FUZZ_PATH];
    fg_error err = {0};
    fg_tensors table = {0};
    json_t *metadata = NULL;
    fuzz_put("x.safetensors", bytes, size);
    fg_status status = fg_safetensors_read_header(fuzz_path("x.safetensors", path), &table, &metadata, &err);
    fuzz_expect(status, &err);
    for (size_t i = 0; status == FG_OK && i < table.count; i++) {
        if (table.items[i].offset + fg_tensor_bytes(&table.items[i]) > size) abort();
    }
    json_decref(metadata);
    fg_tensors_free(&table);
    return 0;
}
