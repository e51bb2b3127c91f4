#include "model/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "convert/expression.h"

enum { BRIEF = 120 };
static const uint64_t SIZE_LIMIT = 1 << 30, BLOCK_LIMIT = 1 << 16;

/* ---- roles ---- */

typedef enum role_kind { SIZE, NUMBER, FLAG, WORD } role_kind;

typedef struct role_row {
    const char *name;
    role_kind kind;
    size_t offset; /* in fg_settings */
    uint64_t least;
} role_row;

#define ROLE(name, kind, least)                                                                              \
    { #name, kind, offsetof(fg_settings, name), least }
/* In the order in which values may refer to each other. */
static const role_row roles[] = {
    ROLE(hidden, SIZE, 1),    ROLE(vocab, SIZE, 1),     ROLE(blocks, SIZE, 1),     ROLE(heads, SIZE, 1),
    ROLE(kv_heads, SIZE, 1),  ROLE(head_size, SIZE, 1), ROLE(inner, SIZE, 1),      ROLE(window, SIZE, 0),
    ROLE(epsilon, NUMBER, 0), ROLE(tied, FLAG, 0),      ROLE(activation, WORD, 0),
};
#undef ROLE

static void *member(fg_settings *settings, const role_row *role) {
    return (char *)settings + role->offset;
}

static fg_status refuse(fg_error *err, const char *key, const json_t *value, const char *expected) {
    char brief[BRIEF];
    return fg_fail(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected %s", key,
                   fg_json_brief(value, brief, sizeof brief), expected);
}

static fg_status store(const role_row *role, const char *key, const json_t *value, fg_settings *settings,
                       fg_error *err) {
    void *target = member(settings, role);
    if (role->kind == SIZE) {
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0 || (uint64_t)number < role->least ||
            (uint64_t)number > SIZE_LIMIT)
            return refuse(err, key, value, "an integer from 1 to 1073741824");
        *(uint64_t *)target = (uint64_t)number;
    } else if (role->kind == NUMBER) {
        if (!json_is_number(value) || !isfinite(json_number_value(value)))
            return refuse(err, key, value, "a number");
        *(double *)target = json_number_value(value);
    } else if (role->kind == FLAG) {
        if (!json_is_boolean(value)) return refuse(err, key, value, "true or false");
        *(bool *)target = json_is_true(value);
    } else {
        if (!json_is_string(value)) return refuse(err, key, value, "a string");
        *(const char **)target = json_string_value(value);
    }
    return FG_OK;
}

/* The value of a size role that was read before. */
static fg_status earlier(fg_settings *settings, const json_t *name, const role_row *before, uint64_t *value,
                         fg_error *err) {
    for (const role_row *r = roles; r < before && json_is_string(name); r++) {
        if (r->kind != SIZE || strcmp(r->name, json_string_value(name)) != 0) continue;
        *value = *(uint64_t *)member(settings, r);
        return FG_OK;
    }
    return refuse(err, before->name, name, "in models/: the name of a size above it");
}

/* A stand-in for an absent or null key. */
static fg_status substitute(const role_row *role, const char *key, const json_t *value, fg_settings *settings,
                            fg_error *err) {
    if (!json_is_object(value)) return store(role, key, value, settings, err);
    fg_status status = FG_OK;
    const json_t *same = json_object_get(value, "same_as"), *quotient = json_object_get(value, "quotient");
    uint64_t a = 0, b = 1;
    FG_TRY(earlier(settings, same ? same : json_array_get(quotient, 0), role, &a, err));
    if (!same) FG_TRY(earlier(settings, json_array_get(quotient, 1), role, &b, err));
    if (role->kind != SIZE)
        FG_TRY(refuse(err, role->name, value, "in models/: a value, since this is not a size"));
    if (!b || a % b || a / b < role->least)
        FG_TRY(fg_fail(err, FG_ERR_INPUT,
                       "config key \"%s\" is left out, and %" PRIu64 " / %" PRIu64 " is not a whole number",
                       key, a, b));
    *(uint64_t *)member(settings, role) = a / b;
done:
    return status;
}

static fg_status read_role(const role_row *role, const json_t *declared, const json_t *config,
                           fg_settings *settings, fg_error *err) {
    const json_t *entry = json_object_get(declared, role->name);
    if (!entry) {
        if (!role->least && role->kind == SIZE) return FG_OK;
        return fg_fail(err, FG_ERR_INPUT, "models/: no config entry \"%s\"", role->name);
    }
    const char *key = json_string_value(json_object_get(entry, "key"));
    const json_t *value = key ? fg_json_at(config, key) : NULL;
    const json_t *absent = json_object_get(entry, "absent"), *null = json_object_get(entry, "null");
    if (!key) key = role->name;
    if (value && !json_is_null(value)) {
        if (role->kind == SIZE && json_is_integer(value) && json_integer_value(value) == 0)
            return refuse(err, key, value, "an integer from 1 to 1073741824");
        return store(role, key, value, settings, err);
    }
    const json_t *stand_in = value ? null : absent;
    if (!stand_in) return refuse(err, key, value, "a value");
    return substitute(role, key, stand_in, settings, err);
}

/* ---- rotary ---- */

static fg_status read_number(const json_t *object, const char *key, double above, double *number,
                             fg_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) <= above)
        return refuse(err, key, value, above > 0 ? "a number above the lower bound" : "a number above 0");
    *number = json_number_value(value);
    return FG_OK;
}

static fg_status read_llama3(const json_t *object, fg_rotary_settings *rotary, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(read_number(object, "factor", 0, &rotary->factor, err));
    FG_TRY(read_number(object, "low_freq_factor", 0, &rotary->low, err));
    FG_TRY(read_number(object, "high_freq_factor", rotary->low, &rotary->high, err));
    FG_TRY(read_number(object, "original_max_position_embeddings", 0, &rotary->original, err));
done:
    return status;
}

/* An object that says something; NULL for null, absent and {}. */
static fg_status object_at(const json_t *config, const char *key, const json_t **object, fg_error *err) {
    *object = key ? fg_json_at(config, key) : NULL;
    if (!*object || json_is_null(*object))
        *object = NULL;
    else if (!json_is_object(*object))
        return refuse(err, key, *object, "an object or null");
    else if (!json_object_size(*object))
        *object = NULL;
    return FG_OK;
}

/* theta stands beside `scaling` (older spelling), inside `parameters` (newer), or at both places. */
static fg_status read_theta(const json_t *declared, const json_t *config, const json_t *inside, double *theta,
                            fg_error *err) {
    const char *key = json_string_value(json_object_get(declared, "theta"));
    const json_t *outer = key ? fg_json_at(config, key) : NULL,
                 *inner = json_object_get(inside, "rope_theta");
    if (json_is_null(outer) && inner) outer = NULL;
    if (outer && inner && !fg_json_equal(outer, inner))
        return refuse(err, key, outer, "the same number as rope_theta in the object");
    const json_t *value = inner ? inner : outer;
    if (!value) value = json_object_get(declared, "default_theta");
    if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) <= 0)
        return refuse(err, key ? key : "rope_theta", value, "a number above 0");
    *theta = json_number_value(value);
    return FG_OK;
}

static fg_status read_type(const json_t *object, const json_t *words, const char **type, fg_error *err) {
    const json_t *value = json_object_get(object, "rope_type");
    if (!value) value = json_object_get(object, "type");
    *type = "default";
    if (!value || json_is_null(value)) return FG_OK;
    size_t i;
    const json_t *word;
    json_array_foreach((json_t *)(uintptr_t)words, i, word) {
        if (!json_equal(word, value)) continue;
        *type = json_string_value(word);
        return FG_OK;
    }
    char brief[BRIEF];
    return refuse(err, "rope_type", value, fg_json_brief(words, brief, sizeof brief));
}

static fg_status read_rotary(const json_t *declared, const json_t *config, fg_settings *settings,
                             fg_error *err) {
    fg_status status = FG_OK;
    const json_t *scaling = NULL, *parameters = NULL, *types = json_object_get(declared, "types");
    const char *newer_type = NULL;
    fg_rotary_settings *rotary = &settings->rotary, newer = {0};
    FG_TRY(object_at(config, json_string_value(json_object_get(declared, "scaling")), &scaling, err));
    FG_TRY(object_at(config, json_string_value(json_object_get(declared, "parameters")), &parameters, err));
    FG_TRY(read_theta(declared, config, parameters ? parameters : scaling, &rotary->theta, err));
    FG_TRY(read_type(scaling ? scaling : parameters, types, &settings->rotary_type, err));
    bool llama3 = strcmp(settings->rotary_type, "llama3") == 0;
    if (llama3) FG_TRY(read_llama3(scaling ? scaling : parameters, rotary, err));
    if (!scaling || !parameters) goto done;
    newer.theta = rotary->theta;
    FG_TRY(read_type(parameters, types, &newer_type, err));
    bool same = strcmp(newer_type, settings->rotary_type) == 0;
    if (same && llama3) FG_TRY(read_llama3(parameters, &newer, err));
    if (!same || newer.factor != rotary->factor || newer.low != rotary->low || newer.high != rotary->high ||
        newer.original != rotary->original)
        FG_TRY(fg_fail(err, FG_ERR_INPUT,
                       "the config describes rotary embeddings twice, and the two descriptions differ"));
done:
    return status;
}

/* ---- demands ---- */

static bool listed(const json_t *accepted, const json_t *value) {
    size_t i;
    const json_t *one;
    json_array_foreach((json_t *)(uintptr_t)accepted, i, one) {
        if (fg_json_equal(one, value)) return true;
    }
    return false;
}

static fg_status hint_at_none(fg_error *err) {
    return fg_hint(err, "the forward pass that proves a conversion does not know this; --validate none "
                        "goes without the proof");
}

static fg_status check_only(const json_t *only, const json_t *config, fg_error *err) {
    const char *key;
    json_t *accepted;
    json_object_foreach((json_t *)(uintptr_t)only, key, accepted) {
        const json_t *value = fg_json_at(config, key);
        bool good = !value || listed(accepted, value);
        if (!good && json_is_array(value)) {
            good = true;
            for (size_t i = 0; i < json_array_size(value); i++)
                good = good && listed(accepted, json_array_get(value, i));
        }
        char brief[BRIEF];
        if (good) continue;
        refuse(err, key, value, fg_json_brief(accepted, brief, sizeof brief));
        return hint_at_none(err);
    }
    return FG_OK;
}

/* Conditions that tie several keys together. */
static fg_status check_only_if(const json_t *only_if, const json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    json_t *value = NULL, *reason;
    const char *condition;
    json_object_foreach((json_t *)(uintptr_t)only_if, condition, reason) {
        FG_TRY(fg_expression_parse(&expression, condition, "models/: only_if", err));
        FG_TRY(fg_expression_evaluate(expression, &(fg_scope){.here = config}, &value, err));
        if (!fg_expression_truth(value)) {
            fg_fail(err, FG_ERR_INPUT, "config: %s",
                    json_is_string(reason) ? json_string_value(reason) : condition);
            FG_TRY(hint_at_none(err));
        }
        json_decref(value);
        value = NULL;
        fg_expression_free(&expression);
    }
done:
    json_decref(value);
    fg_expression_free(&expression);
    return status;
}

static fg_status check_sizes(const fg_settings *s, fg_error *err) {
    if (s->heads % s->kv_heads)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: %" PRIu64 " attention heads cannot share %" PRIu64 " key-value heads evenly",
                       s->heads, s->kv_heads);
    if (s->head_size % 2)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: head size %" PRIu64 " is odd; rotary embeddings turn pairs", s->head_size);
    if (s->blocks > BLOCK_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "config: %" PRIu64 " blocks; more than 65536 are not supported",
                       s->blocks);
    if (s->epsilon < 0)
        return fg_fail(err, FG_ERR_INPUT, "config: the norms' epsilon is negative: %g", s->epsilon);
    return FG_OK;
}

fg_status fg_settings_read(const json_t *settings, const json_t *config, fg_settings *result, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *declared = json_object_get(settings, "config");
    memset(result, 0, sizeof *result);
    FG_TRY(check_only(json_object_get(settings, "only"), config, err));
    FG_TRY(check_only_if(json_object_get(settings, "only_if"), config, err));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        FG_TRY(read_role(&roles[i], declared, config, result, err));
    FG_TRY(read_rotary(json_object_get(settings, "rotary"), config, result, err));
    FG_TRY(check_sizes(result, err));
done:
    return status;
}
