#include "model/rotary_kinds.h"

#include <math.h>

#include "base/named_row.h"

static const double PI = 3.14159265358979323846;

static double given(const fg_rotary_settings *s, fg_rotary_number which) {
    return s->number[which];
}

/* Pair i of a plain rotary turns theta^(-2i / size) a position. */
static void fill_plain(double theta, uint64_t size, uint64_t pairs, float *frequencies) {
    for (uint64_t i = 0; i < pairs; i++)
        frequencies[i] = 1.0f / powf((float)theta, (float)(2 * i) / (float)size);
}

static float plain(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    (void)length;
    fill_plain(given(s, FG_ROTARY_THETA), s->size, s->pairs, frequencies);
    return 1;
}

/* Everything turns `factor` times slower. */
static float linear(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    plain(s, length, frequencies);
    for (uint64_t i = 0; i < s->pairs; i++) frequencies[i] /= (float)given(s, FG_ROTARY_FACTOR);
    return 1;
}

/* A plain rotary up to the limit; theta grows with what is beyond it (bloc97, NTK-aware scaling, 2023). */
static float dynamic(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    double factor = given(s, FG_ROTARY_FACTOR), limit = given(s, FG_ROTARY_LIMIT), size = (double)s->size,
           longest = fmax((double)length, limit),
           growth = pow(factor * longest / limit - (factor - 1), size / (size - 2));
    fill_plain(given(s, FG_ROTARY_THETA) * growth, s->size, s->pairs, frequencies);
    return 1;
}

/* Wavelengths beyond original / low turn `factor` times slower, those below original / high as ever, and
 * between the two a mixture that is linear in original / wavelength. */
static float llama3(const fg_rotary_settings *s, uint64_t tokens, float *frequencies) {
    const double low = given(s, FG_ROTARY_LOW), high = given(s, FG_ROTARY_HIGH),
                 length = given(s, FG_ROTARY_ORIGINAL);
    const float turn = (float)(2 * PI), original = (float)length, factor = (float)given(s, FG_ROTARY_FACTOR);
    const float longest = (float)(length / low), shortest = (float)(length / high);
    plain(s, tokens, frequencies);
    for (uint64_t i = 0; i < s->pairs; i++) {
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
static double yarn_pair(const fg_rotary_settings *s, double turns) {
    return (double)s->size * log(given(s, FG_ROTARY_ORIGINAL) / (turns * 2 * PI)) /
           (2 * log(given(s, FG_ROTARY_THETA)));
}

/* What scores are multiplied by: where nothing says it, and by what `weight` says. */
static double yarn_growth(const fg_rotary_settings *s, double weight) {
    double factor = given(s, FG_ROTARY_FACTOR);
    return factor > 1 ? 0.1 * weight * log(factor) + 1 : 1;
}

static double yarn_attention(const fg_rotary_settings *s) {
    double attention = given(s, FG_ROTARY_ATTENTION_FACTOR), mscale = given(s, FG_ROTARY_MSCALE),
           all = given(s, FG_ROTARY_MSCALE_ALL);
    if (attention > 0) return attention;
    return mscale > 0 && all > 0 ? yarn_growth(s, mscale) / yarn_growth(s, all) : yarn_growth(s, 1);
}

/* Pairs that turn more than beta_fast times within the original length stay, those below beta_slow turn
 * `factor` times slower, and between the two a mixture that is linear in the number of the pair (Peng et
 * al., YaRN, 2023). */
static float yarn(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    double first = yarn_pair(s, given(s, FG_ROTARY_BETA_FAST)),
           last = yarn_pair(s, given(s, FG_ROTARY_BETA_SLOW)), factor = given(s, FG_ROTARY_FACTOR);
    bool exact = given(s, FG_ROTARY_EXACT) != 0;
    first = fmax(exact ? first : floor(first), 0);
    last = fmin(exact ? last : ceil(last), (double)s->size - 1);
    if (first == last) last += 0.001;
    plain(s, length, frequencies);
    for (uint64_t i = 0; i < s->pairs; i++) {
        float slow = fminf(fmaxf(((float)i - (float)first) / (float)(last - first), 0), 1);
        frequencies[i] = frequencies[i] / (float)factor * slow + frequencies[i] * (1 - slow);
    }
    return (float)yarn_attention(s);
}

/* Each pair turns slower by its own factor, which is another one for sequences beyond the original length
 * (Ding et al., LongRoPE, 2024). */
static float longrope(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    double original = given(s, FG_ROTARY_ORIGINAL), attention = given(s, FG_ROTARY_ATTENTION_FACTOR),
           factor = given(s, FG_ROTARY_FACTOR);
    const float *slower = s->list[(double)length > original ? FG_ROTARY_LONG_FACTOR : FG_ROTARY_SHORT_FACTOR];
    float theta = (float)given(s, FG_ROTARY_THETA);
    for (uint64_t i = 0; i < s->pairs; i++)
        frequencies[i] = 1.0f / (slower[i] * powf(theta, (float)(2 * i) / (float)s->size));
    if (factor <= 0) factor = given(s, FG_ROTARY_LIMIT) / original;
    return (float)(attention > 0 ? attention : factor > 1 ? sqrt(1 + log(factor) / log(original)) : 1);
}

/* A plain rotary of the whole head, of which the first share of the pairs turns. */
static float proportional(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    double factor = given(s, FG_ROTARY_FACTOR);
    uint64_t turning = (uint64_t)floor(given(s, FG_ROTARY_PARTIAL) * (double)s->size / 2);
    plain(s, length, frequencies);
    for (uint64_t i = 0; i < s->pairs; i++) {
        if (i >= turning) frequencies[i] = 0;
        if (factor > 0) frequencies[i] /= (float)factor;
    }
    return 1;
}

/* Every second of the plain frequencies for rows, those between for columns. */
static float axial(const fg_rotary_settings *s, uint64_t length, float *frequencies) {
    float theta = (float)given(s, FG_ROTARY_THETA);
    uint64_t half = s->pairs / 2;
    (void)length;
    for (uint64_t i = 0; i < s->pairs; i++) {
        uint64_t k = i < half ? 2 * i : 2 * (i - half) + 1;
        frequencies[i] = 1.0f / powf(theta, (float)(2 * k) / (float)s->size);
    }
    return 1;
}

#define BIT(number) (1U << FG_ROTARY_##number)

static const fg_rotary_kind kinds[] = {
    {.word = "none"},
    {.word = "default", .needs = BIT(THETA), .may = BIT(PARTIAL), .fill = plain},
    {.word = "axial", .needs = BIT(THETA), .axial = true, .fill = axial},
    {.word = "linear", .needs = BIT(THETA) | BIT(FACTOR), .may = BIT(PARTIAL), .fill = linear},
    {.word = "dynamic",
     .needs = BIT(THETA) | BIT(FACTOR) | BIT(LIMIT),
     .may = BIT(PARTIAL),
     .by_length = true,
     .fill = dynamic},
    {.word = "llama3",
     .needs = BIT(THETA) | BIT(FACTOR) | BIT(LOW) | BIT(HIGH) | BIT(ORIGINAL),
     .may = BIT(PARTIAL),
     .fill = llama3},
    {.word = "yarn",
     .needs =
         BIT(THETA) | BIT(FACTOR) | BIT(ORIGINAL) | BIT(ATTENTION_FACTOR) | BIT(BETA_FAST) | BIT(BETA_SLOW),
     .may = BIT(PARTIAL) | BIT(MSCALE) | BIT(MSCALE_ALL) | BIT(EXACT),
     .fill = yarn},
    {.word = "longrope",
     .needs = BIT(THETA) | BIT(ORIGINAL) | BIT(LIMIT),
     .may = BIT(FACTOR) | BIT(ATTENTION_FACTOR) | BIT(PARTIAL),
     .lists = true,
     .by_length = true,
     .fill = longrope},
    {.word = "proportional",
     .needs = BIT(THETA),
     .may = BIT(FACTOR) | BIT(PARTIAL),
     .whole = true,
     .fill = proportional},
};

const fg_rotary_kind *fg_rotary_kind_find(const char *word) {
    return FG_NAMED_ROW(kinds, word);
}
