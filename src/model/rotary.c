#include "model/rotary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/expression.h"

enum { BRIEF = 160 };

/* ---- settings ---- */

static const char *const names[] = {
    [FG_ROTARY_THETA] = "theta",
    [FG_ROTARY_FACTOR] = "factor",
    [FG_ROTARY_LOW] = "low",
    [FG_ROTARY_HIGH] = "high",
    [FG_ROTARY_ORIGINAL] = "original",
    [FG_ROTARY_ATTENTION_FACTOR] = "attention_factor",
    [FG_ROTARY_BETA_FAST] = "beta_fast",
    [FG_ROTARY_BETA_SLOW] = "beta_slow",
    [FG_ROTARY_MSCALE] = "mscale",
    [FG_ROTARY_MSCALE_ALL] = "mscale_all",
    [FG_ROTARY_EXACT] = "truncate",
    [FG_ROTARY_LIMIT] = "limit",
    [FG_ROTARY_PARTIAL] = "partial",
    [FG_ROTARY_NUMBERS + FG_ROTARY_SHORT_FACTOR] = "short_factor",
    [FG_ROTARY_NUMBERS + FG_ROTARY_LONG_FACTOR] = "long_factor",
};

const char *fg_rotary_number_at(size_t index) {
    return index < sizeof names / sizeof *names ? names[index] : NULL;
}

/* What is given for a number, or a list. */
typedef struct rotary_entry {
    const json_t *entry; /* NULL: models/ has none */
    const char *key;
    const json_t *value; /* NULL: nothing */
    bool stand_in;       /* it is the entry's own */
} rotary_entry;

static fg_status find_entry(const fg_hyperparameters_source *source, const json_t *object, const char *name,
                            rotary_entry *e, fg_error *err) {
    const json_t *numbers = json_object_get(json_object_get(source->declared, "rotary"), "numbers");
    *e = (rotary_entry){.entry = json_object_get(numbers, name)};
    const char *outside = json_string_value(json_object_get(e->entry, "outside"));
    const json_t *outer = outside ? fg_json_at(source->config, outside) : NULL;
    const fg_config_entry f = fg_config_entry_find(e->entry, name, object);
    bool yields = json_is_true(json_object_get(e->entry, "yields"));
    if (f.value && outer && !json_is_null(outer) && !yields && !fg_json_equal(f.value, outer))
        return fg_config_refuse(err, outside, outer, "the same number as in the object of rotary embeddings");
    e->value = f.value ? f.value : outer ? outer : f.stand_in;
    e->stand_in = e->value && e->value == f.stand_in;
    e->key = !f.value && outer ? outside : f.key;
    return FG_OK;
}

/* May be a word of models/, like 0 for a rule of its own, or an expression over the configuration. */
static fg_status read_stand_in(const fg_hyperparameters_source *source, const rotary_entry *e, double *number,
                               fg_error *err) {
    const fg_scope scope = {.here = source->config, .variables = source->variables};
    json_t *value = NULL;
    fg_status status = fg_expression_value(e->value, &scope, "models/", &value, err);
    if (status == FG_OK && !json_is_number(value))
        status = fg_config_refuse(err, e->key, value, "a number above 0");
    if (status == FG_OK) *number = json_number_value(value);
    json_decref(value);
    return status;
}

static fg_status read_number(const fg_hyperparameters_source *source, const json_t *object, const char *name,
                             bool needed, double above, double *number, fg_error *err) {
    rotary_entry e;
    FG_CALL(find_entry(source, object, name, &e, err));
    if (!e.value && !needed) return FG_OK;
    if (!e.entry) return fg_fail(err, FG_ERR_INPUT, "models/: no rotary number \"%s\"", name);
    if (e.stand_in) return read_stand_in(source, &e, number, err);
    double value = json_number_value(e.value);
    if (!json_is_number(e.value) || !isfinite(value) || value <= above)
        return fg_config_refuse(err, e.key, e.value,
                                above > 0 ? "a number above the lower bound" : "a number above 0");
    *number = value;
    return FG_OK;
}

static fg_status read_list(const fg_hyperparameters_source *source, const json_t *object, const char *name,
                           uint64_t count, float **list, fg_error *err) {
    rotary_entry e;
    json_t *item;
    char expected[BRIEF];
    bool good = true;
    FG_CALL(find_entry(source, object, name, &e, err));
    FG_CALL_NEW(*list, fg_alloc(count, sizeof **list, err));
    FG_JSON_EACH(e.value, i, item) {
        good = good && json_is_number(item) && json_number_value(item) > 0;
        if (i < count) (*list)[i] = (float)json_number_value(item);
    }
    if (good && json_array_size(e.value) == count) return FG_OK;
    snprintf(expected, sizeof expected, "a list of %llu numbers above 0, one for each pair that is rotated",
             (unsigned long long)count);
    return fg_config_refuse(err, e.key ? e.key : name, e.value, expected);
}

/* The key says the opposite of the number. */
static fg_status read_truncate(const fg_hyperparameters_source *source, const json_t *object, double *exact,
                               fg_error *err) {
    rotary_entry e;
    FG_CALL(find_entry(source, object, names[FG_ROTARY_EXACT], &e, err));
    if (e.value && !json_is_boolean(e.value)) return fg_config_refuse(err, e.key, e.value, "true or false");
    *exact = json_is_false(e.value);
    return FG_OK;
}

static fg_status read_numbers(const fg_hyperparameters_source *source, const json_t *object,
                              fg_rotary_settings *s, fg_error *err) {
    if (s->kind->may >> FG_ROTARY_EXACT & 1)
        FG_CALL(read_truncate(source, object, &s->number[FG_ROTARY_EXACT], err));
    for (int n = 0; n < FG_ROTARY_NUMBERS; n++) {
        if (n == FG_ROTARY_EXACT) continue;
        bool needed = s->kind->needs >> n & 1;
        double above = n == FG_ROTARY_HIGH ? s->number[FG_ROTARY_LOW] : 0;
        if (needed || s->kind->may >> n & 1)
            FG_CALL(read_number(source, object, names[n], needed, above, &s->number[n], err));
    }
    return FG_OK;
}

/* The part of a head that is rotated. */
static fg_status find_size(fg_rotary_settings *s, uint64_t head_size, fg_error *err) {
    double *partial = &s->number[FG_ROTARY_PARTIAL];
    if (*partial == 0) *partial = 1;
    s->size = s->kind->whole ? head_size : (uint64_t)((double)head_size * *partial);
    s->pairs = s->kind->fill ? (s->size + 1) / 2 : 0;
    if (*partial <= 1 && 2 * s->pairs <= head_size) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT,
                   "config: a partial rotary factor of %g rotates more than a head of size %llu", *partial,
                   (unsigned long long)head_size);
}

static fg_status read_object(const fg_hyperparameters_source *source, const json_t *object,
                             uint64_t head_size, fg_rotary_settings *s, fg_error *err) {
    const json_t *entry = json_object_get(json_object_get(source->declared, "rotary"), "type");
    fg_hyperparameters_source inside = *source;
    const char *type;
    inside.config = object;
    FG_CALL(fg_hyperparameters_kind_name(entry, "rotary type", &inside, &type, err));
    s->kind = fg_rotary_kind_find(type);
    if (!s->kind)
        return fg_fail(err, FG_ERR_INPUT, "models/: rotary type \"%s\" is not supported by the forward pass",
                       type);
    FG_CALL(read_numbers(source, object, s, err));
    FG_CALL(find_size(s, head_size, err));
    for (int l = 0; l < FG_ROTARY_LISTS && s->kind->lists; l++)
        FG_CALL(read_list(source, object, names[FG_ROTARY_NUMBERS + l], s->pairs, &s->list[l], err));
    return FG_OK;
}

/* An object that says something; NULL for null, absent and {}. */
static fg_status object_at(const json_t *config, const char *key, const json_t **object, fg_error *err) {
    *object = fg_json_at(config, key);
    if (!*object || json_is_null(*object))
        *object = NULL;
    else if (!json_is_object(*object))
        return fg_config_refuse(err, key, *object, "an object or null");
    else if (!json_object_size(*object))
        *object = NULL;
    return FG_OK;
}

static void free_settings(fg_rotary_settings *s) {
    for (int l = 0; l < FG_ROTARY_LISTS; l++) fg_free(s->list[l]);
    *s = (fg_rotary_settings){0};
}

static bool same(const fg_rotary_settings *a, const fg_rotary_settings *b) {
    for (int n = 0; n < FG_ROTARY_NUMBERS; n++) {
        if (a->number[n] != b->number[n]) return false;
    }
    for (int l = 0; a->kind == b->kind && a->kind->lists && l < FG_ROTARY_LISTS; l++) {
        if (memcmp(a->list[l], b->list[l], a->pairs * sizeof *a->list[l]) != 0) return false;
    }
    return a->kind == b->kind;
}

static fg_status read_objects(const fg_hyperparameters_source *source, uint64_t head_size,
                              fg_rotary_settings *result, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *objects = json_object_get(json_object_get(source->declared, "rotary"), "objects"), *object;
    const char *key;
    fg_rotary_settings other = {0};
    for (size_t i = 0; (key = fg_config_key_at(objects, i)) != NULL; i++) {
        FG_TRY(object_at(source->config, key, &object, err));
        if (!object) continue;
        FG_TRY(read_object(source, object, head_size, result->kind ? &other : result, err));
        if (other.kind && !same(&other, result))
            FG_FAIL(err, FG_ERR_INPUT, "the config gives the rotary embeddings twice with different values");
        free_settings(&other);
    }
    if (!result->kind) FG_TRY(read_object(source, NULL, head_size, result, err));
done:
    free_settings(&other);
    return status;
}

fg_status fg_rotary_read(fg_rotary *rotary, const fg_hyperparameters_source *source, uint64_t head_size,
                         fg_error *err) {
    fg_status status = FG_OK;
    const fg_rotary_settings *s = &rotary->settings;
    FG_TRY(read_objects(source, head_size, &rotary->settings, err));
    if (s->kind->axial && head_size % 4)
        FG_FAIL(err, FG_ERR_INPUT,
                "config: head size %llu is no multiple of 4, which rotary embeddings by row and column need",
                (unsigned long long)head_size);
    if (!s->pairs || s->kind->by_length) goto done;
    FG_NEW(rotary->frequencies, s->pairs);
    rotary->scale = s->kind->fill(s, 0, rotary->frequencies);
done:
    return status;
}

void fg_rotary_free(fg_rotary *rotary) {
    free_settings(&rotary->settings);
    fg_free(rotary->frequencies);
    *rotary = (fg_rotary){0};
}

/* ---- rotating ---- */

/* The frequencies for a sequence of so many tokens; borrowed. */
static fg_status find_frequencies(fg_workspace *w, const fg_rotary *rotary, uint64_t length,
                                  const float **frequencies, float *scale, fg_error *err) {
    const fg_rotary_settings *s = &rotary->settings;
    *frequencies = rotary->frequencies;
    *scale = rotary->scale;
    if (!s->kind->by_length) return FG_OK;
    FG_CALL(fg_host_scratch_fit(&w->frequencies, 1, s->pairs, sizeof **frequencies, err));
    *scale = s->kind->fill(s, length, w->frequencies.bytes);
    *frequencies = w->frequencies.bytes;
    return FG_OK;
}

/* By what the frequency of pair `i` is multiplied for token `t`. */
static float place_of(const fg_rotary *rotary, fg_positions positions, uint64_t t, uint64_t i) {
    uint64_t at = positions.first + t;
    if (!rotary->settings.kind->axial) return (float)at;
    return (float)(i < rotary->settings.pairs / 2 ? at / positions.columns : at % positions.columns);
}

/* Cosines and sines of `count` tokens: [count, 2, pairs]. */
static fg_status fill_angles(fg_workspace *w, const fg_rotary *rotary, fg_positions positions, uint64_t count,
                             fg_error *err) {
    uint64_t pairs = rotary->settings.pairs;
    const float *frequencies;
    float scale;
    FG_CALL(find_frequencies(w, rotary, positions.length, &frequencies, &scale, err));
    for (uint64_t t = 0; t < count; t++) {
        float *cosines = (float *)w->cosines.bytes + t * 2 * pairs, *sines = cosines + pairs;
        for (uint64_t i = 0; i < pairs; i++) {
            float angle = place_of(rotary, positions, t, i) * frequencies[i];
            cosines[i] = cosf(angle) * scale;
            sines[i] = sinf(angle) * scale;
        }
    }
    return FG_OK;
}

/* Angles on the device. Blocks of one kind use the same. */
static fg_status prepare(fg_workspace *w, const fg_rotary *rotary, fg_positions positions, uint64_t count,
                         fg_real **angles, fg_error *err) {
    uint64_t numbers = 2 * rotary->settings.pairs;
    const fg_angles key = {rotary, positions.first, rotary->settings.kind->by_length ? positions.length : 0,
                           positions.columns, count};
    bool there = memcmp(&w->angles_key, &key, sizeof key) == 0;
    if (!there) w->angles_key = (fg_angles){0};
    if (!there) FG_CALL(fg_host_scratch_fit(&w->cosines, count, numbers, sizeof(float), err));
    FG_CALL(fg_workspace_view(w, &w->angles, w->cosines.bytes, count, numbers, angles, err));
    if (there) return FG_OK;
    FG_CALL(fill_angles(w, rotary, positions, count, err));
    FG_CALL(w->device->put(w->state, w->cosines.bytes, count * numbers, *angles, err));
    w->angles_key = key;
    return FG_OK;
}

fg_status fg_rotary_apply(fg_workspace *w, const fg_rotary *rotary, fg_positions positions, fg_real *values,
                          const fg_heads *shape, fg_error *err) {
    fg_rotation rotation = {.pairs = rotary->settings.pairs, .interleaved = rotary->interleaved};
    fg_real *angles;
    if (!rotation.pairs) return FG_OK;
    if (rotary->settings.kind->axial && !positions.columns)
        return fg_fail(err, FG_ERR_INPUT,
                       "config: rotary embeddings by row and column in a model that reads text");
    FG_CALL(prepare(w, rotary, positions, shape->tokens, &angles, err));
    rotation.angles = angles;
    w->device->rotate(w->state, values, shape, &rotation);
    return FG_OK;
}
