#include "conversion/hf_base.h"

#include <string.h>

#include "base/alloc.h"
#include "language/hf_keys.h"
#include "tokenizer/tokenizer_files.h"
#include "tokens/token_lookup.h"

enum { DEPTH = 8, BRIEF = 120 }; /* of objects in a configuration; of a value in a message */

static const char GENERATION[] = "generation_config.json";

/* ---- opening ---- */

static fg_status check_use(const char *directory, const fg_checkpoint *source, fg_error *err) {
    if (source->format->takes_base) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--hf-base %s: the source %s is in the format %s, which is complete by itself",
            directory, source->directory, source->format->name);
    return fg_hint(err, "remove --hf-base: it is for Fast-LLM directories");
}

static fg_status check_kind(const fg_checkpoint *base, fg_error *err) {
    if (base->format->hub) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--hf-base %s: found a %s directory, expected hf", base->directory,
            base->format->name);
    return fg_hint(err, "give the Hugging Face directory of the model that the training started from");
}

/* The tokenizer is used as a whole or not at all: files of two tokenizers do not fit together. */
static fg_status choose_files(fg_hf_base *base, const fg_checkpoint *source, fg_error *err) {
    const fg_names *own = &source->side_files, *other = &base->checkpoint.side_files;
    base->tokenizer = true;
    for (size_t i = 0; i < own->count; i++)
        base->tokenizer &= !fg_checkpoint_is_tokenizer_file(own->items[i]);
    for (size_t i = 0; i < other->count; i++) {
        bool taken = strcmp(other->items[i], GENERATION) == 0
                         ? !source->generation_config
                         : base->tokenizer && fg_checkpoint_is_tokenizer_file(other->items[i]);
        if (taken) FG_CALL(fg_json_push(base->files, fg_json_string(other->items[i]), err));
    }
    return FG_OK;
}

fg_status fg_hf_base_open(const char *directory, const fg_checkpoint *source, fg_hf_base *base,
                          fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint_options how = {.config_only = true};
    FG_TRY(check_use(directory, source, err));
    status = fg_checkpoint_open(&base->checkpoint, directory, &how, err);
    if (status != FG_OK) FG_TRY(fg_where(err, "reading --hf-base"));
    FG_TRY(check_kind(&base->checkpoint, err));
    FG_TRY_NEW(base->files, json_array());
    FG_TRY(choose_files(base, source, err));
done:
    return status;
}

void fg_hf_base_free(fg_hf_base *base) {
    fg_checkpoint_close(&base->checkpoint);
    json_decref(base->files);
    *base = (fg_hf_base){0};
}

/* ---- whether it fits ---- */

/* The number of tokens in the base's tokenizer; 0 if it has no tokenizer.json. */
static fg_status count_tokens(const fg_hf_base *base, uint64_t *tokens, fg_error *err) {
    fg_status status = FG_OK;
    fg_tokenizer_files files = {0};
    fg_token_lookup lookup = {0};
    FG_TRY(fg_tokenizer_files_read(&files, base->checkpoint.directory, err));
    FG_TRY(fg_token_lookup_read(&lookup, &files, err));
    *tokens = lookup.next_id;
done:
    fg_token_lookup_free(&lookup);
    fg_tokenizer_files_free(&files);
    return status;
}

fg_status fg_hf_base_check(const fg_hf_base *base, const char *source, uint64_t rows, fg_warnings *warnings,
                           fg_error *err) {
    uint64_t tokens = 0, size = 0;
    const char *directory = base->checkpoint.directory;
    const json_t *held = json_object_get(base->checkpoint.config, "vocab_size");
    if (!held) held = fg_json_at(base->checkpoint.config, "text_config/vocab_size");
    if (json_is_integer(held) && json_integer_value(held) > 0) size = (uint64_t)json_integer_value(held);
    if (!rows || !size || size == rows) return FG_OK;
    if (base->tokenizer) FG_CALL(count_tokens(base, &tokens, err));
    if (tokens > rows) {
        fg_fail(err, FG_ERR_INPUT,
                "--hf-base %s: its tokenizer has %llu tokens, but the model in %s has only %llu rows: the "
                "tokenizer belongs to another model",
                directory, (unsigned long long)tokens, source, (unsigned long long)rows);
        FG_CALL(fg_hint(err, "give the Hugging Face directory of the model that the training started from"));
    }
    return fg_warnings_add(
        warnings, err,
        "--hf-base %s: its vocab_size is %llu, that of %s is %llu; check that both have the same tokens",
        directory, (unsigned long long)size, source, (unsigned long long)rows);
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
static fg_status check_value(const fg_hf_base *base, const json_t *hf_keys, const char *path, const char *key,
                             const json_t *value, fg_error *err) {
    char brief[BRIEF];
    const char *expected = fg_hf_keys_mismatch(hf_keys, key, value);
    if (!expected) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "--hf-base %s: config.json: key \"%s\" = %s: expected %s",
            base->checkpoint.directory, path, fg_json_brief(value, brief, sizeof brief), expected);
    return fg_hint(err, "correct the value");
}

/* An object of the base and its counterpart in the configuration that is filled. */
typedef struct fill_level {
    const json_t *from;
    json_t *to;
    const char *path;
    unsigned depth;
} fill_level;

static fg_status fill(const fg_hf_base *base, const json_t *hf_keys, const fill_level *at, json_t *keys,
                      fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    char *path = NULL;
    FG_JSON_MEMBERS(at->from, key, value) {
        json_t *held = json_object_get(at->to, key);
        bool taken = !held && !is_of_the_file(key) && fg_hf_keys_reason(hf_keys, key, value, !at->depth);
        bool inside = json_is_object(held) && json_is_object(value) && at->depth < DEPTH;
        if (!taken && !inside) continue;
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", at->path, *at->path ? "/" : "", key));
        const fill_level below = {value, held, path, at->depth + 1};
        if (taken) FG_TRY(check_value(base, hf_keys, path, key, value, err));
        if (inside) FG_TRY(fill(base, hf_keys, &below, keys, err));
        if (taken) FG_TRY(fg_json_put(at->to, key, fg_json_deep_copy(value, err), err));
        if (taken) FG_TRY(fg_json_push(keys, json_string(path), err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_hf_base_fill(const fg_hf_base *base, fg_catalogue *catalogue, json_t *hf, json_t *keys,
                          fg_error *err) {
    const json_t *hf_keys;
    const fill_level whole = {base->checkpoint.config, hf, "", 0};
    if (!base->checkpoint.directory) return FG_OK;
    fg_status status = fg_hf_keys_load(catalogue, &hf_keys, err);
    return status == FG_OK ? fill(base, hf_keys, &whole, keys, err) : status;
}
