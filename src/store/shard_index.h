/* The index of a sharded checkpoint (`*.index.json`): metadata and weight_map. The only file that knows it. */
#ifndef FG_STORE_SHARD_INDEX_H
#define FG_STORE_SHARD_INDEX_H

#include "base/file.h"
#include "base/json.h"

typedef struct fg_shard_index {
    json_t *document; /* owned */
    fg_names files;   /* owned; the distinct file names of weight_map, sorted */
} fg_shard_index;

/* Checks: an object with `weight_map` of strings; plain file names only; each of them exists beside the index. */
fg_status fg_shard_index_read(const char *path, fg_shard_index *index, fg_error *err);
/* The file that weight_map names for a tensor; NULL if none. Borrowed. */
const char *fg_shard_index_file_of(const fg_shard_index *index, const char *tensor);
void fg_shard_index_free(fg_shard_index *index);

#endif
