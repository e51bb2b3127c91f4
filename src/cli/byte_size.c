#include "cli/byte_size.h"

#include <ctype.h>
#include <strings.h>

#include "base/checked.h"

/* Case does not matter. A number alone is refused: it would be taken for gigabytes by one reader, for bytes
 * by another. */
static bool unit_of(const char *text, uint64_t *unit) {
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {{"B", 1},
                 {"KB", 1000},
                 {"MB", 1000000},
                 {"GB", 1000000000},
                 {"TB", 1000000000000},
                 {"KiB", 1ULL << 10},
                 {"MiB", 1ULL << 20},
                 {"GiB", 1ULL << 30},
                 {"TiB", 1ULL << 40}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(text, units[i].name) != 0) continue;
        *unit = units[i].bytes;
        return true;
    }
    return false;
}

/* "5" stands for itself in both suggestions. */
static fg_status no_unit(const char *text, int digits, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "--max-shard-size: \"%s\" has %s", text,
            text[digits] ? "an unknown unit" : "no unit");
    fg_about_found(err, "\"%s\"", text);
    fg_about_expected(err, "a number with a unit (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)");
    return fg_hint(err, "write %.*sGB or %.*sGiB (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)", digits, text,
                   digits, text);
}

fg_status fg_byte_size_parse(const char *text, uint64_t *bytes, fg_error *err) {
    const char *at = text;
    uint64_t value = 0, unit = 0;
    bool good = isdigit((unsigned char)*at);
    for (; good && isdigit((unsigned char)*at); at++)
        good = fg_mul(value, 10, &value) && fg_add(value, (uint64_t)(*at - '0'), &value);
    int digits = (int)(at - text);
    while (good && *at == ' ') at++;
    if (good && !unit_of(at, &unit) && (!*at || isalpha((unsigned char)*at)))
        return no_unit(text, digits, err);
    if (good && unit && fg_mul(value, unit, bytes) && *bytes > 0) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--max-shard-size: \"%s\" is not a size", text);
    fg_about_found(err, "\"%s\"", text);
    fg_about_expected(err, "a whole number with a unit, such as 5GB, 500MB or 2GiB");
    return fg_hint(err, "give a whole number with a unit, such as 5GB, 500MB or 2GiB");
}
