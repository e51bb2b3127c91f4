#include "language/choice.h"

#include <string.h>

fg_status fg_choice_by_class(const fg_classes *classes, const fg_section *root, const json_t *configuration,
                             const fg_declaration *d, const char *path, const fg_choice **choice,
                             fg_error *err) {
    const char *found = classes ? fg_class_at(classes, root->class_name, configuration, path) : NULL;
    const fg_scope scope = {.here = fg_json_at(configuration, path), .root = configuration};
    *choice = NULL;
    for (size_t i = 0; i < d->choice_count && !*choice; i++) {
        const char *wanted = d->choices[i].section->class_name, *when = d->choices[i].when;
        bool holds = true;
        if (classes && wanted && (!found || strcmp(found, wanted) != 0)) continue;
        if (when) FG_CALL(fg_expression_holds(when, &scope, d->choices[i].name, &holds, err));
        if (holds) *choice = &d->choices[i];
    }
    return FG_OK;
}
