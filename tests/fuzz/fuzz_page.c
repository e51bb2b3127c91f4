/* libFuzzer: any JSON as a report that a page is made of. Nothing in it ends the script element or begins another
 * element, and the JSON in the page is the report.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_folder.h"
#include "report/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char BEGIN[] = "<script type='application/json' id=report>", END[] = "</script>\n</html>\n";

/* A document cannot hold what no page of fgconv has: elements that load or run something. */
static void check_markup(const fg_buffer *page) {
    static const char *const wrong[] = {"<img", "<a ", "<iframe", "<link", "<svg onload"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (strstr(page->data, wrong[i])) abort();
}

static void check_embedded(const fg_buffer *page, const json_t *report) {
    const char *begin = strstr(page->data, BEGIN);
    if (!begin || strstr(begin + 1, BEGIN)) abort();
    begin += sizeof BEGIN - 1;
    const char *end = strstr(begin, "</");
    if (!end || strcmp(end, END) != 0 || memchr(begin, '<', (size_t)(end - begin))) abort();
    fg_error err = {0};
    json_t *held = NULL;
    if (fg_json_parse("page", begin, (size_t)(end - begin), &held, &err) != FG_OK) abort();
    if (json_array_size(json_object_get(report, "tensors")) <= 200 && !fg_json_equal(held, report)) abort();
    json_decref(held);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const fg_headline headline = FG_HEADLINE_WRITES("Converting", "converted", "Converted");
    fg_error err = {0};
    json_t *report = NULL;
    fg_buffer page = {0};
    fg_status status = fg_json_parse("report", (const char *)bytes, size, &report, &err);
    if (status == FG_OK) {
        status = fg_report_page(report, &headline, &page, &err);
        if (status != FG_OK) abort();
        check_markup(&page);
        check_embedded(&page, report);
    }
    fuzz_expect(status, &err);
    fg_buffer_free(&page);
    json_decref(report);
    return 0;
}
