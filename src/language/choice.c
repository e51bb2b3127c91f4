#include "language/choice.h"

#include <string.h>

/* Whether the condition of a choice holds for the configuration `here`. */
static fg_status condition_holds(const fg_choice *choice, const json_t *here, const json_t *root, bool *holds,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    json_t *value = NULL;
    const fg_scope scope = {.here = here, .root = root};
    *holds = !choice->when;
    if (*holds) return FG_OK;
    FG_TRY(fg_expression_parse(&expression, choice->when, choice->name, err));
    FG_TRY(fg_expression_evaluate(expression, &scope, &value, err));
    *holds = fg_expression_truth(value);
done:
    fg_expression_free(&expression);
    json_decref(value);
    return status;
}

fg_status fg_choice_by_class(const fg_classes *classes, const fg_section *root, const json_t *configuration,
                             const fg_declaration *d, const char *path, const fg_choice **choice,
                             fg_error *err) {
    const char *found = classes ? fg_class_at(classes, root->class_name, configuration, path) : NULL;
    bool holds;
    *choice = NULL;
    for (size_t i = 0; i < d->choice_count && !*choice; i++) {
        const char *wanted = d->choices[i].section->class_name;
        if (classes && wanted && (!found || strcmp(found, wanted) != 0)) continue;
        FG_CALL(condition_holds(&d->choices[i], fg_json_at(configuration, path), configuration, &holds, err));
        if (holds) *choice = &d->choices[i];
    }
    return FG_OK;
}
