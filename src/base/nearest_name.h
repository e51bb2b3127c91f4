/* The name that a misspelt word probably stands for.
 *
 * Invariant: a name is suggested only when it is near enough to be a typing error, or begins with the word.
 */
#ifndef FG_BASE_NEAREST_NAME_H
#define FG_BASE_NEAREST_NAME_H

#include <stddef.h>

typedef struct fg_nearest_name {
    const char *typed;
    const char *best; /* NULL: no name so far is near */
    size_t distance;  /* a name must be nearer than this */
} fg_nearest_name;

fg_nearest_name fg_nearest_name_begin(const char *typed);
/* Considers a name; NULL is passed over. */
void fg_nearest_name_try(fg_nearest_name *nearest, const char *name);

#endif
