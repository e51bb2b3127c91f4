/* Tables of constants whose rows begin with their name, a const char *. */
#ifndef FG_BASE_NAMED_ROW_H
#define FG_BASE_NAMED_ROW_H

#include <stddef.h>
#include <string.h>

/* The first row of that name; NULL: there is none. */
static inline const void *fg_named_row(const void *rows, size_t count, size_t row_size, const char *name) {
    for (size_t i = 0; i < count; i++) {
        const void *row = (const char *)rows + i * row_size;
        if (strcmp(*(const char *const *)row, name) == 0) return row;
    }
    return NULL;
}

/* The same in an array. */
#define FG_NAMED_ROW(rows, name) fg_named_row((rows), sizeof(rows) / sizeof *(rows), sizeof *(rows), (name))

#endif
