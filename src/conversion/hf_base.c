/* --hf-base: a Hugging Face directory that completes a Fast-LLM checkpoint with what Fast-LLM cannot hold.
 *
 * Values stored in the checkpoint take precedence: its own tokenizer and generation_config.json, and the keys
 * that its metadata carries. Of the base's configuration only keys that do not describe the architecture are
 * used (convert/hf_keys.h).
 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "conversion/conversion.h"
#include "language/hf_keys.h"
#include "mapping/converter_map.h"
#include "tokens/token_lookup.h"

enum { DEPTH = 8, BRIEF = 120 }; /* of objects in a configuration; of a value in a message */

static const char GENERATION[] = "generation_config.json";

/* ---- opening ---- */

static fg_status check_use(const fg_conversion *c, const fg_options *options, fg_error *err) {
    if (c->source.format == &fg_format_fast_llm) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--hf-base %s: the source %s is in the format %s, which is complete by itself",
            options->hf_base, c->source.directory, c->source.format->name);
    return fg_hint(err, "remove --hf-base: it is for Fast-LLM directories");
}

static fg_status check_kind(const fg_checkpoint *base, fg_error *err) {
    if (base->format == &fg_format_hf) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--hf-base %s: found a %s directory, expected hf", base->directory,
            base->format->name);
    return fg_hint(err, "give the Hugging Face directory of the model that the training started from");
}

/* The tokenizer is used as a whole or not at all: files of two tokenizers do not fit together. */
static fg_status choose_files(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_hf_base *base = &c->base;
    const fg_names *own = &c->source.side_files, *other = &base->checkpoint.side_files;
    base->tokenizer = true;
    for (size_t i = 0; i < own->count; i++)
        base->tokenizer &= !fg_checkpoint_is_tokenizer_file(own->items[i]);
    for (size_t i = 0; i < other->count; i++) {
        bool taken = strcmp(other->items[i], GENERATION) == 0
                         ? !c->source.generation_config
                         : base->tokenizer && fg_checkpoint_is_tokenizer_file(other->items[i]);
        if (taken) FG_TRY(fg_json_push(base->files, fg_json_string(other->items[i]), err));
    }
    if (!c->source.generation_config)
        c->source.generation_config = json_incref(base->checkpoint.generation_config);
done:
    return status;
}

fg_status fg_conversion_open_base(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint_options how = {.config_only = true};
    if (!options->hf_base) goto done;
    FG_TRY(check_use(c, options, err));
    status = fg_checkpoint_open(&c->base.checkpoint, options->hf_base, &how, err);
    if (status != FG_OK) FG_TRY(fg_where(err, "reading --hf-base"));
    FG_TRY(check_kind(&c->base.checkpoint, err));
    c->base.files = json_array();
    c->base.keys = json_array();
    if (!c->base.files || !c->base.keys)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while opening %s", options->hf_base);
    FG_TRY(choose_files(c, err));
done:
    return status;
}

void fg_hf_base_free(fg_hf_base *base) {
    fg_checkpoint_close(&base->checkpoint);
    json_decref(base->files);
    json_decref(base->keys);
    *base = (fg_hf_base){0};
}

const char *fg_conversion_tokenizer_directory(const fg_conversion *c) {
    return c->base.tokenizer ? c->base.checkpoint.directory : c->source.directory;
}

/* ---- whether it fits ---- */

/* The number of tokens in the base's tokenizer; 0 if it has no tokenizer.json. */
static fg_status count_tokens(const fg_hf_base *base, uint64_t *tokens, fg_error *err) {
    fg_status status = FG_OK;
    fg_tokenizer_files files = {0};
    fg_token_lookup lookup = {0};
    json_t *none = json_object();
    FG_TRY(fg_tokenizer_files_read(&files, base->checkpoint.directory, err));
    FG_TRY(fg_token_lookup_read(&lookup, &files, none, err));
    *tokens = lookup.next_id;
done:
    json_decref(none);
    fg_token_lookup_free(&lookup);
    fg_tokenizer_files_free(&files);
    return status;
}

fg_status fg_conversion_check_base(const fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    const fg_hf_base *base = &c->base;
    uint64_t rows = 0, tokens = 0, size = 0;
    if (!base->checkpoint.directory) goto done;
    const fg_completed completed = {.target = c->steps[0].translation.target};
    FG_TRY(fg_converter_vocabulary_rows(c->steps[0].converter, completed, &rows, err));
    const json_t *held = json_object_get(base->checkpoint.config, "vocab_size");
    if (!held) held = fg_json_at(base->checkpoint.config, "text_config/vocab_size");
    if (json_is_integer(held) && json_integer_value(held) > 0) size = (uint64_t)json_integer_value(held);
    if (!rows || !size || size == rows) goto done;
    if (base->tokenizer) FG_TRY(count_tokens(base, &tokens, err));
    if (tokens > rows) {
        fg_fail(err, FG_ERR_INPUT,
                "--hf-base %s: its tokenizer has %llu tokens, but the model in %s has only %llu rows: the "
                "tokenizer "
                "belongs to another model",
                base->checkpoint.directory, (unsigned long long)tokens, c->source.directory,
                (unsigned long long)rows);
        FG_TRY(fg_hint(err, "give the Hugging Face directory of the model that the training started from"));
    }
    fg_warn("--hf-base %s: its vocab_size is %llu, that of %s is %llu; check that both have the same tokens",
            base->checkpoint.directory, (unsigned long long)size, c->source.directory,
            (unsigned long long)rows);
done:
    return status;
}

/* ---- keys ---- */

/* Keys that describe the file, not the model. */
static bool is_of_the_file(const char *key) {
    static const char *const keys[] = {"_name_or_path", "architectures",        "auto_map",   "dtype",
                                       "model_type",    "transformers_version", "torch_dtype"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(key, keys[i]) == 0) return true;
    }
    return false;
}

/* A key of the base that no conversion would take from a source. */
static fg_status check_value(const fg_conversion *c, const json_t *hf_keys, const char *path, const char *key,
                             const json_t *value, fg_error *err) {
    char brief[BRIEF];
    const char *expected = fg_hf_keys_mismatch(hf_keys, key, value);
    if (!expected) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "--hf-base %s: config.json: key \"%s\" = %s: expected %s",
            c->base.checkpoint.directory, path, fg_json_brief(value, brief, sizeof brief), expected);
    return fg_hint(err, "correct the value");
}

static fg_status fill(fg_conversion *c, const json_t *hf_keys, const json_t *from, json_t *to,
                      const char *prefix, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    char *path = NULL;
    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        json_t *held = json_object_get(to, key);
        bool taken = !held && !is_of_the_file(key) && fg_hf_keys_reason(hf_keys, key, value, !depth);
        bool inside = json_is_object(held) && json_is_object(value) && depth < DEPTH;
        if (!taken && !inside) continue;
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        if (taken) FG_TRY(check_value(c, hf_keys, path, key, value, err));
        if (inside) FG_TRY(fill(c, hf_keys, value, held, path, depth + 1, err));
        if (taken) FG_TRY(fg_json_put(to, key, fg_json_deep_copy(value, err), err));
        if (taken) FG_TRY(fg_json_push(c->base.keys, json_string(path), err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_conversion_fill_from_base(fg_conversion *c, fg_catalogue *catalogue, json_t *hf, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *hf_keys;
    if (!c->base.checkpoint.directory) return FG_OK;
    json_array_clear(c->base.keys);
    FG_TRY(fg_hf_keys_load(catalogue, &hf_keys, err));
    FG_TRY(fill(c, hf_keys, c->base.checkpoint.config, hf, "", 0, err));
done:
    return status;
}

fg_status fg_conversion_report_base(const fg_conversion *c, json_t *report, fg_error *err) {
    if (!c->base.checkpoint.directory) return FG_OK;
    return fg_json_put(report, "hf_base",
                       json_pack("{s:o, s:O, s:O}", "directory", fg_json_string(c->base.checkpoint.directory),
                                 "files", c->base.files, "keys", c->base.keys),
                       err);
}
