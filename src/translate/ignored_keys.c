/* --ignore-key: keys of the source that no declaration claims, and that the user says do not matter. */
#include <stdio.h>
#include <string.h>

#include "language/hf_keys.h"
#include "translate/translator.h"

enum { PATH = 300 };

static char as_option(char c) {
    return c == '/' ? '.' : c;
}

/* The length that an option's text and a path have in common. */
static size_t common_length(const char *option, const char *path) {
    size_t length = 0;
    while (option[length] && as_option(option[length]) == as_option(path[length])) length++;
    return length;
}

static bool names(const char *option, const char *path) {
    size_t length = common_length(option, path);
    return !option[length] && !path[length];
}

static bool ends_a_name(char c) {
    return !c || as_option(c) == '.';
}

/* Whether a claim takes what the option names: the key itself, something in it, or a leaf that the claim of
 * an object covers. */
static bool is_claimed(const char *option, const fg_claim *claim) {
    size_t length = common_length(option, claim->path);
    char below[PATH];
    if (!option[length]) return ends_a_name(claim->path[length]);
    if (claim->path[length] || as_option(option[length]) != '.' || !claim->declaration) return false;
    snprintf(below, sizeof below, "%s", option + length + 1);
    for (char *c = below; *c; c++) *c = *c == '.' ? '/' : *c;
    return fg_declaration_covers(claim->declaration, below);
}

bool fg_ignored_keys_has(const fg_translator *t, const char *path) {
    for (size_t i = 0; i < t->options->ignore_key_count; i++) {
        if (names(t->options->ignore_keys[i], path)) return true;
    }
    return false;
}

void fg_ignored_keys_name(fg_translator *t, const char *path) {
    snprintf(t->unknown, sizeof t->unknown, "%s", path);
    for (char *c = t->unknown; *c; c++) *c = as_option(*c);
}

static fg_status check_one(const fg_translator *t, const char *option, fg_error *err) {
    const fg_claims *claims = &t->claims[t->direction == FG_IMPORT ? FG_SIDE_HF : FG_SIDE_TARGET];
    const char *part = fg_hf_keys_computation(t->hf_keys, option);
    if (part) {
        fg_fail(err, FG_ERR_USAGE, "--ignore-key %s: \"%.*s\" changes what the model computes", option,
                (int)strcspn(part, "/."), part);
        return fg_hint(err, "remove the option; without it, the message says what is not supported");
    }
    for (size_t i = 0; i < claims->count; i++) {
        const fg_declaration *d = claims->items[i].declaration;
        if (!is_claimed(option, &claims->items[i])) continue;
        fg_fail(err, FG_ERR_USAGE, "--ignore-key %s: %s has a rule for it%s%s%s", option, t->file,
                d ? " (\"" : "", d ? d->label : "", d ? "\")" : "");
        return fg_hint(err, "remove the option: the key is not unknown");
    }
    return FG_OK;
}

fg_status fg_ignored_keys_refuse(const fg_translator *t, fg_error *err) {
    if (!t->options->ignore_key_count) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--ignore-key %s does not apply: %s is not a config.json",
            t->options->ignore_keys[0], t->options->file);
    return fg_hint(err, "leave the option out; fields that the classes of %s do not have are always refused",
                   fg_converter_format(t->converter)->name);
}

fg_status fg_ignored_keys_check(const fg_translator *t, fg_error *err) {
    for (size_t i = 0; i < t->options->ignore_key_count; i++)
        FG_CALL(check_one(t, t->options->ignore_keys[i], err));
    return FG_OK;
}

static bool was_ignored(const fg_translator *t, const char *option) {
    json_t *entry;
    FG_JSON_EACH(t->left_out, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        if (key && names(option, key)) return true;
    }
    return false;
}

fg_status fg_ignored_keys_warn(const fg_translator *t, fg_error *err) {
    for (size_t i = 0; i < t->options->ignore_key_count; i++) {
        if (!was_ignored(t, t->options->ignore_keys[i]))
            FG_CALL(fg_warnings_add(
                t->warnings, err,
                "%s: --ignore-key %s: it has no effect: there is no such key, or a rule covers it",
                t->options->file, t->options->ignore_keys[i]));
    }
    return FG_OK;
}
