/* Shards: which output tensors share a file, decided from sizes alone, and the bytes of headers.
 *
 * Invariant: the same plan and limit give the same files, whatever the number of ranks.
 */
#ifndef FG_COPY_SHARDS_H
#define FG_COPY_SHARDS_H

#include "base/json.h"
#include "plan/plan.h"

/* The name of a shard, newly allocated. */
typedef char *fg_shard_name(size_t index, size_t count, fg_error *err);

/* Sets shard and offset of each output, and the plan's shard_files and shard_bytes (whole file, header
 * included). Outputs are taken in plan order; a new shard begins when the next tensor would take this one
 * above `limit` (a larger tensor gets a shard of its own). `name` names them. Inside a file, tensors with
 * larger elements come first, then by name, as the safetensors library writes them. */
fg_status fg_shards_assign(fg_plan *plan, uint64_t limit, fg_shard_name *name, fg_error *err);

/* The bytes before the tensor data of a shard. */
fg_status fg_shards_header(const fg_plan *plan, size_t shard, fg_buffer *out, fg_error *err);

#endif
