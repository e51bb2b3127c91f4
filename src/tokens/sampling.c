#include "tokens/sampling.h"

#include "base/log.h"

enum { SHOWN = 60 };

/* A number of generation_config.json; absent or null leaves `*value` as it is. */
static fg_status read_real(const json_t *config, const char *key, double most, double *value, fg_error *err) {
    char found[SHOWN];
    const json_t *held = json_object_get(config, key);
    double number = json_number_value(held);
    if (!held || json_is_null(held)) return FG_OK;
    if (!json_is_number(held) || !(number >= 0 && number <= most))
        return fg_fail(err, FG_ERR_INPUT,
                       "generation_config.json: %s: found %s, expected a number from 0 to %g", key,
                       fg_json_brief(held, found, sizeof found), most);
    *value = number;
    return FG_OK;
}

static fg_status read_top_k(const json_t *config, uint64_t *value, fg_error *err) {
    const json_t *held = json_object_get(config, "top_k");
    if (!held || json_is_null(held)) return FG_OK;
    return fg_json_get_u64(config, "top_k", "generation_config.json", value, err);
}

static bool asked(const fg_sampling_request *r) {
    return r->sample || r->temperature >= 0 || r->top_p >= 0 || r->seed >= 0;
}

fg_status fg_sampling_resolve(fg_sampling *sampling, const fg_sampling_request *r, const json_t *config,
                              fg_error *err) {
    const double hottest = 1e6;
    *sampling = (fg_sampling){.greedy = true, .temperature = 1, .top_p = 1};
    if (!asked(r)) {
        if (json_is_true(json_object_get(config, "do_sample")))
            fg_inform("generation_config.json has do_sample, but decoding is greedy; use --sample to sample");
        return FG_OK;
    }
    FG_CALL(read_real(config, "temperature", hottest, &sampling->temperature, err));
    FG_CALL(read_real(config, "top_p", 1, &sampling->top_p, err));
    FG_CALL(read_top_k(config, &sampling->top_k, err));
    if (r->temperature >= 0) sampling->temperature = r->temperature;
    if (r->top_p >= 0) sampling->top_p = r->top_p;
    if (r->seed >= 0) sampling->seed = (uint64_t)r->seed;
    sampling->greedy = sampling->temperature == 0;
    return FG_OK;
}
