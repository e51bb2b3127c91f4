#include "conversion/vocabulary_change.h"

#include "tokens/tokenizer_edit.h"

static fg_status read_request(const fg_recipe *recipe, const fg_format *to, fg_vocabulary_change *change,
                              fg_error *err) {
    bool needs_pad = to->needs_pad_token && !recipe->skip_default_tokens && change->files.tokenizer.length;
    if (recipe->tokens) return fg_token_request_recall(&change->request, recipe->tokens, err);
    if (recipe->add_tokens) return fg_token_request_read(&change->request, recipe->add_tokens, err);
    return needs_pad ? fg_token_request_default(&change->request, err) : FG_OK;
}

static fg_status refuse_tokens(const fg_converter *converter, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: cannot add tokens: no tensor is marked with \"vocabulary\"",
            fg_converter_file(converter));
    return fg_hint(err, "mark the tensors whose rows are tokens (see docs/adding-a-model.md)");
}

/* With a converter that marks no tensor the vocabulary stays as it is. */
fg_status fg_vocabulary_change_decide(const fg_recipe *recipe, const fg_source *source, const fg_route *route,
                                      const fg_configs *configs, fg_vocabulary_change *change,
                                      fg_error *err) {
    const fg_config_step *last = fg_configs_last(configs);
    uint64_t rows = 0;
    if (route->update) return FG_OK;
    FG_CALL(fg_tokenizer_files_read(&change->files, source->tokenizer_directory, err));
    FG_CALL(read_request(recipe, route->to, change, err));
    if (!change->request.document) return FG_OK;
    FG_CALL(fg_converter_vocabulary_rows(last->converter, fg_config_step_completed(last), &rows, err));
    if (!rows && recipe->add_tokens) FG_CALL(refuse_tokens(last->converter, err));
    if (!rows) {
        fg_token_request_free(&change->request);
        return FG_OK;
    }
    FG_CALL(fg_new_tokens_decide(&change->tokens, &change->request, &change->files, rows, err));
    if (fg_new_tokens_any(&change->tokens))
        FG_CALL(fg_tokenizer_files_add(&change->files, &change->tokens, err));
    change->grows = change->tokens.rows.rows > rows;
    return FG_OK;
}

bool fg_vocabulary_changes_role(const fg_vocabulary_change *change, fg_role role) {
    return change->request.document && change->tokens.roles[role] != FG_NO_TOKEN;
}

void fg_vocabulary_change_trim(fg_vocabulary_change *change) {
    if (!fg_new_tokens_any(&change->tokens)) fg_buffer_free(&change->files.tokenizer);
}

void fg_vocabulary_change_free(fg_vocabulary_change *change) {
    fg_tokenizer_files_free(&change->files);
    fg_token_request_free(&change->request);
    fg_new_tokens_free(&change->tokens);
    *change = (fg_vocabulary_change){0};
}
