#include "draft/pairing.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "language/value_type.h"

/* ---- words ---- */

static bool is_word(char c) {
    return isalnum((unsigned char)c);
}

/* The word at or behind `*at`; its length, 0: there is none. */
static size_t next_word(const char **at) {
    size_t length = 0;
    while (**at && !is_word(**at)) (*at)++;
    while (is_word((*at)[length])) length++;
    return length;
}

/* "eps" and "epsilon" are alike. */
static bool alike(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t shorter = a_length < b_length ? a_length : b_length;
    return strncmp(a, b, shorter) == 0 && (shorter >= 3 || a_length == b_length);
}

/* How many words of `a` have one like them in `b`. */
static size_t common_words(const char *a, const char *b) {
    size_t count = 0, length, other;
    for (const char *at = a; (length = next_word(&at)) > 0; at += length) {
        bool found = false;
        for (const char *in = b; !found && (other = next_word(&in)) > 0; in += other)
            found = alike(at, length, in, other);
        count += found;
    }
    return count;
}

/* ---- pairs ---- */

const char *fg_pairing_name(const json_t *pairs, const char *name, bool *sure) {
    const json_t *pair = json_object_get(pairs, name);
    if (sure) *sure = json_is_true(json_object_get(pair, "sure"));
    return json_string_value(json_object_get(pair, "name"));
}

bool fg_pairing_uses(const json_t *pairs, const char *name) {
    json_t *pair;
    FG_JSON_MEMBERS(pairs, family, pair) {
        if (strcmp(json_string_value(json_object_get(pair, "name")), name) == 0) return true;
    }
    return false;
}

static fg_status add_pair(json_t *pairs, const char *family, const char *model, bool sure, fg_error *err) {
    return fg_json_put(pairs, family, json_pack("{s:s, s:b}", "name", model, "sure", sure), err);
}

/* ---- keys ---- */

/* What the shapes of tensors that both have say that a key is; NULL: nothing. Borrowed. */
static const json_t *implied(const fg_family_fit *fit, const fg_outline *outline, const char *key) {
    json_t *rule, *item;
    FG_JSON_MEMBERS(fg_family_tensors(fit->converter), name, rule) {
        const json_t *held = json_object_get(outline->tensors, name);
        if (!held || json_object_get(fit->missing, name)) continue;
        FG_JSON_EACH(json_object_get(rule, "shape"), d, item) {
            const char *text = json_string_value(item);
            if (text && strcmp(text, key) == 0) return json_array_get(held, d);
        }
    }
    return NULL;
}

/* Whether a value is the size of something in tensors that the family does not have. */
static bool is_size(const fg_family_fit *fit, const json_t *value) {
    json_t *shape;
    FG_JSON_MEMBERS(fit->extra, name, shape) {
        if (fg_json_contains(shape, value)) return true;
    }
    return false;
}

/* Whether the family's declaration of a key takes the value under another name. */
static bool fits(const fg_family_fit *fit, const char *key, const json_t *value) {
    const fg_declaration *d = fg_family_claim(fit->converter, key);
    const char *type = json_string_value(json_object_get(d->spec, "type"));
    return (!type || !fg_type_mismatch(type, value)) && fg_family_takes(fit->converter, d, value);
}

static bool could_be(const fg_family_fit *fit, const json_t *size, const char *key, const char *other,
                     const json_t *value) {
    if (!fits(fit, key, value)) return false;
    if (size) return fg_json_equal(size, value);
    return common_words(key, other) > 0 || (json_is_integer(value) && is_size(fit, value));
}

static fg_status pair_key(fg_pairing *p, const fg_family_fit *fit, const fg_outline *outline, const char *key,
                          fg_error *err) {
    const json_t *size = implied(fit, outline, key);
    const char *best = NULL;
    size_t candidates = 0, most = 0;
    json_t *value;
    FG_JSON_MEMBERS(fit->unknown, other, value) {
        if (json_object_get(outline->config, key) || fg_pairing_uses(p->keys, other) ||
            !could_be(fit, size, key, other, value))
            continue;
        size_t words = common_words(key, other);
        if (!best || words > most) best = other;
        if (best == other) most = words;
        candidates++;
    }
    if (!best) return FG_OK;
    FG_CALL(add_pair(p->keys, key, best, size && candidates == 1, err));
    return fg_json_put(p->config, key, json_incref(json_object_get(fit->unknown, best)), err);
}

/* ---- tensors ---- */

static const char *ending(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot : name;
}

static bool same_kind(const char *a, const char *b) {
    return strcmp(ending(a), ending(b)) == 0 && !strstr(a, "{i}") == !strstr(b, "{i}");
}

/* How many of `tensors` are of the kind and shape. */
static size_t count_like(const json_t *tensors, const char *name, const json_t *shape) {
    size_t count = 0;
    json_t *other;
    FG_JSON_MEMBERS(tensors, key, other) count += same_kind(key, name) && fg_json_equal(other, shape);
    return count;
}

static fg_status pair_tensor(fg_pairing *p, const fg_family_fit *fit, const json_t *missing, const char *name,
                             const json_t *shape, fg_error *err) {
    const char *best = NULL;
    size_t most = 0;
    json_t *other;
    FG_JSON_MEMBERS(fit->extra, model, other) {
        if (!same_kind(name, model) || !fg_json_equal(other, shape) || fg_pairing_uses(p->tensors, model))
            continue;
        size_t words = common_words(name, model);
        if (!best || words > most) best = model;
        if (best == model) most = words;
    }
    if (!best) return FG_OK;
    bool sure = count_like(fit->extra, name, shape) == 1 && count_like(missing, name, shape) == 1;
    return add_pair(p->tensors, name, best, sure, err);
}

/* The shapes of missing tensors, now that more keys are known. */
static fg_status missing_shapes(const fg_pairing *p, const fg_family_fit *fit, json_t *shapes,
                                fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(fit->missing, name, value) {
        fg_family_tensor t;
        FG_CALL(fg_family_tensor_make(&t, fit->converter, name,
                                      json_object_get(fg_family_tensors(fit->converter), name), p->config,
                                      err));
        if (t.shape) FG_CALL(fg_json_put(shapes, name, t.shape, err));
    }
    return FG_OK;
}

static fg_status pair_tensors(fg_pairing *p, const fg_family_fit *fit, fg_error *err) {
    fg_status status = FG_OK;
    json_t *missing = NULL, *value;
    FG_TRY_NEW(missing, json_object());
    FG_TRY(missing_shapes(p, fit, missing, err));
    FG_JSON_MEMBERS(missing, name, value) FG_TRY(pair_tensor(p, fit, missing, name, value, err));
done:
    json_decref(missing);
    return status;
}

fg_status fg_pairing_make(fg_pairing *p, const fg_family_fit *fit, const fg_outline *outline, fg_error *err) {
    json_t *label;
    *p = (fg_pairing){.keys = json_object(), .tensors = json_object()};
    FG_CALL_NEW(p->config, fg_json_copy(fit->config, err));
    FG_JSON_MEMBERS(fit->absent, key, label) FG_CALL(pair_key(p, fit, outline, key, err));
    return pair_tensors(p, fit, err);
}

void fg_pairing_free(fg_pairing *p) {
    json_decref(p->keys);
    json_decref(p->tensors);
    json_decref(p->config);
    *p = (fg_pairing){0};
}

/* ---- expressions ---- */

static bool is_name(char c) {
    return is_word(c) || c == '_';
}

static fg_status rename_text(const fg_pairing *p, const char *text, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    char *word = NULL;
    while (*text) {
        size_t length = 0;
        while (is_name(text[length])) length++;
        FG_TRY_RENEW(word, fg_strndup(text, length ? length : 1, err));
        const char *model = fg_pairing_name(p->keys, word, NULL);
        FG_TRY(fg_buffer_put(out, model ? model : word, err));
        text += length ? length : 1;
    }
done:
    fg_free(word);
    return status;
}

static fg_status rename_string(const fg_pairing *p, const json_t *value, json_t **renamed, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_buffer_put(&text, "", err));
    FG_TRY(rename_text(p, json_string_value(value), &text, err));
    FG_TRY_NEW(*renamed, json_string(text.data));
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_pairing_rename(const fg_pairing *p, const json_t *value, json_t **renamed, fg_error *err) {
    fg_status status = FG_OK;
    json_t *inner, *made = NULL;
    *renamed = NULL;
    if (json_is_string(value)) return rename_string(p, value, renamed, err);
    FG_CALL_NEW(*renamed, fg_json_copy(value, err));
    FG_JSON_MEMBERS(value, key, inner) {
        FG_TRY(fg_pairing_rename(p, inner, &made, err));
        FG_TRY(fg_json_put(*renamed, key, made, err));
    }
    FG_JSON_EACH(value, i, inner) {
        FG_TRY(fg_pairing_rename(p, inner, &made, err));
        if (json_array_set_new(*renamed, i, made)) FG_FAIL(err, FG_ERR_MEMORY, "out of memory");
    }
done:
    if (status != FG_OK) {
        json_decref(*renamed);
        *renamed = NULL;
    }
    return status;
}
