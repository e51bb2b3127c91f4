#include "language/version.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"

/* Places in the key. */
enum {
    EPOCH = 0,
    RELEASE = 1,
    PRE_KIND = RELEASE + FG_VERSION_RELEASE,
    PRE = PRE_KIND + 1,
    POST = PRE + 1,
    DEV = POST + 1,
};

/* Kinds of pre-releases in their order; a version that is only "dev" comes before them, a final one
 * behind. */
enum { DEV_ONLY = 0, ALPHA, BETA, CANDIDATE, FINAL };

enum { BRIEF = 80 };

/* What is left of the text. */
typedef struct version_cursor {
    const char *at;
    bool sound; /* no number was too large */
} version_cursor;

static bool take_number(version_cursor *c, uint64_t *number) {
    if (!isdigit((unsigned char)*c->at)) return false;
    for (*number = 0; isdigit((unsigned char)*c->at); c->at++) {
        if (!fg_mul(*number, 10, number) || !fg_add(*number, (uint64_t)(*c->at - '0'), number))
            c->sound = false;
    }
    return true;
}

static bool is_separator(char c) {
    return c == '.' || c == '-' || c == '_';
}

/* The word in any case, with or without a separator before it. */
static bool take_word(version_cursor *c, const char *word) {
    const char *at = c->at + is_separator(*c->at);
    for (; *word; word++, at++) {
        if (tolower((unsigned char)*at) != *word) return false;
    }
    c->at = at;
    return true;
}

/* The number behind a word, 0 if there is none. */
static uint64_t number_behind(version_cursor *c) {
    uint64_t number = 0;
    const char *before = c->at;
    if (is_separator(*c->at)) c->at++;
    if (!take_number(c, &number)) c->at = before;
    return number;
}

static void take_release(version_cursor *c, fg_version *v) {
    uint64_t number;
    for (size_t i = 0; take_number(c, &number); i++) {
        if (i < FG_VERSION_RELEASE)
            v->key[RELEASE + i] = number;
        else if (number)
            c->sound = false;
        if (*c->at != '.' || !isdigit((unsigned char)c->at[1])) break;
        c->at++;
    }
}

static void take_pre(version_cursor *c, fg_version *v) {
    static const struct {
        const char *word;
        unsigned kind;
    } rows[] = {{"alpha", ALPHA},       {"a", ALPHA},       {"beta", BETA},    {"b", BETA},
                {"preview", CANDIDATE}, {"pre", CANDIDATE}, {"rc", CANDIDATE}, {"c", CANDIDATE}};
    v->key[PRE_KIND] = FINAL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && v->key[PRE_KIND] == FINAL; i++) {
        if (!take_word(c, rows[i].word)) continue;
        v->key[PRE_KIND] = rows[i].kind;
        v->key[PRE] = number_behind(c);
    }
}

static void take_post(version_cursor *c, fg_version *v) {
    uint64_t number;
    bool found = take_word(c, "post") || take_word(c, "rev") || take_word(c, "r");
    if (found) {
        number = number_behind(c);
    } else if (*c->at == '-' && isdigit((unsigned char)c->at[1])) {
        c->at++;
        found = take_number(c, &number);
    }
    if (found && !fg_add(number, 1, &v->key[POST])) c->sound = false;
}

static void take_dev(version_cursor *c, fg_version *v) {
    v->key[DEV] = UINT64_MAX;
    if (!take_word(c, "dev")) return;
    v->key[DEV] = number_behind(c);
    if (v->key[PRE_KIND] == FINAL && !v->key[POST]) v->key[PRE_KIND] = DEV_ONLY;
}

bool fg_version_parse(const char *text, fg_version *version) {
    version_cursor c = {.at = text, .sound = true};
    *version = (fg_version){0};
    if (strlen(text) >= sizeof version->text) return false;
    snprintf(version->text, sizeof version->text, "%s", text);
    if (*c.at == 'v' || *c.at == 'V') c.at++;
    version_cursor epoch = c;
    if (take_number(&epoch, &version->key[EPOCH]) && *epoch.at == '!') {
        c = epoch;
        c.at++;
    } else {
        version->key[EPOCH] = 0;
    }
    if (!isdigit((unsigned char)*c.at)) return false;
    take_release(&c, version);
    take_pre(&c, version);
    take_post(&c, version);
    take_dev(&c, version);
    return !*c.at && c.sound;
}

fg_status fg_version_read(const json_t *value, const char *where, fg_version *version, fg_error *err) {
    char digits[FG_VERSION_TEXT], brief[BRIEF];
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = digits;
    }
    if (text && fg_version_parse(text, version)) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected a version, such as 2 or \"2.1\"", where,
                   fg_json_brief(value, brief, sizeof brief));
}

int fg_version_compare(const fg_version *a, const fg_version *b) {
    for (size_t i = 0; i < FG_VERSION_KEY; i++) {
        if (a->key[i] != b->key[i]) return a->key[i] < b->key[i] ? -1 : 1;
    }
    return 0;
}
