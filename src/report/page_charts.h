/* The charts of a report's page, in SVG: what was measured half-block by half-block, divergences by token,
 * and bars of bytes. Each mark says its numbers when a pointer is over it. */
#ifndef FG_REPORT_PAGE_CHARTS_H
#define FG_REPORT_PAGE_CHARTS_H

#include "report/page_markup.h"

/* Largest differences of each half-block in `list`, on a logarithmic scale; equal ones lie on the line at the
 * bottom. Nothing of an empty list. */
typedef struct fg_page_stack_of_blocks {
    const json_t *list;       /* borrowed */
    const json_t *logits;     /* borrowed; what was measured of them, or NULL */
    const char *first, *last; /* the parts before and behind the blocks */
    const char *title, *ends; /* "embedding", "final norm, logits" */
} fg_page_stack_of_blocks;
void fg_page_differences(const fg_page *page, const fg_page_stack_of_blocks *blocks);
/* Tokens by KL divergence, from "kl_histogram". */
void fg_page_histogram(const fg_page *page, const json_t *measured);

/* One bar whose parts are as long as their bytes. */
typedef struct fg_page_part {
    const char *name; /* borrowed */
    uint64_t bytes;
} fg_page_part;
void fg_page_stack(const fg_page *page, const fg_page_part *parts, size_t count);

#endif
