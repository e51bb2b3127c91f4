#include "conversion/settings.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/finalized_generation.h"
#include "conversion/token_id_check.h"
#include "language/classes.h"
#include "tokens/stop_tokens.h"

/* ---- what is left out ---- */

static bool names_dtype(const char *key) {
    return strcmp(key, "dtype") == 0 || strcmp(key, "torch_dtype") == 0;
}

/* Without keys that the destination has after all, and without a dtype, which is not lost: it is that of the
 * tensors. */
static fg_status list_left_out(const json_t *left_out, const json_t *kept, bool has_dtype, json_t *list,
                               fg_error *err) {
    json_t *entry;
    FG_JSON_EACH(left_out, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        if (key && ((kept && fg_json_at(kept, key)) || (has_dtype && names_dtype(key)))) continue;
        FG_CALL(fg_json_push(list, fg_json_copy(entry, err), err));
    }
    return FG_OK;
}

static fg_status find_left_out(const fg_decisions *d, bool has_dtype, fg_settings *s, fg_error *err) {
    const json_t *kept = d->route.update ? d->config : NULL;
    FG_CALL_NEW(s->left_out, json_array());
    for (size_t i = 0; i < d->configs.count; i++) {
        json_t *list = json_array();
        FG_CALL(fg_json_push(s->left_out, list, err));
        FG_CALL(list_left_out(d->configs.steps[i].translation.left_out, kept, has_dtype, list, err));
    }
    return FG_OK;
}

const json_t *fg_settings_last_left_out(const fg_settings *s) {
    return json_array_get(s->left_out, json_array_size(s->left_out) - 1);
}

/* ---- token ids in the configurations ---- */

static fg_status set_id(json_t *config, const char *key, int64_t id, fg_error *err) {
    return fg_json_put(config, key, json_integer(id), err);
}

/* Import and finalize: bos and pad are the tokenizer's. Otherwise only those that this run has changed. */
static bool follows_tokenizer(const fg_decisions *d) {
    if (d->route.keeps_format) return d->recipe->kind == FG_RECIPE_FINALIZE;
    return fg_configs_last(&d->configs)->route->direction == FG_IMPORT;
}

static fg_status resolve_role(const fg_decisions *d, fg_role role, int64_t id, fg_settings *s,
                              fg_error *err) {
    char key[FG_ROLE_KEY];
    bool changed = fg_vocabulary_changes_role(&d->vocabulary, role);
    if (id == FG_NO_TOKEN || (!changed && !follows_tokenizer(d))) return FG_OK;
    const json_t *held = json_object_get(s->config, fg_role_id_key(role, key));
    if (!changed && json_is_integer(held) && json_integer_value(held) != id)
        fg_inform("%s: %lld in config.json, %lld in the tokenizer; the tokenizer's is written", key,
                  (long long)json_integer_value(held), (long long)id);
    FG_CALL(set_id(s->config, key, id, err));
    if (changed && s->generation_config) FG_CALL(set_id(s->generation_config, key, id, err));
    return FG_OK;
}

/* The eos ids of config, generation_config and tokenizer, first seen first, go into both files. */
static fg_status resolve_eos(const fg_decisions *d, int64_t id, fg_settings *s, fg_error *err) {
    fg_status status = FG_OK;
    json_t *merged = NULL;
    const fg_checkpoint *source = &d->source.checkpoint;
    const json_t *held = json_object_get(s->config, "eos_token_id");
    bool comes_back = !source->format->has_token_ids && d->route.to->hub && (held || source->model_type);
    if ((comes_back || d->route.keeps_format) && !fg_vocabulary_changes_role(&d->vocabulary, FG_ROLE_EOS))
        goto done; /* as it is, or once was, in both files */
    FG_TRY(
        fg_stop_tokens_merge(held, json_object_get(s->generation_config, "eos_token_id"), id, &merged, err));
    if (!merged) goto done;
    FG_TRY(fg_json_put(s->config, "eos_token_id", json_incref(merged), err));
    if (s->generation_config)
        FG_TRY(fg_json_put(s->generation_config, "eos_token_id", json_incref(merged), err));
done:
    json_decref(merged);
    return status;
}

/* The ids that generate() and training code read. */
static fg_status resolve_ids(const fg_decisions *d, const fg_token_ids *ids, fg_settings *s, fg_error *err) {
    bool finalizes = d->recipe->kind == FG_RECIPE_FINALIZE;
    FG_CALL(resolve_role(d, FG_ROLE_BOS, ids->id[FG_ROLE_BOS], s, err));
    FG_CALL(resolve_role(d, FG_ROLE_PAD, ids->id[FG_ROLE_PAD], s, err));
    return finalizes ? fg_finalized_generation(d, ids, s->config, &s->generation_config, &s->stop_tokens, err)
                     : resolve_eos(d, ids->id[FG_ROLE_EOS], s, err);
}

/* ---- towards a format whose configuration has no ids: they are carried for the reverse conversion ---- */

static json_t *carried_entry(const fg_settings *s, const char *key) {
    json_t *entry, *found = NULL;
    FG_JSON_EACH(fg_settings_last_left_out(s), i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0) found = entry;
    }
    return found;
}

/* Takes over the reference to `value`. */
static fg_status carry(fg_settings *s, const char *key, json_t *value, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry = carried_entry(s, key);
    if (!entry) {
        entry = json_pack("{s:s, s:s}", "key", key, "reason", "a token that was added");
        FG_TRY(fg_json_push((json_t *)(uintptr_t)fg_settings_last_left_out(s), entry, err));
    }
    FG_TRY(fg_json_put(entry, "value", json_incref(value), err));
    if (s->generation_config) FG_TRY(fg_json_put(s->generation_config, key, json_incref(value), err));
done:
    json_decref(value);
    return status;
}

/* Only ids that this run has changed. */
static fg_status carry_role(const fg_decisions *d, fg_role role, int64_t id, fg_settings *s, fg_error *err) {
    char key[FG_ROLE_KEY];
    if (id == FG_NO_TOKEN || !fg_vocabulary_changes_role(&d->vocabulary, role)) return FG_OK;
    return carry(s, fg_role_id_key(role, key), json_integer(id), err);
}

/* Those of all files, as resolve_eos joins them; of an hf source only if this run has changed them, since
 * what is unchanged comes back as it was. */
static fg_status carry_eos(const fg_decisions *d, int64_t id, fg_settings *s, fg_error *err) {
    json_t *merged;
    bool stays = d->source.checkpoint.format->hub || d->route.keeps_format;
    if (stays && !fg_vocabulary_changes_role(&d->vocabulary, FG_ROLE_EOS)) return FG_OK;
    FG_CALL(fg_stop_tokens_merge(json_object_get(carried_entry(s, "eos_token_id"), "value"),
                                 json_object_get(s->generation_config, "eos_token_id"), id, &merged, err));
    if (merged) FG_CALL(carry(s, "eos_token_id", merged, err));
    return FG_OK;
}

static fg_status carry_ids(const fg_decisions *d, const fg_token_ids *ids, fg_settings *s, fg_error *err) {
    FG_CALL(carry_role(d, FG_ROLE_BOS, ids->id[FG_ROLE_BOS], s, err));
    FG_CALL(carry_eos(d, ids->id[FG_ROLE_EOS], s, err));
    return carry_role(d, FG_ROLE_PAD, ids->id[FG_ROLE_PAD], s, err);
}

/* ---- all of it ---- */

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

static void warn_about_pad(const fg_decisions *d, const fg_token_ids *ids, const json_t *config) {
    bool named = !d->route.to->has_token_ids || json_is_integer(json_object_get(config, "pad_token_id"));
    if (!ids->present) {
        fg_warn("%s has no tokenizer: none is written, and token ids come from config.json alone",
                d->source.checkpoint.directory);
    } else if (!named) {
        fg_warn("the tokenizer has no pad token; training code that pads will need one");
    }
}

/* finalize makes its own generation_config.json; of an update all ids stay. */
static fg_status resolve_tokens(const fg_decisions *d, fg_settings *s, fg_error *err) {
    fg_token_ids ids;
    const json_t *generation = d->source.generation_config;
    if (generation && d->recipe->kind != FG_RECIPE_FINALIZE)
        FG_CALL_NEW(s->generation_config, fg_json_deep_copy(generation, err));
    if (d->route.update) return FG_OK;
    FG_CALL(fg_token_ids_read(&d->vocabulary.files, &ids, err));
    FG_CALL(d->route.to->has_token_ids ? resolve_ids(d, &ids, s, err) : carry_ids(d, &ids, s, err));
    warn_about_pad(d, &ids, s->config);
    say_added(&d->vocabulary.tokens);
    return FG_OK;
}

/* config.json names the dtype of most bytes. Where the source's config contradicts its tensors, the tensors
 * decide. */
static fg_status resolve_dtype(const fg_decisions *d, const char *main_dtype, fg_settings *s, fg_error *err) {
    const fg_checkpoint *source = &d->source.checkpoint;
    const json_t *said = json_object_get(source->config, "dtype");
    bool given = d->recipe->dtype != FG_DTYPE_NONE;
    if (!said || json_is_null(said)) said = json_object_get(source->config, "torch_dtype");
    if (!main_dtype) return FG_OK;
    if (!given && json_is_string(said) &&
        fg_dtype_from_name(json_string_value(said)) != fg_dtype_from_name(main_dtype))
        fg_warn("%s/config.json says dtype %s, but most weights are %s; the weights decide",
                source->directory, json_string_value(said), main_dtype);
    if (!d->route.to->names_dtype || (d->route.keeps_format && !given)) return FG_OK;
    json_object_del(s->config, "torch_dtype");
    return fg_json_put(s->config, "dtype", json_string(main_dtype), err);
}

/* The version of the classes that a new configuration around a model's follows. */
static fg_status find_library(const fg_decisions *d, fg_settings *s, fg_error *err) {
    const fg_format *to = d->route.to;
    const fg_classes *classes;
    if (!to->wrap_config || d->route.keeps_format) return FG_OK;
    FG_CALL(
        fg_classes_load(&classes, fg_converter_catalogue(fg_configs_last(&d->configs)->converter), to, err));
    if (!classes)
        return fg_fail(err, FG_ERR_SYSTEM, "defaults/%s.json is missing from the converters", to->schema);
    FG_CALL_NEW(s->library_version, fg_strdup(fg_classes_version(classes), err));
    return FG_OK;
}

fg_status fg_settings_resolve(const fg_decisions *d, const fg_layout *layout, fg_settings *s, fg_error *err) {
    const char *main_dtype = fg_plan_main_dtype(&layout->plan);
    FG_CALL_NEW(s->config, fg_json_deep_copy(d->config, err));
    FG_CALL(find_library(d, s, err));
    FG_CALL(find_left_out(d, main_dtype, s, err));
    FG_CALL(resolve_tokens(d, s, err));
    FG_CALL(resolve_dtype(d, main_dtype, s, err));
    const fg_written_ids written = {.file = d->source.config_file,
                                    .model = fg_format_model_config(d->route.to, s->config),
                                    .left_out = fg_settings_last_left_out(s),
                                    .generation_config = s->generation_config};
    return fg_written_ids_warn(d->route.to, &written, err);
}

void fg_settings_free(fg_settings *s) {
    json_decref(s->config);
    json_decref(s->generation_config);
    json_decref(s->stop_tokens);
    json_decref(s->left_out);
    fg_free(s->library_version);
    *s = (fg_settings){0};
}
