/* The tensor table: which tensors a checkpoint holds and where their bytes lie. Built from headers only.
 *
 * Invariant: names are unique; every element of every tensor lies inside its file (checked when an entry is
 * added); rank is at most FG_MAX_DIMS. A table has no open files and can be sent to other ranks (encode,
 * decode).
 */
#ifndef FG_STORE_TENSORS_H
#define FG_STORE_TENSORS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/pack.h"
#include "base/text_pool.h"
#include "store/dtype.h"

enum { FG_MAX_DIMS = 5 };

typedef struct fg_tensor {
    const char *name; /* owned by the table */
    fg_dtype dtype;
    uint32_t rank;                /* number of dimensions; 0 is a scalar */
    uint64_t shape[FG_MAX_DIMS];  /* outermost first */
    uint64_t stride[FG_MAX_DIMS]; /* elements from one index to the next; row-major when `contiguous` */
    uint64_t elements;            /* product of shape */
    uint64_t offset;              /* byte in the file where element [0, 0, ...] begins */
    uint32_t file;                /* index into the table's files */
    bool contiguous;              /* row-major without gaps */
} fg_tensor;

typedef struct fg_tensors {
    fg_tensor *items; /* owned; in the order in which the files list them */
    size_t count, capacity;
    char **files;          /* owned paths that can be opened from the working directory of any rank */
    fg_file_stamp *stamps; /* of each file, when its header was read */
    size_t file_count, file_capacity;
    fg_text_pool *names; /* owned */
    fg_map by_name;
} fg_tensors;

/* Registers a file, before its header is read (stats it); `index` is what fg_tensor.file takes. */
fg_status fg_tensors_add_file(fg_tensors *table, const char *path, uint32_t *index, fg_error *err);
/* The same for tensors that do not exist yet: `name` stands for the file in messages. They cannot be read. */
fg_status fg_tensors_add_place(fg_tensors *table, const char *name, uint32_t *index, fg_error *err);
/* Adds a copy of `tensor` (its name is copied; `elements` and `contiguous` are worked out here). A name that
 * exists, an overflow or an element outside the file is FG_ERR_INPUT that names file and tensor. */
fg_status fg_tensors_add(fg_tensors *table, const fg_tensor *tensor, fg_error *err);
/* Borrowed; NULL if there is none. */
const fg_tensor *fg_tensors_find(const fg_tensors *table, const char *name);
uint64_t fg_tensor_bytes(const fg_tensor *tensor); /* elements * size of dtype */
/* Fills `stride` from `shape`: row-major, no gaps. False if the product of the dimensions overflows. */
bool fg_tensor_row_major(fg_tensor *tensor);
/* "bfloat16 [4096, 1024]" for messages. */
const char *fg_tensor_text(const fg_tensor *tensor, char *buffer, size_t size);
/* Tensors and bytes of each element type, and of all. */
typedef struct fg_dtype_tally {
    uint64_t count[FG_DTYPE_COUNT], bytes[FG_DTYPE_COUNT], total_bytes;
} fg_dtype_tally;
fg_dtype_tally fg_tensors_tally(const fg_tensors *table);
/* Whether tensors of this file are in the table. */
bool fg_tensors_have_file(const fg_tensors *table, const char *path);
void fg_tensors_free(fg_tensors *table);

/* Flat bytes for sending between ranks (appended to `out`). Decoding fills an empty table, which stays empty
 * on failure; damaged bytes are FG_ERR_BUG or what fg_tensors_add says. */
fg_status fg_tensors_encode(const fg_tensors *table, fg_buffer *out, fg_error *err);
fg_status fg_tensors_decode(const void *bytes, size_t size, fg_tensors *table, fg_error *err);
/* The same for a table inside of other bytes; on failure a part of it may be there. */
fg_status fg_tensors_unpack(fg_unpacker *from, fg_tensors *table);
/* FG_ERR_INPUT that names the file if it / one of them changed since its header was read; for
 * fg_tensors_check_unchanged, which the node that read the headers calls, the times of attributes and another
 * file of that name count, too (store/stamped_files.h). */
fg_status fg_tensors_check_file(const fg_tensors *table, uint32_t file, fg_error *err);
fg_status fg_tensors_check_unchanged(const fg_tensors *table, fg_error *err);

/* Reading elements. A reader opens files when they are first needed, at most 64 at a time; one reader per
 * thread. */
typedef struct fg_reader fg_reader;
fg_status fg_reader_new(fg_reader **reader, const fg_tensors *table, fg_error *err); /* borrows the table */
void fg_reader_free(fg_reader **reader);
/* The open file of index `file` (borrowed; stays open until the next call). FG_ERR_INPUT if it changed. */
fg_status fg_reader_file(fg_reader *reader, uint32_t file, const fg_file **open, fg_error *err);
/* `count` elements of a tensor from element `first` (row-major order, whatever its strides) into `buffer`,
 * raw. */
fg_status fg_reader_read(fg_reader *reader, const fg_tensor *tensor, uint64_t first, uint64_t count,
                         void *buffer, fg_error *err);

#endif
