#include "report/page_markup.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "report/report_text.h"

enum { MARKUP = 1024 };

void fg_page_raw(const fg_page *page, const char *markup) {
    if (page->err->status == FG_OK) fg_buffer_put(page->out, markup, page->err);
}

void fg_page_rawf(const fg_page *page, const char *format, ...) {
    char text[MARKUP];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        fg_fail(page->err, FG_ERR_BUG, "markup of %d bytes", length);
    else
        fg_page_raw(page, text);
}

static void put_text(const fg_page *page, const char *text, const char *end) {
    while (text < end) {
        size_t plain = strcspn(text, "&<>\"'");
        if (plain > (size_t)(end - text)) plain = (size_t)(end - text);
        if (page->err->status == FG_OK) fg_buffer_add(page->out, text, plain, page->err);
        text += plain;
        if (text < end) fg_page_rawf(page, "&#%d;", *text++);
    }
}

void fg_page_text(const fg_page *page, const char *text) {
    if (text) put_text(page, text, text + strlen(text));
}

void fg_page_name(const fg_page *page, const char *name) {
    for (const char *at = name; at && *at; at++) {
        bool between = (*at == '.' || *at == '/') && at > name && at[1];
        if (!between || !isalnum((unsigned char)at[-1]) || at[1] == '.') continue;
        put_text(page, name, at + 1);
        fg_page_raw(page, "<wbr>");
        name = at + 1;
    }
    fg_page_text(page, name);
}

void fg_page_json(const fg_page *page, const json_t *value) {
    fg_buffer text = {0};
    if (page->err->status == FG_OK) fg_json_write(value, FG_JSON_COMPACT, &text, page->err);
    for (const char *at = text.data; at && *at; at++) { /* a "<" is inside of a string */
        size_t plain = strcspn(at, "<");
        if (page->err->status == FG_OK) fg_buffer_add(page->out, at, plain, page->err);
        at += plain;
        if (!*at) break;
        fg_page_raw(page, "\\u003c");
    }
    fg_buffer_free(&text);
}

void fg_page_heading(const fg_page *page, const char *title, const char *about) {
    fg_page_raw(page, "<h2>");
    fg_page_text(page, title);
    fg_page_raw(page, "</h2>\n");
    if (!about) return;
    fg_page_raw(page, "<p class=about>");
    fg_page_text(page, about);
    fg_page_raw(page, "</p>\n");
}

void fg_page_fold(const fg_page *page, bool open, uint64_t count, const char *noun) {
    char words[FG_REPORT_WORDS];
    fg_page_rawf(page, "<details%s><summary>", open ? " open" : "");
    fg_page_text(page, fg_report_counted(count, noun, words));
    fg_page_raw(page, "</summary>\n");
}

void fg_page_fold_end(const fg_page *page) {
    fg_page_raw(page, "</details>\n");
}

void fg_page_table(const fg_page *page, const char *const *titles) {
    fg_page_raw(page, "<div class=wide><table><tr>");
    for (; *titles; titles++) {
        bool number = **titles == '#';
        fg_page_raw(page, number ? "<th class=n>" : "<th>");
        fg_page_text(page, *titles + number);
    }
    fg_page_raw(page, "\n");
}

void fg_page_table_end(const fg_page *page) {
    fg_page_raw(page, "</table></div>\n");
}

void fg_page_row(const fg_page *page, const char *class_name) {
    if (class_name)
        fg_page_rawf(page, "<tr class=%s>", class_name);
    else
        fg_page_raw(page, "<tr>");
}

void fg_page_cell(const fg_page *page, const char *class_name, const char *text) {
    if (class_name)
        fg_page_rawf(page, "<td class=%s>", class_name);
    else
        fg_page_raw(page, "<td>");
    class_name &&strcmp(class_name, "m") == 0 ? fg_page_name(page, text) : fg_page_text(page, text);
}

void fg_page_bytes_cell(const fg_page *page, uint64_t bytes) {
    char text[24];
    fg_page_cell(page, "n", fg_bytes_text(bytes, text));
}

void fg_page_row_end(const fg_page *page) {
    fg_page_raw(page, "\n");
}
