#include "report/page_charts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "report/report_text.h"

enum { WIDTH = 720, LEFT = 56, RIGHT = 12, TOP = 14, PLOT = 190, ZERO_GAP = 22, STACK = 34, SHADES = 6 };

/* ---- differences by block ---- */

typedef struct scale {
    double low, high; /* decades */
    bool zeros, unbounded;
    uint64_t blocks;
} scale;

/* Columns: the embedding, each block, the final norm, the logits. */
static double x_of(const scale *s, double column) {
    return LEFT + (column + 0.5) * (WIDTH - LEFT - RIGHT) / ((double)s->blocks + 3);
}

/* `value` < 0: without bound. */
static double y_of(const scale *s, double value) {
    if (value < 0) return TOP;
    if (value == 0) return TOP + PLOT + ZERO_GAP;
    double share = (log10(value) - s->low) / (s->high - s->low);
    return TOP + PLOT * (1 - fmin(1, fmax(0, share)));
}

static double difference_of(const json_t *entry) {
    double value;
    return fg_report_number(entry, "max_abs", &value) ? value : -1;
}

static void widen(scale *s, double value) {
    if (value < 0) s->unbounded = true;
    if (value == 0) s->zeros = true;
    if (value <= 0) return;
    s->low = fmin(s->low, floor(log10(value)));
    s->high = fmax(s->high, ceil(log10(value)));
}

static scale scale_of(const fg_page_stack_of_blocks *blocks) {
    scale s = {.low = 300, .high = -300};
    json_t *entry;
    uint64_t block;
    FG_JSON_EACH(blocks->list, i, entry) {
        if (fg_report_count(entry, "block", &block)) s.blocks = fg_max(s.blocks, block + 1);
        widen(&s, difference_of(entry));
    }
    if (blocks->logits) widen(&s, difference_of(blocks->logits));
    if (s.low > s.high) {
        s.low = -8; /* all are equal, or none has a bound */
        s.high = 0;
    }
    if (s.high - s.low < 1) s.low = s.high - 1;
    return s;
}

static void axis_line(const fg_page *page, double y, const char *label) {
    fg_page_rawf(page, "<path class=grid d='M%d %.1fH%d'/><text x=%d y=%.1f class=tick>%s</text>\n", LEFT, y,
                 WIDTH - RIGHT, LEFT - 6, y + 4, label);
}

static void axes(const fg_page *page, const scale *s, const fg_page_stack_of_blocks *blocks) {
    char label[32];
    int step = (int)fmax(1, ceil((s->high - s->low) / 6));
    for (int decade = (int)s->low; decade <= (int)s->high; decade += step) {
        snprintf(label, sizeof label, "1e%+03d", decade);
        axis_line(page, y_of(s, pow(10, decade)), label);
    }
    if (s->zeros) axis_line(page, y_of(s, 0), "equal");
    double below = TOP + PLOT + ZERO_GAP + 20;
    uint64_t every = fg_max(1, (s->blocks + 11) / 12);
    fg_page_rawf(page, "<text x=%d y=%.1f>%s</text>", LEFT, below + 15, blocks->first);
    for (uint64_t b = 0; b < s->blocks; b += every)
        fg_page_rawf(page, "<text x=%.1f y=%.1f class=mid>%llu</text>", x_of(s, (double)b + 1), below,
                     (unsigned long long)b);
    fg_page_rawf(page, "<text x=%d y=%.1f class=tick>%s</text>\n", WIDTH - RIGHT, below + 15, blocks->ends);
}

/* A mark with its numbers. */
static void mark(const fg_page *page, const scale *s, double column, const char *series, const char *where,
                 const json_t *entry) {
    double value = difference_of(entry), relative = 0, cosine = 0;
    char most[32] = "without bound";
    if (value >= 0) snprintf(most, sizeof most, "%.3g", value);
    fg_page_rawf(page, "<circle class=%s cx=%.1f cy=%.1f r=%s><title>", series, x_of(s, column),
                 y_of(s, value), s->blocks > 40 ? "2" : "3.2");
    fg_page_text(page, where);
    fg_page_rawf(page, ": %s", most);
    if (fg_report_number(entry, "relative", &relative)) fg_page_rawf(page, ", relative %.3g", relative);
    if (fg_report_number(entry, "cosine", &cosine)) fg_page_rawf(page, ", cosine %.6g", cosine);
    fg_page_raw(page, "</title></circle>\n");
}

static void line_of(const fg_page *page, const scale *s, const json_t *list, const char *part) {
    const json_t *entry;
    uint64_t block;
    bool begun = false;
    fg_page_rawf(page, "<path class='line %s' d='", part);
    for (size_t i = 0; i < json_array_size(list); i++) {
        entry = json_array_get(list, i);
        if (strcmp(fg_report_string(entry, "part", ""), part) != 0 ||
            !fg_report_count(entry, "block", &block))
            continue;
        fg_page_rawf(page, "%s%.1f %.1f", begun ? "L" : "M", x_of(s, (double)block + 1),
                     y_of(s, difference_of(entry)));
        begun = true;
    }
    fg_page_raw(page, begun ? "'/>\n" : "M0 0'/>\n");
}

static void marks(const fg_page *page, const scale *s, const fg_page_stack_of_blocks *blocks) {
    static const char *const series[] = {"embedding", "mixer", "mlp", "output", "final_norm"};
    const char *const parts[] = {blocks->first, "mixer", "mlp", "output", blocks->last};
    const json_t *list = blocks->list;
    char where[FG_REPORT_WORDS];
    const json_t *entry;
    uint64_t block;
    for (size_t i = 0; i < json_array_size(list); i++) {
        entry = json_array_get(list, i);
        const char *part = fg_report_string(entry, "part", "");
        size_t k = 0;
        while (k < sizeof series / sizeof *series && strcmp(parts[k], part) != 0) k++;
        if (k == sizeof series / sizeof *series) continue; /* of a later version */
        bool in_block = fg_report_count(entry, "block", &block);
        snprintf(where, sizeof where, "%s", part);
        if (in_block) snprintf(where, sizeof where, "block %llu, %s", (unsigned long long)block, part);
        double column = in_block ? (double)block + 1 : k == 0 ? 0 : (double)s->blocks + 1;
        mark(page, s, column, series[k], where, entry);
    }
}

void fg_page_differences(const fg_page *page, const fg_page_stack_of_blocks *blocks) {
    static const char *const lines[] = {"mixer", "mlp", "output"};
    if (!json_array_size(blocks->list)) return;
    const scale s = scale_of(blocks);
    fg_page_rawf(page,
                 "<p class=legend><span><i class=mixer></i>mixer</span> <span><i class=mlp></i>MLP</span> "
                 "<span><i class=output></i>output of the block</span> <span><i class=final_norm></i>%s, "
                 "%s</span></p>\n",
                 blocks->first, blocks->ends);
    fg_page_rawf(page, "<div class=wide><svg viewBox='0 0 %d %d' role=img aria-label='%s'>\n", WIDTH,
                 TOP + PLOT + ZERO_GAP + 40, blocks->title);
    axes(page, &s, blocks);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) line_of(page, &s, blocks->list, lines[i]);
    marks(page, &s, blocks);
    if (blocks->logits) mark(page, &s, (double)s.blocks + 2, "final_norm", "logits", blocks->logits);
    fg_page_raw(page, "</svg></div>\n");
}

/* ---- divergences ---- */

void fg_page_histogram(const fg_page *page, const json_t *measured) {
    const json_t *bins = json_object_get(measured, "kl_histogram");
    size_t count = json_array_size(bins);
    json_int_t most = 1;
    json_t *bin;
    if (count < 3) return;
    FG_JSON_EACH(bins, i, bin) most = json_integer_value(bin) > most ? json_integer_value(bin) : most;
    double width = (double)(WIDTH - LEFT - RIGHT) / (double)count, height = 110;
    fg_page_rawf(page,
                 "<div class=wide><svg viewBox='0 0 %d 150' role=img aria-label='tokens by KL divergence'>\n",
                 WIDTH);
    FG_JSON_EACH(bins, i, bin) {
        json_int_t tokens = json_integer_value(bin);
        double tall = height * (double)tokens / (double)most, x = LEFT + width * (double)i;
        int decade = (int)i - (int)count + 1; /* the bins but the first and the last end at a power of 10 */
        char label[24] = "0";
        if (i == count - 1) snprintf(label, sizeof label, "1 and more");
        if (i && i < count - 1) snprintf(label, sizeof label, "1e%d", decade + 1);
        fg_page_rawf(
            page,
            "<rect class=bar x=%.1f y=%.1f width=%.1f height=%.1f><title>%s%s: %lld tokens</title></rect>",
            x + 1, 10 + height - tall, width - 2, tall, i && i < count - 1 ? "below " : "", label,
            (long long)tokens);
        fg_page_rawf(page, "<text x=%.1f y=%.1f class=mid>%s</text>\n", x + width / 2, 24 + height,
                     i == count - 1 ? "1+" : label);
    }
    fg_page_raw(page, "</svg></div>\n");
}

/* ---- bytes ---- */

void fg_page_stack(const fg_page *page, const fg_page_part *parts, size_t count) {
    uint64_t all = 0, before = 0;
    char size[24];
    for (size_t i = 0; i < count; i++) all += parts[i].bytes;
    if (!all) return;
    fg_page_rawf(page, "<div class=wide><svg viewBox='0 0 %d %d' role=img aria-label='bytes'>\n", WIDTH,
                 STACK);
    for (size_t i = 0; i < count; i++) {
        double x = (double)WIDTH * ((double)before / (double)all),
               width = (double)WIDTH * ((double)parts[i].bytes / (double)all);
        fg_page_rawf(page, "<rect class=s%zu x=%.2f y=4 width=%.2f height=26><title>", i % SHADES, x,
                     fmax(0.3, width - (count > 1 ? 0.8 : 0)));
        fg_page_text(page, parts[i].name);
        fg_page_rawf(page, ": %s</title></rect>\n", fg_bytes_text(parts[i].bytes, size));
        before += parts[i].bytes;
    }
    fg_page_raw(page, "</svg></div>\n");
}
