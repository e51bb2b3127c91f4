#include "translate/rotary_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { BRIEF = 160 };

fg_status fg_rotary_settings_disagree(const char *file, const char *what, const json_t *a, const json_t *b,
                                      fg_error *err) {
    char first[BRIEF], second[BRIEF];
    fg_fail(err, FG_ERR_INPUT, "%s: %s is given twice with different values: %s and %s", file, what,
            fg_json_brief(a, first, sizeof first), fg_json_brief(b, second, sizeof second));
    fg_hint(err, "keep the one that the model was trained with");
    return FG_ERR_INPUT;
}

/* Moves `key` from inside a rotary object to the configuration; what is there already must be equal. A null
 * is moved if nothing is there, so that it does not count as absent. */
static fg_status move_out(json_t *config, json_t *inside, const char *key, const char *file, fg_error *err) {
    json_t *value = json_object_get(inside, key), *outside = json_object_get(config, key);
    if (!value) return FG_OK;
    if (!json_is_null(value)) {
        if (outside && !json_is_null(outside) && !fg_json_equal(value, outside))
            FG_CALL(fg_rotary_settings_disagree(file, key, outside, value, err));
        if (!outside || json_is_null(outside)) FG_CALL(fg_json_put(config, key, json_incref(value), err));
    } else if (!outside) {
        FG_CALL(fg_json_put(config, key, json_null(), err));
    }
    json_object_del(inside, key);
    return FG_OK;
}

fg_status fg_rotary_settings_drop(json_t *config, const json_t *keys, const char *file, fg_error *err) {
    static const char *const objects[] = {"rope_scaling", "rope_parameters"};
    json_t *key;
    FG_JSON_EACH(keys, i, key) {
        const char *name = json_string_value(key);
        const json_t *outside = json_object_get(config, name);
        for (size_t k = 0; k < sizeof objects / sizeof *objects && outside; k++) {
            json_t *inside = json_object_get(config, objects[k]), *value = json_object_get(inside, name);
            if (value && !fg_json_equal(value, outside))
                FG_CALL(fg_rotary_settings_disagree(file, name, outside, value, err));
            json_object_del(inside, name);
        }
    }
    return FG_OK;
}

/* Gives a rotary object that is not empty its `rope_type`. */
static fg_status resolve_type(json_t *rotary, const char *place, bool missing_is_default, const char *file,
                              fg_error *err) {
    json_t *type = json_object_get(rotary, "rope_type"), *old = json_object_get(rotary, "type");
    char brief[BRIEF];
    if (type && old && !fg_json_equal(type, old))
        return fg_rotary_settings_disagree(file, "the rotary type (rope_type and type)", type, old, err);
    if (!type && !old && missing_is_default)
        return fg_json_put(rotary, "rope_type", json_string("default"), err);
    const json_t *found = type ? type : old;
    if (!json_is_string(found))
        return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\" = %s: expected a string under \"rope_type\"", file,
                       place, fg_json_brief(rotary, brief, sizeof brief));
    return type ? FG_OK : fg_json_put(rotary, "rope_type", json_incref(old), err);
}

fg_status fg_rotary_settings_resolve_type(json_t *rotary, const char *place, const char *file,
                                          fg_error *err) {
    return resolve_type(rotary, place, true, file, err);
}

static bool is_type(const json_t *rotary, const char *type) {
    const char *found = json_string_value(json_object_get(rotary, "rope_type"));
    return found && strcmp(found, type) == 0;
}

/* Whether an object says no more than that there is no scaling. */
static bool is_plain(const json_t *rotary) {
    return is_type(rotary, "default") &&
           json_object_size(rotary) == (json_object_get(rotary, "type") ? 2 : 1);
}

/* Whether two rotary objects (NULL: none) mean the same. */
bool fg_rotary_settings_same(const json_t *a, const json_t *b) {
    if (!a || !b || is_plain(a) || is_plain(b)) return (!a || is_plain(a)) && (!b || is_plain(b));
    size_t typed_a = json_object_get(a, "type") != NULL, typed_b = json_object_get(b, "type") != NULL;
    if (json_object_size(a) - typed_a != json_object_size(b) - typed_b) return false;
    json_t *value;
    FG_JSON_MEMBERS(a, key, value) {
        if (strcmp(key, "type") != 0 && !fg_json_equal(value, json_object_get(b, key))) return false;
    }
    return true;
}

/* `whole`: the original length, which newer code takes for the model's where it is absent, must be there
 * too. */
static fg_status check_llama3(const json_t *rotary, const char *place, bool whole, const char *file,
                              fg_error *err) {
    static const char length[] = "original_max_position_embeddings";
    static const char *const needed[] = {"factor", "low_freq_factor", "high_freq_factor", length};
    char brief[BRIEF];
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        const json_t *value = json_object_get(rotary, needed[i]);
        if (!value && !whole && needed[i] == length) continue;
        if (!json_is_number(value) || json_number_value(value) <= 0) {
            return fg_fail(err, FG_ERR_INPUT,
                           "%s: key \"%s/%s\" = %s: rotary embeddings of type llama3 need a number above 0",
                           file, place, needed[i], fg_json_brief(value, brief, sizeof brief));
        }
    }
    if (json_number_value(json_object_get(rotary, "low_freq_factor")) >=
        json_number_value(json_object_get(rotary, "high_freq_factor")))
        return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\": low_freq_factor must be below high_freq_factor",
                       file, place);
    return FG_OK;
}

static fg_status expect_object(const json_t *config, const char *key, const char *file, fg_error *err) {
    const json_t *value = json_object_get(config, key);
    char brief[BRIEF];
    if (!value || json_is_null(value) || json_is_object(value)) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\" = %s: expected null or an object", file, key,
                   fg_json_brief(value, brief, sizeof brief));
}

static bool per_layer_type(const json_t *parameters) {
    json_t *value;
    FG_JSON_MEMBERS(parameters, key, value) {
        if (!json_is_object(value)) return false;
    }
    return json_object_size(parameters) > 0;
}

/* A rotary object of the configuration, with theta and the like moved out of it; NULL if it is absent, null
 * or empty. */
static fg_status take_rotary(json_t *config, const char *key, bool missing_is_default, const char *file,
                             json_t **rotary, fg_error *err) {
    *rotary = NULL;
    FG_CALL(expect_object(config, key, file, err));
    json_t *found = json_object_get(config, key);
    if (!json_object_size(found)) return FG_OK;
    FG_CALL(move_out(config, found, "rope_theta", file, err));
    FG_CALL(move_out(config, found, "partial_rotary_factor", file, err));
    if (!json_object_size(found) && !missing_is_default) return FG_OK;
    FG_CALL(resolve_type(found, key, missing_is_default, file, err));
    *rotary = found;
    return FG_OK;
}

static fg_status to_older(json_t *config, bool whole, const char *file, fg_error *err) {
    json_t *scaling, *parameters;
    if (per_layer_type(json_object_get(config, "rope_parameters"))) return FG_OK;
    FG_CALL(take_rotary(config, "rope_scaling", false, file, &scaling, err));
    FG_CALL(take_rotary(config, "rope_parameters", true, file, &parameters, err));
    if (parameters && scaling && !fg_rotary_settings_same(scaling, parameters))
        FG_CALL(fg_rotary_settings_disagree(file, "the rotary scaling (rope_scaling and rope_parameters)",
                                            scaling, parameters, err));
    if (!scaling && parameters && !is_plain(parameters)) scaling = parameters;
    const char *place = scaling == parameters ? "rope_parameters" : "rope_scaling";
    if (scaling && is_type(scaling, "llama3")) FG_CALL(check_llama3(scaling, place, whole, file, err));
    if (scaling)
        json_incref(scaling);
    else if (parameters || json_object_get(config, "rope_scaling"))
        scaling = json_null();
    if (scaling) FG_CALL(fg_json_put(config, "rope_scaling", scaling, err));
    json_object_del(config, "rope_parameters");
    return FG_OK;
}

fg_status fg_rotary_settings_to_older(json_t *config, const char *file, fg_error *err) {
    return to_older(config, true, file, err);
}

fg_status fg_rotary_settings_resolve(json_t *config, const char *file, fg_error *err) {
    static const char key[] = "rope_parameters";
    json_t *parameters = json_object_get(config, key);
    if (!json_object_size(parameters) || per_layer_type(parameters)) return FG_OK;
    return resolve_type(parameters, key, true, file, err);
}

fg_status fg_rotary_settings_to_newer(json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    json_t *scaling = json_object_get(config, "rope_scaling"), *theta = json_object_get(config, "rope_theta"),
           *parameters = NULL;
    if (!scaling && !theta) return FG_OK;
    FG_TRY_NEW(parameters, json_is_object(scaling) ? fg_json_copy(scaling, err) : json_object());
    json_object_del(parameters, "type");
    if (!json_object_get(parameters, "rope_type"))
        FG_TRY(fg_json_put(parameters, "rope_type", json_string("default"), err));
    if (theta) FG_TRY(fg_json_put(parameters, "rope_theta", json_incref(theta), err));
    FG_TRY(fg_json_put(config, "rope_parameters", json_incref(parameters), err));
    json_object_del(config, "rope_scaling");
    json_object_del(config, "rope_theta");
done:
    json_decref(parameters);
    return status;
}

enum { DEPTH = 16 };

static fg_status spell(json_t *config, bool newer, const char *file, unsigned depth, fg_error *err) {
    json_t *value;
    if (depth == DEPTH) return FG_OK; /* coverage refuses what is nested like this */
    FG_CALL(to_older(config, false, file, err));
    if (newer) FG_CALL(fg_rotary_settings_to_newer(config, err));
    FG_JSON_MEMBERS(config, key, value) {
        bool rotary = strcmp(key, "rope_scaling") == 0 || strcmp(key, "rope_parameters") == 0;
        if (json_is_object(value) && !rotary) FG_CALL(spell(value, newer, file, depth + 1, err));
    }
    return FG_OK;
}

fg_status fg_rotary_settings_spell(json_t *config, bool newer, const char *file, fg_error *err) {
    return spell(config, newer, file, 0, err);
}

static bool has_newer(const json_t *config, unsigned depth) {
    json_t *value;
    FG_JSON_MEMBERS(config, key, value) {
        if (strcmp(key, "rope_parameters") == 0 && json_object_size(value)) return true;
        if (depth && has_newer(value, depth - 1)) return true;
    }
    return false;
}

bool fg_rotary_settings_are_newer(const json_t *config) {
    return has_newer(config, 2);
}

/* ---- names for messages ---- */

static bool has_member(const json_t *object, const char *key, const char *member) {
    return json_object_get(json_object_get(object, key), member) != NULL;
}

static bool stands_outside(const char *member) {
    return strcmp(member, "rope_theta") == 0 || strcmp(member, "partial_rotary_factor") == 0;
}

/* What the object `in` of the file calls `name`, followed by `rest` ("" or "/member"); `inside` is what is
 * put between the two. */
static const char *name_in_file(const json_t *in, const char *name, const char **rest, const char **inside) {
    bool older = json_object_get(in, "rope_scaling") != NULL,
         newer = json_object_get(in, "rope_parameters") != NULL;
    *inside = "";
    if (strcmp(name, "rope_parameters") == 0 && !newer) {
        if (**rest && stands_outside(*rest + 1)) {
            const char *member = *rest + 1;
            *rest = "";
            return member;
        }
        return older ? "rope_scaling" : name;
    }
    if (strcmp(name, "rope_scaling") == 0 && !older && newer) return "rope_parameters";
    if (stands_outside(name) && !json_object_get(in, name) && has_member(in, "rope_parameters", name)) {
        *inside = "rope_parameters/";
        return name;
    }
    return name;
}

const char *fg_rotary_settings_name(const json_t *config, const char *path, char *buffer, size_t size) {
    static const char *const names[] = {"rope_parameters", "rope_scaling", "rope_theta",
                                        "partial_rotary_factor"};
    const json_t *in = config;
    snprintf(buffer, size, "%s", path);
    for (const char *part = path; in && *part;) {
        size_t length = strcspn(part, "/");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strlen(names[i]) != length || strncmp(part, names[i], length) != 0) continue;
            const char *rest = part + length, *inside, *name = name_in_file(in, names[i], &rest, &inside);
            snprintf(buffer, size, "%.*s%s%s%s", (int)(part - path), path, inside, name, rest);
            return buffer;
        }
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)length, part);
        in = json_object_get(in, key);
        part += length + (part[length] == '/');
    }
    return buffer;
}
