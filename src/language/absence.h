/* What absence means on a side of a declaration, compiled from its words (docs/adding-a-model.md, "Absence").
 *
 * Invariant: what is not written to a side is what its absence means when the side is read, unless null
 * stands for it.
 */
#ifndef FG_LANGUAGE_ABSENCE_H
#define FG_LANGUAGE_ABSENCE_H

#include "base/json.h"

enum { FG_SIDE_HF = 0, FG_SIDE_TARGET = 1 };

typedef struct fg_absence {
    const char *means;     /* the member of the declaration whose value absence means; NULL: none does */
    bool null;             /* null means the same */
    const json_t *also;    /* borrowed list: so do these values; NULL: no others */
    bool passes;           /* nothing is written for it on the other side either; else it is refused */
    const char *unwritten; /* the member whose value is not written; NULL: each is */
    bool as_null;          /* null is written for it */
} fg_absence;

/* For both sides. */
void fg_absence_compile(const json_t *spec, fg_absence sides[2]);

#endif
