#include "cli/option_value.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/nearest_name.h"
#include "cli/byte_size.h"

enum { SHOWN = 60, NAMES = 200 };

typedef struct typed {
    fg_options *options;
    const fg_option *option;
    const char *spelling, *text;
    void *field;
} typed;

static fg_status bad_value(const typed *t, const char *expected, fg_error *err) {
    return fg_fail(err, FG_ERR_USAGE, "option %s: found \"%.*s\", expected %s", t->spelling, SHOWN, t->text,
                   expected);
}

static void store_int(const typed *t, int value) {
    memcpy(t->field, &value, sizeof value);
}

/* ---- without a value ---- */

static fg_status set_flag(const typed *t, fg_error *err) {
    (void)err;
    *(bool *)t->field = true;
    return FG_OK;
}

static fg_status set_constant(const typed *t, fg_error *err) {
    (void)err;
    store_int(t, t->option->constant);
    return FG_OK;
}

/* ---- numbers ---- */

/* Decimal digits only: no sign, no space, nothing behind. */
static bool read_number(const char *text, size_t length, uint64_t *number) {
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *number = value;
    return length > 0;
}

static fg_status set_count(const typed *t, fg_error *err) {
    uint64_t number;
    if (!read_number(t->text, strlen(t->text), &number) || number == 0)
        return bad_value(t, "a positive integer (below 2^64)", err);
    *(uint64_t *)t->field = number;
    return FG_OK;
}

static fg_status set_number(const typed *t, fg_error *err) {
    uint64_t number;
    if (!read_number(t->text, strlen(t->text), &number) || number > INT64_MAX)
        return bad_value(t, "a non-negative integer (below 2^63)", err);
    *(int64_t *)t->field = (int64_t)number;
    return FG_OK;
}

static fg_status set_real(const typed *t, fg_error *err) {
    char *end;
    double number = strtod(t->text, &end);
    /* strtod also takes spaces, hex, inf and nan */
    bool plain = strspn(t->text, "0123456789.eE+-") == strlen(t->text);
    if (!plain || end == t->text || *end || !isfinite(number) || number < 0)
        return bad_value(t, "a non-negative number, such as 1e-5", err);
    *(double *)t->field = number;
    return FG_OK;
}

static fg_status set_size(const typed *t, fg_error *err) {
    fg_status status = fg_byte_size_parse(t->text, t->field, err);
    if (status == FG_OK && *(uint64_t *)t->field == 0)
        status = bad_value(t, "a size above 0, such as 5GB", err);
    return status;
}

static fg_status set_tokens(const typed *t, fg_error *err) {
    fg_status status = FG_OK;
    uint32_t *ids = NULL;
    size_t count = 0, capacity = 0;
    for (const char *at = t->text;; at++) {
        uint64_t id = 0;
        size_t length = strcspn(at, ",");
        if (!read_number(at, length, &id) || id > UINT32_MAX)
            FG_TRY(bad_value(t, "token ids separated by commas, without spaces, such as 1,2,3", err));
        FG_TRY(fg_grow(&ids, count, &capacity, sizeof *ids, err));
        ids[count++] = (uint32_t)id;
        at += length;
        if (!*at) break;
    }
    fg_free(t->options->token_ids);
    t->options->token_ids = ids;
    t->options->token_count = count;
    ids = NULL;
done:
    fg_free(ids);
    return status;
}

/* ---- choices ---- */

static const char *nearest_choice(const typed *t) {
    fg_nearest_name nearest = fg_nearest_name_begin(t->text);
    for (size_t i = 0; fg_option_choice_at(t->option, i).name; i++) {
        fg_nearest_name_try(&nearest, fg_option_choice_at(t->option, i).name);
        fg_nearest_name_try(&nearest, fg_option_choice_at(t->option, i).alias);
    }
    return nearest.best;
}

/* Case, '-' and '_' do not matter: people write Fast-LLM and BFloat16. */
static bool is_same_choice(const char *name, const char *text) {
    if (!name) return false;
    for (;; name++, text++) {
        while (*name == '-' || *name == '_') name++;
        while (*text == '-' || *text == '_') text++;
        if (tolower((unsigned char)*name) != tolower((unsigned char)*text)) return false;
        if (!*name) return true;
    }
}

/* FG_ERR_USAGE: there is no such choice, or this version cannot do it. */
static fg_status find_choice(const typed *t, fg_option_choice *choice, fg_error *err) {
    char names[NAMES];
    for (size_t i = 0; fg_option_choice_at(t->option, i).name; i++) {
        *choice = fg_option_choice_at(t->option, i);
        if (!is_same_choice(choice->name, t->text) && !is_same_choice(choice->alias, t->text)) continue;
        if (!choice->missing) return FG_OK;
        return fg_fail(err, FG_ERR_USAGE, "option %s %s: %s", t->spelling, t->text, choice->missing);
    }
    const char *near = nearest_choice(t);
    bad_value(t, fg_option_expected(t->option, names, sizeof names), err);
    return near ? fg_hint(err, "did you mean %s?", near) : FG_ERR_USAGE;
}

static fg_status set_choice(const typed *t, fg_error *err) {
    fg_option_choice choice;
    fg_status status = find_choice(t, &choice, err);
    if (status == FG_OK) store_int(t, choice.value);
    return status;
}

static fg_status set_format(const typed *t, fg_error *err) {
    fg_option_choice choice;
    fg_status status = find_choice(t, &choice, err);
    if (status == FG_OK) *(const fg_format **)t->field = fg_format_find(choice.name);
    return status;
}

static fg_status set_form(const typed *t, fg_error *err) {
    return t->text ? set_choice(t, err) : FG_OK;
}

/* ---- texts ---- */

static fg_status check_text(const typed *t, fg_error *err) {
    if (*t->text) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "option %s: found an empty value, expected %s", t->spelling,
                   t->option->argument);
}

static fg_status set_text(const typed *t, fg_error *err) {
    fg_status status = check_text(t, err);
    if (status == FG_OK) *(const char **)t->field = t->text;
    return status;
}

static fg_status add_path(const typed *t, fg_error *err) {
    fg_options *o = t->options;
    fg_status status = check_text(t, err);
    return status == FG_OK ? fg_options_append(&o->converter_paths, &o->converter_path_count, t->text, err)
                           : status;
}

static fg_status add_key(const typed *t, fg_error *err) {
    fg_options *o = t->options;
    fg_status status = check_text(t, err);
    return status == FG_OK ? fg_options_append(&o->ignore_keys, &o->ignore_key_count, t->text, err) : status;
}

/* ---- all kinds ---- */

typedef fg_status setter(const typed *t, fg_error *err);

static setter *const setters[] = {
    [FG_OPTION_FLAG] = set_flag,     [FG_OPTION_VALUE] = set_constant, [FG_OPTION_TEXT] = set_text,
    [FG_OPTION_PATHS] = add_path,    [FG_OPTION_KEYS] = add_key,       [FG_OPTION_COUNT] = set_count,
    [FG_OPTION_NUMBER] = set_number, [FG_OPTION_REAL] = set_real,      [FG_OPTION_SIZE] = set_size,
    [FG_OPTION_TOKENS] = set_tokens, [FG_OPTION_CHOICE] = set_choice,  [FG_OPTION_FORMAT] = set_format,
    [FG_OPTION_TARGET] = set_format, [FG_OPTION_HELP] = set_form,      [FG_OPTION_VERSION] = set_constant,
};

fg_status fg_option_set(fg_options *options, const fg_option *option, const char *spelling, const char *text,
                        fg_error *err) {
    const typed t = {.options = options,
                     .option = option,
                     .spelling = spelling,
                     .text = text,
                     .field = (char *)options + option->offset};
    return setters[option->kind](&t, err);
}
