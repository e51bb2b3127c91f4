#include "mapping/tensor_unmatched.h"

#include <string.h>

#include "base/alloc.h"
#include "mapping/tensor_check.h"

enum { LIST_MISSING = 3, LIST_UNEXPECTED = 5 };

static size_t missing_count(const fg_unmatched *u) {
    return json_array_size(u->missing);
}

static size_t unexpected_count(const fg_unmatched *u) {
    return json_array_size(u->unexpected);
}

static const char *missing_name(const fg_unmatched *u, size_t i) {
    return json_string_value(json_array_get(u->missing, i));
}

static const char *unexpected_name(const fg_unmatched *u, size_t i) {
    return json_string_value(json_array_get(u->unexpected, i));
}

/* ---- quantized weights ---- */

/* What the quantizers of transformers write next to or in place of "weight". */
static bool has_quantized_name(const char *name) {
    static const char *const ends[] = {
        ".qweight",          ".qzeros",
        ".scales",           ".g_idx",
        ".weight_scale",     ".weight_scale_inv",
        ".input_scale",      ".weight_packed",
        ".weight_shape",     ".weight_zero_point",
        ".weight_g_idx",     ".absmax",
        ".quant_map",        ".nested_absmax",
        ".nested_quant_map", ".SCB",
        ".weight_format",    "_blocks",
        "_scales",           ".W_q",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (fg_ends_with(name, ends[i])) return true;
    }
    return strstr(name, ".quant_state.") != NULL;
}

/* A tensor that shows that the weights are quantized, or NULL. */
static const fg_tensor *quantized(const fg_unmatched *u) {
    for (size_t i = 0; i < u->source->count; i++) {
        if (fg_dtype_is_quantized(u->source->items[i].dtype)) return &u->source->items[i];
    }
    for (size_t i = 0; i < unexpected_count(u); i++) {
        if (has_quantized_name(unexpected_name(u, i)))
            return fg_tensors_find(u->source, unexpected_name(u, i));
    }
    return NULL;
}

/* ---- names that a wrapper has changed ---- */

typedef struct wrapper {
    const char *text, *writer, *remedy;
} wrapper;

static const wrapper wrappers[] = {
    {"_orig_mod.", "torch.compile", "save the state_dict of the model that was compiled (its _orig_mod)"},
    {"_fsdp_wrapped_module.", "FullyShardedDataParallel", "save a full state_dict"},
    {"_checkpoint_wrapped_module.", "activation checkpointing",
     "save the state_dict of the model without the wrapper"},
    {"base_model.model.", "peft", "merge the adapter into the model (merge_and_unload) and save the result"},
    {"module.", "DataParallel, DistributedDataParallel or DeepSpeed",
     "save the state_dict of its \"module\""},
};

/* At the beginning, or behind a dot. */
static bool has_wrapper(const char *name, const char *text) {
    const char *at = strstr(name, text);
    return at && (at == name || at[-1] == '.');
}

static const wrapper *wrapper_of(const fg_unmatched *u) {
    for (size_t w = 0; w < sizeof wrappers / sizeof *wrappers; w++) {
        for (size_t i = 0; i < unexpected_count(u); i++) {
            if (has_wrapper(unexpected_name(u, i), wrappers[w].text)) return &wrappers[w];
        }
    }
    return NULL;
}

/* The length of what is before `missing` in the name of an unexpected tensor; 0: there is none. */
static size_t prefix_before(const fg_unmatched *u, const char *missing, const char **name) {
    for (size_t i = 0; i < unexpected_count(u); i++) {
        *name = unexpected_name(u, i);
        if (fg_ends_with(*name, missing)) return strlen(*name) - strlen(missing);
    }
    return 0;
}

static bool all_begin_with(const fg_unmatched *u, const char *prefix, size_t length) {
    for (size_t i = 0; i < u->source->count; i++) {
        if (strncmp(u->source->items[i].name, prefix, length) != 0) return false;
    }
    return true;
}

/* Whether a hint was given. */
static bool explain_wrapper(const fg_unmatched *u, fg_error *err) {
    const wrapper *known = missing_count(u) ? wrapper_of(u) : NULL;
    if (known) {
        bool all = all_begin_with(u, known->text, strlen(known->text));
        fg_hint(err, "%s \"%s\", which %s writes: %s", all ? "every name begins with" : "names have",
                known->text, known->writer, known->remedy);
        return true;
    }
    const char *name;
    size_t length = missing_count(u) ? prefix_before(u, missing_name(u, 0), &name) : 0;
    if (!length) return false;
    fg_hint(err, "%s \"%.*s\", which the names of this family lack: rename the tensors",
            all_begin_with(u, name, length) ? "every name begins with" : "names begin with", (int)length,
            name);
    return true;
}

/* ---- base_model_prefix ---- */

static bool is_missing(const fg_unmatched *u, const char *name) {
    for (size_t i = 0; i < missing_count(u); i++) {
        if (strcmp(missing_name(u, i), name) == 0) return true;
    }
    return false;
}

static fg_status explain_prefix(const fg_unmatched *u, fg_error *err) {
    if (!u->prefix) return FG_OK;
    if (u->lacking && missing_count(u) && !fg_starts_with(missing_name(u, 0), u->prefix))
        return fg_hint(
            err,
            "this is the checkpoint of a base model (its names lack \"%s\"), which has no head: convert the "
            "model with its head; where the head is the embedding, config.json says tie_word_embeddings: "
            "true",
            u->prefix);
    for (size_t i = 0; i < unexpected_count(u) && i < LIST_UNEXPECTED; i++) {
        const char *name = unexpected_name(u, i);
        char *full = fg_strformat(NULL, "%s%s", u->prefix, name);
        if (!full) return FG_ERR_MEMORY;
        if (fg_tensors_find(u->source, full))
            fg_hint(err, "the source has \"%s\", too: one weight under two names", full);
        else if (is_missing(u, full))
            fg_hint(err, "\"%s\" lacks the prefix \"%s\", which other names have: rename the tensor", name,
                    u->prefix);
        fg_free(full);
    }
    return FG_OK;
}

/* ---- the message ---- */

static fg_status list_both(const fg_unmatched *u, fg_buffer *missing, fg_buffer *unexpected, fg_error *err) {
    size_t count = 0;
    for (size_t i = 0; i < missing_count(u); i++)
        FG_CALL(fg_name_list_add(missing, &count, LIST_MISSING, missing_name(u, i), err));
    count = 0;
    for (size_t i = 0; i < unexpected_count(u); i++)
        FG_CALL(fg_name_list_add(unexpected, &count, LIST_UNEXPECTED, unexpected_name(u, i), err));
    if (missing_count(u) > LIST_MISSING) FG_CALL(fg_buffer_put(missing, ", ...", err));
    if (unexpected_count(u) > LIST_UNEXPECTED) FG_CALL(fg_buffer_put(unexpected, ", ...", err));
    return FG_OK;
}

static void say(const fg_unmatched *u, const char *missing, const char *unexpected, fg_error *err) {
    const char *s = unexpected_count(u) == 1 ? "" : "s";
    if (!missing_count(u))
        fg_fail(err, FG_ERR_INPUT, "no rule of the converter covers %zu source tensor%s: %s",
                unexpected_count(u), s, unexpected);
    else if (!unexpected_count(u))
        fg_fail(err, FG_ERR_INPUT, "%zu of %zu tensors are missing: %s", missing_count(u), u->expected,
                missing);
    else
        fg_fail(err, FG_ERR_INPUT,
                "%zu of %zu tensors are missing: %s; no rule of the converter covers %zu source tensor%s: %s",
                missing_count(u), u->expected, missing, unexpected_count(u), s, unexpected);
    fg_about_key(err, missing_count(u) ? missing_name(u, 0) : unexpected_name(u, 0));
    fg_about_found(err, missing_count(u) ? "no such tensor" : "a tensor that no rule covers");
}

fg_status fg_unmatched_check(const fg_unmatched *u, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer missing = {0}, unexpected = {0};
    if (!missing_count(u) && !unexpected_count(u)) return FG_OK;
    const fg_tensor *shows = quantized(u);
    if (shows) return fg_quantized_fail(u->source, shows, err);
    FG_TRY(list_both(u, &missing, &unexpected, err));
    say(u, missing.data, unexpected.data, err);
    status = FG_ERR_INPUT;
    if (!explain_wrapper(u, err)) explain_prefix(u, err);
    if (missing_count(u))
        fg_hint(err, "check that config.json belongs to these weights%s",
                unexpected_count(u) ? "" : " and that no shard is missing");
done:
    fg_buffer_free(&missing);
    fg_buffer_free(&unexpected);
    return status;
}
