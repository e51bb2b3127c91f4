/* Rotary embeddings: element i of the first half of a head and element i of the second are turned by position
 * * frequency i.
 *
 * Frequencies, angles, cosines and sines are float32 as in the reference implementation, operation by
 * operation: at position 100,000 a frequency that is exact to the last bit only would turn a pair by another
 * angle than the reference does.
 */
#include <math.h>

#include "model/model.h"

void fg_rotary_default(const fg_rotary_settings *settings, uint64_t head_size, float *frequencies) {
    float theta = (float)settings->theta;
    for (uint64_t i = 0; i < head_size / 2; i++)
        frequencies[i] = 1.0f / powf(theta, (float)(2 * i) / (float)head_size);
}

/* Wavelengths beyond original / low turn `factor` times slower, those below original / high as ever, and
 * between the two a mixture that is linear in original / wavelength. */
void fg_rotary_llama3(const fg_rotary_settings *s, uint64_t head_size, float *frequencies) {
    const float turn = (float)(2 * 3.14159265358979323846), original = (float)s->original,
                factor = (float)s->factor;
    const float longest = (float)(s->original / s->low), shortest = (float)(s->original / s->high);
    fg_rotary_default(s, head_size, frequencies);
    for (uint64_t i = 0; i < head_size / 2; i++) {
        float wavelength = turn / frequencies[i];
        if (wavelength < shortest) continue;
        if (wavelength > longest) {
            frequencies[i] /= factor;
            continue;
        }
        float share = (original / wavelength - (float)s->low) / (float)(s->high - s->low);
        frequencies[i] = (1.0f - share) * frequencies[i] / factor + share * frequencies[i];
    }
}

fg_status fg_rotary_prepare(fg_model *model, uint64_t position, uint64_t count, fg_error *err) {
    uint64_t half = model->settings.head_size / 2;
    if (model->angles.values && model->angles_first == position && model->angles_count == count) return FG_OK;
    model->angles_count = 0;
    fg_status status = fg_scratch_fit(&model->angles, count, 2 * half, err);
    if (status != FG_OK) return status;
    for (uint64_t t = 0; t < count; t++) {
        float *cosines = model->angles.values + t * 2 * half, *sines = cosines + half;
        for (uint64_t i = 0; i < half; i++) {
            float angle = (float)(position + t) * model->frequencies[i];
            cosines[i] = cosf(angle);
            sines[i] = sinf(angle);
        }
    }
    model->angles_first = position;
    model->angles_count = count;
    return FG_OK;
}

void fg_rotary_turn(const fg_model *model, float *values, uint64_t count, uint64_t heads, uint64_t stride) {
    uint64_t half = model->settings.head_size / 2;
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
