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

fg_status fg_hyperparameters_hint_at_none(fg_error *err) {
    return fg_hint(err, "the forward pass of the proof does not support this; --validate bytes "
                        "proves the conversion by its bytes");
}

/* ---- values ---- */

static fg_status evaluate(const fg_hyperparameters_source *source, const json_t *expression, json_t **value,
                          fg_error *err) {
    const fg_scope scope = {.here = source->config, .variables = source->variables};
    return fg_expression_value(expression, &scope, "models/", value, err);
}

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

static size_t size_of(const fg_hyperparameter *row) {
    static const size_t sizes[] = {[FG_HYPERPARAMETER_SIZE] = sizeof(uint64_t),
                                   [FG_HYPERPARAMETER_NUMBER] = sizeof(double),
                                   [FG_HYPERPARAMETER_FLAG] = sizeof(bool),
                                   [FG_HYPERPARAMETER_KIND] = sizeof(void *)};
    return sizes[row->type];
}

/* The value of a row of that type that was read before: of all outer rows, and the first `count` here; NULL:
 * there is none. */
static const void *find_earlier(const fg_hyperparameters *settings, size_t count, const char *name,
                                fg_hyperparameter_type type) {
    for (size_t i = 0; i < count; i++) {
        const fg_hyperparameter *row = &settings->rows[i];
        if (row->type == type && strcmp(row->name, name) == 0) return member(settings, row);
    }
    const fg_hyperparameters *outer = settings->outer;
    return outer ? find_earlier(outer, outer->count, name, type) : NULL;
}

/* That for row `before`, of its type. */
static fg_status earlier(const fg_hyperparameters *settings, const fg_hyperparameter *before,
                         const json_t *name, const void **value, fg_error *err) {
    size_t count = (size_t)(before - settings->rows);
    *value =
        json_is_string(name) ? find_earlier(settings, count, json_string_value(name), before->type) : NULL;
    return *value ? FG_OK
                  : fg_config_refuse(err, before->name, name, "in models/: the name of a value above it");
}

static fg_status store_given(const fg_hyperparameters *settings, const fg_hyperparameter *row,
                             const char *key, const json_t *value, const fg_hyperparameters_source *source,
                             fg_error *err) {
    json_t *evaluated = NULL;
    fg_status status = evaluate(source, value, &evaluated, err);
    if (status == FG_OK) status = store(settings, row, key, evaluated, err);
    json_decref(evaluated);
    return status;
}

static fg_status divide(const fg_hyperparameters *settings, const fg_hyperparameter *row, const char *key,
                        const json_t *quotient, fg_error *err) {
    const void *a, *b;
    FG_CALL(earlier(settings, row, json_array_get(quotient, 0), &a, err));
    FG_CALL(earlier(settings, row, json_array_get(quotient, 1), &b, err));
    uint64_t whole = *(const uint64_t *)a, by = *(const uint64_t *)b;
    if (!by || whole % by || whole / by < row->least)
        return fg_fail(err, FG_ERR_INPUT,
                       "config key \"%s\" is missing, and %" PRIu64 " / %" PRIu64 " is not a whole number",
                       key, whole, by);
    *(uint64_t *)member(settings, row) = whole / by;
    return FG_OK;
}

/* A stand-in for an absent or null key. */
static fg_status substitute(const fg_hyperparameters *settings, const fg_hyperparameter *row, const char *key,
                            const json_t *value, const fg_hyperparameters_source *source, fg_error *err) {
    if (!json_is_object(value)) return store_given(settings, row, key, value, source, err);
    const json_t *same = json_object_get(value, "same_as"), *quotient = json_object_get(value, "quotient");
    const void *found;
    if (!same && row->type == FG_HYPERPARAMETER_SIZE) return divide(settings, row, key, quotient, err);
    FG_CALL(earlier(settings, row, same, &found, err));
    memcpy(member(settings, row), found, size_of(row));
    return FG_OK;
}

/* ---- entries ---- */

const char *fg_config_key_at(const json_t *keys, size_t i) {
    return json_string_value(json_is_array(keys) ? json_array_get(keys, i) : i == 0 ? keys : NULL);
}

fg_config_entry fg_config_entry_find(const json_t *entry, const char *role, const json_t *config) {
    const json_t *keys = json_object_get(entry, "key"), *fixed = json_object_get(entry, "value");
    const char *key;
    fg_config_entry f = {.key = role, .stand_in = fixed};
    for (size_t i = 0; !fixed && !f.value && (key = fg_config_key_at(keys, i)) != NULL; i++) {
        const json_t *value = fg_json_at(config, key);
        f.key = key;
        f.null = json_is_null(value) && !json_is_array(keys);
        if (value && !json_is_null(value)) f.value = value;
    }
    if (!f.value && !fixed) f.stand_in = json_object_get(entry, f.null ? "null" : "absent");
    return f;
}

const char *fg_hyperparameters_list_names(const json_t *object, char *text, size_t size) {
    json_t *unused;
    size_t used = (size_t)snprintf(text, size, "one of");
    FG_JSON_MEMBERS(object, name, unused) {
        int length = snprintf(text + used, size - used, " \"%s\"", name);
        if (length > 0 && (size_t)length < size - used) used += (size_t)length;
    }
    text[used] = '\0';
    return text;
}

/* The word that a value stands for; numbers, true and false are values, too. */
static fg_status through_words(const json_t *words, const char *key, const json_t **value, fg_error *err) {
    char expected[BRIEF];
    if (json_is_null(*value)) return FG_OK;
    const char *text =
        json_is_string(*value) ? json_string_value(*value) : fg_json_brief(*value, expected, sizeof expected);
    const json_t *word = json_object_get(words, text);
    if (word) {
        *value = word;
        return FG_OK;
    }
    fg_config_refuse(err, key, *value, fg_hyperparameters_list_names(words, expected, sizeof expected));
    return fg_hyperparameters_hint_at_none(err);
}

/* Those of an entry, which may be a table with a name. */
static const json_t *words_of(const fg_hyperparameters_source *source, const json_t *entry) {
    const json_t *words = json_object_get(entry, "words");
    return json_is_string(words) ? json_object_get(source->words, json_string_value(words)) : words;
}

/* A word: what the config says, or a stand-in. */
static fg_status read_word(const json_t *entry, const char *role, const fg_hyperparameters_source *source,
                           const char **word, fg_error *err) {
    fg_status status = FG_OK;
    json_t *evaluated = NULL;
    const fg_config_entry f = fg_config_entry_find(entry, role, source->config);
    const json_t *value = f.value ? f.value : f.stand_in, *words = words_of(source, entry);
    if (!value) FG_TRY(fg_config_refuse(err, f.key, f.null ? json_null() : NULL, "a value"));
    if (!f.value && fg_expression_is(value)) {
        FG_TRY(evaluate(source, value, &evaluated, err));
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
                           const json_t *entry, const fg_hyperparameters_source *source, fg_error *err) {
    const char *word;
    fg_status status = read_word(entry, row->name, source, &word, err);
    const void *kind = status == FG_OK && word ? row->find(word) : NULL;
    if (status != FG_OK) return status;
    if (!kind && (word || row->required))
        return fg_fail(err, FG_ERR_INPUT, "models/: \"%s\": \"%s\" is not supported by the forward pass",
                       row->name, word ? word : "");
    memcpy(member(settings, row), &kind, sizeof kind);
    return FG_OK;
}

static const json_t *entry_of(const fg_hyperparameters_source *source, const char *name) {
    const json_t *own = json_object_get(json_object_get(source->declared, "config"), name);
    return own ? own : json_object_get(source->common, name);
}

static fg_status read_row(const fg_hyperparameters *settings, const fg_hyperparameter *row,
                          const fg_hyperparameters_source *source, fg_error *err) {
    const json_t *entry = entry_of(source, row->name);
    if (!entry && row->like) entry = entry_of(source, row->like);
    if (!entry && row->required)
        return fg_fail(err, FG_ERR_INPUT, "models/: no config entry \"%s\"", row->name);
    if (!entry) {
        store_number(settings, row, row->fallback);
        return FG_OK;
    }
    if (row->type == FG_HYPERPARAMETER_KIND) return read_kind(settings, row, entry, source, err);
    const fg_config_entry f = fg_config_entry_find(entry, row->name, source->config);
    if (!f.value && !f.stand_in) return fg_config_refuse(err, f.key, f.null ? json_null() : NULL, "a value");
    if (!f.value) return substitute(settings, row, f.key, f.stand_in, source, err);
    if (row->type == FG_HYPERPARAMETER_SIZE && json_is_integer(f.value) && json_integer_value(f.value) == 0)
        return fg_config_refuse(err, f.key, f.value, "an integer from 1 to 1073741824");
    return store(settings, row, f.key, f.value, err);
}

fg_status fg_hyperparameters_read(const fg_hyperparameters *settings, const fg_hyperparameters_source *source,
                                  fg_error *err) {
    for (size_t i = 0; i < settings->count; i++) FG_CALL(read_row(settings, &settings->rows[i], source, err));
    return FG_OK;
}

fg_status fg_hyperparameters_kind_name(const json_t *entry, const char *role,
                                       const fg_hyperparameters_source *source, const char **word,
                                       fg_error *err) {
    fg_status status = read_word(entry, role, source, word, err);
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
        return fg_hyperparameters_hint_at_none(err);
    }
    return FG_OK;
}

/* Conditions that tie several keys together. */
static fg_status check_only_if(const json_t *only_if, const fg_hyperparameters_source *source,
                               fg_error *err) {
    json_t *reason;
    const fg_scope scope = {.here = source->config, .variables = source->variables};
    FG_JSON_MEMBERS(only_if, condition, reason) {
        bool holds;
        FG_CALL(fg_expression_holds(condition, &scope, "models/: only_if", &holds, err));
        if (holds) continue;
        fg_fail(err, FG_ERR_INPUT, "config: %s",
                json_is_string(reason) ? json_string_value(reason) : condition);
        return fg_hyperparameters_hint_at_none(err);
    }
    return FG_OK;
}

fg_status fg_hyperparameters_check_demands(const fg_hyperparameters_source *source, fg_error *err) {
    FG_CALL(check_only(json_object_get(source->declared, "only"), source->config, err));
    return check_only_if(json_object_get(source->declared, "only_if"), source, err);
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
    const json_t *side = json_object_get(json_object_get(spec, "formats"), format);
    const char *at = json_string_value(json_object_get(side, "at"));
    return (fg_hyperparameters_source){.declared = side,
                                       .common = json_object_get(spec, "config"),
                                       .words = json_object_get(spec, "words"),
                                       .config = at ? fg_json_at(config, at) : config};
}
