#include "language/absence.h"

/* Of two words that say what absence means on a side the first counts. */
static const struct absence_row {
    const char *word;
    int side;
    bool means, null, unwritten, as_null;
} rows[] = {
    {"default", FG_SIDE_HF, true, true, false, false},
    {"optional", FG_SIDE_HF, true, false, true, false},
    {"null_if", FG_SIDE_HF, false, false, true, true},
    {"absent", FG_SIDE_TARGET, true, true, false, false},
    {"omit", FG_SIDE_TARGET, true, false, true, false},
    {"optional", FG_SIDE_TARGET, true, false, false, false},
};

void fg_absence_compile(const json_t *spec, fg_absence sides[2]) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct absence_row *row = &rows[i];
        fg_absence *side = &sides[row->side];
        if (!json_object_get(spec, row->word)) continue;
        if (row->means && !side->means) {
            side->means = row->word;
            side->null = row->null;
        }
        if (row->unwritten) {
            side->unwritten = row->word;
            side->as_null = row->as_null;
        }
    }
    sides[FG_SIDE_HF].passes = sides[FG_SIDE_TARGET].passes = json_object_get(spec, "maybe") != NULL;
    sides[FG_SIDE_HF].also = json_object_get(spec, "default_for");
    if (sides[FG_SIDE_HF].also) sides[FG_SIDE_HF].null = false; /* the list says it all */
}
