/* Rotary embeddings: element i of the first half of a head and element i of the second are rotated by
 * position * frequency i.
 *
 * Frequencies, angles, cosines and sines are float32 as in the reference implementation, operation by
 * operation: at position 100,000 a frequency that is exact to the last bit only would rotate a pair by
 * another angle than the reference does.
 */
#include <math.h>

#include "model/model.h"

static const double PI = 3.14159265358979323846;

float fg_rotary_none(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies) {
    (void)settings;
    for (uint64_t i = 0; i < head_size / 2; i++) frequencies[i] = 0;
    return 1;
}

float fg_rotary_default(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies) {
    float theta = (float)settings->number[FG_ROTARY_THETA];
    for (uint64_t i = 0; i < head_size / 2; i++)
        frequencies[i] = 1.0f / powf(theta, (float)(2 * i) / (float)head_size);
    return 1;
}

/* Wavelengths beyond original / low turn `factor` times slower, those below original / high as ever, and
 * between the two a mixture that is linear in original / wavelength. */
float fg_rotary_llama3(const fg_rotary_settings *s, uint64_t head_size, float *frequencies) {
    const double low = s->number[FG_ROTARY_LOW], high = s->number[FG_ROTARY_HIGH],
                 length = s->number[FG_ROTARY_ORIGINAL];
    const float turn = (float)(2 * PI), original = (float)length, factor = (float)s->number[FG_ROTARY_FACTOR];
    const float longest = (float)(length / low), shortest = (float)(length / high);
    fg_rotary_default(s, head_size, frequencies);
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
static double yarn_pair(const fg_rotary_settings *s, uint64_t head_size, double turns) {
    return (double)head_size * log(s->number[FG_ROTARY_ORIGINAL] / (turns * 2 * PI)) /
           (2 * log(s->number[FG_ROTARY_THETA]));
}

/* Pairs that turn more than beta_fast times within the original length stay, those below beta_slow turn
 * `factor` times slower, and between the two a mixture that is linear in the number of the pair (Peng et al.,
 * YaRN, 2023). */
float fg_rotary_yarn(const fg_rotary_settings *s, uint64_t head_size, float *frequencies) {
    double first = fmax(floor(yarn_pair(s, head_size, s->number[FG_ROTARY_BETA_FAST])), 0),
           last = fmin(ceil(yarn_pair(s, head_size, s->number[FG_ROTARY_BETA_SLOW])), (double)head_size - 1);
    double factor = s->number[FG_ROTARY_FACTOR], given = s->number[FG_ROTARY_ATTENTION_FACTOR];
    if (first == last) last += 0.001;
    fg_rotary_default(s, head_size, frequencies);
    for (uint64_t i = 0; i < head_size / 2; i++) {
        float slow = fminf(fmaxf(((float)i - (float)first) / (float)(last - first), 0), 1);
        frequencies[i] = frequencies[i] / (float)factor * slow + frequencies[i] * (1 - slow);
    }
    return (float)(given > 0 ? given : factor > 1 ? 0.1 * log(factor) + 1 : 1);
}

fg_status fg_rotary_prepare(fg_model *model, const fg_block_kind *kind, uint64_t position, uint64_t count,
                            fg_error *err) {
    uint64_t half = kind->settings.head_size / 2;
    if (model->angles_kind == kind && model->angles_first == position && model->angles_count == count)
        return FG_OK;
    model->angles_kind = NULL;
    fg_status status = fg_scratch_fit(&model->angles, count, 2 * half, err);
    if (status != FG_OK) return status;
    for (uint64_t t = 0; t < count; t++) {
        float *cosines = model->angles.values + t * 2 * half, *sines = cosines + half;
        for (uint64_t i = 0; i < half; i++) {
            float angle = (float)(position + t) * kind->frequencies[i];
            cosines[i] = cosf(angle) * kind->angle_scale;
            sines[i] = sinf(angle) * kind->angle_scale;
        }
    }
    model->angles_kind = kind;
    model->angles_first = position;
    model->angles_count = count;
    return FG_OK;
}

void fg_rotary_apply(const fg_model *model, float *values, uint64_t count, uint64_t heads, uint64_t stride) {
    uint64_t half = model->angles_kind->settings.head_size / 2;
    for (uint64_t t = 0; t < count; t++) {
        const float *cosines = model->angles.values + t * 2 * half, *sines = cosines + half;
        for (uint64_t h = 0; h < heads; h++) {
            float *a = values + t * stride + h * 2 * half, *b = a + half;
            for (uint64_t i = 0; i < half; i++) {
                float x = a[i], y = b[i];
                a[i] = x * cosines[i] - y * sines[i];
                b[i] = y * cosines[i] + x * sines[i];
            }
        }
    }
}
