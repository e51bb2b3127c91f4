#include "model/hyperparameters.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "language/expression.h"
#include "model/model.h"

enum { BRIEF = 160 };
static const uint64_t SIZE_LIMIT = 1 << 30, COUNT_LIMIT = 1 << 16;

/* ---- roles ---- */

typedef enum role_kind { SIZE, NUMBER, FLAG, WORD } role_kind;
typedef enum role_scope { OF_MODEL, OF_BLOCK } role_scope;

typedef struct role_row {
    const char *name;
    role_kind kind;
    role_scope scope;
    size_t offset;   /* in fg_hyperparameters */
    uint64_t least;  /* of a size */
    bool required;   /* an entry is */
    double fallback; /* without one; words: NULL */
} role_row;

#define ROLE(name, kind, scope, least, required, fallback)                                                   \
    { #name, kind, scope, offsetof(fg_hyperparameters, name), least, required, fallback }
/* In the order in which values may refer to each other. */
static const role_row roles[] = {
    ROLE(hidden, SIZE, OF_MODEL, 1, true, 0),
    ROLE(vocab, SIZE, OF_MODEL, 1, true, 0),
    ROLE(blocks, SIZE, OF_MODEL, 1, true, 0),
    ROLE(prediction_heads, SIZE, OF_MODEL, 1, false, 1),
    ROLE(embedding_scale, NUMBER, OF_MODEL, 0, false, 1),
    ROLE(logit_softcap, NUMBER, OF_MODEL, 0, false, 0),
    ROLE(final_epsilon, NUMBER, OF_MODEL, 0, true, 0),
    ROLE(tied, FLAG, OF_MODEL, 0, true, 0),
    ROLE(final_norm, WORD, OF_MODEL, 0, true, 0),
    ROLE(heads, SIZE, OF_BLOCK, 1, true, 0),
    ROLE(kv_heads, SIZE, OF_BLOCK, 1, true, 0),
    ROLE(head_size, SIZE, OF_BLOCK, 1, true, 0),
    ROLE(intermediate_size, SIZE, OF_BLOCK, 1, true, 0),
    ROLE(experts, SIZE, OF_BLOCK, 0, false, 0),
    ROLE(experts_per_token, SIZE, OF_BLOCK, 0, false, 0),
    ROLE(window, SIZE, OF_BLOCK, 0, false, 0),
    ROLE(epsilon, NUMBER, OF_BLOCK, 0, true, 0),
    ROLE(query_epsilon, NUMBER, OF_BLOCK, 0, false, 0),
    ROLE(key_epsilon, NUMBER, OF_BLOCK, 0, false, 0),
    ROLE(softmax_scale_power, NUMBER, OF_BLOCK, 0, false, 0.5),
    ROLE(causal, FLAG, OF_BLOCK, 0, false, 1),
    ROLE(gated, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(query_bias, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(key_bias, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(value_bias, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(output_bias, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(first_bias, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(down_bias, FLAG, OF_BLOCK, 0, false, 0),
    ROLE(norm, WORD, OF_BLOCK, 0, true, 0),
    ROLE(query_norm, WORD, OF_BLOCK, 0, false, 0),
    ROLE(key_norm, WORD, OF_BLOCK, 0, false, 0),
    ROLE(mixer, WORD, OF_BLOCK, 0, true, 0),
    ROLE(mlp, WORD, OF_BLOCK, 0, true, 0),
    ROLE(activation, WORD, OF_BLOCK, 0, true, 0),
};
#undef ROLE

bool fg_hyperparameters_is_role(const char *name) {
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(roles[i].name, name) == 0) return true;
    }
    return false;
}

static void *member(fg_hyperparameters *settings, const role_row *role) {
    return (char *)settings + role->offset;
}

static fg_status refuse(fg_error *err, const char *key, const json_t *value, const char *expected) {
    char brief[BRIEF];
    return fg_fail(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected %s", key,
                   fg_json_brief(value, brief, sizeof brief), expected);
}

static fg_status hint_at_none(fg_error *err) {
    return fg_hint(err, "the forward pass of the proof does not support this; --validate bytes "
                        "proves the conversion by its bytes");
}

static fg_status store(const role_row *role, const char *key, const json_t *value,
                       fg_hyperparameters *settings, fg_error *err) {
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
    }
    return FG_OK;
}

/* The value of a size role that was read before. */
static fg_status earlier(fg_hyperparameters *settings, const json_t *name, const role_row *before,
                         uint64_t *value, fg_error *err) {
    for (const role_row *r = roles; r < before && json_is_string(name); r++) {
        if (r->kind != SIZE || strcmp(r->name, json_string_value(name)) != 0) continue;
        *value = *(uint64_t *)member(settings, r);
        return FG_OK;
    }
    return refuse(err, before->name, name, "in models/: the name of a size above it");
}

/* A stand-in for an absent or null key. */
static fg_status substitute(const role_row *role, const char *key, const json_t *value,
                            fg_hyperparameters *settings, fg_error *err) {
    if (!json_is_object(value)) return store(role, key, value, settings, err);
    fg_status status = FG_OK;
    const json_t *same = json_object_get(value, "same_as"), *quotient = json_object_get(value, "quotient");
    uint64_t a = 0, b = 1;
    FG_TRY(earlier(settings, same ? same : json_array_get(quotient, 0), role, &a, err));
    if (!same) FG_TRY(earlier(settings, json_array_get(quotient, 1), role, &b, err));
    if (role->kind != SIZE)
        FG_TRY(refuse(err, role->name, value, "in models/: a value, since this is not a size"));
    if (!b || a % b || a / b < role->least)
        FG_FAIL(err, FG_ERR_INPUT,
                "config key \"%s\" is missing, and %" PRIu64 " / %" PRIu64 " is not a whole number", key, a,
                b);
    *(uint64_t *)member(settings, role) = a / b;
done:
    return status;
}

/* ---- entries ---- */

/* What an entry finds in a config. */
typedef struct found {
    const char *key;
    const json_t *value;    /* of the config, or of the entry itself; NULL: absent or null */
    const json_t *stand_in; /* then */
    bool null;
} found;

static const char *key_at(const json_t *keys, size_t i) {
    return json_string_value(json_is_array(keys) ? json_array_get(keys, i) : i == 0 ? keys : NULL);
}

static void look_up(const json_t *entry, const char *role, const json_t *config, found *f) {
    const json_t *keys = json_object_get(entry, "key"), *fixed = json_object_get(entry, "value");
    const char *key;
    *f = (found){.key = role, .value = fixed};
    for (size_t i = 0; !f->value && (key = key_at(keys, i)) != NULL; i++) {
        const json_t *value = fg_json_at(config, key);
        f->key = key;
        f->null = json_is_null(value) && !json_is_array(keys);
        if (value && !json_is_null(value)) f->value = value;
    }
    if (!f->value) f->stand_in = json_object_get(entry, f->null ? "null" : "absent");
}

/* The word that a value stands for. */
static fg_status through_words(const json_t *words, const char *key, const json_t **value, fg_error *err) {
    if (json_is_null(*value)) return FG_OK;
    const json_t *word = json_object_get(words, json_string_value(*value));
    const char *name;
    json_t *unused;
    char expected[BRIEF] = "one of", *end = expected + strlen(expected);
    if (word) {
        *value = word;
        return FG_OK;
    }
    json_object_foreach((json_t *)(uintptr_t)words, name, unused) {
        size_t room = (size_t)(expected + sizeof expected - end);
        int length = snprintf(end, room, " \"%s\"", name);
        if (length > 0 && (size_t)length < room) end += length;
    }
    *end = '\0';
    refuse(err, key, *value, expected);
    return hint_at_none(err);
}

/* A word: what the config says, or a stand-in, which may be an expression. */
static fg_status read_word(const json_t *entry, const char *role, const json_t *config, const char **word,
                           fg_error *err) {
    fg_status status = FG_OK;
    found f;
    json_t *evaluated = NULL;
    look_up(entry, role, config, &f);
    const json_t *value = f.value ? f.value : f.stand_in, *words = json_object_get(entry, "words");
    if (!value) FG_TRY(refuse(err, f.key, f.null ? json_null() : NULL, "a value"));
    if (!f.value && fg_expression_is(value)) {
        FG_TRY(fg_expression_value(value, &(fg_scope){.here = config}, "models/", &evaluated, err));
        value = evaluated;
    }
    if (words) FG_TRY(through_words(words, f.key, &value, err));
    if (!json_is_string(value) && !json_is_null(value)) FG_TRY(refuse(err, f.key, value, "a string"));
    if (value == evaluated && !json_is_null(value))
        FG_TRY(refuse(err, f.key, value, "in models/: names for it"));
    *word = json_string_value(value);
done:
    json_decref(evaluated);
    return status;
}

static fg_status read_role(const role_row *role, const fg_hyperparameters_source *source,
                           fg_hyperparameters *settings, fg_error *err) {
    const json_t *entry = json_object_get(json_object_get(source->declared, "config"), role->name);
    if (!entry) entry = json_object_get(source->common, role->name);
    if (!entry && role->required)
        return fg_fail(err, FG_ERR_INPUT, "models/: no config entry \"%s\"", role->name);
    if (!entry) {
        if (role->kind == SIZE) *(uint64_t *)member(settings, role) = (uint64_t)role->fallback;
        if (role->kind == NUMBER) *(double *)member(settings, role) = role->fallback;
        if (role->kind == FLAG) *(bool *)member(settings, role) = role->fallback != 0;
        return FG_OK;
    }
    if (role->kind == WORD) return read_word(entry, role->name, source->config, member(settings, role), err);
    found f;
    look_up(entry, role->name, source->config, &f);
    if (!f.value && !f.stand_in) return refuse(err, f.key, f.null ? json_null() : NULL, "a value");
    if (!f.value) return substitute(role, f.key, f.stand_in, settings, err);
    if (role->kind == SIZE && json_is_integer(f.value) && json_integer_value(f.value) == 0)
        return refuse(err, f.key, f.value, "an integer from 1 to 1073741824");
    return store(role, f.key, f.value, settings, err);
}

static fg_status read_roles(const fg_hyperparameters_source *source, role_scope scope,
                            fg_hyperparameters *settings, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (roles[i].scope == scope) FG_TRY(read_role(&roles[i], source, settings, err));
    }
done:
    return status;
}

fg_status fg_hyperparameters_kind_name(const json_t *entry, const char *role, const json_t *config,
                                       const char **word, fg_error *err) {
    fg_status status = read_word(entry, role, config, word, err);
    return status == FG_OK && !*word ? refuse(err, role, NULL, "a kind's name") : status;
}

/* ---- rotary ---- */

static const char *const number_names[FG_ROTARY_NUMBERS] = {
    [FG_ROTARY_THETA] = "theta",
    [FG_ROTARY_FACTOR] = "factor",
    [FG_ROTARY_LOW] = "low",
    [FG_ROTARY_HIGH] = "high",
    [FG_ROTARY_ORIGINAL] = "original",
    [FG_ROTARY_ATTENTION_FACTOR] = "attention_factor",
    [FG_ROTARY_BETA_FAST] = "beta_fast",
    [FG_ROTARY_BETA_SLOW] = "beta_slow",
};

static fg_status read_number(const fg_hyperparameters_source *source, const json_t *object, const char *name,
                             double above, double *number, fg_error *err) {
    const json_t *entry =
        json_object_get(json_object_get(json_object_get(source->declared, "rotary"), "numbers"), name);
    const char *outside = json_string_value(json_object_get(entry, "outside"));
    const json_t *outer = outside ? fg_json_at(source->config, outside) : NULL;
    if (!entry) return fg_fail(err, FG_ERR_INPUT, "models/: no rotary number \"%s\"", name);
    found f;
    look_up(entry, name, object, &f);
    bool yields = json_is_true(json_object_get(entry, "yields"));
    if (f.value && outer && !json_is_null(outer) && !yields && !fg_json_equal(f.value, outer))
        return refuse(err, outside, outer, "the same number as in the object of rotary embeddings");
    const json_t *value = f.value ? f.value : outer ? outer : f.stand_in;
    const char *key = !f.value && outer ? outside : f.key;
    if (value == f.stand_in &&
        json_is_number(value)) { /* may be a word of models/, like 0 for a rule of its own */
        *number = json_number_value(value);
        return FG_OK;
    }
    if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) <= above)
        return refuse(err, key, value, above > 0 ? "a number above the lower bound" : "a number above 0");
    *number = json_number_value(value);
    return FG_OK;
}

static fg_status read_rotary_object(const fg_hyperparameters_source *source, const json_t *object,
                                    const char **type, fg_rotary_settings *rotary, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *declared = json_object_get(source->declared, "rotary");
    FG_TRY(fg_hyperparameters_kind_name(json_object_get(declared, "type"), "rotary type", object, type, err));
    const fg_rotary_kind *word = fg_rotary_find(*type);
    if (!word)
        FG_FAIL(err, FG_ERR_INPUT, "models/: rotary type \"%s\" is not supported by the forward pass", *type);
    for (int n = 0; n < FG_ROTARY_NUMBERS; n++) {
        double above = n == FG_ROTARY_HIGH ? rotary->number[FG_ROTARY_LOW] : 0;
        if (word->numbers >> n & 1)
            FG_TRY(read_number(source, object, number_names[n], above, &rotary->number[n], err));
    }
done:
    return status;
}

/* An object that says something; NULL for null, absent and {}. */
static fg_status object_at(const json_t *config, const char *key, const json_t **object, fg_error *err) {
    *object = fg_json_at(config, key);
    if (!*object || json_is_null(*object))
        *object = NULL;
    else if (!json_is_object(*object))
        return refuse(err, key, *object, "an object or null");
    else if (!json_object_size(*object))
        *object = NULL;
    return FG_OK;
}

static bool same_numbers(const fg_rotary_settings *a, const fg_rotary_settings *b) {
    for (int n = 0; n < FG_ROTARY_NUMBERS; n++) {
        if (a->number[n] != b->number[n]) return false;
    }
    return true;
}

static fg_status read_rotary(const fg_hyperparameters_source *source, fg_hyperparameters *settings,
                             fg_error *err) {
    fg_status status = FG_OK;
    const json_t *objects = json_object_get(json_object_get(source->declared, "rotary"), "objects"), *object;
    const char *key, *type;
    bool described = false;
    for (size_t i = 0; (key = key_at(objects, i)) != NULL; i++) {
        fg_rotary_settings other = {{0}};
        FG_TRY(object_at(source->config, key, &object, err));
        if (!object) continue;
        FG_TRY(read_rotary_object(source, object, &type, &other, err));
        if (described &&
            !(strcmp(type, settings->rotary_type) == 0 && same_numbers(&other, &settings->rotary)))
            FG_FAIL(err, FG_ERR_INPUT, "the config gives the rotary embeddings twice with different values");
        settings->rotary_type = type;
        settings->rotary = other;
        described = true;
    }
    if (!described) FG_TRY(read_rotary_object(source, NULL, &settings->rotary_type, &settings->rotary, err));
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

static fg_status check_demands(const fg_hyperparameters_source *source, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(check_only(json_object_get(source->declared, "only"), source->config, err));
    FG_TRY(check_only_if(json_object_get(source->declared, "only_if"), source->config, err));
done:
    return status;
}

static fg_status check_epsilon(double epsilon, fg_error *err) {
    if (epsilon >= 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config: the norms' epsilon is negative: %g", epsilon);
}

static fg_status check_count(uint64_t count, const char *what, fg_error *err) {
    if (count <= COUNT_LIMIT) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config: %" PRIu64 " %s; more than 65536 are not supported", count,
                   what);
}

static fg_status check_block_sizes(const fg_hyperparameters *s, fg_error *err) {
    fg_status status = FG_OK;
    if (s->heads % s->kv_heads)
        FG_FAIL(err, FG_ERR_INPUT,
                "config: %" PRIu64 " attention heads cannot share %" PRIu64 " key-value heads evenly",
                s->heads, s->kv_heads);
    if (s->head_size % 2)
        FG_FAIL(err, FG_ERR_INPUT, "config: head size %" PRIu64 " is odd, but rotary embeddings rotate pairs",
                s->head_size);
    if (s->experts_per_token > s->experts)
        FG_FAIL(err, FG_ERR_INPUT, "config: %" PRIu64 " experts per token, of %" PRIu64 " experts",
                s->experts_per_token, s->experts);
    if (s->window && !s->causal)
        FG_FAIL(err, FG_ERR_INPUT, "config: a window of %" PRIu64 " in attention that is not causal",
                s->window);
    FG_TRY(check_count(s->experts, "experts", err));
    FG_TRY(check_epsilon(s->epsilon, err));
    FG_TRY(check_epsilon(s->query_epsilon, err));
    FG_TRY(check_epsilon(s->key_epsilon, err));
done:
    return status;
}

/* ---- the whole ---- */

fg_hyperparameters_source fg_hyperparameters_source_of(const json_t *spec, const char *format,
                                                       const json_t *config) {
    return (fg_hyperparameters_source){.declared = json_object_get(json_object_get(spec, "formats"), format),
                                       .common = json_object_get(spec, "config"),
                                       .config = config};
}

fg_status fg_hyperparameters_read_model(const fg_hyperparameters_source *source, fg_hyperparameters *result,
                                        fg_error *err) {
    fg_status status = FG_OK;
    memset(result, 0, sizeof *result);
    FG_TRY(check_demands(source, err));
    FG_TRY(read_roles(source, OF_MODEL, result, err));
    FG_TRY(check_count(result->blocks, "blocks", err));
    FG_TRY(check_count(result->prediction_heads, "prediction heads", err));
    FG_TRY(check_epsilon(result->final_epsilon, err));
    if (result->logit_softcap < 0)
        FG_FAIL(err, FG_ERR_INPUT, "config: the logit soft cap is negative: %g", result->logit_softcap);
done:
    return status;
}

fg_status fg_hyperparameters_read_block(const fg_hyperparameters_source *source, bool demands,
                                        fg_hyperparameters *result, fg_error *err) {
    fg_status status = FG_OK;
    if (demands) FG_TRY(check_demands(source, err));
    FG_TRY(read_roles(source, OF_BLOCK, result, err));
    FG_TRY(read_rotary(source, result, err));
    FG_TRY(check_block_sizes(result, err));
done:
    return status;
}
