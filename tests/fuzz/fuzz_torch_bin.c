/* Fuzzing of the .bin reader with libFuzzer: the input is a whole file, which must be read or refused.
 * An input that begins with byte 0x80 is a pickle: it is put into an archive with one storage of 24 bytes,
 * "0".
 *
 * Build: clang -g -O1 -fsanitize=fuzzer,address,undefined -D_POSIX_C_SOURCE=200809L -Isrc
 * tests/fuzz/fuzz_torch_bin.c src/store/{zip,pickle,torch_bin,tensors,dtype}.c
 * src/base/{alloc,error,file,map,text}.c -ljansson -lxxhash Run with tests/data/torch_bin as the seeds.
 */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/torch_bin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(fg_buffer *text, const void *bytes, size_t size) {
    if (fg_buffer_add(text, bytes, size, NULL) != FG_OK) abort();
}

static void put_number(fg_buffer *text, uint64_t value, unsigned width) {
    for (unsigned i = 0; i < width; i++) put(text, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* Appends a local header with contents to `file`, and a record to `directory`. */
static void put_entry(fg_buffer *file, fg_buffer *directory, const char *name, const void *data,
                      size_t size) {
    static const char fixed[14] = {20};
    fg_buffer *const both[] = {file, directory};
    uint64_t header = file->length;
    put(file, "PK\3\4", 4);
    put(directory, "PK\1\2\0\0", 6);
    for (int i = 0; i < 2; i++) {
        put(both[i], fixed, sizeof fixed);
        put_number(both[i], size, 4);
        put_number(both[i], size, 4);
        put_number(both[i], strlen(name), 4);
    }
    put_number(directory, 0, 8);
    put_number(directory, 0, 2);
    put_number(directory, header, 4);
    put(directory, name, strlen(name));
    put(file, name, strlen(name));
    put(file, data, size);
}

static void wrap(fg_buffer *file, const uint8_t *data, size_t size) {
    fg_buffer directory = {0};
    put_entry(file, &directory, "x/data.pkl", data, size);
    put_entry(file, &directory, "x/data/0", "123456781234567812345678", 24);
    put_entry(file, &directory, "x/version", "3\n", 2);
    uint64_t offset = file->length;
    put(file, directory.data, directory.length);
    put(file, "PK\5\6\0\0\0\0\3\0\3\0", 12);
    put_number(file, directory.length, 4);
    put_number(file, offset, 4);
    put_number(file, 0, 2);
    fg_buffer_free(&directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int fd = -1;
    char path[64];
    fg_tensors table = {0};
    fg_error err = {0};
    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0)) abort();
    fg_buffer file = {0};
    if (size && data[0] == 0x80)
        wrap(&file, data, size);
    else
        put(&file, data, size);
    if (file.length && pwrite(fd, file.data, file.length, 0) != (ssize_t)file.length) abort();
    fg_buffer_free(&file);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    fg_status status = fg_torch_bin_read_header(path, &table, &err);
    if (status != FG_OK && status != FG_ERR_INPUT) abort();
    if (status != FG_OK && !err.text[0]) abort();
    fg_tensors_free(&table);
    return 0;
}
