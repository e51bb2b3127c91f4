/* Resolution of plain scalars: the implicit types of YAML 1.1 as PyYAML has them
 * (https://yaml.org/type/: null, bool, int, float). */
#include "base/yaml_scalar.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 64 }; /* bytes of the longest spelling of a number that is looked at */

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) return true;
    }
    return false;
}

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
static const char *const falses[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};

/* ---- integers ---- */

/* The base of an integer without its sign, and where its digits begin; 0: it is not an integer. */
static int integer_base(const char *at, const char **digits) {
    const char *all = NULL;
    int base = 10;
    *digits = at;
    if (at[0] == '0' && at[1] == 'b') {
        base = 2;
        *digits = at + 2;
        all = "01_";
    } else if (at[0] == '0' && at[1] == 'x') {
        base = 16;
        *digits = at + 2;
        all = "0123456789abcdefABCDEF_";
    } else if (at[0] == '0' && at[1]) {
        base = 8;
        all = "01234567_";
    } else if (at[0] >= '0' && at[0] <= '9') {
        all = "0123456789_";
    }
    bool whole = all && **digits && !(*digits)[strspn(*digits, all)];
    return whole ? base : 0;
}

/* The text without its underscores; `number` has room, for the caller has looked at the length. */
static void copy_digits(const char *text, char number[NUMBER]) {
    size_t used = 0;
    for (; *text && used < NUMBER - 1; text++) {
        if (*text != '_') number[used++] = *text;
    }
    number[used] = '\0';
}

static json_t *as_integer(const char *text, const char *unsigned_text) {
    char number[NUMBER];
    const char *digits;
    int base = integer_base(unsigned_text, &digits);
    bool negative = *text == '-';
    if (!base) return NULL;
    copy_digits(digits, number);
    if (!*number) return NULL;
    double large = 0;
    json_int_t value = 0;
    bool overflow = false;
    for (const char *c = number; *c; c++) {
        int digit = *c <= '9' ? *c - '0' : (*c | 0x20) - 'a' + 10;
        large = large * base + digit;
        overflow =
            overflow || __builtin_mul_overflow(value, (json_int_t)base, &value) ||
            __builtin_sub_overflow(value, (json_int_t)digit, &value); /* downwards: reaches the least */
    }
    if (!negative && !overflow) overflow = __builtin_sub_overflow((json_int_t)0, value, &value);
    return overflow ? json_real(negative ? -large : large) : json_integer(value);
}

/* The number before the next ':', '.' or end; the first is of any size, others below 60 of two digits. */
static bool take_part(const char **at, bool first, double *part) {
    size_t digits = strspn(*at, "0123456789_");
    if (!digits || (!first && (digits > 2 || (digits == 2 && **at > '5')))) return false;
    for (*part = 0; digits; digits--, ++*at) *part = **at == '_' ? *part : *part * 10 + (**at - '0');
    return true;
}

/* Base 60, of two parts or more, all but the first two digits at most: 190:20:30, and 1:30.5 as a real. */
static json_t *as_sexagesimal(const char *text, const char *unsigned_text) {
    double value = 0, part;
    bool fraction = false, first = true;
    const char *at = unsigned_text;
    if (!strchr(at, ':') || *at < '0' || *at > '9') return NULL;
    for (; *at; first = false) {
        if (!take_part(&at, first, &part)) return NULL;
        value = value * 60 + part;
        fraction = *at == '.';
        if (fraction) {
            if (first || at[1 + strspn(at + 1, "0123456789_")]) return NULL;
            value += strtod(at, NULL);
            break;
        }
        if (*at == ':' && at[1]) {
            at++;
        } else if (*at) {
            return NULL;
        }
    }
    if (*text == '-') value = -value;
    return fraction || fabs(value) >= 9e18 ? json_real(value) : json_integer((json_int_t)value);
}

/* ---- reals ---- */

/* Digits with a point, and an exponent with a sign: what PyYAML's pattern takes (-.5 it does not). */
static bool looks_real(const char *at, bool has_sign) {
    size_t before = strspn(at, "0123456789_");
    if (before ? *at == '_' : has_sign) return false;
    at += before;
    if (*at != '.') return false;
    size_t after = strspn(++at, "0123456789_");
    if (!before && (!after || *at == '_')) return false;
    at += after;
    if (*at != 'e' && *at != 'E') return !*at;
    if (at[1] != '+' && at[1] != '-') return false;
    size_t exponent = strspn(at + 2, "0123456789");
    return exponent && !at[2 + exponent];
}

static json_t *as_real(const char *text, const char *unsigned_text) {
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL}, *const nan[] = {".nan", ".NaN",
                                                                                          ".NAN", NULL};
    char number[NUMBER];
    /* JSON has no such numbers; jansson neither. As strings they fail wherever a number is expected. */
    if (is_one_of(unsigned_text, infinite) || is_one_of(text, nan)) return NULL;
    if (!looks_real(unsigned_text, unsigned_text > text)) return NULL;
    copy_digits(text, number);
    double value = strtod(number, NULL);
    return isfinite(value) ? json_real(value) : NULL;
}

json_t *fg_yaml_scalar(const char *text, size_t length) {
    json_t *value = NULL;
    if (length < NUMBER && strlen(text) == length) {
        const char *unsigned_text = text + (*text == '-' || *text == '+');
        if (is_one_of(text, nulls)) return json_null();
        if (is_one_of(text, trues)) return json_true();
        if (is_one_of(text, falses)) return json_false();
        value = as_integer(text, unsigned_text);
        if (!value) value = as_real(text, unsigned_text);
        if (!value) value = as_sexagesimal(text, unsigned_text);
    }
    return value ? value : json_stringn(text, length);
}
