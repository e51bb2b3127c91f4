/* mpi/interrupt: the thread that waits for signals, while the main thread begins, keeps, writes, publishes and
 * ends one stage after the other. Run by scripts/test --threads under ThreadSanitizer, too: a race ends the
 * child with another code. It needs copy/ alone, and no MPI. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "copy/shards.h"
#include "interrupt.h"
#include "path_questions.h"
#include "store_fixture.h"

enum { STOPS = 28, OUTPUTS = 4, FAILED = 99, STATUS = 7 };

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU};
static void pause_us(long microseconds) {
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

/* ---- what a child does; a failure ends it with FAILED ---- */

/* What fails because a signal has removed DST.partial waits for the end of the process, as in the program. */
#define MUST(call)                                                                                           \
    do {                                                                                                     \
        if ((call) != FG_OK) {                                                                               \
            fg_interrupt_guard(NULL);                                                                        \
            fprintf(stderr, "%s: %s\n", #call, err.text);                                                    \
            _exit(FAILED);                                                                                   \
        }                                                                                                    \
    } while (0)

static char *shard_name(size_t index, size_t count, fg_error *err) {
    return fg_strformat(err, "shard-%zu-%zu", index, count);
}

static void make_plan(fg_plan *plan) {
    fg_error err = {0};
    for (uint64_t i = 0; i < OUTPUTS; i++) {
        char name[24];
        uint64_t elements = 100 + i;
        snprintf(name, sizeof name, "o%d", (int)i);
        MUST(fg_plan_add_output(plan, name, FG_F32, 1, &elements, &err));
    }
    MUST(fg_shards_assign(plan, 1 << 20, shard_name, &err));
}

static void write_journal(fg_stage *stage, const fg_plan *plan) {
    static const fg_journal_entry none[OUTPUTS];
    fg_error err = {0};
    fg_journal *journal = NULL;
    json_t *identity = json_object();
    MUST(fg_journal_write(stage->partial, identity, none, OUTPUTS, &err));
    json_decref(identity);
    fg_stage_keep(stage, true);
    MUST(fg_stage_create_shard(stage, plan, 0, &err));
    MUST(fg_journal_open(&journal, stage->partial, plan, 0, &err));
    fg_interrupt_guard_journal(journal);
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        const fg_work_item item = {.output = i, .outputs = 1, .bytes = 400};
        const uint64_t digests[OUTPUTS] = {1, 2, 3, 4};
        MUST(fg_journal_add(journal, &item, digests, &(fg_value_counts){0}, &err));
        MUST(fg_journal_flush(journal, &err));
    }
    fg_interrupt_guard_journal(NULL);
    fg_journal_close(&journal);
}

static void make_file(void) {
    fg_error err = {0};
    fg_interrupt_hold();
    MUST(fg_file_write_all(at("dump.partial"), "x", 1, &err));
    fg_interrupt_guard_file(at("dump.partial"));
    fg_interrupt_release();
}

static void drop_file(void) {
    fg_interrupt_hold();
    fg_file_remove(at("dump.partial"));
    fg_interrupt_forget_files();
    fg_interrupt_release();
}

/* One destination after the other, until a signal comes. */
static void convert_for_ever(const fg_plan *plan, bool journal) {
    for (;;) {
        fg_error err = {0};
        fg_stage stage = {0};
        make_file();
        MUST(fg_stage_check(&stage, at("dst"), false, &err));
        fg_interrupt_guard(&stage);
        MUST(fg_stage_begin(&stage, &err));
        if (journal)
            write_journal(&stage, plan);
        else
            MUST(fg_stage_create_shard(&stage, plan, 0, &err));
        MUST(fg_stage_publish(&stage, &err));
        fg_interrupt_guard(NULL);
        fg_stage_free(&stage);
        MUST(fg_directory_remove(at("dst"), &err));
        drop_file();
    }
}

/* A child that runs `journal` or no journal for ever, once it has started. */
static pid_t start_converting(const fg_plan *plan, bool journal) {
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        fg_error err = {0};
        MUST(fg_interrupt_start(false, &err));
        if (write(ready[1], "", 1) != 1) _exit(FAILED);
        convert_for_ever(plan, journal);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static int code_of(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- what is left ---- */

static void stop_at_many_moments(bool journal) {
    fg_plan plan = {0};
    make_plan(&plan);
    for (int i = 0; i < STOPS; i++) {
        const int number = ending[i % (int)(sizeof ending / sizeof *ending)];
        pid_t child = start_converting(&plan, journal);
        pause_us(137L * i * i);
        assert_int_equal(kill(child, number), 0);
        assert_int_equal(code_of(child), 128 + number);
        assert_false(path_exists(at("dump.partial")));
        /* the journal is next to DST.partial while that is being renamed */
        if (path_exists(at("dst.partial")))
            assert_true(journal &&
                        (path_exists(at("dst.partial/journal")) || path_exists(at("dst.partial.journal"))));
        if (path_exists(at("dst"))) assert_false(path_exists(at("dst/journal")));
        fg_directory_remove(at("dst"), NULL);
        fg_directory_remove(at("dst.partial"), NULL);
        fg_file_remove(at("dst.partial.journal"));
    }
    fg_plan_free(&plan);
}

static void a_signal_leaves_nothing(void **state) {
    (void)state;
    stop_at_many_moments(false);
}

static void with_a_journal_it_leaves_what_can_be_resumed(void **state) {
    (void)state;
    stop_at_many_moments(true);
}

static void a_signal_after_the_end_keeps_the_exit_code(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        fg_error err = {0};
        MUST(fg_interrupt_start(false, &err));
        fg_interrupt_finish((fg_status)STATUS);
        kill(getpid(), SIGTERM); /* raise() would be for this thread, which blocks it */
        for (;;) pause();
    }
    assert_int_equal(code_of(child), STATUS);
}

static void the_end_of_the_launcher_ends_the_run(void **state) {
    (void)state;
    int ended[2];
    char byte;
    assert_int_equal(pipe(ended), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0),
                     0); /* orphans become children of this process */
    pid_t launcher = fork();
    if (launcher == 0) {
        pid_t child = fork();
        if (child == 0) {
            fg_error err = {0};
            MUST(fg_interrupt_start(true, &err));
            for (;;) pause();
        }
        pause_us(100000);
        if (write(ended[1], "", 1) != 1) _exit(FAILED);
        _exit(0);
    }
    assert_int_equal(read(ended[0], &byte, 1), 1);
    assert_int_equal(code_of(launcher), 0);
    int status;
    assert_true(wait(&status) > 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
    close(ended[0]);
    close(ended[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signal_leaves_nothing, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(with_a_journal_it_leaves_what_can_be_resumed, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test(a_signal_after_the_end_keeps_the_exit_code),
        cmocka_unit_test(the_end_of_the_launcher_ends_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
