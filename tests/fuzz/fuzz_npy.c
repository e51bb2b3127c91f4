/* libFuzzer: any bytes as a .npy file. What is accepted has as many numbers as its shape says, and they are the
 * last ones of the file.
 */
#include <stdint.h>

#include "fuzz_folder.h"
#include "store/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    fg_error err = {0};
    fg_npy array;
    char path[FUZZ_PATH];
    fuzz_put("a.npy", bytes, size);
    fg_status status = fg_npy_read(&array, fuzz_path("a.npy", path), LIMIT, &err);
    fuzz_expect(status, &err);
    if (status != FG_OK) return 0;
    size_t held = sizeof *array.values;
    for (uint32_t d = 0; d < array.dims; d++) held *= array.shape[d];
    if (held > size || memcmp(array.values, bytes + size - held, held) != 0) abort();
    fg_npy_free(&array);
    return 0;
}
