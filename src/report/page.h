/* The report as one page of HTML: no files besides it, no scripts; charts in SVG, light and dark, and the
 * report itself as JSON at its end. Made from the report alone, so also from one that another version wrote:
 * what is missing has no place on the page.
 */
#ifndef FG_REPORT_PAGE_H
#define FG_REPORT_PAGE_H

#include "report/report.h"

/* Every page begins with this. */
#define FG_PAGE_BEGIN                                                                                        \
    "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><meta name=viewport "                                \
    "content='width=device-width,initial-scale=1'><title>fgconv "

/* `headline`: that of the report's command. A long list of tensors is left out of the JSON in the page. */
fg_status fg_report_page(const json_t *report, const fg_headline *headline, fg_buffer *out, fg_error *err);

#endif
