#include "format/distributed_settings.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"

#define FROZEN "multi_stage/store_frozen_weights_in_optimization_precision"
#define PER_STAGE "multi_stage/layers_per_stage"
#define COMPUTE_DTYPE "distributed/compute_dtype"
#define WORLD_SIZE "distributed/world_size"
#define TENSOR "distributed/tensor_parallel"
#define PIPELINE "distributed/pipeline_parallel"
#define FIRST "distributed/pipeline_first"
#define RANK "distributed/rank"

enum { BRIEF = 80 };

/* ---- single values ---- */

static fg_status unexpected(const json_t *config, const char *file, const char *path, const char *expected,
                            fg_error *err) {
    char brief[BRIEF];
    return fg_fail(err, FG_ERR_INPUT, "%s: config/%s: found %s, expected %s", file, path,
                   fg_json_brief(fg_json_at(config, path), brief, sizeof brief), expected);
}

/* A count of 1 or more; absent: `otherwise` (0: it must be there). */
static fg_status read_count(const json_t *config, const char *file, const char *path, uint64_t otherwise,
                            uint64_t *count, fg_error *err) {
    const json_t *value = fg_json_at(config, path);
    *count = otherwise;
    if (!value && otherwise) return FG_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        return unexpected(config, file, path, "a positive integer", err);
    *count = (uint64_t)json_integer_value(value);
    return FG_OK;
}

static fg_status read_flag(const json_t *config, const char *file, const char *path, bool *flag,
                           fg_error *err) {
    const json_t *value = fg_json_at(config, path);
    if (value && !json_is_boolean(value)) return unexpected(config, file, path, "true or false", err);
    if (value) *flag = json_is_true(value);
    return FG_OK;
}

static fg_status read_dtype(const json_t *config, const char *file, const char *path, fg_dtype *dtype,
                            fg_error *err) {
    const json_t *value = fg_json_at(config, path);
    *dtype = FG_F32;
    if (!value) return FG_OK;
    if (json_is_string(value)) *dtype = fg_dtype_from_name(json_string_value(value));
    return json_is_string(value) && fg_dtype_is_float(*dtype)
               ? FG_OK
               : unexpected(config, file, path, "a floating point type", err);
}

/* ---- the grid ---- */

static fg_status contradiction(const fg_rank_grid *g, const char *file, const char *what, uint64_t number,
                               fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: config/distributed: world_size is %" PRIu64 ", tensor_parallel %" PRIu64
                   ", pipeline_parallel %" PRIu64 ": expected %s (%" PRIu64 ")",
                   file, g->ranks, g->tensor, g->pipeline, what, number);
}

static fg_status read_grid(const json_t *config, const char *file, fg_rank_grid *g, fg_error *err) {
    uint64_t model;
    FG_CALL(read_count(config, file, WORLD_SIZE, 0, &g->ranks, err));
    FG_CALL(read_count(config, file, TENSOR, 1, &g->tensor, err));
    FG_CALL(read_count(config, file, PIPELINE, 1, &g->pipeline, err));
    FG_CALL(read_count(config, file, "distributed/sequence_data_parallel", 1, &g->sequence_data, err));
    FG_CALL(read_flag(config, file, FIRST, &g->pipeline_first, err));
    if (!fg_mul(g->tensor, g->pipeline, &model) || g->ranks % model)
        return contradiction(g, file, "a multiple of tensor times pipeline ranks", g->ranks, err);
    g->data = g->ranks / model;
    if (g->data % g->sequence_data)
        return contradiction(g, file, "data ranks that sequence_data_parallel divides", g->sequence_data,
                             err);
    return FG_OK;
}

/* ---- stages ---- */

/* A number; infinity, which YAML spells in a way that JSON has no number for; else NAN. */
static double number_or_infinity(const json_t *value) {
    const char *text = json_string_value(value);
    if (text && strcmp(text, ".inf") == 0) return INFINITY;
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static fg_status read_stages(const json_t *config, const char *file, fg_layout_settings *s, fg_error *err) {
    const json_t *per_stage = fg_json_at(config, PER_STAGE);
    bool in_float32 = true;
    uint64_t stages;
    s->layers_per_stage = 1;
    if (per_stage) s->layers_per_stage = number_or_infinity(per_stage);
    if (!(s->layers_per_stage > 0))
        return unexpected(config, file, PER_STAGE, "a number greater than 0", err);
    FG_CALL(read_count(config, file, "multi_stage/stages_per_pipeline_stage", 1, &stages, err));
    if (stages != 1)
        return unexpected(config, file, "multi_stage/stages_per_pipeline_stage",
                          "1, the only value that Fast-LLM supports", err);
    FG_CALL(read_flag(config, file, FROZEN, &in_float32, err));
    s->frozen_in_compute_dtype = !in_float32;
    return FG_OK;
}

static fg_status check_model(const json_t *config, const char *file, fg_error *err) {
    const json_t *peft = fg_json_at(config, "base_model/peft/type");
    fg_dtype dtype;
    if (peft && (!json_is_string(peft) || strcmp(json_string_value(peft), "none") != 0)) {
        fg_status status = unexpected(config, file, "base_model/peft/type", "\"none\"", err);
        fg_hint(err, "the layout of checkpoints with LoRA is not known: Fast-LLM itself cannot build them");
        return status;
    }
    FG_CALL(read_dtype(config, file, "distributed/optimization_dtype", &dtype, err));
    return dtype == FG_F32 ? FG_OK
                           : unexpected(config, file, "distributed/optimization_dtype", "\"float32\"", err);
}

fg_status fg_layout_settings_read(const json_t *config, const char *file, fg_layout_settings *s,
                                  fg_error *err) {
    *s = (fg_layout_settings){0};
    if (!json_is_object(json_object_get(config, "distributed")))
        return unexpected(config, file, "distributed", "an object that says which ranks there were", err);
    FG_CALL(read_grid(config, file, &s->grid, err));
    FG_CALL(read_stages(config, file, s, err));
    FG_CALL(read_dtype(config, file, COMPUTE_DTYPE, &s->compute_dtype, err));
    return check_model(config, file, err);
}

/* ---- headers ---- */

/* Equal, and null is the same as absent. */
static bool same(const json_t *a, const json_t *b);

static bool is_absent(const json_t *value) {
    return !value || json_is_null(value);
}

/* Whether each member of `a` is in `b`. */
static bool members_in(const json_t *a, const json_t *b) {
    const json_t *value;
    FG_JSON_MEMBERS(a, key, value) {
        if (!same(value, json_object_get(b, key))) return false;
    }
    return true;
}

static bool same(const json_t *a, const json_t *b) {
    if (is_absent(a) || is_absent(b)) return is_absent(a) && is_absent(b);
    if (!json_is_object(a) || !json_is_object(b)) return fg_json_equal(a, b);
    return members_in(a, b) && members_in(b, a);
}

static const json_t *or_default(const json_t *config, const char *path, const json_t *otherwise) {
    const json_t *value = fg_json_at(config, path);
    return is_absent(value) ? otherwise : value;
}

/* The innermost member in which two configurations differ: the path grows by it. */
static const char *first_difference(const json_t **a, const json_t **b) {
    const json_t *value;
    const char *key = NULL;
    FG_JSON_MEMBERS(*a, k, value) {
        if (!key && !same(value, json_object_get(*b, k))) key = k;
    }
    FG_JSON_MEMBERS(*b, k, value) {
        if (!key && !same(value, json_object_get(*a, k))) key = k;
    }
    *a = json_object_get(*a, key);
    *b = json_object_get(*b, key);
    return key;
}

static fg_status refuse(const char *file, const char *path, const json_t *found, const json_t *expected,
                        fg_error *err) {
    char brief[BRIEF], other[BRIEF];
    fg_status status = fg_fail(
        err, FG_ERR_INPUT, "%s: the configuration in its header: %s: found %s, expected %s", file, path,
        fg_json_brief(found, brief, sizeof brief), fg_json_brief(expected, other, sizeof other));
    fg_hint(err,
            "the file belongs to another rank or another checkpoint, or metadata.yaml was edited: copy the "
            "whole directory of one step again");
    return status;
}

static fg_status compare_models(const json_t *a, const json_t *b, const char *file, fg_error *err) {
    enum { PATH = 400 };
    char path[PATH] = "base_model";
    if (same(a, b)) return FG_OK;
    while (json_is_object(a) && json_is_object(b)) {
        const char *key = first_difference(&a, &b);
        if (!key) break;
        strncat(path, "/", sizeof path - strlen(path) - 1);
        strncat(path, key, sizeof path - strlen(path) - 1);
    }
    return refuse(file, path, b, a, err);
}

/* `otherwise` is the default, taken over; NULL: none. */
static fg_status compare_one(const json_t *config, const json_t *repeated, const char *file, const char *path,
                             json_t *otherwise, fg_error *err) {
    const json_t *expected = or_default(config, path, otherwise),
                 *found = or_default(repeated, path, otherwise);
    fg_status status = same(expected, found) ? FG_OK : refuse(file, path, found, expected, err);
    json_decref(otherwise);
    return status;
}

fg_status fg_layout_settings_compare(const json_t *config, const json_t *repeated,
                                     const fg_layout_settings *settings, uint64_t rank, const char *file,
                                     fg_error *err) {
    json_t *number = json_integer((json_int_t)rank);
    if (!number) return fg_fail(err, FG_ERR_MEMORY, "out of memory");
    const json_t *found = fg_json_at(repeated, RANK);
    fg_status status = same(found, number) ? FG_OK : refuse(file, RANK, found, number, err);
    json_decref(number);
    FG_CALL(status);
    FG_CALL(compare_models(json_object_get(config, "base_model"), json_object_get(repeated, "base_model"),
                           file, err));
    FG_CALL(compare_one(config, repeated, file, WORLD_SIZE, NULL, err));
    FG_CALL(compare_one(config, repeated, file, TENSOR, json_integer(1), err));
    FG_CALL(compare_one(config, repeated, file, PIPELINE, json_integer(1), err));
    FG_CALL(compare_one(config, repeated, file, FIRST, json_false(), err));
    FG_CALL(compare_one(config, repeated, file, PER_STAGE, json_real(1), err));
    FG_CALL(compare_one(config, repeated, file, FROZEN, json_true(), err));
    if (!settings->frozen_in_compute_dtype) return FG_OK;
    return compare_one(config, repeated, file, COMPUTE_DTYPE, json_string("float32"), err);
}
