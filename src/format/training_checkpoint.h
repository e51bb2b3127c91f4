/* Training checkpoints: the folders checkpoints/checkpoint-N of a Forgather directory. Which of them is the
 * latest, what its manifest says, and what it holds besides weights. The only file that knows
 * checkpoint_manifest.json.
 *
 * Facts: the manifest is an object of checkpoint_path, world_size, timestamp (ISO 8601; local time unless it
 * names a zone), components, training_args_hash, forgather_version, pytorch_version, metadata; a component
 * has key, sharing_pattern, ranks, replicated_across, group_name, size_bytes, checksum, metadata and nothing
 * else. State of training lies in KEY_state.pt, one file a rank in KEY_state_rank_R.pt. Directories saved by
 * older versions have no manifest.
 */
#ifndef FG_FORMAT_TRAINING_CHECKPOINT_H
#define FG_FORMAT_TRAINING_CHECKPOINT_H

#include "base/json.h"

#define FG_TRAINING_FOLDER "checkpoints"
#define FG_TRAINING_MANIFEST "checkpoint_manifest.json"
#define FG_TRAINING_OPTIMIZER "optimizer_state.pt"

/* The latest checkpoint-* of `folder` that has weights, newly allocated: by the time in its manifest, or that
 * of the directory if there is none; of equal times by the directory's, then by its number. None is
 * FG_ERR_INPUT; another with a higher number is a warning. */
fg_status fg_training_latest(const char *folder, char **path, fg_error *err);

/* What -c names, newly allocated: a directory, or the name or number of a training checkpoint
 * ("checkpoint-200", "200") that lies in the model directory `directory` or its folder of checkpoints.
 * Neither, or two different ones, is FG_ERR_USAGE. */
fg_status fg_training_find(const char *directory, const char *asked, char **path, fg_error *err);
/* Whether one lies in the model directory, or the directory has a folder of them. */
fg_status fg_training_has_any(const char *directory, bool *has, fg_error *err);
/* When it was saved, by the rule above, in local time ("2025-01-24T10:30:00"); "" if that cannot be
 * written. */
fg_status fg_training_saved(const char *path, char *text, size_t size, fg_error *err);

/* Whether the last name of a path is that of a training checkpoint. */
bool fg_training_is_checkpoint(const char *path);
/* The number of steps in a name such as "run/checkpoints/checkpoint-300/"; 0 if it has none. */
uint64_t fg_training_steps(const char *path);

/* The path of the optimizer's state in a checkpoint, newly allocated, and its size. FG_ERR_INPUT if it is not
 * there. */
fg_status fg_training_optimizer(const char *directory, char **path, uint64_t *bytes, fg_error *err);

/* What a manifest says of a checkpoint of which `weights` bytes and, unless it is 0, `optimizer` bytes of
 * state are kept. What else is known comes from `directory`, the checkpoint that they are from; without a
 * manifest there, the time is that of the newest of `files` (names as in a tensor table). `name` is where it
 * will lie in its model's directory. */
typedef struct fg_training_kept {
    const char *directory, *name;
    char *const *files;
    size_t file_count;
    uint64_t weights, optimizer;
} fg_training_kept;
fg_status fg_training_manifest(const fg_training_kept *kept, json_t **manifest, fg_error *err);

#endif
