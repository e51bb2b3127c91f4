/* A folder in memory for targets whose readers take paths. It goes when the program ends.
 *
 * Invariant: one folder a program; a file that is put replaces the one before.
 */
#ifndef FG_FUZZ_FOLDER_H
#define FG_FUZZ_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { FUZZ_PATH = 128 };

static char fuzz_folder_name[] = "/dev/shm/fgconv-fuzz-XXXXXX";

static inline void fuzz_folder_remove(void) {
    fg_directory_remove(fuzz_folder_name, NULL);
}

static inline const char *fuzz_folder(void) {
    static bool made = false;
    if (!made && (!mkdtemp(fuzz_folder_name) || atexit(fuzz_folder_remove))) abort();
    made = true;
    return fuzz_folder_name;
}

/* The path of a name, in `buffer`, which is returned. */
static inline const char *fuzz_path(const char *name, char buffer[FUZZ_PATH]) {
    snprintf(buffer, FUZZ_PATH, "%s/%s", fuzz_folder(), name);
    return buffer;
}

static inline void fuzz_put(const char *name, const void *bytes, size_t size) {
    char path[FUZZ_PATH];
    FILE *file = fopen(fuzz_path(name, path), "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) abort();
}

/* A refusal carries a message, and nothing else than a refusal is a failure. */
static inline void fuzz_expect(fg_status status, const fg_error *err) {
    if (status != FG_OK && (status != FG_ERR_INPUT || !err->text[0])) {
        fprintf(stderr, "status %d: %s\n", (int)status, err->text);
        abort();
    }
}

#endif
