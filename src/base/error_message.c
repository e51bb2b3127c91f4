#include "base/error_message.h"

#include <stdio.h>
#include <string.h>

#include "base/visible_text.h"

static fg_visible_layout layout_of(bool lines) {
    return lines ? FG_VISIBLE_LINES : FG_VISIBLE_LINE;
}

void fg_error_message(const fg_error *err, char buffer[FG_ERROR_MESSAGE]) {
    fg_error shown = *err;
    fg_visible_in_place(shown.text, sizeof shown.text, layout_of(err->text_lines));
    fg_visible_in_place(shown.where, sizeof shown.where, FG_VISIBLE_LINE);
    fg_visible_in_place(shown.hint, sizeof shown.hint, layout_of(err->hint_lines));
    const char *while_ = shown.where[0] ? "\n  while " : "";
    const char *hint = shown.hint[0] ? "\n  hint: " : "";
    char rank[32] = "";
    if (err->rank > 0) snprintf(rank, sizeof rank, " (rank %d)", err->rank);
    snprintf(buffer, FG_ERROR_MESSAGE, "%s%s%s%s%s%s", shown.text, rank, while_, shown.where, hint,
             shown.hint);
}
