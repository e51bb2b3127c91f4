/* libFuzzer: any bytes as a safetensors file. Whatever is accepted must lie inside the file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[] = "/dev/shm/fgconv-fuzz-XXXXXX";
    fg_error err = {0};
    fg_tensors table = {0};
    json_t *metadata = NULL;
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    close(fd);
    fg_status status = fg_safetensors_read_header(path, &table, &metadata, &err);
    if (status != FG_OK && status != FG_ERR_INPUT) abort();
    for (size_t i = 0; status == FG_OK && i < table.count; i++) {
        if (table.items[i].offset + fg_tensor_bytes(&table.items[i]) > size) abort();
    }
    unlink(path);
    json_decref(metadata);
    fg_tensors_free(&table);
    return 0;
}
