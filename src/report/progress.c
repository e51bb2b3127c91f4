#include "report/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"

enum { BAR = 24, TEXT = 160 };

/* Seconds between two updates. */
static const double every[] = {[FG_PROGRESS_BAR] = 0.1, [FG_PROGRESS_LINES] = 10, [FG_PROGRESS_JSON] = 1};
/* Seconds before a rate is shown. */
static const double RATE_AFTER = 0.2;

static void add_bar(char *text, double part) {
    char bar[BAR + 4] = "[";
    int full = (int)(part * BAR);
    for (int i = 0; i < BAR; i++) bar[i + 1] = i < full ? '=' : i == full ? '>' : ' ';
    bar[BAR + 1] = ']';
    bar[BAR + 2] = ' ';
    bar[BAR + 3] = '\0';
    strncat(text, bar, TEXT - strlen(text) - 1);
}

/* "1:05" or "2:03:09" */
static void add_time(char *text, const char *label, double seconds) {
    unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 999999999;
    size_t used = strlen(text);
    if (whole >= 3600)
        snprintf(text + used, TEXT - used, "%s %lu:%02lu:%02lu", label, whole / 3600, whole / 60 % 60,
                 whole % 60);
    else
        snprintf(text + used, TEXT - used, "%s %lu:%02lu", label, whole / 60, whole % 60);
}

static void describe(const fg_progress *progress, uint64_t done, double now, bool last, char *text) {
    char a[24], b[24];
    double elapsed = now - progress->begun;
    snprintf(text, TEXT, "%-8s ", progress->what);
    if (progress->total) {
        double part = done < progress->total ? (double)done / (double)progress->total : 1;
        if (progress->style == FG_PROGRESS_BAR) add_bar(text, part);
        snprintf(text + strlen(text), TEXT - strlen(text), "%3d %%  %s of %s", (int)(part * 100),
                 fg_bytes_text(done, a), fg_bytes_text(progress->total, b));
    } else {
        snprintf(text + strlen(text), TEXT - strlen(text), "%s", fg_bytes_text(done, a));
    }
    if (elapsed < RATE_AFTER || !done) return;
    double rate = (double)done / elapsed;
    snprintf(text + strlen(text), TEXT - strlen(text), "  %s/s", fg_bytes_text((uint64_t)rate, a));
    if (last)
        add_time(text, "  took", elapsed);
    else if (progress->total > done)
        add_time(text, "  left", (double)(progress->total - done) / rate);
}

static void show_json(const fg_progress *progress, uint64_t done, double now, bool last) {
    fprintf(stderr,
            "{\"phase\": \"%s\", \"done\": %llu, \"total\": %llu, \"unit\": \"bytes\", \"seconds\": %.3f, "
            "\"finished\": %s}\n",
            progress->what, (unsigned long long)done, (unsigned long long)progress->total,
            now - progress->begun, last ? "true" : "false");
}

static void show(fg_progress *progress, uint64_t done, double now, bool last) {
    char text[TEXT];
    describe(progress, done, now, last, text);
    if (progress->style == FG_PROGRESS_JSON) {
        show_json(progress, done, now, last);
    } else if (progress->style == FG_PROGRESS_BAR) {
        fprintf(stderr, "\r%s\033[K%s", text, last ? "\n" : "");
    } else {
        fprintf(stderr, "%s\n", text);
    }
    fflush(stderr);
    progress->shown = now;
}

void fg_progress_begin(fg_progress *progress, const char *what, uint64_t total, fg_progress_style style) {
    double now = fg_clock_seconds();
    *progress = (fg_progress){.what = what, .style = style, .begun = now, .shown = now, .total = total};
    if (style == FG_PROGRESS_BAR || style == FG_PROGRESS_JSON) show(progress, 0, now, false);
}

void fg_progress_update(fg_progress *progress, uint64_t done) {
    if (progress->style == FG_PROGRESS_NONE) return;
    double now = fg_clock_seconds();
    if (now - progress->shown >= every[progress->style]) show(progress, done, now, false);
}

void fg_progress_end(fg_progress *progress, uint64_t done) {
    if (progress->style != FG_PROGRESS_NONE) show(progress, done, fg_clock_seconds(), true);
    progress->style = FG_PROGRESS_NONE;
}
