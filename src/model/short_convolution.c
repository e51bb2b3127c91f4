#include "model/short_convolution.h"

fg_status fg_short_convolution_bind(const fg_binder *binder, const char *role,
                                    const fg_short_convolution *how, uint64_t channels, fg_matrix *weight,
                                    fg_error *err) {
    return fg_bind_linear(binder, role, how->bias, channels, how->kernel_size, weight, err);
}

uint64_t fg_short_convolution_window(const fg_short_convolution *how, uint64_t channels) {
    return (how->kernel_size - 1) * channels;
}

fg_status fg_short_convolution_run(fg_workspace *w, const fg_short_convolution *how, const fg_matrix *weight,
                                   const fg_real *from, uint64_t count, fg_real *window, fg_real *to,
                                   fg_error *err) {
    uint64_t channels = weight->rows;
    const fg_real *bias;
    FG_CALL(fg_scratch_fit(w, &w->panel, channels, how->kernel_size, err));
    FG_CALL(fg_matrix_read(w, weight, 0, channels, w->panel.values, err));
    const fg_convolution convolution = {.tokens = count,
                                        .channels = channels,
                                        .kernel = how->kernel_size,
                                        .from = from,
                                        .weight = w->panel.values,
                                        .window = window,
                                        .to = to};
    w->device->convolve(w->state, &convolution);
    if (how->bias) {
        FG_CALL(fg_vector_read(w, &weight->bias, channels, &bias, err));
        w->device->add(w->state, to, channels, bias, 0, count, channels);
    }
    w->device->activate(w->state, *how->activation, to, count * channels);
    return FG_OK;
}
