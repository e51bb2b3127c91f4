#include "draft/donor.h"

#include <string.h>

#include "base/alloc.h"

/* The next family with the fit's target. */
static fg_status next(const fg_family_fit *fit, size_t *index, const fg_converter **converter,
                      fg_error *err) {
    return fg_family_next(fg_converter_catalogue(fit->converter), fg_converter_format(fit->converter), index,
                          converter, err);
}

static bool carries(const fg_declaration *d) {
    return d && (d->primitive->id == FG_PRIMITIVE_RENAME || d->primitive->id == FG_PRIMITIVE_DEFAULT ||
                 d->primitive->id == FG_PRIMITIVE_OPTIONAL);
}

fg_status fg_donor_key(const fg_family_fit *fit, const char *key, const json_t *value,
                       const fg_declaration **declaration, fg_error *err) {
    const fg_converter *converter;
    size_t index = 0;
    *declaration = NULL;
    FG_CALL(next(fit, &index, &converter, err));
    while (converter) {
        const fg_declaration *d = fg_family_claim(converter, key);
        if (carries(d) && fg_family_takes(converter, d, value)) {
            *declaration = d;
            return FG_OK;
        }
        FG_CALL(next(fit, &index, &converter, err));
    }
    return FG_OK;
}

static fg_status has_tensor(const fg_family_fit *fit, const fg_converter *converter, const char *name,
                            const json_t *shape, bool *has, fg_error *err) {
    const json_t *rule = json_object_get(fg_family_tensors(converter), name);
    fg_family_tensor t;
    *has = false;
    if (!rule) return FG_OK;
    FG_CALL(fg_family_tensor_make(&t, converter, name, rule, fit->config, err));
    *has = t.shape && fg_json_equal(t.shape, shape);
    json_decref(t.shape);
    return FG_OK;
}

fg_status fg_donor_tensor(const fg_family_fit *fit, const char *name, const json_t *shape,
                          const fg_converter **converter, fg_error *err) {
    size_t index = 0;
    bool has = false;
    FG_CALL(next(fit, &index, converter, err));
    while (*converter) {
        FG_CALL(has_tensor(fit, *converter, name, shape, &has, err));
        if (has) return FG_OK;
        FG_CALL(next(fit, &index, converter, err));
    }
    return FG_OK;
}

fg_status fg_donor_resolve(const fg_family_fit *fit, const char *name, json_t *rule, json_t **shape,
                           fg_error *err) {
    fg_family_tensor t;
    FG_CALL(fg_family_tensor_make(&t, fit->converter, name, rule, fit->config, err));
    if (!t.present) json_object_del(rule, "if");
    *shape = t.shape;
    return FG_OK;
}

fg_status fg_donor_parameter(const fg_family_fit *fit, const json_t *parameters, const char *name,
                             const json_t *shape, json_t **rule, fg_error *err) {
    fg_status status = FG_OK;
    char *target = NULL;
    json_t *made = NULL, *found = NULL;
    *rule = NULL;
    FG_TRY(fg_donor_target(fit->converter, name, &target, err));
    const json_t *declared = target ? json_object_get(parameters, target) : NULL;
    if (!declared) goto done;
    FG_TRY_NEW(made, fg_json_copy(declared, err));
    json_object_del(made, "tied_to");
    json_object_del(made, "tied_if");
    FG_TRY(fg_donor_resolve(fit, name, made, &found, err));
    if (found && fg_json_equal(found, shape)) *rule = json_incref(made);
done:
    json_decref(found);
    json_decref(made);
    fg_free(target);
    return status;
}

fg_status fg_donor_target(const fg_converter *converter, const char *name, char **target, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer renamed = {0};
    char *block = NULL;
    bool matched;
    *target = NULL;
    FG_TRY_NEW(block,
               fg_strformat(err, "%.*s%s%s", (int)strcspn(name, "{"), name, strchr(name, '{') ? "0" : "",
                            strchr(name, '}') ? strchr(name, '}') + 1 : ""));
    FG_TRY(fg_name_rules_apply(fg_converter_rules(converter, FG_IMPORT), block, &renamed, &matched, err));
    if (matched) FG_TRY_NEW(*target, fg_outline_pattern(renamed.data, err));
done:
    fg_buffer_free(&renamed);
    fg_free(block);
    return status;
}
