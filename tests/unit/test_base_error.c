/* base/error: developers' builds stop where a failure is passed on without its error. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"

static fg_status record_nothing(fg_error *err) {
    (void)err;
    return FG_ERR_INPUT;
}

static fg_status record_elsewhere(fg_error *err) {
    (void)err;
    fg_error other = {0};
    return fg_fail(&other, FG_ERR_INPUT, "a failure of another error");
}

static fg_status record(fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT, "a failure");
}

typedef fg_status (*failing)(fg_error *err);

static fg_status call(failing function, fg_error *err) {
    FG_CALL(function(err));
    return FG_OK;
}

static fg_status try(failing function, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(function(err));
done:
    return status;
}

typedef fg_status (*passing)(failing function, fg_error *err);

/* How a process ends that passes a failure on, and what it prints. */
static int end_of(passing pass, failing function, char *text, size_t size) {
    int pipes[2], end;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        fg_error err = {0};
        setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        dup2(pipes[1], STDERR_FILENO);
        _exit((int)pass(function, &err));
    }
    close(pipes[1]);
    ssize_t length = read(pipes[0], text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    close(pipes[0]);
    assert_int_equal(waitpid(child, &end, 0), child);
    return end;
}

static void a_failure_without_its_error_stops(void **state) {
    (void)state;
    static const struct {
        passing pass;
        failing function;
    } cases[] = {
        {call, record_nothing}, {try, record_nothing}, {call, record_elsewhere}, {try, record_elsewhere}};
    char text[256];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int end = end_of(cases[i].pass, cases[i].function, text, sizeof text);
        assert_true(WIFSIGNALED(end));
        assert_int_equal(WTERMSIG(end), SIGABRT);
        assert_non_null(strstr(text, "test_base_error.c:"));
        assert_non_null(strstr(text, "status 3 without an error"));
    }
}

static void a_failure_with_its_error_is_passed_on(void **state) {
    (void)state;
    static const passing both[] = {call, try};
    char text[256];
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        int end = end_of(both[i], record, text, sizeof text);
        assert_true(WIFEXITED(end));
        assert_int_equal(WEXITSTATUS(end), FG_ERR_INPUT);
        assert_string_equal(text, "");
        assert_int_equal(both[i](record, NULL), FG_ERR_INPUT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_without_its_error_stops),
        cmocka_unit_test(a_failure_with_its_error_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
