#include "model/rotary.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* ---- frequencies ---- */

/* Numbers that a kind may need. */
enum { THETA, FACTOR, LOW, HIGH, ORIGINAL, ATTENTION_FACTOR, BETA_FAST, BETA_SLOW, NUMBERS };

typedef struct rotary_numbers {
    double number[NUMBERS];
} rotary_numbers;

static const double PI = 3.14159265358979323846;

static float none(const rotary_numbers *numbers, uint64_t head_size, float *frequencies) {
    (void)numbers;
    for (uint64_t i = 0; i < head_size / 2; i++) frequencies[i] = 0;
    return 1;
}

static float plain(const rotary_numbers *numbers, uint64_t head_size, float *frequencies) {
    float theta = (float)numbers->number[THETA];
    for (uint64_t i = 0; i < head_size / 2; i++)
        frequencies[i] = 1.0f / powf(theta, (float)(2 * i) / (float)head_size);
    return 1;
}

/* Wavelengths beyond original / low turn `factor` times slower, those below original / high as ever, and
 * between the two a mixture that is linear in original / wavelength. */
static float llama3(const rotary_numbers *s, uint64_t head_size, float *frequencies) {
    const double low = s->number[LOW], high = s->number[HIGH], length = s->number[ORIGINAL];
    const float turn = (float)(2 * PI), original = (float)length, factor = (float)s->number[FACTOR];
    const float longest = (float)(length / low), shortest = (float)(length / high);
    plain(s, head_size, frequencies);
    for (uint64_t i = 0; i < head_size / 2; i++) {
        float wavelength = turn / frequencies[i];
        if (wavelength < shortest) continue;
        if (wavelength > longest) {
            frequencies[i] /= factor;
            continue;
        }
        float share = (original / wavelength - (float)low) / (float)(high - low);
        frequencies[i] = (1.0f - share) * frequencies[i] / factor + share * frequencies[i];
    }
    return 1;
}

/* The pair (a real number) that turns `turns` times within the original length. */
static double yarn_pair(const rotary_numbers *s, uint64_t head_size, double turns) {
    return (double)head_size * log(s->number[ORIGINAL] / (turns * 2 * PI)) / (2 * log(s->number[THETA]));
}

/* Pairs that turn more than beta_fast times within the original length stay, those below beta_slow turn
 * `factor` times slower, and between the two a mixture that is linear in the number of the pair (Peng et
 * al., YaRN, 2023). */
static float yarn(const rotary_numbers *s, uint64_t head_size, float *frequencies) {
    double first = fmax(floor(yarn_pair(s, head_size, s->number[BETA_FAST])), 0),
           last = fmin(ceil(yarn_pair(s, head_size, s->number[BETA_SLOW])), (double)head_size - 1);
    double factor = s->number[FACTOR], given = s->number[ATTENTION_FACTOR];
    if (first == last) last += 0.001;
    plain(s, head_size, frequencies);
    for (uint64_t i = 0; i < head_size / 2; i++) {
        float slow = fminf(fmaxf(((float)i - (float)first) / (float)(last - first), 0), 1);
        frequencies[i] = frequencies[i] / (float)factor * slow + frequencies[i] * (1 - slow);
    }
    return (float)(given > 0 ? given : factor > 1 ? 0.1 * log(factor) + 1 : 1);
}

/* Fills `frequencies` [head size / 2], the angle by which a position rotates each pair, and gives what
 * cosines and sines are multiplied by. */
typedef struct rotary_kind {
    const char *word;
    unsigned numbers; /* those that it needs: bits 1 << number */
    float (*fill)(const rotary_numbers *numbers, uint64_t head_size, float *frequencies);
} rotary_kind;

static const rotary_kind kinds[] = {
    {"none", 0, none},
    {"default", 1 << THETA, plain},
    {"llama3", 1 << THETA | 1 << FACTOR | 1 << LOW | 1 << HIGH | 1 << ORIGINAL, llama3},
    {"yarn",
     1 << THETA | 1 << FACTOR | 1 << ORIGINAL | 1 << ATTENTION_FACTOR | 1 << BETA_FAST | 1 << BETA_SLOW,
     yarn},
};

static const rotary_kind *find_kind(const char *word) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].word, word) == 0) return &kinds[i];
    }
    return NULL;
}

/* ---- settings ---- */

static const char *const number_names[NUMBERS] = {
    [THETA] = "theta",         [FACTOR] = "factor",       [LOW] = "low",
    [HIGH] = "high",           [ORIGINAL] = "original",   [ATTENTION_FACTOR] = "attention_factor",
    [BETA_FAST] = "beta_fast", [BETA_SLOW] = "beta_slow",
};

static fg_status read_number(const fg_hyperparameters_source *source, const json_t *object, const char *name,
                             double above, double *number, fg_error *err) {
    const json_t *entry =
        json_object_get(json_object_get(json_object_get(source->declared, "rotary"), "numbers"), name);
    const char *outside = json_string_value(json_object_get(entry, "outside"));
    const json_t *outer = outside ? fg_json_at(source->config, outside) : NULL;
    if (!entry) return fg_fail(err, FG_ERR_INPUT, "models/: no rotary number \"%s\"", name);
    fg_config_entry f = fg_config_entry_find(entry, name, object);
    bool yields = json_is_true(json_object_get(entry, "yields"));
    if (f.value && outer && !json_is_null(outer) && !yields && !fg_json_equal(f.value, outer))
        return fg_config_refuse(err, outside, outer, "the same number as in the object of rotary embeddings");
    const json_t *value = f.value ? f.value : outer ? outer : f.stand_in;
    const char *key = !f.value && outer ? outside : f.key;
    if (value == f.stand_in &&
        json_is_number(value)) { /* may be a word of models/, like 0 for a rule of its own */
        *number = json_number_value(value);
        return FG_OK;
    }
    if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) <= above)
        return fg_config_refuse(err, key, value,
                                above > 0 ? "a number above the lower bound" : "a number above 0");
    *number = json_number_value(value);
    return FG_OK;
}

typedef struct described {
    const rotary_kind *kind; /* NULL: not described so far */
    rotary_numbers numbers;
} described;

static fg_status read_object(const fg_hyperparameters_source *source, const json_t *object, described *result,
                             fg_error *err) {
    const json_t *declared = json_object_get(source->declared, "rotary");
    const char *type;
    FG_CALL(
        fg_hyperparameters_kind_name(json_object_get(declared, "type"), "rotary type", object, &type, err));
    result->kind = find_kind(type);
    if (!result->kind)
        return fg_fail(err, FG_ERR_INPUT, "models/: rotary type \"%s\" is not supported by the forward pass",
                       type);
    for (int n = 0; n < NUMBERS; n++) {
        double *number = result->numbers.number, above = n == HIGH ? number[LOW] : 0;
        if (result->kind->numbers >> n & 1)
            FG_CALL(read_number(source, object, number_names[n], above, &number[n], err));
    }
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

static bool same(const described *a, const described *b) {
    for (int n = 0; n < NUMBERS; n++) {
        if (a->numbers.number[n] != b->numbers.number[n]) return false;
    }
    return a->kind == b->kind;
}

static fg_status read_objects(const fg_hyperparameters_source *source, described *result, fg_error *err) {
    const json_t *objects = json_object_get(json_object_get(source->declared, "rotary"), "objects"), *object;
    const char *key;
    for (size_t i = 0; (key = fg_config_key_at(objects, i)) != NULL; i++) {
        described other = {0};
        FG_CALL(object_at(source->config, key, &object, err));
        if (!object) continue;
        FG_CALL(read_object(source, object, &other, err));
        if (result->kind && !same(&other, result))
            return fg_fail(err, FG_ERR_INPUT,
                           "the config gives the rotary embeddings twice with different values");
        *result = other;
    }
    if (!result->kind) FG_CALL(read_object(source, NULL, result, err));
    return FG_OK;
}

fg_status fg_rotary_read(fg_rotary *rotary, const fg_hyperparameters_source *source, uint64_t head_size,
                         fg_error *err) {
    fg_status status = FG_OK;
    described result = {0};
    FG_TRY(read_objects(source, &result, err));
    rotary->head_size = head_size;
    FG_NEW(rotary->frequencies, head_size / 2);
    rotary->scale = result.kind->fill(&result.numbers, head_size, rotary->frequencies);
done:
    return status;
}

void fg_rotary_free(fg_rotary *rotary) {
    fg_free(rotary->frequencies);
    *rotary = (fg_rotary){0};
}

/* ---- rotating ---- */

/* Cosines and sines of the positions [position, position + count): [count, 2, head_size / 2]. Blocks of
 * one kind use the same. */
static fg_status prepare(fg_workspace *w, const fg_rotary *rotary, uint64_t position, uint64_t count,
                         fg_real **angles, fg_error *err) {
    uint64_t half = rotary->head_size / 2;
    bool there = w->angles_of == rotary && w->angles_first == position && w->angles_count == count;
    if (!there) w->angles_of = NULL;
    if (!there) FG_CALL(fg_host_scratch_fit(&w->cosines, count, 2 * half, sizeof(float), err));
    FG_CALL(fg_workspace_view(w, &w->angles, w->cosines.bytes, count, 2 * half, angles, err));
    if (there) return FG_OK;
    for (uint64_t t = 0; t < count; t++) {
        float *cosines = (float *)w->cosines.bytes + t * 2 * half, *sines = cosines + half;
        for (uint64_t i = 0; i < half; i++) {
            float angle = (float)(position + t) * rotary->frequencies[i];
            cosines[i] = cosf(angle) * rotary->scale;
            sines[i] = sinf(angle) * rotary->scale;
        }
    }
    FG_CALL(w->device->put(w->state, w->cosines.bytes, count * 2 * half, *angles, err));
    w->angles_of = rotary;
    w->angles_first = position;
    w->angles_count = count;
    return FG_OK;
}

fg_status fg_rotary_apply(fg_workspace *w, const fg_rotary *rotary, uint64_t position, fg_real *values,
                          const fg_heads *shape, fg_error *err) {
    fg_real *angles;
    fg_status status = prepare(w, rotary, position, shape->tokens, &angles, err);
    if (status == FG_OK) w->device->rotate(w->state, values, shape, angles);
    return status;
}
