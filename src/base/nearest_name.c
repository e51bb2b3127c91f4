#include "base/nearest_name.h"

#include <ctype.h>
#include <string.h>

#include "base/buffer.h"

enum { LONGEST = 40, PREFIX = 3 };

static size_t least_of(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static bool is_same(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many letters are changed, added, removed or swapped with their neighbour (optimal string alignment),
 * without regard to case. */
static size_t distance(const char *a, const char *b) {
    size_t rows[3][LONGEST + 1], n = strnlen(a, LONGEST), m = strnlen(b, LONGEST);
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *swapped = rows[(i + 1) % 3]; /* two above */
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least_of(above[j] + 1, row[j - 1] + 1, above[j - 1] + !is_same(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && is_same(a[i - 1], b[j - 2]) && is_same(a[i - 2], b[j - 1]) &&
                swapped[j - 2] + 1 < row[j])
                row[j] = swapped[j - 2] + 1;
        }
    }
    return rows[n % 3][m];
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
