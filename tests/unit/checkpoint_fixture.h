/* Checkpoint directories with reference logits: opened, multiplied, bound, run with all prediction heads. */
#ifndef FG_TEST_CHECKPOINT_FIXTURE_H
#define FG_TEST_CHECKPOINT_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "device/device.h"
#include "format/checkpoint.h"
#include "model/forward.h"
#include "model/spec.h"

enum { TEXT = 600 };

static inline void require_ok(fg_status status, const fg_error *err) {
    if (status != FG_OK) fail_msg("%s (%s)", err->text, err->where);
}

/* ---- arrays ---- */

typedef struct logits {
    uint64_t heads, tokens, vocab;
    float *values; /* [heads, tokens, vocab] */
} logits;

static inline void logits_free(logits *l) {
    free(l->values);
    *l = (logits){0};
}

/* A .npy file of float32 with two or three dimensions. */
static inline logits logits_read(const char *path) {
    fg_error err = {0};
    fg_buffer bytes = {0};
    unsigned long long shape[3] = {0};
    require_ok(fg_file_read_all(path, 8 << 20, &bytes, &err), &err);
    const char *begin = strstr(bytes.data + 10, "'shape': (");
    assert_true(begin && strstr(bytes.data + 10, "'descr': '<f4', 'fortran_order': False"));
    int dims = sscanf(begin, "'shape': (%llu, %llu, %llu", &shape[0], &shape[1], &shape[2]);
    logits l = {.heads = dims == 3 ? shape[0] : 1, .tokens = shape[dims - 2], .vocab = shape[dims - 1]};
    size_t size = l.heads * l.tokens * l.vocab * sizeof *l.values;
    assert_true(size && bytes.length > size);
    l.values = malloc(size);
    memcpy(l.values, bytes.data + bytes.length - size, size);
    fg_buffer_free(&bytes);
    return l;
}

/* The largest difference, relative to the largest reference. */
static inline double logits_distance(const logits *reference, const logits *found) {
    double most = 0, largest = 0;
    uint64_t count = reference->heads * reference->tokens * reference->vocab;
    assert_true(reference->heads == found->heads && reference->tokens == found->tokens &&
                reference->vocab == found->vocab);
    for (uint64_t i = 0; i < count; i++) {
        double difference = fabs((double)reference->values[i] - found->values[i]);
        if (!(difference <= most)) most = difference; /* NaN, too */
        largest = fmax(largest, fabs((double)reference->values[i]));
    }
    return most / largest;
}

/* ---- weights times a factor ---- */

typedef struct scaled {
    fg_weight_source inner;
    const fg_tensors *table; /* where its numbers are stored */
    float factor;
} scaled;

static inline bool scaled_find(void *context, const char *name, fg_weight *weight) {
    scaled *s = context;
    bool found = s->inner.find(s->inner.context, name, weight);
    if (fg_dtype_is_float(weight->dtype)) weight->dtype = FG_F32;
    return found;
}

static inline fg_status scaled_read(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                                    void *out, fg_error *err) {
    scaled *s = context;
    fg_weight stored = *weight;
    stored.dtype = s->table->items[weight->index].dtype;
    float *values = out;
    fg_status status = fg_weight_source_read_f32(&s->inner, &stored, first, count, values, err);
    for (uint64_t i = 0; status == FG_OK && i < count; i++) values[i] *= s->factor;
    return status;
}

static inline void scaled_close(void *context) {
    scaled *s = context;
    fg_weight_source_close(&s->inner);
    free(s);
}

/* ---- models ---- */

typedef struct subject {
    fg_checkpoint checkpoint;
    json_t *spec;
    json_t *config; /* the checkpoint's own, or a copy that a test changes */
    uint32_t *tokens;
    uint64_t count;
} subject;

static inline json_t *load_spec(const char *name) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    json_t *spec;
    require_ok(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), &err);
    require_ok(fg_model_spec_read(&spec, &catalogue, name, &err), &err);
    fg_catalogue_free(&catalogue);
    return spec;
}

/* `directory` below tests/data; `tokens` a JSON file there with "input_ids". */
static inline subject subject_open(const char *directory, const char *tokens) {
    fg_error err = {0};
    char path[TEXT];
    json_t *document;
    subject s = {0};
    snprintf(path, sizeof path, FG_TEST_DATA "/%s", directory);
    require_ok(fg_checkpoint_open(&s.checkpoint, path, NULL, &err), &err);
    s.spec = load_spec(fg_model_spec_name(s.checkpoint.format, s.checkpoint.model_type));
    s.config = json_deep_copy(s.checkpoint.config);
    snprintf(path, sizeof path, FG_TEST_DATA "/%s", tokens);
    require_ok(fg_json_read(path, &document, &err), &err);
    const json_t *ids = json_object_get(document, "input_ids");
    s.count = json_array_size(ids);
    s.tokens = malloc(s.count * sizeof *s.tokens);
    for (uint64_t i = 0; i < s.count; i++) s.tokens[i] = (uint32_t)json_integer_value(json_array_get(ids, i));
    json_decref(document);
    return s;
}

static inline void subject_close(subject *s) {
    fg_checkpoint_close(&s->checkpoint);
    json_decref(s->spec);
    json_decref(s->config);
    free(s->tokens);
}

static inline fg_status subject_bind(const subject *s, const fg_device *device, float factor,
                                     fg_model **model, fg_error *err) {
    fg_weight_source inner;
    fg_status status = fg_weight_source_from_tensors(&inner, &s->checkpoint.tensors, err);
    if (status != FG_OK) return status;
    if (factor == 1)
        return fg_model_bind(model, device, s->spec, s->checkpoint.format, s->config, inner, err);
    scaled *context = malloc(sizeof *context);
    *context = (scaled){inner, &s->checkpoint.tensors, factor};
    fg_weight_source weights = {
        .context = context, .find = scaled_find, .read = scaled_read, .close = scaled_close};
    return fg_model_bind(model, device, s->spec, s->checkpoint.format, s->config, weights, err);
}

/* ---- running ---- */

static inline void run_head(fg_model *model, fg_cache *cache, uint64_t head, uint64_t at, uint64_t count,
                            const float *trunk, logits *out) {
    fg_error err = {0};
    fg_model_shape shape = fg_model_shape_of(model);
    size_t size = count * shape.hidden * sizeof(float);
    float *hidden = malloc(size), *normed = malloc(size);
    memcpy(hidden, trunk, size);
    if (shape.heads > 1)
        require_ok(fg_model_block(model, shape.trunk + head, cache, at, count, hidden, NULL, &err), &err);
    require_ok(fg_model_final_norm(model, head, hidden, count, normed, &err), &err);
    require_ok(fg_model_logits(model, normed, count, 0, shape.vocab,
                               out->values + (head * out->tokens + at) * shape.vocab, &err),
               &err);
    free(hidden);
    free(normed);
}

/* Logits of a bound model, which is freed; `batch` tokens at a time. */
static inline logits run_model(fg_model *model, const uint32_t *tokens, uint64_t count, uint64_t batch) {
    fg_error err = {0};
    fg_cache *cache = NULL;
    fg_model_shape shape = fg_model_shape_of(model);
    logits out = {.heads = shape.heads, .tokens = count, .vocab = shape.vocab};
    out.values = malloc(out.heads * count * shape.vocab * sizeof(float));
    float *hidden = malloc(count * shape.hidden * sizeof(float));
    require_ok(fg_cache_new(&cache, model, 0, 1, count, &err), &err);
    for (uint64_t at = 0, part; at < count; at += part) {
        part = count - at < batch ? count - at : batch;
        require_ok(fg_model_embed(model, tokens + at, part, hidden, &err), &err);
        for (uint64_t b = 0; b < shape.trunk; b++)
            require_ok(fg_model_block(model, b, cache, at, part, hidden, NULL, &err), &err);
        for (uint64_t h = 0; h < shape.heads; h++) run_head(model, cache, h, at, part, hidden, &out);
    }
    free(hidden);
    fg_cache_free(&cache);
    fg_model_free(&model);
    return out;
}

static inline logits subject_run(const subject *s, float factor, fg_mask mask, uint64_t batch) {
    fg_error err = {0};
    fg_model *model;
    require_ok(subject_bind(s, &fg_device_cpu, factor, &model, &err), &err);
    fg_model_set_mask(model, mask);
    return run_model(model, s->tokens, s->count, batch);
}

#endif
