/* Small models with reference logits (tests/data/model), held in memory so that tests can damage them. */
#ifndef FG_TEST_MODEL_FIXTURE_H
#define FG_TEST_MODEL_FIXTURE_H

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
#include "model/forward.h"
#include "model/spec.h"

enum { TOKENS = 24, VOCAB = 384, ARRAYS = 64, NAME = 160 };

typedef struct array {
    char name[NAME]; /* in the Hugging Face spelling */
    uint32_t rank;
    uint64_t shape[2], elements;
    float *values;
} array;

typedef struct fixture {
    const char *family;
    json_t *hf, *forgather, *spec;
    array arrays[ARRAYS];
    size_t count;
    uint32_t tokens[TOKENS];
    float logits[TOKENS * VOCAB]; /* of the reference */
} fixture;

/* ---- weights from the arrays ---- */

typedef struct memory_weights {
    fixture *from;
    bool forgather; /* names in Forgather's spelling */
} memory_weights;

/* The Hugging Face spelling of a Forgather name; written here on its own, as a third opinion next to models/
 * and forgather/. */
static inline void hf_spelling(const char *name, char *out) {
    static const char *const parts[][2] = {
        {"norm1.", "input_layernorm."},
        {"norm2.", "post_attention_layernorm."},
        {"attention.query_linear.", "self_attn.q_proj."},
        {"attention.key_linear.", "self_attn.k_proj."},
        {"attention.value_linear.", "self_attn.v_proj."},
        {"attention.output_linear.", "self_attn.o_proj."},
        {"attention.q_norm.", "self_attn.q_norm."},
        {"attention.k_norm.", "self_attn.k_norm."},
        {"feedforward.", "mlp."},
    };
    int block, used = 0;
    if (strcmp(name, "causal_lm.input_encoder.embedding.weight") == 0) {
        snprintf(out, NAME, "model.embed_tokens.weight");
    } else if (strcmp(name, "causal_lm.layer_stack.layer_norm.weight") == 0) {
        snprintf(out, NAME, "model.norm.weight");
    } else if (sscanf(name, "causal_lm.layer_stack.layers.%d.%n", &block, &used) == 1 && used) {
        snprintf(out, NAME, "unknown");
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            size_t length = strlen(parts[i][0]);
            if (strncmp(name + used, parts[i][0], length) == 0)
                snprintf(out, NAME, "model.layers.%d.%s%s", block, parts[i][1], name + used + length);
        }
    } else {
        snprintf(out, NAME, "%s", strcmp(name, "lm_head.weight") == 0 ? name : "unknown");
    }
}

static inline array *fixture_array(fixture *f, const char *name) {
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->arrays[i].name, name) == 0) return &f->arrays[i];
    }
    return NULL;
}

static inline bool memory_find(void *context, const char *name, fg_weight *weight) {
    const memory_weights *w = context;
    char spelled[NAME];
    if (w->forgather) hf_spelling(name, spelled);
    const array *found = fixture_array(w->from, w->forgather ? spelled : name);
    if (!found) return false;
    *weight = (fg_weight){.index = (uint32_t)(found - w->from->arrays),
                          .dtype = FG_F32,
                          .rank = found->rank,
                          .elements = found->elements};
    weight->shape[0] = found->shape[0];
    weight->shape[1] = found->shape[1];
    return true;
}

static inline fg_status memory_read(void *context, const fg_weight *weight, uint64_t first, uint64_t count,
                                    void *out, fg_error *err) {
    const memory_weights *w = context;
    const array *from = &w->from->arrays[weight->index];
    if (first + count > from->elements) return fg_fail(err, FG_ERR_BUG, "read beyond %s", from->name);
    memcpy(out, from->values + first, count * sizeof *from->values);
    return FG_OK;
}

static inline void memory_close(void *context) {
    free(context);
}

static inline fg_weight_source fixture_weights(fixture *f, const fg_format *format) {
    memory_weights *w = calloc(1, sizeof *w);
    *w = (memory_weights){f, format == &fg_format_forgather};
    return (fg_weight_source){.context = w, .find = memory_find, .read = memory_read, .close = memory_close};
}

/* ---- loading ---- */

static inline array *fixture_add(fixture *f, const char *name, uint32_t rank, uint64_t rows,
                                 uint64_t columns) {
    array *a = &f->arrays[f->count++];
    assert_true(f->count <= ARRAYS);
    *a = (array){.rank = rank,
                 .shape = {rows, rank == 2 ? columns : 0},
                 .elements = rank == 2 ? rows * columns : rows};
    snprintf(a->name, NAME, "%s", name);
    a->values = malloc(a->elements * sizeof *a->values);
    return a;
}

static inline void require_ok(fg_status status, const fg_error *err) {
    if (status != FG_OK) fail_msg("%s (%s)", err->text, err->where);
}

static inline void load_weights(fixture *f, const char *directory) {
    fg_error err = {0};
    fg_checkpoint checkpoint = {0};
    fg_checkpoint_options options = {.format = &fg_format_hf};
    fg_weight_source weights;
    require_ok(fg_checkpoint_open(&checkpoint, directory, &options, &err), &err);
    require_ok(fg_weight_source_from_tensors(&weights, &checkpoint.tensors, &err), &err);
    for (size_t i = 0; i < checkpoint.tensors.count; i++) {
        const fg_tensor *tensor = &checkpoint.tensors.items[i];
        fg_weight weight;
        assert_true(weights.find(weights.context, tensor->name, &weight));
        array *a = fixture_add(f, tensor->name, weight.rank, weight.shape[0],
                               weight.rank == 2 ? weight.shape[1] : 0);
        require_ok(fg_weight_source_read_f32(&weights, &weight, 0, a->elements, a->values, &err), &err);
    }
    fg_weight_source_close(&weights);
    f->hf = json_deep_copy(checkpoint.config);
    fg_checkpoint_close(&checkpoint);
}

/* Reference logits of a case: a .npy file of float32 [TOKENS, VOCAB] and the token ids. */
static inline void load_reference(const char *npy, const char *json, uint32_t *tokens, float *logits) {
    fg_error err = {0};
    fg_buffer bytes = {0};
    json_t *document;
    require_ok(fg_file_read_all(npy, 1 << 20, &bytes, &err), &err);
    size_t size = TOKENS * VOCAB * sizeof *logits;
    assert_true(bytes.length > size &&
                strstr(bytes.data + 10, "'descr': '<f4', 'fortran_order': False, 'shape': (24, 384)"));
    memcpy(logits, bytes.data + bytes.length - size, size);
    fg_buffer_free(&bytes);
    require_ok(fg_json_read(json, &document, &err), &err);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (uint32_t)json_integer_value(json_array_get(fg_json_at(document, "input_ids/0"), i));
    json_decref(document);
}

static inline json_t *load_spec(const char *family) {
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    json_t *spec;
    require_ok(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), &err);
    require_ok(fg_model_spec_read(&spec, &catalogue, family, &err), &err);
    fg_catalogue_free(&catalogue);
    return spec;
}

static inline fixture *fixture_load(const char *family) {
    fg_error err = {0};
    char path[512], ids[512];
    fixture *f = calloc(1, sizeof *f);
    f->family = family;
    snprintf(path, sizeof path, "%s/model/%s/hf", FG_TEST_DATA, family);
    load_weights(f, path);
    snprintf(path, sizeof path, "%s/model/%s/logits.npy", FG_TEST_DATA, family);
    snprintf(ids, sizeof ids, "%s/model/%s/tokens.json", FG_TEST_DATA, family);
    load_reference(path, ids, f->tokens, f->logits);
    snprintf(path, sizeof path, "%s/model/%s/forgather.json", FG_TEST_DATA, family);
    require_ok(fg_json_read(path, &f->forgather, &err), &err);
    json_object_set_new(f->forgather, "vocab_size",
                        json_integer(VOCAB)); /* without the padding token that the conversion added */
    f->spec = load_spec(family);
    return f;
}

static inline void fixture_free(fixture *f) {
    for (size_t i = 0; i < f->count; i++) free(f->arrays[i].values);
    json_decref(f->hf);
    json_decref(f->forgather);
    json_decref(f->spec);
    free(f);
}

/* ---- computing ---- */

typedef struct run_options {
    uint64_t batch; /* tokens at a time */
    uint64_t keep;  /* fg_model_cache_weights */
    fg_mask mask;
    const fg_probe *probe;
} run_options;

static inline fg_status run_batches(fg_model *model, fg_cache *cache, const uint32_t *tokens, uint64_t vocab,
                                    const run_options *options, float *logits, fg_error *err) {
    fg_status status = FG_OK;
    float *hidden = NULL, *normed = NULL;
    fg_model_shape shape = fg_model_shape_of(model);
    FG_NEW(hidden, TOKENS * shape.hidden);
    FG_NEW(normed, TOKENS * shape.hidden);
    for (uint64_t at = 0; at < TOKENS; at += options->batch) {
        uint64_t count = TOKENS - at < options->batch ? TOKENS - at : options->batch;
        FG_TRY(fg_model_embed(model, tokens + at, count, hidden, err));
        for (uint64_t b = 0; b < shape.blocks; b++)
            FG_TRY(fg_model_block(model, b, cache, at, count, hidden, options->probe, err));
        FG_TRY(fg_model_final_norm(model, 0, hidden, count, normed, err));
        FG_TRY(fg_model_logits(model, normed, count, 0, vocab, logits + at * vocab, err));
    }
done:
    fg_free(hidden);
    fg_free(normed);
    return status;
}

/* Logits [TOKENS, vocab] of a bound model, which is freed. */
static inline fg_status run_model(fg_model *model, const uint32_t *tokens, const run_options *options,
                                  float *logits, fg_error *err) {
    fg_status status = FG_OK;
    fg_cache *cache = NULL;
    fg_model_shape shape = fg_model_shape_of(model);
    fg_model_set_mask(model, options->mask);
    fg_model_cache_weights(model, options->keep);
    if (options->batch < TOKENS) FG_TRY(fg_cache_new(&cache, model, 0, 1, TOKENS, err));
    FG_TRY(run_batches(model, cache, tokens, shape.vocab, options, logits, err));
done:
    fg_cache_free(&cache);
    fg_model_free(&model);
    return status;
}

static inline fg_status fixture_run(fixture *f, const fg_format *format, const run_options *options,
                                    float *logits, fg_error *err) {
    fg_model *model;
    const json_t *config = format == &fg_format_hf ? f->hf : f->forgather;
    fg_status status =
        fg_model_bind(&model, &fg_device_cpu, f->spec, format, config, fixture_weights(f, format), err);
    return status == FG_OK ? run_model(model, f->tokens, options, logits, err) : status;
}

/* Largest difference of the reference and `logits`, as a part of the largest reference logit. */
static inline double distance(const float *reference, const float *logits, uint64_t count) {
    double most = 0, largest = 0;
    for (uint64_t i = 0; i < count; i++) {
        double d = fabs((double)reference[i] - logits[i]);
        most = d > most || isnan(d) ? d : most;
        largest = fmax(largest, fabs((double)reference[i]));
    }
    return most / largest;
}

#endif
