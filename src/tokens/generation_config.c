#include "tokens/generation_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/named_row.h"

enum { BRIEF = 80, KNOWN = 960 };

#define PRESETS ".forgather/generation_config"

/* ---- what a preset may say ---- */

typedef enum value_kind { NUMBER, COUNT, FLAG, ANY } value_kind;

typedef struct setting {
    const char *name;
    value_kind kind;
} setting;

static const setting settings[] = {
    {"max_new_tokens", COUNT},
    {"max_length", COUNT},
    {"min_new_tokens", COUNT},
    {"min_length", COUNT},
    {"max_time", NUMBER},
    {"stop_strings", ANY},
    {"early_stopping", ANY},
    {"do_sample", FLAG},
    {"num_beams", COUNT},
    {"num_beam_groups", COUNT},
    {"use_cache", FLAG},
    {"cache_implementation", ANY},
    {"temperature", NUMBER},
    {"top_k", COUNT},
    {"top_p", NUMBER},
    {"min_p", NUMBER},
    {"top_h", NUMBER},
    {"typical_p", NUMBER},
    {"epsilon_cutoff", NUMBER},
    {"eta_cutoff", NUMBER},
    {"penalty_alpha", NUMBER},
    {"diversity_penalty", NUMBER},
    {"repetition_penalty", NUMBER},
    {"encoder_repetition_penalty", NUMBER},
    {"presence_penalty", NUMBER},
    {"frequency_penalty", NUMBER},
    {"length_penalty", NUMBER},
    {"no_repeat_ngram_size", COUNT},
    {"encoder_no_repeat_ngram_size", COUNT},
    {"bad_words_ids", ANY},
    {"suppress_tokens", ANY},
    {"begin_suppress_tokens", ANY},
    {"forced_bos_token_id", ANY},
    {"forced_eos_token_id", ANY},
    {"sequence_bias", ANY},
    {"renormalize_logits", FLAG},
    {"remove_invalid_values", FLAG},
    {"exponential_decay_length_penalty", ANY},
    {"guidance_scale", NUMBER},
    {"num_return_sequences", COUNT},
    {"bos_token_id", ANY},
    {"eos_token_id", ANY},
    {"pad_token_id", ANY},
    {"_from_model_config", FLAG},
    {"transformers_version", ANY},
};

static bool fits(const json_t *value, value_kind kind) {
    switch (kind) {
    case NUMBER:
        return json_is_number(value);
    case COUNT:
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case FLAG:
        return json_is_boolean(value);
    case ANY:
        return true;
    }
    return false;
}

static fg_status unknown_key(const char *path, const char *key, fg_error *err) {
    char known[KNOWN] = "max_tokens";
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, settings[i].name, sizeof known - strlen(known) - 1);
    }
    fg_fail(err, FG_ERR_INPUT, "%.300s: the key \"%.80s\" is not a generation setting; known are %s", path,
            key, known);
    return fg_hint(err, "correct its name, or remove it");
}

/* One setting of the preset, under its name in generation_config.json; null is as good as absent. */
static fg_status read_setting(const char *path, const char *key, json_t *value, json_t *config,
                              fg_error *err) {
    static const char *const kinds[] = {"a number", "a whole number of 0 or more", "true or false", ""};
    const char *name = strcmp(key, "max_tokens") == 0 ? "max_new_tokens" : key;
    const setting *found = FG_NAMED_ROW(settings, name);
    char brief[BRIEF];
    if (!found) return unknown_key(path, key, err);
    if (json_is_null(value)) return FG_OK;
    if (!fits(value, found->kind))
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: found %s, expected %s", path, key,
                       fg_json_brief(value, brief, sizeof brief), kinds[found->kind]);
    const json_t *before = json_object_get(config, name);
    if (before && !fg_json_equal(before, value))
        return fg_fail(err, FG_ERR_INPUT, "%s: max_tokens and max_new_tokens differ", path);
    return fg_json_put(config, name, json_incref(value), err);
}

/* ---- whether it samples ---- */

/* transformers takes no temperature of 0. */
static fg_status resolve_cold(const char *path, json_t *config, bool *cold, fg_error *err) {
    const json_t *temperature = json_object_get(config, "temperature");
    *cold = temperature && json_number_value(temperature) == 0;
    if (!*cold) return FG_OK;
    if (json_is_true(json_object_get(config, "do_sample"))) {
        fg_fail(err, FG_ERR_INPUT, "%s: it samples (do_sample) at a temperature of 0", path);
        return fg_hint(err, "leave out one of the two");
    }
    json_object_del(config, "temperature");
    return fg_json_put(config, "do_sample", json_false(), err);
}

static fg_status resolve_sampling(const char *path, json_t *config, fg_error *err) {
    static const char *const ways[] = {"temperature", "top_k", "top_p", "min_p"};
    bool cold, samples = false;
    fg_status status = resolve_cold(path, config, &cold, err);
    if (status != FG_OK || json_object_get(config, "do_sample")) return status;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        samples |= json_object_get(config, ways[i]) != NULL;
    if (samples) return fg_json_put(config, "do_sample", json_true(), err);
    if (json_integer_value(json_object_get(config, "num_beams")) > 1)
        return fg_json_put(config, "do_sample", json_false(), err);
    return FG_OK;
}

/* ---- presets ---- */

/* The file of a preset, newly allocated: `how` itself if there is such a file, else the one of that name at
 * home. */
static fg_status find_preset(const char *how, char **path, fg_error *err) {
    fg_status status = FG_OK;
    const char *home = getenv("HOME");
    fg_path_kind kind;
    bool is_file;
    *path = NULL;
    FG_TRY(fg_path_look(how, &kind, err)); /* a directory may have the name of a preset */
    if (kind == FG_PATH_FILE || strchr(how, '/') || fg_ends_with(how, ".json") || !home)
        FG_TRY_NEW(*path, fg_strdup(how, err));
    else
        FG_TRY_NEW(*path, fg_strformat(err, "%s/" PRESETS "/%s.json", home, how));
    FG_TRY(fg_path_is_file(*path, &is_file, err));
    if (is_file) goto done;
    fg_fail(err, FG_ERR_USAGE, "--generation-config %s: there is no file %s", how, *path);
    fg_about_file(err, *path);
    status = fg_hint(err, "give carry, none, a JSON file, or NAME of a file ~/" PRESETS "/NAME.json");
done:
    return status;
}

static fg_status read_preset(const char *how, json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL, brief[BRIEF];
    json_t *preset = NULL, *value;
    FG_TRY(find_preset(how, &path, err));
    FG_TRY(fg_json_read(path, &preset, err));
    if (!json_is_object(preset))
        FG_FAIL(err, FG_ERR_INPUT, "%s: found %s, expected an object of settings", path,
                fg_json_brief(preset, brief, sizeof brief));
    FG_JSON_MEMBERS(preset, key, value) FG_TRY(read_setting(path, key, value, config, err));
    FG_TRY(resolve_sampling(path, config, err));
done:
    json_decref(preset);
    fg_free(path);
    return status;
}

fg_status fg_generation_config_begin(const char *how, const json_t *source, json_t **config, fg_error *err) {
    fg_status status = FG_OK;
    bool carried = !how || strcmp(how, "carry") == 0;
    *config = NULL;
    if (how && strcmp(how, "none") == 0) return FG_OK;
    *config = carried && source ? fg_json_deep_copy(source, err) : json_object();
    if (!*config) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while making generation_config.json");
    if (!carried) FG_TRY(read_preset(how, *config, err));
done:
    if (status != FG_OK) {
        json_decref(*config);
        *config = NULL;
    }
    return status;
}

/* ---- ids ---- */

fg_status fg_generation_config_lay_ids(json_t *config, const fg_token_ids *ids, const json_t *eos,
                                       fg_error *err) {
    static const fg_role roles[] = {FG_ROLE_BOS, FG_ROLE_PAD};
    char key[FG_ROLE_KEY];
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        int64_t id = ids->id[roles[i]];
        if (id == FG_NO_TOKEN) continue;
        FG_CALL(fg_json_put(config, fg_role_id_key(roles[i], key), json_integer(id), err));
    }
    if (eos) FG_CALL(fg_json_put(config, "eos_token_id", fg_json_deep_copy(eos, err), err));
    return FG_OK;
}
