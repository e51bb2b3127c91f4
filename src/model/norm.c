/* Norms over the last dimension. RMS: x / sqrt(mean(x^2) + epsilon) * weight. */
#include <math.h>

#include "model/model.h"

/* Eight partial sums: the order of additions is ours, not the compiler's. */
static double sum_of_squares(const float *x, uint64_t size) {
    double part[8] = {0};
    uint64_t i = 0;
    for (; i + 8 <= size; i += 8) {
        for (unsigned k = 0; k < 8; k++) part[k] += (double)x[i + k] * x[i + k];
    }
    for (; i < size; i++) part[0] += (double)x[i] * x[i];
    return ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
}

void fg_norm_rms(const float *from, const float *weight, float epsilon, uint64_t rows, uint64_t size,
                 float *to) {
    for (uint64_t row = 0; row < rows; row++, from += size, to += size) {
        float mean = (float)(sum_of_squares(from, size) / (double)size);
        float scale = 1.0f / sqrtf(mean + epsilon);
        for (uint64_t i = 0; i < size; i++) to[i] = from[i] * scale * weight[i];
    }
}

fg_status fg_norm_read(fg_model *model, const fg_vector *weight, uint64_t size, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_scratch_fit(&model->norm_values, 1, size, err));
    FG_TRY(model->weights.read(model->weights.context, &weight->weight, weight->first, size,
                               model->norm_values.values, err));
done:
    if (status != FG_OK) fg_where(err, "reading %s", weight->name);
    return status;
}

fg_status fg_norm_run(fg_model *model, const fg_norm_kind *norm, const fg_vector *weight, double epsilon,
                      const float *from, uint64_t count, float *to, fg_error *err) {
    uint64_t hidden = model->shape.hidden;
    fg_status status = fg_norm_read(model, weight, hidden, err);
    if (status == FG_OK) norm->apply(from, model->norm_values.values, (float)epsilon, count, hidden, to);
    return status;
}
