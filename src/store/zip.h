/* Zip archives, as far as torch writes them: which entries there are and where their bytes lie. Zip64 is
 * understood; nothing is decompressed.
 *
 * Invariant: the names of an archive that was read are unique, and no two entries that fg_zip_locate accepts
 * share a byte of the file.
 */
#ifndef FG_STORE_ZIP_H
#define FG_STORE_ZIP_H

#include "base/file.h"
#include "base/map.h"

enum {
    FG_ZIP_ENTRY_LIMIT = 2000000,
    FG_ZIP_DIRECTORY_LIMIT = 256 << 20, /* bytes of the central directory */
    FG_ZIP_NAME_LIMIT = 1024,           /* bytes of an entry's name */
};

typedef struct fg_zip_entry {
    const char *name;     /* borrowed from the archive */
    uint64_t header;      /* byte in the file where the local header begins */
    uint64_t data;        /* byte where the contents begin; 0 until fg_zip_locate */
    uint64_t size;        /* bytes of the contents */
    uint64_t stored_size; /* bytes they take in the file */
    uint64_t limit;       /* where the next entry or the central directory begins */
    uint16_t method;      /* 0: stored */
    uint16_t flags;
} fg_zip_entry;

typedef struct fg_zip {
    fg_zip_entry *entries; /* owned; in the order of their bytes in the file */
    size_t count;
    char *names;    /* owned; all names, each terminated */
    fg_map by_name; /* index into `entries` */
} fg_zip;

/* Reads the central directory. A file that is no zip archive, is truncated, has entries outside the file or
 * on top of each other, or two of one name is FG_ERR_INPUT. */
fg_status fg_zip_read(const fg_file *file, fg_zip *zip, fg_error *err);
void fg_zip_free(fg_zip *zip);

/* Borrowed; NULL if there is none. */
fg_zip_entry *fg_zip_find(const fg_zip *zip, const char *name);

/* Fills in `entry->data` from the local header. A compressed or encrypted entry, or a local header that does
 * not fit the central directory, is FG_ERR_INPUT. */
fg_status fg_zip_locate(const fg_file *file, fg_zip_entry *entry, fg_error *err);

#endif
