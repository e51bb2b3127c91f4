/* The index of a sharded checkpoint (`*.index.json`): metadata and weight_map. The only file that knows it. */
#ifndef FG_STORE_SHARD_INDEX_H
#define FG_STORE_SHARD_INDEX_H

#include "base/file.h"
#include "base/json.h"

typedef struct fg_shard_index {
    json_t *document; /* owned */
    fg_names files;   /* owned; the distinct file names of weight_map, sorted */
} fg_shard_index;

/* The distinct file names of a map from tensors to files, sorted; `key` is where it stands in the file `path`. Checks:
 * an object of strings, not empty; plain file names only; each of them exists beside `path`. */
fg_status fg_shard_index_files(const char *path, const char *key, const json_t *map, fg_names *files,
                               fg_error *err);
/* An object with `weight_map`, which is checked so. */
fg_status fg_shard_index_read(const char *path, fg_shard_index *index, fg_error *err);
/* The file that weight_map names for a tensor; NULL if none. Borrowed. */
const char *fg_shard_index_file_of(const fg_shard_index *index, const char *tensor);
void fg_shard_index_free(fg_shard_index *index);

#endif
