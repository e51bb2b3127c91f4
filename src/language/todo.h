/* What the author of a file has still to decide: members "TODO" of objects at any depth, each a text.
 * `fgconv new-family` writes them where it cannot know.
 *
 * Invariant: a file that has one is used for nothing, however well the rest of it fits.
 */
#ifndef FG_LANGUAGE_TODO_H
#define FG_LANGUAGE_TODO_H

#include "language/catalogue.h"

#define FG_TODO "TODO"

/* FG_ERR_INPUT with each of them, its line and its place; FG_OK: there are none. */
fg_status fg_todo_refuse(const fg_source_file *file, fg_error *err);
/* Adds a line "PLACE: text" for each of a document to `list`, and counts them. */
fg_status fg_todo_list(const json_t *document, fg_buffer *list, size_t *count, fg_error *err);

#endif
