#include "conversion/finalized_generation.h"

#include "base/log.h"
#include "tokens/generation_config.h"
#include "tokens/stop_tokens.h"

/* The old ids come first, so that they still stop the model. */
static fg_status find_stop_tokens(const fg_decisions *d, const json_t *tokenizer_eos, fg_stop_tokens *stop,
                                  fg_error *err) {
    const fg_recipe *recipe = d->recipe;
    const fg_vocabulary_change *v = &d->vocabulary;
    const json_t *config = d->source.checkpoint.config, *generation = d->source.generation_config;
    FG_CALL(fg_stop_tokens_add(stop, json_object_get(config, "eos_token_id"), "config.json", err));
    FG_CALL(
        fg_stop_tokens_add(stop, json_object_get(generation, "eos_token_id"), "generation_config.json", err));
    if (!recipe->no_auto_stop_tokens && v->request.document)
        FG_CALL(fg_stop_tokens_add_requested(stop, &v->request, &v->files, err));
    if (!recipe->no_auto_stop_tokens || !stop->count)
        FG_CALL(fg_stop_tokens_add(stop, tokenizer_eos, "eos token of the tokenizer", err));
    if (recipe->stop_tokens) FG_CALL(fg_stop_tokens_add_listed(stop, recipe->stop_tokens, &v->files, err));
    return FG_OK;
}

/* Without generation_config.json, generation stops at the ids of config.json. */
static fg_status keep_only_config(const json_t *config, fg_stop_tokens *stop, fg_error *err) {
    size_t all = stop->count;
    fg_stop_tokens_free(stop);
    fg_status status = fg_stop_tokens_add(stop, json_object_get(config, "eos_token_id"), "config.json", err);
    if (status == FG_OK && stop->count < all)
        fg_warn("without generation_config.json, only the eos_token_id of config.json stops generation");
    return status;
}

fg_status fg_finalized_generation(const fg_decisions *d, const fg_token_ids *ids, json_t *config,
                                  json_t **generation_config, json_t **stop_tokens, fg_error *err) {
    fg_status status = FG_OK;
    fg_stop_tokens stop = {0};
    json_t *eos = NULL, *own = NULL;
    if (ids->id[FG_ROLE_EOS] != FG_NO_TOKEN) own = json_integer(ids->id[FG_ROLE_EOS]);
    FG_TRY(find_stop_tokens(d, own, &stop, err));
    if (own && !json_object_get(config, "eos_token_id"))
        FG_TRY(fg_json_put(config, "eos_token_id", json_incref(own), err));
    FG_TRY(fg_generation_config_begin(d->recipe->generation_config, d->source.generation_config,
                                      generation_config, err));
    if (*generation_config) {
        FG_TRY(fg_stop_tokens_ids(&stop, &eos, err));
        FG_TRY(fg_generation_config_lay_ids(*generation_config, ids, eos, err));
    } else {
        FG_TRY(keep_only_config(config, &stop, err));
    }
    FG_TRY(fg_stop_tokens_describe(&stop, &d->vocabulary.files, stop_tokens, err));
    if (!stop.count) fg_warn("no token stops generation: neither configuration has an eos_token_id");
done:
    fg_stop_tokens_free(&stop);
    json_decref(eos);
    json_decref(own);
    return status;
}
