#include "format/consumed_tokens.h"

#include "base/checked.h"
#include "format/experiment.h"
#include "format/metadata_yaml.h"

/* A number of 0 or more. */
static bool find_number(const json_t *document, const char *path, uint64_t *number) {
    const json_t *value = fg_json_at(document, path);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *number = (uint64_t)json_integer_value(value);
    return true;
}

/* Multiplies by the number at a path: by `otherwise` if there is none, unless that is 0. */
static bool multiply(const json_t *config, const char *path, uint64_t otherwise, uint64_t *product) {
    uint64_t number = otherwise;
    bool known = fg_json_at(config, path) ? find_number(config, path, &number) : otherwise > 0;
    return known && fg_mul(*product, number, product);
}

/* Multiplies by the tokens of a batch. */
static bool multiply_batch(const json_t *config, const fg_rank_grid *grid, uint64_t *product) {
    if (fg_json_at(config, "batch/batch_size"))
        return multiply(config, "batch/batch_size", 0, product) &&
               multiply(config, "batch/sequence_length", 0, product);
    return multiply(config, "data/micro_batch_size", 0, product) &&
           multiply(config, "schedule/depth_first_micro_batches", 1, product) &&
           multiply(config, "schedule/breadth_first_micro_batches", 1, product) &&
           fg_mul(*product, grid->data / grid->sequence_data, product);
}

fg_status fg_consumed_tokens_put(const char *checkpoint, const json_t *run, const fg_rank_grid *grid,
                                 json_t *facts, fg_error *err) {
    uint64_t tokens;
    json_t *config = NULL;
    const char *from = FG_METADATA_YAML;
    bool known = find_number(run, "metrics/training/consumed_tokens", &tokens);
    if (!known && find_number(run, "completed_steps", &tokens)) {
        FG_CALL(fg_experiment_config(checkpoint, &config, err));
        known = config && multiply_batch(config, grid, &tokens);
        json_decref(config);
        from = FG_EXPERIMENT_CONFIG;
    }
    if (!known || tokens > INT64_MAX) return FG_OK;
    FG_CALL(fg_json_put_u64(facts, "consumed_tokens", tokens, err));
    return fg_json_put_text(facts, "consumed_tokens_from", from, err);
}
