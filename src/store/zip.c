#include "store/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "store/little.h"

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR64_SIZE = 20,
    RECORD_SIZE = 46,
    LOCAL_SIZE = 30,
    COMMENT_LIMIT = 65535,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1,
    METHOD_STORED = 0,
};

enum {
    END_SIGNATURE = 0x06054b50,
    END64_SIGNATURE = 0x06064b50,
    LOCATOR64_SIGNATURE = 0x07064b50,
    RECORD_SIGNATURE = 0x02014b50,
    LOCAL_SIGNATURE = 0x04034b50,
};

/* The central directory, as the records at the end of the file describe it. */
typedef struct directory {
    uint64_t count;  /* entries */
    uint64_t size;   /* bytes */
    uint64_t offset; /* byte in the file */
    uint64_t end;    /* where the end record begins: the directory ends before it */
} directory;

static fg_status broken(const fg_file *file, fg_error *err, const char *what) {
    fg_fail(err, FG_ERR_INPUT, "%s: not a whole zip archive: %s", file->path, what);
    return fg_hint(err, "the file is damaged or truncated: copy or download it again");
}

/* ---- where the central directory is ---- */

/* Looks for the end record, which only a comment may follow. */
static fg_status find_end(const fg_file *file, uint64_t file_size, unsigned char record[END_SIZE],
                          uint64_t *at, fg_error *err) {
    fg_status status = FG_OK;
    unsigned char *tail = NULL;
    size_t size = (size_t)fg_min(file_size, END_SIZE + COMMENT_LIMIT);
    FG_NEW(tail, size);
    FG_TRY(fg_file_read(file, tail, size, file_size - size, err));
    for (size_t i = size; i >= END_SIZE; i--) {
        const unsigned char *end = tail + i - END_SIZE;
        if (fg_little_u32(end) != END_SIGNATURE || fg_little_u16(end + 20) != size - i) continue;
        memcpy(record, end, END_SIZE);
        *at = file_size - size + i - END_SIZE;
        goto done;
    }
    status = broken(file, err, "it has no end of central directory record");
done:
    fg_free(tail);
    return status;
}

/* A field that is in the end record and in the zip64 end record: saturated means that only the latter has it.
 */
static bool choose(uint64_t narrow, uint64_t saturated, uint64_t wide, uint64_t *value) {
    *value = wide;
    return narrow == saturated || narrow == wide;
}

/* Reads the zip64 end record if there is a locator before the end record. */
static fg_status read_end64(const fg_file *file, const unsigned char end[END_SIZE], directory *found,
                            fg_error *err) {
    unsigned char locator[LOCATOR64_SIZE] = {0}, record[END64_SIZE] = {0};
    if (found->end < LOCATOR64_SIZE) return FG_OK;
    FG_CALL(fg_file_read(file, locator, sizeof locator, found->end - LOCATOR64_SIZE, err));
    if (fg_little_u32(locator) != LOCATOR64_SIGNATURE) return FG_OK;
    uint64_t at = fg_little_u64(locator + 8), after;
    if (fg_little_u32(locator + 4) != 0 || !fg_add(at, END64_SIZE, &after) ||
        after > found->end - LOCATOR64_SIZE)
        FG_CALL(broken(file, err, "the zip64 locator points outside the file"));
    FG_CALL(fg_file_read(file, record, sizeof record, at, err));
    if (fg_little_u32(record) != END64_SIGNATURE)
        FG_CALL(broken(file, err, "the zip64 locator does not point to a zip64 end record"));
    if (fg_little_u32(record + 16) != 0 || fg_little_u32(record + 20) != 0 ||
        fg_little_u64(record + 24) != fg_little_u64(record + 32))
        FG_CALL(broken(file, err, "it is one part of a split archive"));
    bool same = choose(fg_little_u16(end + 10), UINT16_MAX, fg_little_u64(record + 32), &found->count);
    same = choose(fg_little_u32(end + 12), UINT32_MAX, fg_little_u64(record + 40), &found->size) && same;
    same = choose(fg_little_u32(end + 16), UINT32_MAX, fg_little_u64(record + 48), &found->offset) && same;
    if (!same) FG_CALL(broken(file, err, "its end record and its zip64 end record disagree"));
    found->end = at;
    return FG_OK;
}

static fg_status find_directory(const fg_file *file, directory *found, fg_error *err) {
    unsigned char end[END_SIZE] = {0};
    uint64_t file_size = 0, after;
    FG_CALL(fg_file_size(file, &file_size, err));
    FG_CALL(find_end(file, file_size, end, &found->end, err));
    if (fg_little_u16(end + 4) != 0 || fg_little_u16(end + 6) != 0 ||
        fg_little_u16(end + 8) != fg_little_u16(end + 10))
        FG_CALL(broken(file, err, "it is one part of a split archive"));
    found->count = fg_little_u16(end + 10);
    found->size = fg_little_u32(end + 12);
    found->offset = fg_little_u32(end + 16);
    FG_CALL(read_end64(file, end, found, err));
    if (!fg_add(found->offset, found->size, &after) || after > found->end)
        FG_CALL(broken(file, err, "its central directory lies outside the file"));
    if (found->size > FG_ZIP_DIRECTORY_LIMIT || found->count > FG_ZIP_ENTRY_LIMIT)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: %" PRIu64 " zip entries in a directory of %" PRIu64
                       " bytes, at most %d in %d are read",
                       file->path, found->count, found->size, FG_ZIP_ENTRY_LIMIT, FG_ZIP_DIRECTORY_LIMIT);
    if (found->count > found->size / RECORD_SIZE)
        FG_CALL(broken(file, err, "its central directory is too small for the number of entries"));
    return FG_OK;
}

/* ---- its records ---- */

/* Takes the next 8 bytes of the zip64 field if the 32-bit value is saturated. */
static bool replace_by_zip64(uint64_t *value, const unsigned char **at, const unsigned char *end) {
    if (*value != UINT32_MAX) return true;
    if (end - *at < 8) return false;
    *value = fg_little_u64(*at);
    *at += 8;
    return true;
}

/* Replaces saturated sizes and offsets by those of the zip64 extra field; false if it is malformed or
 * missing. */
static bool read_extra(fg_zip_entry *entry, const unsigned char *extra, size_t length) {
    const unsigned char *end = extra + length;
    while (end - extra >= 4) {
        uint16_t id = fg_little_u16(extra), size = fg_little_u16(extra + 2);
        extra += 4;
        if (size > end - extra) return false;
        if (id == EXTRA_ZIP64) {
            const unsigned char *at = extra;
            end = extra + size;
            return replace_by_zip64(&entry->size, &at, end) &&
                   replace_by_zip64(&entry->stored_size, &at, end) &&
                   replace_by_zip64(&entry->header, &at, end);
        }
        extra += size;
    }
    return entry->size != UINT32_MAX && entry->stored_size != UINT32_MAX && entry->header != UINT32_MAX;
}

/* Parses one record; `names` is where its name goes. Gives the bytes it takes. */
static fg_status read_record(const fg_file *file, const unsigned char *record, size_t left,
                             fg_zip_entry *entry, char *names, size_t *taken, fg_error *err) {
    if (left < RECORD_SIZE || fg_little_u32(record) != RECORD_SIGNATURE)
        return broken(file, err, "its central directory has a record without signature");
    size_t name = fg_little_u16(record + 28), extra = fg_little_u16(record + 30);
    *taken = RECORD_SIZE + name + extra + fg_little_u16(record + 32);
    if (*taken > left) return broken(file, err, "its central directory ends inside a record");
    if (name > FG_ZIP_NAME_LIMIT || memchr(record + RECORD_SIZE, 0, name))
        return fg_fail(
            err, FG_ERR_INPUT,
            "%s: a zip entry's name has %zu bytes or a NUL inside, expected at most %d bytes without NUL",
            file->path, name, FG_ZIP_NAME_LIMIT);
    memcpy(names, record + RECORD_SIZE, name);
    names[name] = '\0';
    *entry = (fg_zip_entry){
        .name = names,
        .flags = fg_little_u16(record + 8),
        .method = fg_little_u16(record + 10),
        .stored_size = fg_little_u32(record + 20),
        .size = fg_little_u32(record + 24),
        .header = fg_little_u32(record + 42),
    };
    if (!read_extra(entry, record + RECORD_SIZE + name, extra))
        return fg_fail(err, FG_ERR_INPUT, "%s: zip entry \"%s\": its zip64 field is malformed", file->path,
                       entry->name);
    return FG_OK;
}

static fg_status read_records(const fg_file *file, const directory *where, fg_zip *zip, fg_error *err) {
    fg_status status = FG_OK;
    unsigned char *bytes = NULL;
    size_t size = (size_t)where->size, at = 0, taken = 0;
    char *names;
    FG_NEW(bytes, size);
    FG_NEW(zip->entries, (size_t)where->count);
    FG_NEW(zip->names, size); /* the fixed part of a record is longer than a terminator */
    FG_TRY(fg_file_read(file, bytes, size, where->offset, err));
    names = zip->names;
    for (; zip->count < where->count; zip->count++) {
        FG_TRY(read_record(file, bytes + at, size - at, &zip->entries[zip->count], names, &taken, err));
        names += strlen(names) + 1;
        at += taken;
    }
    if (at != size) status = broken(file, err, "its central directory has more bytes than entries");
done:
    fg_free(bytes);
    return status;
}

static int by_header(const void *a, const void *b) {
    const fg_zip_entry *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

/* Sorts the entries by place and demands room for each of them before the next one. */
static fg_status bound_entries(const fg_file *file, const directory *where, fg_zip *zip, fg_error *err) {
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_header);
    for (size_t i = 0; i < zip->count; i++) {
        fg_zip_entry *entry = &zip->entries[i];
        uint64_t end;
        entry->limit = i + 1 < zip->count ? zip->entries[i + 1].header : where->offset;
        if (!fg_add(entry->header, LOCAL_SIZE + strlen(entry->name), &end) ||
            !fg_add(end, entry->stored_size, &end) || end > entry->limit)
            return fg_fail(err, FG_ERR_INPUT,
                           "%s: zip entry \"%s\" has %" PRIu64 " bytes at byte %" PRIu64
                           ", but what follows begins at byte %" PRIu64,
                           file->path, entry->name, entry->stored_size, entry->header, entry->limit);
    }
    return FG_OK;
}

static fg_status name_entries(const fg_file *file, fg_zip *zip, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < zip->count && status == FG_OK; i++) {
        const char *name = zip->entries[i].name;
        if (fg_map_get(&zip->by_name, name) != FG_MAP_NONE)
            return fg_fail(err, FG_ERR_INPUT, "%s: two zip entries are called \"%s\"", file->path, name);
        status = fg_map_set(&zip->by_name, name, (uint32_t)i, err);
    }
    return status;
}

fg_status fg_zip_read(const fg_file *file, fg_zip *zip, fg_error *err) {
    fg_status status = FG_OK;
    directory where = {0};
    *zip = (fg_zip){0};
    FG_TRY(find_directory(file, &where, err));
    FG_TRY(read_records(file, &where, zip, err));
    FG_TRY(bound_entries(file, &where, zip, err));
    FG_TRY(name_entries(file, zip, err));
done:
    if (status != FG_OK) fg_zip_free(zip);
    return status;
}

void fg_zip_free(fg_zip *zip) {
    fg_map_free(&zip->by_name);
    fg_free(zip->entries);
    fg_free(zip->names);
    *zip = (fg_zip){0};
}

fg_zip_entry *fg_zip_find(const fg_zip *zip, const char *name) {
    int64_t index = fg_map_get(&zip->by_name, name);
    return index == FG_MAP_NONE ? NULL : &zip->entries[index];
}

fg_status fg_zip_locate(const fg_file *file, fg_zip_entry *entry, fg_error *err) {
    unsigned char local[LOCAL_SIZE + FG_ZIP_NAME_LIMIT] = {0};
    size_t length = strlen(entry->name);
    if (entry->data) return FG_OK;
    if (entry->flags & FLAG_ENCRYPTED)
        return fg_fail(err, FG_ERR_INPUT, "%s: zip entry \"%s\" is encrypted", file->path, entry->name);
    if (entry->method != METHOD_STORED) {
        fg_fail(err, FG_ERR_INPUT, "%s: zip entry \"%s\" is compressed (method %u), expected it stored",
                file->path, entry->name, entry->method);
        return fg_hint(err, "torch.save stores its entries; load the file and save it again with torch.save");
    }
    if (entry->size != entry->stored_size)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: zip entry \"%s\" is stored, yet takes %" PRIu64 " bytes for %" PRIu64, file->path,
                       entry->name, entry->stored_size, entry->size);
    FG_CALL(fg_file_read(file, local, LOCAL_SIZE + length, entry->header, err));
    if (fg_little_u32(local) != LOCAL_SIGNATURE || fg_little_u16(local + 26) != length ||
        memcmp(local + LOCAL_SIZE, entry->name, length) != 0)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: zip entry \"%s\": no local header of that name at byte %" PRIu64, file->path,
                       entry->name, entry->header);
    uint64_t data = entry->header + LOCAL_SIZE + length + fg_little_u16(local + 28);
    if (data > entry->limit || entry->size > entry->limit - data)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: zip entry \"%s\" reaches beyond byte %" PRIu64 ", where what follows begins",
                       file->path, entry->name, entry->limit);
    entry->data = data;
    return FG_OK;
}
