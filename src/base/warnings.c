#include "base/warnings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/visible_text.h"

enum { EXAMPLE = 120 }; /* bytes of a line in the line that counts those like it */

static fg_status find_kind(fg_warnings *w, const char *format, fg_warning_kind **kind, fg_error *err) {
    for (size_t i = 0; i < w->kind_count; i++) {
        *kind = &w->kinds[i];
        if (strcmp(w->kinds[i].format, format) == 0) return FG_OK;
    }
    FG_CALL(fg_grow(&w->kinds, w->kind_count, &w->kind_capacity, sizeof *w->kinds, err));
    *kind = &w->kinds[w->kind_count++];
    **kind = (fg_warning_kind){.format = format};
    return FG_OK;
}

/* There are at most FG_WARNINGS_OF_A_KIND for each format of the program. */
static bool is_kept(const fg_warnings *w, const char *line) {
    for (size_t i = 0; i < w->count; i++) {
        if (strcmp(w->items[i].line, line) == 0) return true;
    }
    return false;
}

fg_status fg_warnings_add_line(fg_warnings *w, const char *format, const char *line, uint64_t more,
                               bool *added, fg_error *err) {
    fg_warning_kind *kind;
    char *copy;
    *added = false;
    FG_CALL(find_kind(w, format, &kind, err));
    kind->more += more;
    if (!line || is_kept(w, line)) return FG_OK;
    if (kind->kept == FG_WARNINGS_OF_A_KIND) {
        kind->more++;
        return FG_OK;
    }
    FG_CALL(fg_grow(&w->items, w->count, &w->capacity, sizeof *w->items, err));
    FG_CALL_NEW(copy, fg_strdup(line, err));
    if (!kind->kept++) kind->first = w->count;
    w->items[w->count++] = (fg_warning){format, copy};
    *added = true;
    return FG_OK;
}

void fg_warnings_format(char line[FG_WARNING_LINE], const char *format, va_list arguments) {
    vsnprintf(line, FG_WARNING_LINE, format, arguments);
    fg_visible_in_place(line, FG_WARNING_LINE, FG_VISIBLE_LINE);
}

fg_status fg_warnings_add(fg_warnings *w, fg_error *err, const char *format, ...) {
    char line[FG_WARNING_LINE];
    bool added;
    va_list arguments;
    if (!w) return FG_OK;
    va_start(arguments, format);
    fg_warnings_format(line, format, arguments);
    va_end(arguments);
    return fg_warnings_add_line(w, format, line, 0, &added, err);
}

bool fg_warnings_more(const fg_warnings *w, size_t kind, char line[FG_WARNING_LINE]) {
    const fg_warning_kind *k = &w->kinds[kind];
    if (!k->more || !k->kept) return false;
    const char *first = w->items[k->first].line;
    snprintf(line, FG_WARNING_LINE, "%" PRIu64 " more like \"%.*s%s\"", k->more, EXAMPLE, first,
             strlen(first) > EXAMPLE ? "..." : "");
    fg_visible_in_place(line, FG_WARNING_LINE, FG_VISIBLE_LINE);
    return true;
}

void fg_warnings_free(fg_warnings *w) {
    for (size_t i = 0; i < w->count; i++) fg_free(w->items[i].line);
    fg_free(w->items);
    fg_free(w->kinds);
    *w = (fg_warnings){0};
}
