/* report/progress: what is written to stderr, and how often. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/progress.h"

static int kept_stderr = -1, caught = -1;

static void catch_stderr(void) {
    char name[] = "/tmp/fgconv_progress_XXXXXX";
    caught = mkstemp(name);
    assert_true(caught >= 0);
    unlink(name);
    fflush(stderr);
    kept_stderr = dup(STDERR_FILENO);
    dup2(caught, STDERR_FILENO);
}

static const char *caught_text(void) {
    static char text[4096];
    fflush(stderr);
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    ssize_t length = pread(caught, text, sizeof text - 1, 0);
    close(caught);
    assert_true(length >= 0);
    text[length] = '\0';
    return text;
}

static void nothing_is_shown_when_quiet(void **state) {
    (void)state;
    fg_progress progress;
    catch_stderr();
    fg_progress_begin(&progress, "writing", 100, FG_PROGRESS_NONE);
    progress.shown -= 100;
    fg_progress_update(&progress, 50);
    fg_progress_end(&progress, 100);
    assert_string_equal(caught_text(), "");
}

static void lines_come_every_ten_seconds_and_at_the_end(void **state) {
    (void)state;
    fg_progress progress;
    catch_stderr();
    fg_progress_begin(&progress, "writing", 2000000, FG_PROGRESS_LINES);
    fg_progress_update(&progress, 1); /* not due */
    progress.begun -= 10.5;
    progress.shown -= 10.5;
    fg_progress_update(&progress, 500000);
    fg_progress_update(&progress, 600000); /* not due */
    fg_progress_end(&progress, 2000000);
    fg_progress_end(&progress, 2000000); /* only once */
    const char *text = caught_text();
    int rate = 0; /* a little less on a machine that is busy */
    assert_int_equal(sscanf(text, "writing   25 %%  500 kB of 2.0 MB  %d kB/s  left 0:3", &rate), 1);
    assert_in_range(rate, 30, 48);
    const char *second = strchr(text, '\n');
    assert_non_null(second);
    assert_int_equal(sscanf(second + 1, "writing  100 %%  2.0 MB of 2.0 MB  %d kB/s  took 0:1", &rate), 1);
    assert_in_range(rate, 120, 190);
    assert_string_equal(strchr(second + 1, '\n'), "\n");
}

static void a_bar_is_drawn_over_itself(void **state) {
    (void)state;
    fg_progress progress;
    catch_stderr();
    fg_progress_begin(&progress, "proving", 1000, FG_PROGRESS_BAR);
    fg_progress_update(&progress, 10); /* within a tenth of a second: not drawn */
    progress.shown -= 1;
    fg_progress_update(&progress, 500);
    fg_progress_end(&progress, 1000);
    assert_string_equal(caught_text(),
                        "\rproving  [>                       ]   0 %  0 B of 1.0 kB\033[K"
                        "\rproving  [============>           ]  50 %  500 B of 1.0 kB\033[K"
                        "\rproving  [========================] 100 %  1.0 kB of 1.0 kB\033[K\n");
}

static void more_than_all_is_all_and_no_total_has_no_percent(void **state) {
    (void)state;
    fg_progress progress;
    catch_stderr();
    fg_progress_begin(&progress, "a", 10, FG_PROGRESS_LINES);
    fg_progress_end(&progress, 20);
    fg_progress_begin(&progress, "b", 0, FG_PROGRESS_LINES);
    progress.begun -= 7200;
    fg_progress_end(&progress, 14400000);
    assert_string_equal(caught_text(),
                        "a        100 %  20 B of 10 B\nb        14 MB  2.0 kB/s  took 2:00:00\n");
}

static void programs_get_an_object_a_second(void **state) {
    (void)state;
    fg_progress progress;
    catch_stderr();
    fg_progress_begin(&progress, "writing", 1000, FG_PROGRESS_JSON);
    fg_progress_update(&progress, 10); /* not due */
    progress.begun = progress.shown -= 1.5;
    fg_progress_update(&progress, 500);
    fg_progress_end(&progress, 1000);
    const char *text = caught_text(), *due = strchr(text, '\n') + 1;
    assert_non_null(strstr(text,
                           "{\"phase\": \"writing\", \"done\": 0, \"total\": 1000, \"unit\": \"bytes\", "
                           "\"seconds\": 0.0"));
    assert_ptr_equal(strstr(due, "{\"phase\": \"writing\", \"done\": 500, "), due);
    assert_non_null(strstr(due, "\"seconds\": 1.5"));
    assert_non_null(strstr(due, "\"finished\": false}\n{\"phase\": \"writing\", \"done\": 1000, "));
    assert_non_null(strstr(due, "\"finished\": true}\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_shown_when_quiet),
        cmocka_unit_test(lines_come_every_ten_seconds_and_at_the_end),
        cmocka_unit_test(a_bar_is_drawn_over_itself),
        cmocka_unit_test(programs_get_an_object_a_second),
        cmocka_unit_test(more_than_all_is_all_and_no_total_has_no_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
