/* Side files of the destination that are made, not copied: tokenizer files, chat templates, generation_config.json, settings that are
 * carried, the manifest of a training checkpoint, the audit of an update. */
#ifndef FG_CONVERSION_MADE_FILES_H
#define FG_CONVERSION_MADE_FILES_H

#include "conversion/plan_steps.h"
#include "conversion/settings.h"

typedef struct fg_made_file {
    char *name;             /* owned; inside the destination */
    fg_buffer text;         /* owned */
    const fg_buffer *given; /* borrowed; in place of `text`, unless NULL */
} fg_made_file;

typedef struct fg_made_files {
    fg_made_file *items; /* owned */
    size_t count, capacity;
} fg_made_files;

/* A chat template that cannot be used is FG_ERR_INPUT. To be freed whatever comes back, before the decisions are. */
fg_status fg_made_files_make(const fg_decisions *decisions, const fg_layout *layout,
                             const fg_settings *settings, const fg_tensor_gaps *gaps, fg_made_files *files,
                             fg_error *err);
bool fg_made_files_has(const fg_made_files *files, const char *name);
void fg_made_files_free(fg_made_files *files);

#endif
