/* Text for a terminal: what came from a file, a path or an option cannot move the cursor, start an escape
 * sequence, turn the direction of writing, or pass for a line of fgconv's own.
 *
 * Invariant: what these functions give is valid UTF-8 without controls: C0, DEL and C1 characters become \n,
 * \t or \x1b; line separators and marks of direction \u202e; bytes that are no UTF-8 \xff. Other text stays
 * as it is, a backslash too: the result is for people, not for reading back. Doing it twice changes nothing.
 */
#ifndef FG_BASE_VISIBLE_TEXT_H
#define FG_BASE_VISIBLE_TEXT_H

#include <stdbool.h>

#include "base/buffer.h"

/* How a text is laid out. */
typedef enum fg_visible_layout {
    FG_VISIBLE_LINE,  /* it is a part of a line: newlines and tabs become \n and \t */
    FG_VISIBLE_LINES, /* it has lines of its own: they stay */
} fg_visible_layout;

/* Whether the text stays as it is, in a line. */
bool fg_visible(const char *text);

/* Appends the text to `out`. */
fg_status fg_visible_add(const char *text, size_t length, fg_visible_layout layout, fg_buffer *out,
                         fg_error *err);
/* In place, in an array of `size` bytes (at most FG_VISIBLE_LIMIT), which cuts off what is too long: for
 * messages, which must do without memory. */
enum { FG_VISIBLE_LIMIT = 2048 };
void fg_visible_in_place(char *text, size_t size, fg_visible_layout layout);

#endif
