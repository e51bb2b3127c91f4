#include "cli/nearest_name.h"

#include <ctype.h>
#include <string.h>

#include "base/buffer.h"

enum { LONGEST = 40, PREFIX = 3 };

static size_t least_of(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* The Levenshtein distance, without regard to case. */
static size_t distance(const char *a, const char *b) {
    size_t row[LONGEST + 1], n = strnlen(a, LONGEST), m = strnlen(b, LONGEST);
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];
            bool differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            row[j] = least_of(above + 1, row[j - 1] + 1, diagonal + differ);
            diagonal = above;
        }
    }
    return row[m];
}

fg_nearest_name fg_nearest_name_begin(const char *typed) {
    return (fg_nearest_name){.typed = typed, .distance = 2 + strlen(typed) / 4};
}

void fg_nearest_name_try(fg_nearest_name *nearest, const char *name) {
    if (!name) return;
    bool begins = strlen(nearest->typed) >= PREFIX && fg_starts_with(name, nearest->typed);
    size_t found = begins ? 0 : distance(nearest->typed, name);
    if (found >= nearest->distance) return;
    nearest->best = name;
    nearest->distance = found;
}
