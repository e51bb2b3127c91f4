/* Rotary settings are spelled in two ways; which one declarations see is the choice of a converter. */
#include "language/defaults.h"
#include "translate/custom.h"
#include "translate/rotary_settings.h"

static bool writes_newer(const fg_translator *t) {
    return t->options->hf_version >= 5;
}

static const char *name_setting(const json_t *spec, const json_t *config, const char *path, char *buffer,
                                size_t size) {
    (void)spec;
    return fg_rotary_settings_name(config, path, buffer, size);
}

/* Whether an older object of rotary settings has no numbers: at most the name of a type that needs none. */
static bool has_no_numbers(const json_t *scaling) {
    return json_is_null(scaling) || (json_object_size(scaling) == 1 && json_object_get(scaling, "rope_type"));
}

/* Whether a model inside is sure to be read with rope_parameters: its class assumes the same settings anyway,
 * or transformers has no class for it, so that it is not known to read the older spelling. `type`: what it is
 * when it does not say, or NULL. */
static fg_status may_stay_newer(const fg_translator *t, const json_t *inside, const char *type, bool *may,
                                fg_error *err) {
    const char *own = json_string_value(json_object_get(inside, "model_type"));
    const json_t *defaults, *theta = json_object_get(inside, "rope_theta");
    FG_CALL(fg_defaults_load(fg_converter_catalogue(t->converter), own ? own : type, &defaults, err));
    bool is_assumed = has_no_numbers(json_object_get(inside, "rope_scaling")) &&
                      fg_json_equal(theta, json_object_get(defaults, "rope_theta"));
    *may = theta && ((!own && !type) || is_assumed);
    return FG_OK;
}

/* Rotary settings of models inside go back into the newer spelling where that is safe. */
static fg_status keep_newer_inside(const fg_translator *t, json_t *hf, fg_error *err) {
    const json_t *types = json_object_get(t->document, "defaults");
    json_t *inside;
    bool may;
    FG_JSON_MEMBERS(hf, key, inside) {
        if (!json_is_object(inside)) continue;
        FG_CALL(may_stay_newer(t, inside, json_string_value(json_object_get(types, key)), &may, err));
        if (may) FG_CALL(fg_rotary_settings_to_newer(inside, err));
    }
    return FG_OK;
}

/* Whether a rope_theta next to rope_parameters has another value, as the source had it: the older spelling
 * cannot hold both. */
static bool has_stale_theta(const json_t *hf) {
    const json_t *theta = fg_json_at(hf, "rope_parameters/rope_theta");
    const json_t *stale = json_object_get(hf, "rope_theta");
    return theta && stale && !fg_json_equal(theta, stale);
}

static fg_status into_newer(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    (void)spec;
    return fg_rotary_settings_spell(hf, true, t->options->file, err);
}

static fg_status into_older(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    (void)spec;
    return fg_rotary_settings_spell(hf, false, t->options->file, err);
}

/* ---- declarations see the older spelling ---- */

/* "types": names of types that classes of hf, and no others, take for other types. */
static fg_status rename_type(const fg_translator *t, const json_t *types, json_t *scaling, fg_error *err) {
    static const char *const keys[] = {"rope_type", "type"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && fg_translator_imports(t); i++) {
        json_t *meant = json_object_get(types, json_string_value(json_object_get(scaling, keys[i])));
        if (meant) FG_CALL(fg_json_put(scaling, keys[i], json_incref(meant), err));
    }
    return FG_OK;
}

static fg_status read_older(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    FG_CALL(fg_rotary_settings_drop(hf, json_object_get(spec, "outside"), t->options->file, err));
    FG_CALL(fg_rotary_settings_to_older(hf, t->options->file, err));
    return rename_type(t, json_object_get(spec, "types"), json_object_get(hf, "rope_scaling"), err);
}

/* "type_key": the older spelling has the type under this key alone. */
static fg_status write_older(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    const char *key = json_string_value(json_object_get(spec, "type_key"));
    json_t *scaling = json_object_get(hf, "rope_scaling"), *type = json_object_get(scaling, "rope_type");
    if (writes_newer(t)) return fg_rotary_settings_to_newer(hf, err);
    if (!key || !type) return FG_OK;
    FG_CALL(fg_json_put(scaling, key, json_incref(type), err));
    json_object_del(scaling, "rope_type");
    return FG_OK;
}

const fg_custom fg_rotary_older = {.steps = {[FG_CUSTOM_READ] = read_older, [FG_CUSTOM_WRITE] = write_older},
                                   .name = name_setting};

/* ---- declarations see the newer spelling, at any depth ---- */

static fg_status write_either(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    if (writes_newer(t)) return into_newer(t, spec, hf, err);
    FG_CALL(into_older(t, spec, hf, err));
    return t->options->newer_rotary ? keep_newer_inside(t, hf, err) : FG_OK;
}

const fg_custom fg_rotary_newer = {.steps = {[FG_CUSTOM_READ] = into_newer,
                                             [FG_CUSTOM_BEFORE_DEFAULTS] = into_older,
                                             [FG_CUSTOM_AFTER_DEFAULTS] = into_newer,
                                             [FG_CUSTOM_WRITE] = write_either},
                                   .name = name_setting};

/* ---- the newer one, and a rope_theta next to rope_parameters is a key like others, which may differ ---- */

static fg_status read_parameters(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    if (!json_object_get(hf, "rope_parameters")) return into_newer(t, spec, hf, err);
    return fg_rotary_settings_resolve(hf, t->options->file, err);
}

static fg_status write_parameters(const fg_translator *t, const json_t *spec, json_t *hf, fg_error *err) {
    return writes_newer(t) || has_stale_theta(hf) ? FG_OK : write_either(t, spec, hf, err);
}

const fg_custom fg_rotary_parameters = {.steps = {[FG_CUSTOM_READ] = read_parameters,
                                                  [FG_CUSTOM_AFTER_DEFAULTS] = read_parameters,
                                                  [FG_CUSTOM_WRITE] = write_parameters},
                                        .name = name_setting};
