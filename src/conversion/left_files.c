#include "conversion/left_files.h"

#include <string.h>

#include "base/alloc.h"
#include "format/training_checkpoint.h"
#include "format/weight_files.h"

static fg_status add_all(const fg_names *names, fg_names *left, fg_error *err) {
    for (size_t i = 0; i < names->count; i++)
        FG_CALL(fg_names_add(left, fg_strdup(names->items[i], err), err));
    return FG_OK;
}

/* Whether the name in the directory and that next to the weights are one file: finalize makes links. */
static fg_status leads_to_weights(const fg_checkpoint *source, const char *path, const char *name,
                                  bool *leads, fg_error *err) {
    fg_status status = FG_OK;
    fg_path_kind kind = FG_PATH_ABSENT;
    char *other = NULL;
    *leads = false;
    if (strcmp(source->weights_directory, source->directory) == 0) goto done;
    FG_TRY_NEW(other, fg_path_join(source->weights_directory, name, err));
    FG_TRY(fg_path_look(other, &kind, err));
    if (kind == FG_PATH_FILE) FG_TRY(fg_path_same(path, other, leads, err));
done:
    fg_free(other);
    return status;
}

/* Weights that nothing reads: those of another program, or of an interrupted save. Indices are written
 * again. */
static fg_status add_unread(const fg_decisions *d, const fg_layout *layout, fg_names *left, fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint *source = &d->source.checkpoint;
    char *path = NULL;
    bool read;
    for (size_t i = 0; i < source->weight_files.count; i++) {
        const char *name = source->weight_files.items[i];
        if (fg_ends_with(name, ".index.json")) continue;
        FG_TRY_RENEW(path, fg_path_join(source->directory, name, err));
        if (fg_tensors_have_file(&layout->plan.source, path)) continue;
        FG_TRY(leads_to_weights(source, path, name, &read, err));
        if (!read) FG_TRY(fg_names_add(left, fg_strdup(name, err), err));
    }
done:
    fg_free(path);
    return status;
}

/* What a training checkpoint holds next to its weights. */
static fg_status add_state(const fg_decisions *d, const fg_layout *layout, fg_names *left, fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint *source = &d->source.checkpoint;
    const char *folder = source->weights_directory;
    fg_names names = {0};
    if (strcmp(folder, source->directory) == 0) goto done;
    FG_TRY(fg_directory_list(folder, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        bool kept = layout->optimizer && strcmp(name, FG_TRAINING_OPTIMIZER) == 0;
        if (kept || fg_weight_files_is_name(name) || strcmp(name, FG_TRAINING_MANIFEST) == 0) continue;
        FG_TRY(fg_names_add(left, fg_path_join(folder, name, err), err));
    }
done:
    fg_names_free(&names);
    return status;
}

/* Code that is neither copied nor written again by the converter. */
static fg_status add_code(const fg_decisions *d, const fg_destination_code *code, fg_names *left,
                          fg_error *err) {
    const fg_names *own = &d->source.checkpoint.code_files;
    const char *written = fg_destination_code_written(d, code);
    if (d->route.keeps_format && !d->recipe->no_code) return FG_OK;
    for (size_t i = 0; i < own->count; i++) {
        if (written && strcmp(own->items[i], written) == 0) continue;
        FG_CALL(fg_names_add(left, fg_strdup(own->items[i], err), err));
    }
    return FG_OK;
}

fg_status fg_left_files_list(const fg_decisions *d, const fg_layout *layout, const fg_destination_code *code,
                             fg_names *left, fg_error *err) {
    const fg_checkpoint *source = &d->source.checkpoint;
    FG_CALL(add_code(d, code, left, err));
    if (d->recipe->kind != FG_RECIPE_UPDATE_VOCAB) FG_CALL(add_all(&source->other_files, left, err));
    FG_CALL(add_all(&source->special_files, left, err));
    FG_CALL(add_unread(d, layout, left, err));
    return d->recipe->kind == FG_RECIPE_FINALIZE ? add_state(d, layout, left, err) : FG_OK;
}
