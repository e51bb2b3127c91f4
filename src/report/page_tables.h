/* The sections of a report's page that are tables, in its order. Each is left out if the report has nothing
 * for it. */
#ifndef FG_REPORT_PAGE_TABLES_H
#define FG_REPORT_PAGE_TABLES_H

#include "report/page_markup.h"

void fg_page_map(const fg_page *page, const json_t *report);
void fg_page_shards(const fg_page *page, const json_t *report);
void fg_page_config(const fg_page *page, const json_t *report);
void fg_page_ranks(const fg_page *page, const json_t *report);
/* How far logits are apart, of the two models and by rounding. */
void fg_page_rounding(const fg_page *page, const json_t *report);
void fg_page_tokens(const fg_page *page, const json_t *report);
/* Without a heading. */
void fg_page_warnings(const fg_page *page, const json_t *report);
/* Tensors and files that were left out, and other files. */
void fg_page_lists(const fg_page *page, const json_t *report);

#endif
