/* The index of a sharded checkpoint (`*.index.json`): metadata and weight_map. The only file that knows it.
 *
 * Invariant: the names of the tensors are unique, and each file that is named lies in the directory of the
 * index.
 */
#ifndef FG_STORE_SHARD_INDEX_H
#define FG_STORE_SHARD_INDEX_H

#include "base/file.h"
#include "base/json.h"
#include "base/map.h"

typedef struct fg_shard_entry {
    const char *tensor, *file; /* borrowed from the index */
} fg_shard_entry;

typedef struct fg_shard_index {
    json_t *metadata;        /* owned; the value of that key; NULL: nothing */
    fg_shard_entry *entries; /* owned; weight_map, in its order */
    size_t count;
    fg_names files;     /* owned; the distinct files of the entries, sorted */
    fg_map by_tensor;   /* into entries */
    fg_buffer text;     /* owned; has the names, where no value had to be made for each entry */
    json_t *weight_map; /* owned; has them otherwise */
} fg_shard_index;

/* The distinct file names of a map from tensors to files, sorted; `key` is its path in the file `path`.
 * Checks: an object of strings, not empty; plain file names only; each of them exists in the directory of
 * `path`. */
fg_status fg_shard_index_files(const char *path, const char *key, const json_t *map, fg_names *files,
                               fg_error *err);
/* An object with `weight_map`, which is checked so. */
fg_status fg_shard_index_read(const char *path, fg_shard_index *index, fg_error *err);
/* The entry of a tensor; NULL if none. Borrowed. `guess` is looked at first (NULL: none): the entry behind
 * the last one, where files list tensors as the index does. */
const fg_shard_entry *fg_shard_index_find(const fg_shard_index *index, const char *tensor,
                                          const fg_shard_entry *guess);
void fg_shard_index_free(fg_shard_index *index);

#endif
