#include "translate/layer_overrides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"

enum { BRIEF = 120 };

typedef struct overrides {
    json_t *config;
    const json_t *rule, *defaults;
    const char *file, *key, *type;
    const json_t *given; /* by layer */
    const json_t *types; /* of the layers */
} overrides;

static const char *text_of(const json_t *rule, const char *member) {
    const char *text = json_string_value(json_object_get(rule, member));
    return text ? text : "";
}

/* What a key of the configuration means. */
static const json_t *value_of(const overrides *o, const char *key) {
    const json_t *found = json_object_get(o->config, key);
    return found ? found : json_object_get(o->defaults, key);
}

/* ---- layers ---- */

/* "5" and "05" are layer 5; the number of layers if the text names no layer. */
static size_t layer_of(const overrides *o, const char *text) {
    size_t count = json_array_size(o->types);
    char *end;
    if (*text < '0' || *text > '9') return count;
    unsigned long long layer = strtoull(text, &end, 10);
    return *end || layer >= count ? count : (size_t)layer;
}

static const json_t *override_of(const overrides *o, size_t layer) {
    json_t *value;
    FG_JSON_MEMBERS(o->given, text, value) {
        if (layer_of(o, text) == layer) return value;
    }
    return NULL;
}

static bool is_of_type(const overrides *o, size_t layer) {
    const char *type = json_string_value(json_array_get(o->types, layer));
    return type && strcmp(type, o->type) == 0;
}

/* ---- checks ---- */

static fg_status refuse(const overrides *o, const char *layer, const char *name, const json_t *value,
                        const char *why, fg_error *err) {
    char brief[BRIEF];
    fg_fail(err, FG_ERR_INPUT, "%s: key \"%s/%s%s%s\" = %s: %s", o->file, o->key, layer, name ? "/" : "",
            name ? name : "", fg_json_brief(value, brief, sizeof brief), why);
    return fg_hint(err, "this family has one value for all layers of type %s", o->type);
}

/* Layers of the type may override the names of the rule; others may only repeat what holds anyway. */
static fg_status check_layer(const overrides *o, const char *layer, const json_t *override, fg_error *err) {
    json_t *value;
    bool of_type = is_of_type(o, layer_of(o, layer));
    FG_JSON_MEMBERS(override, name, value) {
        bool known = json_object_get(json_object_get(o->rule, "keys"), name) != NULL;
        if ((of_type && known) || fg_json_equal(value, value_of(o, name))) continue;
        FG_CALL(refuse(
            o, layer, name, value,
            of_type ? "no layer may have a value of its own" : "a layer of another type overrides it", err));
    }
    return FG_OK;
}

static fg_status check_layers(const overrides *o, fg_error *err) {
    json_t *override;
    FG_JSON_MEMBERS(o->given, layer, override) {
        size_t number = layer_of(o, layer);
        if (number == json_array_size(o->types))
            FG_CALL(refuse(o, layer, NULL, override, "there is no such layer", err));
        if (!json_is_object(override)) FG_CALL(refuse(o, layer, NULL, override, "expected an object", err));
        if (override_of(o, number) != override)
            FG_CALL(refuse(o, layer, NULL, override, "the layer is given twice", err));
        FG_CALL(check_layer(o, layer, override, err));
    }
    return FG_OK;
}

/* ---- moving ---- */

/* What the layers of the type have for a name; NULL if none overrides it. They must agree. */
static fg_status common_value(const overrides *o, const char *name, const json_t **common, fg_error *err) {
    const json_t *first = NULL;
    bool overridden = false;
    char number[24];
    for (size_t i = 0; i < json_array_size(o->types); i++) {
        if (!is_of_type(o, i)) continue;
        const json_t *own = json_object_get(override_of(o, i), name), *value = own ? own : value_of(o, name);
        overridden |= own != NULL;
        if (!first) first = value;
        snprintf(number, sizeof number, "%zu", i);
        if (!fg_json_equal(first, value))
            FG_CALL(refuse(o, number, name, value, "another layer of its type has another value", err));
    }
    *common = overridden ? first : NULL;
    return FG_OK;
}

static fg_status move(const overrides *o, const char *name, const json_t *target, fg_error *err) {
    const json_t *common, *base = value_of(o, name);
    const char *key = json_is_string(target) ? json_string_value(target) : text_of(target, "key");
    const json_t *given = json_object_get(o->config, key), *assumed = json_object_get(o->defaults, key);
    char why[BRIEF * 2], brief[BRIEF];
    const char *condition = json_string_value(json_object_get(target, "if"));
    const fg_scope scope = {.here = o->config, .root = o->config};
    bool counts = true; /* whether the family's key does, in this configuration */
    FG_CALL(common_value(o, name, &common, err));
    if (condition) FG_CALL(fg_expression_holds(condition, &scope, o->key, &counts, err));
    if (common && !counts && !fg_json_equal(common, base))
        FG_CALL(refuse(o, "*", name, common, "it has no effect in this configuration", err));
    bool is_given = given && !json_is_null(given), is_assumed = assumed && !json_is_null(assumed);
    if (!common && !is_given && !is_assumed) return FG_OK; /* absent means what all layers have */
    if (!common) common = base;
    if (is_given && !fg_json_equal(given, common)) {
        snprintf(why, sizeof why, "but \"%s\", its older name, is %s", key,
                 fg_json_brief(given, brief, sizeof brief));
        FG_CALL(refuse(o, "*", name, common, why, err));
    }
    return fg_json_put(o->config, key, fg_json_deep_copy(common, err), err);
}

fg_status fg_layer_overrides_resolve(json_t *config, const json_t *rule, const json_t *defaults,
                                     const char *file, fg_error *err) {
    overrides o = {.config = config, .rule = rule, .defaults = defaults, .file = file};
    json_t *target;
    char brief[BRIEF];
    o.key = text_of(rule, "key");
    o.type = text_of(rule, "type");
    o.given = json_object_get(config, o.key);
    o.types = json_object_get(config, text_of(rule, "types"));
    if (!o.given) return FG_OK;
    if (!json_is_object(o.given) && !json_is_null(o.given))
        return fg_fail(err, FG_ERR_INPUT, "%s: key \"%s\" = %s: expected an object", file, o.key,
                       fg_json_brief(o.given, brief, sizeof brief));
    FG_CALL(check_layers(&o, err));
    FG_JSON_MEMBERS(json_object_get(rule, "keys"), name, target) FG_CALL(move(&o, name, target, err));
    json_object_del(config, o.key);
    return FG_OK;
}
