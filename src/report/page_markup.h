/* Writing HTML: text that cannot become markup, tables, sections that fold.
 *
 * Invariant: whatever a text holds, it stays text: &, <, > and quotes become references, in attributes too.
 */
#ifndef FG_REPORT_PAGE_MARKUP_H
#define FG_REPORT_PAGE_MARKUP_H

#include "base/json.h"

/* A page that is being written. Once something failed, nothing more is added, and `err` says why. */
typedef struct fg_page {
    fg_buffer *out; /* borrowed */
    fg_error *err;  /* borrowed */
} fg_page;

/* Markup of fgconv's own. */
void fg_page_raw(const fg_page *page, const char *markup);
void fg_page_rawf(const fg_page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Anything else. NULL is nothing. */
void fg_page_text(const fg_page *page, const char *text);
/* A name or a path, which may be broken behind its dots, but for those of "{0..79}", and its slashes. */
void fg_page_name(const fg_page *page, const char *name);
/* JSON inside of a script element, which no text in it can end. */
void fg_page_json(const fg_page *page, const json_t *value);

/* <h2>, and what is behind it: an explanation, or NULL. */
void fg_page_heading(const fg_page *page, const char *title, const char *about);
/* A fold: `summary`, "12 keys". To be closed. */
void fg_page_fold(const fg_page *page, bool open, uint64_t count, const char *noun);
void fg_page_fold_end(const fg_page *page);
/* A table with these column titles, NULL behind the last; one that begins with # is a column of numbers. */
void fg_page_table(const fg_page *page, const char *const *titles);
void fg_page_table_end(const fg_page *page);
void fg_page_row(const fg_page *page, const char *class_name);
/* A cell; `class_name` may be NULL. One of class "m" is a name. */
void fg_page_cell(const fg_page *page, const char *class_name, const char *text);
void fg_page_bytes_cell(const fg_page *page, uint64_t bytes);
void fg_page_row_end(const fg_page *page);

#endif
