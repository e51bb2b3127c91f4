#include "translate/custom.h"

#include <stdio.h>

static const fg_custom *const customs[FG_CUSTOMS] = {
    [FG_CUSTOM_ROTARY_OLDER] = &fg_rotary_older,
    [FG_CUSTOM_ROTARY_NEWER] = &fg_rotary_newer,
    [FG_CUSTOM_ROTARY_PARAMETERS] = &fg_rotary_parameters,
    [FG_CUSTOM_ROTARY_BY_LAYER] = &fg_rotary_by_layer,
};

/* The next custom declaration of the root section; NULL: there is none. `index` is where to look. */
static const fg_custom *next(const fg_translator *t, size_t *index, const json_t **spec) {
    const fg_section *root = t->declarations->root;
    while (root && *index < root->count) {
        const fg_declaration *d = &root->items[(*index)++];
        if (d->primitive->id != FG_PRIMITIVE_CUSTOM) continue;
        *spec = d->spec;
        return customs[fg_custom_find(json_string_value(json_object_get(d->spec, "custom")))];
    }
    return NULL;
}

fg_status fg_custom_run(const fg_translator *t, fg_custom_step step, json_t *hf, fg_error *err) {
    size_t index = 0;
    const json_t *spec;
    for (const fg_custom *custom; (custom = next(t, &index, &spec)) != NULL;) {
        if (custom->steps[step]) FG_CALL(custom->steps[step](t, spec, hf, err));
    }
    return FG_OK;
}

const char *fg_custom_name(const fg_translator *t, const char *path, char *buffer, size_t size) {
    size_t index = 0;
    const json_t *spec;
    const fg_custom *custom = next(t, &index, &spec);
    if (custom) return custom->name(spec, t->file_config, path, buffer, size);
    snprintf(buffer, size, "%s", path);
    return buffer;
}
