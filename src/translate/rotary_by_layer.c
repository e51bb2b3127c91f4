/* Rotary settings of each layer type by itself. Declarations see rope_parameters, which has an object for
 * each; older files have keys of their own for each type, which "layers" of the declaration names: "theta",
 * and "scaling" for a type that may be scaled. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/defaults.h"
#include "translate/custom.h"
#include "translate/rotary_settings.h"

enum { PLACE = 200 };

static const char PARAMETERS[] = "rope_parameters";

static const char *older_key(const json_t *keys, const char *member) {
    return json_string_value(json_object_get(keys, member));
}

/* ---- reading ---- */

/* The object of the layer type, which is made if it is not there. Borrowed. */
static fg_status enter_type(json_t *hf, const char *type, const char *file, json_t **settings,
                            fg_error *err) {
    char brief[PLACE];
    json_t *all = json_object_get(hf, PARAMETERS);
    if (!all || json_is_null(all)) {
        FG_CALL_NEW(all, json_object());
        FG_CALL(fg_json_put(hf, PARAMETERS, all, err));
    }
    *settings = json_object_get(all, type);
    if (json_is_object(*settings)) return FG_OK;
    if (!json_is_object(all) || (*settings && !json_is_null(*settings)) ||
        json_object_get(all, "rope_theta") || json_object_get(all, "rope_type"))
        return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\" = %s: expected an object for each layer type", file,
                       PARAMETERS, fg_json_brief(all, brief, sizeof brief));
    FG_CALL_NEW(*settings, json_object());
    return fg_json_put(all, type, *settings, err);
}

static fg_status read_theta(json_t *hf, const char *key, json_t *settings, const char *file, fg_error *err) {
    const json_t *theta = json_object_get(settings, "rope_theta");
    json_t *older = json_object_get(hf, key);
    if (!older) return FG_OK;
    if (theta && !json_is_null(older) && !fg_json_equal(theta, older))
        return fg_rotary_settings_disagree(file, key, older, theta, err);
    if (!theta && !json_is_null(older)) FG_CALL(fg_json_put(settings, "rope_theta", json_incref(older), err));
    json_object_del(hf, key);
    return FG_OK;
}

/* Older scaling goes to the settings, which have its members already or none but theta and a plain type. */
static fg_status read_scaling(json_t *hf, const char *key, json_t *settings, const char *file,
                              fg_error *err) {
    fg_status status = FG_OK;
    json_t *older = json_object_get(hf, key), *now = NULL, *value;
    if (!json_object_size(older)) goto done;
    FG_TRY(fg_rotary_settings_resolve_type(older, key, file, err));
    FG_TRY_NEW(now, fg_json_copy(settings, err));
    json_object_del(now, "rope_theta");
    FG_TRY(fg_rotary_settings_resolve_type(now, PARAMETERS, file, err));
    if (json_object_size(settings) > (json_object_get(settings, "rope_theta") ? 1U : 0U) &&
        !fg_rotary_settings_same(now, older))
        FG_TRY(fg_rotary_settings_disagree(file, key, older, now, err));
    FG_JSON_MEMBERS(older, member, value) FG_TRY(fg_json_put(settings, member, json_incref(value), err));
done:
    json_decref(now);
    return status;
}

static fg_status read_type(json_t *hf, const char *type, const json_t *keys, const char *file,
                           fg_error *err) {
    char place[PLACE], brief[PLACE];
    json_t *settings;
    const char *scaling = older_key(keys, "scaling");
    const json_t *older = scaling ? json_object_get(hf, scaling) : NULL;
    if (older && !json_is_null(older) && !json_is_object(older))
        return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\" = %s: expected null or an object", file, scaling,
                       fg_json_brief(older, brief, sizeof brief));
    FG_CALL(enter_type(hf, type, file, &settings, err));
    if (scaling) FG_CALL(read_scaling(hf, scaling, settings, file, err));
    FG_CALL(read_theta(hf, older_key(keys, "theta"), settings, file, err));
    if (scaling) json_object_del(hf, scaling);
    snprintf(place, sizeof place, "%s/%s", PARAMETERS, type);
    return fg_rotary_settings_resolve_type(settings, place, file, err);
}

static fg_status read_types(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    json_t *keys;
    FG_JSON_MEMBERS(json_object_get(spec, "layers"), type, keys)
        FG_CALL(read_type(hf, type, keys, t->options->file, err));
    return FG_OK;
}

/* A theta that is absent is the family's for its layer type. */
static fg_status complete_types(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    const json_t *defaults;
    json_t *keys;
    FG_CALL(fg_defaults_load(fg_converter_catalogue(t->converter), fg_converter_hf_model_type(t->converter),
                             &defaults, err));
    FG_JSON_MEMBERS(json_object_get(spec, "layers"), type, keys) {
        json_t *theta = json_object_get(json_object_get(json_object_get(defaults, PARAMETERS), type),
                                        "rope_theta"),
               *settings = json_object_get(json_object_get(hf, PARAMETERS), type);
        if (theta && json_is_object(settings) && !json_object_get(settings, "rope_theta"))
            FG_CALL(fg_json_put(settings, "rope_theta", json_incref(theta), err));
    }
    return FG_OK;
}

/* ---- writing ---- */

/* Whether older keys hold the settings of all types: a type without a key for scaling is plain. */
static bool fits_older(const json_t *spec, const json_t *parameters) {
    json_t *settings;
    FG_JSON_MEMBERS(parameters, type, settings) {
        const json_t *keys = json_object_get(json_object_get(spec, "layers"), type);
        const char *rope = json_string_value(json_object_get(settings, "rope_type"));
        bool plain = json_object_size(settings) == 2 && rope && strcmp(rope, "default") == 0;
        if (!keys || !json_object_get(settings, "rope_theta") || (!plain && !older_key(keys, "scaling")))
            return false;
    }
    return json_object_size(parameters) == json_object_size(json_object_get(spec, "layers"));
}

static fg_status write_type(json_t *hf, const json_t *keys, const json_t *settings, fg_error *err) {
    const char *key = older_key(keys, "scaling");
    FG_CALL(
        fg_json_put(hf, older_key(keys, "theta"), json_incref(json_object_get(settings, "rope_theta")), err));
    if (!key) return FG_OK;
    json_t *scaling = fg_json_copy(settings, err);
    json_object_del(scaling, "rope_theta");
    if (!scaling || !fg_rotary_settings_same(scaling, NULL)) return fg_json_put(hf, key, scaling, err);
    json_decref(scaling);
    return fg_json_put(hf, key, json_null(), err);
}

static fg_status write_types(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    json_t *keys;
    const json_t *parameters = json_object_get(hf, PARAMETERS);
    if (t->options->hf_version >= 5) return FG_OK;
    if (!fits_older(spec, parameters))
        return fg_warnings_add(t->warnings, err,
                               "%s: the older keys of hf cannot hold these rotary settings of layer types: "
                               "rope_parameters has them, which transformers 4 does not read",
                               t->options->file);
    FG_JSON_MEMBERS(json_object_get(spec, "layers"), type, keys)
        FG_CALL(write_type(hf, keys, json_object_get(parameters, type), err));
    json_object_del(hf, PARAMETERS);
    return FG_OK;
}

/* ---- names for messages ---- */

/* What an older file calls "rope_parameters/TYPE/MEMBER". */
static const char *name_setting(const json_t *spec, const json_t *config, const char *path, char *buffer,
                                size_t size) {
    json_t *keys;
    snprintf(buffer, size, "%s", path);
    FG_JSON_MEMBERS(json_object_get(spec, "layers"), type, keys) {
        char prefix[PLACE];
        int length = snprintf(prefix, sizeof prefix, "%s/%s/", PARAMETERS, type);
        const char *scaling = older_key(keys, "scaling");
        if (!config || json_object_get(config, PARAMETERS) || strncmp(path, prefix, (size_t)length) != 0)
            continue;
        if (strcmp(path + length, "rope_theta") == 0)
            snprintf(buffer, size, "%s", older_key(keys, "theta"));
        else if (scaling)
            snprintf(buffer, size, "%s/%s", scaling, path + length);
    }
    return buffer;
}

const fg_custom fg_rotary_by_layer = {.steps = {[FG_CUSTOM_READ] = read_types,
                                                [FG_CUSTOM_AFTER_DEFAULTS] = complete_types,
                                                [FG_CUSTOM_WRITE] = write_types},
                                      .name = name_setting};
