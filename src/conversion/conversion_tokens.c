/* A conversion's vocabulary: the tokens that are added, and the ids that the configurations name. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/conversion.h"
#include "mapping/converter_map.h"
#include "tokens/stop_tokens.h"
#include "tokens/tokenizer_edit.h"

/* ---- added tokens ---- */

/* Towards Forgather a tokenizer without a pad token gets one; nothing else is added by default. */
static bool wants_default(const fg_conversion *c, const fg_options *options) {
    return c->to == &fg_format_forgather && !options->skip_default_tokens && c->tokenizer.tokenizer.length;
}

static fg_status read_request(fg_conversion *c, const fg_options *options, fg_error *err) {
    if (options->recalled_tokens) return fg_token_request_recall(&c->request, options->recalled_tokens, err);
    if (options->add_tokens) return fg_token_request_read(&c->request, options->add_tokens, err);
    return wants_default(c, options) ? fg_token_request_default(&c->request, err) : FG_OK;
}

/* The number of rows for tokens. With a converter that marks no tensor the vocabulary stays as it is. */
static fg_status find_rows(fg_conversion *c, const fg_options *options, uint64_t *rows, fg_error *err) {
    fg_status status = FG_OK;
    const fg_route_step *last = fg_conversion_last(c);
    const fg_completed completed = {.hf = last->translation.hf, .target = last->translation.target};
    FG_TRY(fg_converter_vocabulary_rows(last->converter, completed, rows, err));
    if (*rows) goto done;
    if (options->add_tokens) {
        fg_fail(err, FG_ERR_INPUT, "%s: cannot add tokens: no tensor is marked with \"vocabulary\"",
                fg_converter_file(last->converter));
        FG_TRY(fg_hint(err, "mark the tensors whose rows are tokens (see docs/adding-a-model.md)"));
    }
    fg_token_request_free(&c->request);
done:
    return status;
}

static void say_added(const fg_new_tokens *tokens) {
    char text[FG_ROW_TEXT];
    for (size_t i = 0; i < tokens->count; i++) {
        const fg_new_token *token = &tokens->items[i];
        const fg_row_edit *edit = fg_row_edits_from(&tokens->rows, token->id);
        if (token->is_new && edit && edit->row == token->id)
            fg_inform("added token \"%s\" with id %llu (row: %s)", token->text, (unsigned long long)token->id,
                      fg_row_value_text(edit->value, text));
    }
}

fg_status fg_conversion_decide_tokens(fg_conversion *c, const fg_options *options, bool *grown,
                                      fg_error *err) {
    fg_status status = FG_OK;
    uint64_t rows = 0;
    *grown = false;
    FG_TRY(fg_tokenizer_files_read(&c->tokenizer, fg_conversion_tokenizer_directory(c), err));
    FG_TRY(read_request(c, options, err));
    if (!c->request.document) goto done;
    FG_TRY(find_rows(c, options, &rows, err));
    if (!c->request.document) goto done;
    FG_TRY(fg_new_tokens_decide(&c->tokens, &c->request, &c->tokenizer, rows, err));
    if (fg_new_tokens_any(&c->tokens)) FG_TRY(fg_tokenizer_files_add(&c->tokenizer, &c->tokens, err));
    *grown = c->tokens.rows.rows > rows;
done:
    return status;
}

const fg_tokenizer_files *fg_conversion_tokenizer_files(const fg_conversion *c,
                                                        const fg_tokenizer_files *source) {
    return fg_new_tokens_any(&c->tokens) ? &c->tokenizer : source;
}

/* ---- ids ---- */

static bool is_changed(const fg_conversion *c, fg_role role) {
    return c->request.document && c->tokens.roles[role] != FG_NO_TOKEN;
}

static fg_status set_id(json_t *config, fg_role role, int64_t id, fg_error *err) {
    char key[32];
    snprintf(key, sizeof key, "%s_token_id", fg_role_name(role));
    return fg_json_put(config, key, json_integer(id), err);
}

/* Import and finalize: bos and pad are the tokenizer's. Otherwise only those that this run has changed. */
static bool follows_tokenizer(const fg_conversion *c, const fg_options *options) {
    if (c->keeps_format) return options->kind == FG_CONVERSION_FINALIZE;
    return fg_conversion_last(c)->direction == FG_IMPORT;
}

static fg_status resolve_role(fg_conversion *c, const fg_options *options, fg_role role, int64_t id,
                              fg_error *err) {
    fg_status status = FG_OK;
    char key[32];
    bool changed = is_changed(c, role);
    if (id == FG_NO_TOKEN || (!changed && !follows_tokenizer(c, options))) return FG_OK;
    snprintf(key, sizeof key, "%s_token_id", fg_role_name(role));
    const json_t *held = json_object_get(c->config, key);
    if (!changed && json_is_integer(held) && json_integer_value(held) != id)
        fg_inform("%s: %lld in config.json, %lld in the tokenizer; the tokenizer's is written", key,
                  (long long)json_integer_value(held), (long long)id);
    FG_TRY(set_id(c->config, role, id, err));
    if (changed && c->generation_config) FG_TRY(set_id(c->generation_config, role, id, err));
done:
    return status;
}

/* The eos ids of config, generation_config and tokenizer, first seen first, go into both files. */
static fg_status resolve_eos(fg_conversion *c, int64_t id, fg_error *err) {
    fg_status status = FG_OK;
    json_t *merged = NULL;
    const json_t *held = json_object_get(c->config, "eos_token_id");
    bool comes_back =
        c->source.format == &fg_format_fast_llm && c->to == &fg_format_hf && (held || c->source.model_type);
    if ((comes_back || c->keeps_format) && !is_changed(c, FG_ROLE_EOS))
        goto done; /* as it is, or once was, in both files */
    FG_TRY(
        fg_stop_tokens_merge(held, json_object_get(c->generation_config, "eos_token_id"), id, &merged, err));
    if (!merged) goto done;
    FG_TRY(fg_json_put(c->config, "eos_token_id", json_incref(merged), err));
    if (c->generation_config)
        FG_TRY(fg_json_put(c->generation_config, "eos_token_id", json_incref(merged), err));
done:
    json_decref(merged);
    return status;
}

/* ---- ids towards Fast-LLM, whose configuration has none: they are carried for the way back ---- */

/* The carried entry of a key; a new one if it is missing and `make` is set. */
static fg_status carried_entry(fg_conversion *c, const char *key, bool make, json_t **found, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *entry, *left_out = fg_conversion_last(c)->translation.left_out;
    *found = NULL;
    json_array_foreach(left_out, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0) *found = entry;
    }
    if (*found || !make) goto done;
    *found = json_pack("{s:s, s:s}", "key", key, "reason", "a token that was added");
    FG_TRY(fg_json_push(left_out, *found, err));
done:
    return status;
}

/* Takes over the reference to `value`. */
static fg_status carry(fg_conversion *c, const char *key, json_t *value, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry;
    FG_TRY(carried_entry(c, key, true, &entry, err));
    FG_TRY(fg_json_put(entry, "value", json_incref(value), err));
    if (c->generation_config) FG_TRY(fg_json_put(c->generation_config, key, json_incref(value), err));
done:
    json_decref(value);
    return status;
}

/* Only ids that this run has changed. */
static fg_status carry_role(fg_conversion *c, fg_role role, int64_t id, fg_error *err) {
    char key[32];
    if (id == FG_NO_TOKEN || !is_changed(c, role)) return FG_OK;
    snprintf(key, sizeof key, "%s_token_id", fg_role_name(role));
    return carry(c, key, json_integer(id), err);
}

/* Those of all files, as resolve_eos joins them; of an hf source only if this run has changed them, since
 * what is unchanged comes back as it was. */
static fg_status carry_eos(fg_conversion *c, int64_t id, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry, *merged;
    bool stays = c->source.format == &fg_format_hf || c->keeps_format;
    if (stays && !is_changed(c, FG_ROLE_EOS)) goto done;
    FG_TRY(carried_entry(c, "eos_token_id", false, &entry, err));
    FG_TRY(fg_stop_tokens_merge(json_object_get(entry, "value"),
                                json_object_get(c->generation_config, "eos_token_id"), id, &merged, err));
    if (merged) FG_TRY(carry(c, "eos_token_id", merged, err));
done:
    return status;
}

static void warn_about_pad(const fg_conversion *c, const fg_token_ids *ids) {
    const json_t *pad = json_object_get(c->config, "pad_token_id");
    bool named = c->to == &fg_format_fast_llm || json_is_integer(pad);
    if (!ids->present) {
        fg_warn("%s has no tokenizer: none is written, and token ids come from config.json alone",
                c->source.directory);
    } else if (!named) {
        fg_warn("the tokenizer has no pad token; training code that pads will need one");
    }
}

/* The ids that generate() and training code read. */
static fg_status resolve_ids(fg_conversion *c, const fg_options *options, const fg_token_ids *ids,
                             fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(resolve_role(c, options, FG_ROLE_BOS, ids->id[FG_ROLE_BOS], err));
    FG_TRY(resolve_role(c, options, FG_ROLE_PAD, ids->id[FG_ROLE_PAD], err));
    FG_TRY(options->kind == FG_CONVERSION_FINALIZE ? fg_conversion_resolve_generation(c, options, ids, err)
                                                   : resolve_eos(c, ids->id[FG_ROLE_EOS], err));
done:
    return status;
}

fg_status fg_conversion_resolve_tokens(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_token_ids ids;
    if (c->source.generation_config) {
        FG_TRY_NEW(c->generation_config, fg_json_deep_copy(c->source.generation_config, err));
    }
    if (c->update) goto done; /* all ids stay */
    FG_TRY(fg_token_ids_read(&c->tokenizer, &ids, err));
    if (c->to == &fg_format_fast_llm) {
        FG_TRY(carry_role(c, FG_ROLE_BOS, ids.id[FG_ROLE_BOS], err));
        FG_TRY(carry_eos(c, ids.id[FG_ROLE_EOS], err));
        FG_TRY(carry_role(c, FG_ROLE_PAD, ids.id[FG_ROLE_PAD], err));
    } else {
        FG_TRY(resolve_ids(c, options, &ids, err));
    }
    if (!fg_new_tokens_any(&c->tokens)) fg_buffer_free(&c->tokenizer.tokenizer);
    warn_about_pad(c, &ids);
    say_added(&c->tokens);
done:
    return status;
}
