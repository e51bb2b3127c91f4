/* libFuzzer: any bytes as the journal of DST.partial, and as records whose checks hold. What is read names whole
 * items of the plan's blocks; a journal that is refused is FG_ERR_USAGE.
 */
#include <stdint.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "copy/journal.h"
#include "fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { BLOCKS = 50, RECORD = 48, CHECKED = 40, RECORDS = 200 };
static const char HEAD[] = "fgconv journal 1, 3\n{}\n";

static void check_items(const fg_journal_entry *entries) {
    for (uint64_t i = 0; i < BLOCKS; i++) {
        const fg_journal_entry *e = &entries[i];
        if (!e->count) continue;
        if (i < e->first || i - e->first >= e->count || e->count > BLOCKS - e->first) abort();
        for (uint64_t k = e->first; k < e->first + e->count; k++)
            if (entries[k].first != e->first || entries[k].count != e->count) abort();
    }
}

static void read_journal(void) {
    fg_error err = {0};
    json_t *identity = NULL;
    fg_journal_entry entries[BLOCKS] = {{0}};
    if (fg_journal_identity(fuzz_folder(), &identity, &err) != FG_OK && err.status != FG_ERR_USAGE) abort();
    json_decref(identity);
    err = (fg_error){0};
    if (fg_journal_read(fuzz_folder(), entries, BLOCKS, &err) == FG_OK) check_items(entries);
    for (uint64_t i = 0; i < BLOCKS; i += 7) fg_journal_forget(entries, i);
    check_items(entries);
}

/* A record of every CHECKED bytes. */
static void put_records(const uint8_t *bytes, size_t size) {
    static unsigned char file[sizeof HEAD + RECORDS * RECORD];
    size_t length = sizeof HEAD - 1;
    memcpy(file, HEAD, length);
    uint64_t seed = XXH3_64bits(HEAD, length);
    for (size_t i = 0; i < RECORDS && (i + 1) * CHECKED <= size; i++, length += RECORD) {
        memcpy(file + length, bytes + i * CHECKED, CHECKED);
        uint64_t check = XXH3_64bits_withSeed(file + length, CHECKED, seed);
        for (int k = 0; k < 8; k++) file[length + CHECKED + k] = (unsigned char)(check >> 8 * k);
    }
    fuzz_put(FG_JOURNAL_FILE, file, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    fuzz_put(FG_JOURNAL_FILE, bytes, size);
    read_journal();
    put_records(bytes, size);
    read_journal();
    return 0;
}
