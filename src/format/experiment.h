/* Experiment folders of Fast-LLM: what a training run leaves, and which of its checkpoints is read.
 *
 *     EXPERIMENT/config.yaml            the run
 *     EXPERIMENT/checkpoint/STEP/       training checkpoints; the trainer creates `ok` in each last
 *     EXPERIMENT/export/FORMAT/STEP/    models that it exported
 *
 * Invariant: in these places a checkpoint without `ok` is an interrupted save, and is read only when the user
 * says so. Anywhere else the file may be absent.
 */
#ifndef FG_FORMAT_EXPERIMENT_H
#define FG_FORMAT_EXPERIMENT_H

#include "base/file.h"
#include "base/json.h"

#define FG_EXPERIMENT_CONFIG "config.yaml"
#define FG_EXPERIMENT_CHECKPOINTS "checkpoint"
#define FG_EXPERIMENT_EXPORTS "export"

/* Whether the directory is an experiment: it has config.yaml and one of the two folders, and is no model. */
fg_status fg_experiment_is(const char *directory, bool *is, fg_error *err);
/* Whether a directory is a training checkpoint of an experiment: checkpoint/STEP next to config.yaml. */
fg_status fg_experiment_has(const char *checkpoint, bool *has, fg_error *err);

/* config.yaml of the experiment that a training checkpoint belongs to, a new reference. NULL: it belongs to
 * none, or the file is no YAML. */
fg_status fg_experiment_config(const char *checkpoint, json_t **config, fg_error *err);
/* The family that config.yaml of the experiment names as the format of its exports, or of the model that it
 * started from, newly allocated; it may be one that no converter is for. NULL: it names none, or the
 * directory is no training checkpoint of an experiment. */
fg_status fg_experiment_family(const char *checkpoint, char **family, fg_error *err);

/* The path of a training checkpoint, newly allocated: that of the step `asked` (a number; or a path to a
 * directory, which is then taken as it is), or of the latest, the one with the highest number, for NULL.
 * FG_ERR_USAGE: there is no such step; FG_ERR_INPUT: there is none at all. */
fg_status fg_experiment_find(const char *directory, const char *asked, char **path, fg_error *err);
/* FG_ERR_INPUT, with what can be done, if the training checkpoint has no `ok`. */
fg_status fg_experiment_check_finished(const char *checkpoint, fg_error *err);
/* The step that the last name of a path is; false: it is no number. */
bool fg_experiment_step(const char *checkpoint, uint64_t *step);

/* What is in it, a new reference: {"config": name, "checkpoints": [{"step", "finished", "saved"}], "exports":
 * [{"format", "step", "finished"}]}, steps ascending; `saved` as fg_training_saved writes it. */
fg_status fg_experiment_describe(const char *directory, json_t **contents, fg_error *err);

#endif
