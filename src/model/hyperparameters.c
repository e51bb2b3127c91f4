#include "model/hyperparameters.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "language/expression.h"

enum { BRIEF = 160 };
static const uint64_t SIZE_LIMIT = 1 << 30, COUNT_LIMIT = 1 << 16;

fg_status fg_config_refuse(fg_error *err, const char *key, const json_t *value, const char *expected) {
    char brief[BRIEF];
    return fg_fail(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected %s", key,
                   fg_json_brief(value, brief, sizeof brief), expected);
}

static fg_status hint_at_none(fg_error *err) {
    return fg_hint(err, "the forward pass of the proof does not support this; --validate bytes "
                        "proves the conversion by its bytes");
}

/* ---- values ---- */

static void *member(const fg_hyperparameters *settings, const fg_hyperparameter *row) {
    return (char *)settings->values + row->offset;
}

static void store_number(const fg_hyperparameters *settings, const fg_hyperparameter *row, double number) {
    void *target = member(settings, row);
    if (row->type == FG_HYPERPARAMETER_SIZE) *(uint64_t *)target = (uint64_t)number;
    if (row->type == FG_HYPERPARAMETER_NUMBER) *(double *)target = number;
    if (row->type == FG_HYPERPARAMETER_FLAG) *(bool *)target = number != 0;
}

static fg_status store(const fg_hyperparameters *settings, const fg_hyperparameter *row, const char *key,
                       const json_t *value, fg_error *err) {
    if (row->type == FG_HYPERPARAMETER_SIZE) {
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < 0 || (uint64_t)number < row->least ||
            (uint64_t)number > SIZE_LIMIT)
            return fg_config_refuse(err, key, value, "an integer from 1 to 1073741824");
    } else if (row->type == FG_HYPERPARAMETER_NUMBER) {
        if (!json_is_number(value) || !isfinite(json_number_value(value)))
            return fg_config_refuse(err, key, value, "a number");
    } else if (!json_is_boolean(value)) {
        return fg_config_refuse(err, key, value, "true or false");
    }
    store_number(settings, row, json_is_boolean(value) ? json_is_true(value) : json_number_value(value));
    return FG_OK;
}

/* The value of a size that was read before: of all outer rows, and the first `count` here. */
static bool find_earlier(const fg_hyperparameters *settings, size_t count, const char *name,
                         uint64_t *value) {
    for (size_t i = 0; i < count; i++) {
        const fg_hyperparameter *row = &settings->rows[i];
        if (row->type != FG_HYPERPARAMETER_SIZE || strcmp(row->name, name) != 0) continue;
        *value = *(uint64_t *)member(settings, row);
        return true;
    }
    return settings->outer && find_earlier(settings->outer, settings->outer->count, name, value);
}

static fg_status earlier(const fg_hyperparameters *settings, const fg_hyperparameter *before,
                         const json_t *name, uint64_t *value, fg_error *err) {
    size_t count = (size_t)(before - settings->rows);
    if (json_is_string(name) && find_earlier(settings, count, json_string_value(name), value)) return FG_OK;
    return fg_config_refuse(err, before->name, name, "in models/: the name of a size above it");
}

/* A stand-in for an absent or null key. */
static fg_status substitute(const fg_hyperparameters *settings, const fg_hyperparameter *row, const char *key,
                            const json_t *value, fg_error *err) {
    if (!json_is_object(value)) return store(settings, row, key, value, err);
    const json_t *same = json_object_get(value, "same_as"), *quotient = json_object_get(value, "quotient");
    uint64_t a = 0, b = 1;
    FG_CALL(earlier(settings, row, same ? same : json_array_get(quotient, 0), &a, err));
    if (!same) FG_CALL(earlier(settings, row, json_array_get(quotient, 1), &b, err));
    if (row->type != FG_HYPERPARAMETER_SIZE)
        FG_CALL(fg_config_refuse(err, row->name, value, "in models/: a value, since this is not a size"));
    if (!b || a % b || a / b < row->least)
        return fg_fail(err, FG_ERR_INPUT,
                       "config key \"%s\" is missing, and %" PRIu64 " / %" PRIu64 " is not a whole number",
                       key, a, b);
    *(uint64_t *)member(settings, row) = a / b;
    return FG_OK;
}

/* ---- entries ---- */

const char *fg_config_key_at(const json_t *keys, size_t i) {
    return json_string_value(json_is_array(keys) ? json_array_get(keys, i) : i == 0 ? keys : NULL);
}

fg_config_entry fg_config_entry_find(const json_t *entry, const char *role, const json_t *config) {
    const json_t *keys = json_object_get(entry, "key"), *fixed = json_object_get(entry, "value");
    const char *key;
    fg_config_entry f = {.key = role, .value = fixed};
    for (size_t i = 0; !f.value && (key = fg_config_key_at(keys, i)) != NULL; i++) {
        const json_t *value = fg_json_at(config, key);
        f.key = key;
        f.null = json_is_null(value) && !json_is_array(keys);
        if (value && !json_is_null(value)) f.value = value;
    }
    if (!f.value) f.stand_in = json_object_get(entry, f.null ? "null" : "absent");
    return f;
}

/* The word that a value stands for. */
static fg_status through_words(const json_t *words, const char *key, const json_t **value, fg_error *err) {
    if (json_is_null(*value)) return FG_OK;
    const json_t *word = json_object_get(words, json_string_value(*value));
    json_t *unused;
    char expected[BRIEF] = "one of", *end = expected + strlen(expected);
    if (word) {
        *value = word;
        return FG_OK;
    }
    FG_JSON_MEMBERS(words, name, unused) {
        size_t room = (size_t)(expected + sizeof expected - end);
        int length = snprintf(end, room, " \"%s\"", name);
        if (length > 0 && (size_t)length < room) end += length;
    }
    *end = '\0';
    fg_config_refuse(err, key, *value, expected);
    return hint_at_none(err);
}

/* A word: what the config says, or a stand-in, which may be an expression. */
static fg_status read_word(const json_t *entry, const char *role, const json_t *config, const char **word,
                           fg_error *err) {
    fg_status status = FG_OK;
    json_t *evaluated = NULL;
    const fg_config_entry f = fg_config_entry_find(entry, role, config);
    const json_t *value = f.value ? f.value : f.stand_in, *words = json_object_get(entry, "words");
    if (!value) FG_TRY(fg_config_refuse(err, f.key, f.null ? json_null() : NULL, "a value"));
    if (!f.value && fg_expression_is(value)) {
        FG_TRY(fg_expression_value(value, &(fg_scope){.here = config}, "models/", &evaluated, err));
        value = evaluated;
    }
    if (words) FG_TRY(through_words(words, f.key, &value, err));
    if (!json_is_string(value) && !json_is_null(value))
        FG_TRY(fg_config_refuse(err, f.key, value, "a string"));
    if (value == evaluated && !json_is_null(value))
        FG_TRY(fg_config_refuse(err, f.key, value, "in models/: names for it"));
    *word = json_string_value(value);
done:
    json_decref(evaluated);
    return status;
}

static fg_status read_kind(const fg_hyperparameters *settings, const fg_hyperparameter *row,
                           const json_t *entry, const json_t *config, fg_error *err) {
    const char *word;
    fg_status status = read_word(entry, row->name, config, &word, err);
    const void *kind = status == FG_OK && word ? row->find(word) : NULL;
    if (status != FG_OK) return status;
    if (!kind && (word || row->required))
        return fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": \"%s\" is not supported by the forward pass",
                       row->name, word ? word : "");
    memcpy(member(settings, row), &kind, sizeof kind);
    return FG_OK;
}

static fg_status read_row(const fg_hyperparameters *settings, const fg_hyperparameter *row,
                          const fg_hyperparameters_source *source, fg_error *err) {
    const json_t *entry = json_object_get(json_object_get(source->declared, "config"), row->name);
    if (!entry) entry = json_object_get(source->common, row->name);
    if (!entry && row->required)
        return fg_fail(err, FG_ERR_INPUT, "models/: no config entry \"%s\"", row->name);
    if (!entry) {
        store_number(settings, row, row->fallback);
        return FG_OK;
    }
    if (row->type == FG_HYPERPARAMETER_KIND) return read_kind(settings, row, entry, source->config, err);
    const fg_config_entry f = fg_config_entry_find(entry, row->name, source->config);
    if (!f.value && !f.stand_in) return fg_config_refuse(err, f.key, f.null ? json_null() : NULL, "a value");
    if (!f.value) return substitute(settings, row, f.key, f.stand_in, err);
    if (row->type == FG_HYPERPARAMETER_SIZE && json_is_integer(f.value) && json_integer_value(f.value) == 0)
        return fg_config_refuse(err, f.key, f.value, "an integer from 1 to 1073741824");
    return store(settings, row, f.key, f.value, err);
}

fg_status fg_hyperparameters_read(const fg_hyperparameters *settings, const fg_hyperparameters_source *source,
                                  fg_error *err) {
    for (size_t i = 0; i < settings->count; i++) FG_CALL(read_row(settings, &settings->rows[i], source, err));
    return FG_OK;
}

fg_status fg_hyperparameters_kind_name(const json_t *entry, const char *role, const json_t *config,
                                       const char **word, fg_error *err) {
    fg_status status = read_word(entry, role, config, word, err);
    return status == FG_OK && !*word ? fg_config_refuse(err, role, NULL, "a kind's name") : status;
}

/* ---- demands ---- */

static fg_status check_only(const json_t *only, const json_t *config, fg_error *err) {
    json_t *accepted;
    FG_JSON_MEMBERS(only, key, accepted) {
        const json_t *value = fg_json_at(config, key);
        bool good = !value || fg_json_contains(accepted, value);
        if (!good && json_is_array(value)) {
            good = true;
            for (size_t i = 0; i < json_array_size(value); i++)
                good = good && fg_json_contains(accepted, json_array_get(value, i));
        }
        char brief[BRIEF];
        if (good) continue;
        fg_config_refuse(err, key, value, fg_json_brief(accepted, brief, sizeof brief));
        return hint_at_none(err);
    }
    return FG_OK;
}

/* Conditions that tie several keys together. */
static fg_status check_only_if(const json_t *only_if, const json_t *config, fg_error *err) {
    json_t *reason;
    FG_JSON_MEMBERS(only_if, condition, reason) {
        bool holds;
        FG_CALL(fg_expression_holds(condition, &(fg_scope){.here = config}, "models/: only_if", &holds, err));
        if (holds) continue;
        fg_fail(err, FG_ERR_INPUT, "config: %s",
                json_is_string(reason) ? json_string_value(reason) : condition);
        return hint_at_none(err);
    }
    return FG_OK;
}

fg_status fg_hyperparameters_check_demands(const fg_hyperparameters_source *source, fg_error *err) {
    FG_CALL(check_only(json_object_get(source->declared, "only"), source->config, err));
    return check_only_if(json_object_get(source->declared, "only_if"), source->config, err);
}

fg_status fg_hyperparameters_check_epsilon(double epsilon, fg_error *err) {
    if (epsilon >= 0) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config: the norms' epsilon is negative: %g", epsilon);
}

fg_status fg_hyperparameters_check_count(uint64_t count, const char *what, fg_error *err) {
    if (count <= COUNT_LIMIT) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config: %" PRIu64 " %s; more than 65536 are not supported", count,
                   what);
}

fg_hyperparameters_source fg_hyperparameters_source_of(const json_t *spec, const char *format,
                                                       const json_t *config) {
    return (fg_hyperparameters_source){.declared = json_object_get(json_object_get(spec, "formats"), format),
                                       .common = json_object_get(spec, "config"),
                                       .config = config};
}
