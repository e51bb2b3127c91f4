/* Activations, in place. */
#include <math.h>

#include "model/model.h"

void fg_activation_silu(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = values[i] / (1.0f + expf(-values[i]));
}

/* x times the share of a normal distribution below x. */
void fg_activation_gelu(float *values, uint64_t count) {
    const float root = 0.70710678118654752f; /* of 1/2 */
    for (uint64_t i = 0; i < count; i++) values[i] = 0.5f * values[i] * (1.0f + erff(values[i] * root));
}

/* The same, approximated (Hendrycks and Gimpel, 2016). */
void fg_activation_gelu_tanh(float *values, uint64_t count) {
    const float root = 0.79788456080286536f; /* of 2 / pi */
    for (uint64_t i = 0; i < count; i++) {
        float x = values[i];
        values[i] = 0.5f * x * (1.0f + tanhf(root * (x + 0.044715f * x * x * x)));
    }
}

void fg_activation_relu(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = values[i] < 0 ? 0 : values[i];
}

void fg_activation_relu2(float *values, uint64_t count) {
    fg_activation_relu(values, count);
    for (uint64_t i = 0; i < count; i++) values[i] *= values[i];
}

void fg_activation_sigmoid(float *values, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) values[i] = 1.0f / (1.0f + expf(-values[i]));
}

void fg_activation_identity(float *values, uint64_t count) {
    (void)values;
    (void)count;
}
