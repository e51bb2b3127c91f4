/* The safetensors format: 8 bytes little-endian header size, JSON header, tensor bytes. The only file that
 * knows it.
 *
 * Checks on reading, in this order, each with an error of its own: file at least 8 bytes; header size at most
 * 100 MB and inside the file; header a JSON object that begins with '{'; `__metadata__` strings only; every
 * entry has exactly dtype, shape, data_offsets; known dtype; size = product; no overlap, no hole, nothing
 * after the last tensor.
 */
#ifndef FG_STORE_SAFETENSORS_H
#define FG_STORE_SAFETENSORS_H

#include "base/json.h"
#include "store/tensors.h"

enum { FG_SAFETENSORS_HEADER_LIMIT = 100000000 };

/* Adds the file's tensors to the table (on failure perhaps a part of them). `metadata`, unless NULL, gets the
 * `__metadata__` object (new reference; NULL if absent). */
fg_status fg_safetensors_read_header(const char *path, fg_tensors *table, json_t **metadata, fg_error *err);

/* One entry of a header to be written. */
typedef struct fg_safetensors_entry {
    const char *name;
    fg_dtype dtype;
    uint32_t rank;
    const uint64_t *shape;
    uint64_t begin, end; /* bytes after the header */
} fg_safetensors_entry;

/* Appends length and header (the entries as they come, which is best the order of `begin`), padded with
 * spaces to a multiple of 8. Its metadata is `{"format": "pt"}`. */
fg_status fg_safetensors_write_header(const fg_safetensors_entry *entries, size_t count, fg_buffer *out,
                                      fg_error *err);

#endif
