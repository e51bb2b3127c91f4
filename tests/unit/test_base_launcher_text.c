/* What mpirun prints between the lines of its processes: as Open MPI 4 and 5 print it, cut into pieces anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "launcher_text.h"

#define LINE "--------------------------------------------------------------------------\n"

typedef struct expectation {
    const char *printed, *passed;
    int exit_code;
    bool stopped, told;
} expectation;

static const expectation expectations[] = {
    {"a line\nand another", "a line\nand another", 0, false, false},
    {"\rwriting 3 %\rwriting 5 %", "\rwriting 3 %\rwriting 5 %", 0, false, false},
    {"fgconv exits with 10\n", "", 10, false, false},
    {"mpirun: Forwarding signal 10 to job\nx\n", "x\n", 0, false, false},
    {LINE "mpirun noticed that process rank 3 with PID 0 on node a1 exited on signal 9 (Killed).\n" LINE,
     "fgconv: rank 3 on node a1 was killed (out of memory?)\n", 0, false, false},
    {LINE
     "prterun noticed that process rank 12 with PID 1450 on node a1 exited on\nsignal 9 (Killed).\n" LINE,
     "fgconv: rank 12 on node a1 was killed (out of memory?)\n", 0, false, false},
    {LINE "mpirun noticed that process rank 0 with PID 7 on node b exited on signal 11 (Segmentation "
          "fault).\n" LINE,
     "fgconv: rank 0 on node b ended by signal 11 (Segmentation fault)\n", 0, false, false},
    {LINE "mpirun noticed that process rank 0 with PID 7 on node b exited on signal 9 (Killed).\n" LINE, "",
     0, true, false},
    {LINE "prterun detected that one or more processes exited with non-zero status,\nthus causing the job to "
          "be\n" LINE,
     "", 0, false, false},
    {LINE "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD\nwith errorcode 4.\n" LINE "rest\n",
     "rest\n", 0, false, false},
    {LINE "There are not enough slots\n" LINE, LINE "There are not enough slots\n" LINE, 0, false, false},
    {LINE "PRTE has lost communication with a remote daemon.\n\n" LINE,
     LINE "PRTE has lost communication with a remote daemon.\n\n" LINE, 0, false, false},
    {"fgconv exits with 0\n", "", 0, false, false},
    {LINE "a box without an end\n", LINE "a box without an end\n", 0, false, false},
    {"\rproving 3 %" LINE "There are not enough slots\n" LINE,
     "\rproving 3 %\n" LINE "There are not enough slots\n" LINE, 0, false, false},
    {"\nfgconv: stopped by SIGTERM; nothing was published\n",
     "\nfgconv: stopped by SIGTERM; nothing was published\n", 0, true, true},
    {"fgconv: stopped", "fgconv: stopped", 0, true, false},
    {LINE "a process noticed that process rank 1 on node\n" LINE,
     LINE "a process noticed that process rank 1 on node\n" LINE, 0, false, false},
};

/* In pieces of `size` bytes. */
static void passes(const expectation *e, size_t size) {
    fg_error err = {0};
    fg_buffer out = {0};
    fg_launcher_text text = {.stopped = e->stopped};
    size_t length = strlen(e->printed);
    for (size_t at = 0; at < length; at += size) {
        size_t piece = length - at < size ? length - at : size;
        assert_int_equal(fg_launcher_text_add(&text, e->printed + at, piece, &out, &err), FG_OK);
    }
    assert_int_equal(fg_launcher_text_end(&text, &out, &err), FG_OK);
    assert_string_equal(out.length ? out.data : "", e->passed);
    assert_int_equal(text.exit_code, e->exit_code);
    assert_int_equal(text.ended, strstr(e->printed, FG_EXIT_LINE) != NULL);
    assert_int_equal(text.lost_node, strstr(e->printed, "lost communication") != NULL);
    assert_int_equal(text.told, e->told);
    fg_buffer_free(&out);
}

static void lines_and_boxes(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++)
        passes(&expectations[i], SIZE_MAX);
}

/* The line of a bar that a box follows in the same piece is not cut anywhere. */
static void in_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
        if (strncmp(expectations[i].printed, "\rproving", 8) == 0) continue;
        for (size_t size = 1; size < strlen(expectations[i].printed); size++) passes(&expectations[i], size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_and_boxes), cmocka_unit_test(in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
