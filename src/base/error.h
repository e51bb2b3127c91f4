/* Errors: a status code that every fallible function returns, and an object that keeps the first failure.
 *
 * Invariant: once an fg_error holds a failure it never changes its status or text; later failures only happen
 * because of the first. Only main prints an error and turns it into the exit code; nothing in the library
 * exits or prints.
 *
 * Convention inside functions: a parameter `fg_error *err`, a local `fg_status status = FG_OK`, one label
 * `done:` where everything is released, and FG_TRY around every call that can fail.
 */
#ifndef FG_BASE_ERROR_H
#define FG_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/* The value of each status is the exit code of the program. */
typedef enum fg_status {
    FG_OK = 0,
    FG_ERR_USAGE = 2,   /* options; SRC absent; DST there already */
    FG_ERR_INPUT = 3,   /* a file is malformed, not supported or not covered */
    FG_ERR_SYSTEM = 4,  /* disk, permissions, operating system */
    FG_ERR_MEMORY = 5,  /* an allocation failed */
    FG_ERR_DIFFER = 10, /* the models differ */
    FG_ERR_BUG = 70,    /* a state that fgconv itself must never reach */
} fg_status;

enum {
    FG_ERROR_TEXT = 1400,
    FG_ERROR_WHERE = 600,
    FG_ERROR_HINT = 1400,
    FG_ERROR_FILE = 1000,
    FG_ERROR_KEY = 300,
    FG_ERROR_VALUE = 500
};

/* Plain data without pointers: it is sent between ranks as bytes. Start from `fg_error err = {0}`. */
typedef struct fg_error {
    int status;                 /* fg_status of the first failure, FG_OK if none */
    int rank;                   /* where it happened; filled in when ranks agree */
    char text[FG_ERROR_TEXT];   /* what was found and what was expected, naming file, tensor, key or rule */
    char where[FG_ERROR_WHERE]; /* what was being done, innermost first, "; " between */
    char hint[FG_ERROR_HINT];   /* what the user can do; may be empty */
    char file[FG_ERROR_FILE];   /* parts of the text, for programs; empty where it does not say them */
    char key[FG_ERROR_KEY];     /* of a configuration; the name of a tensor; an option */
    char found[FG_ERROR_VALUE], expected[FG_ERROR_VALUE];
    bool text_lines,
        hint_lines; /* their formats have newlines, and what was put into them has only its own */
} fg_error;

/* What follows is macros around functions, so that compilers and analyzers see that a failure never gives
 * FG_OK. */
static inline fg_status fg_never_ok(fg_status status) {
    return status == FG_OK ? FG_ERR_BUG : status;
}

/* fg_fail(err, status, format, ...) records the failure (unless err already holds one or is NULL) and gives
 * `status`. Text ends without a full stop or newline and is cut to fit. Its parts are read from the words of
 * the format (base/error_fields.h). */
#define fg_fail(err, status, ...) fg_never_ok(fg_error_record((err), (status), __VA_ARGS__))
fg_status fg_error_record(fg_error *err, fg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for functions that have a format and arguments themselves. */
#define fg_fail_list(err, status, format, arguments)                                                         \
    fg_never_ok(fg_error_record_list((err), (status), (format), (arguments)))
fg_status fg_error_record_list(fg_error *err, fg_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* The same for a text that has lines: whatever it quotes was made fit for one
 * (base/visible_text.h). */
#define fg_fail_lines(err, status, ...) fg_never_ok(fg_error_record_lines((err), (status), __VA_ARGS__))
fg_status fg_error_record_lines(fg_error *err, fg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The parts that err's text does not say by itself, because it quotes the text of another error, are those of
 * that one. Gives what fg_hint gives. */
#define fg_fail_quoting(err, quoted) fg_never_ok(fg_error_quote((err), (quoted)))
fg_status fg_error_quote(fg_error *err, const fg_error *quoted);

/* Records the status and the text of a failure that another error holds. */
#define fg_fail_again(err, other) fg_never_ok(fg_error_record_again((err), (other)))
fg_status fg_error_record_again(fg_error *err, const fg_error *other);

/* fg_fail_errno(err, errnum, format, ...): FG_ERR_SYSTEM, or FG_ERR_MEMORY for ENOMEM; appends ": " and the
 * text of `errnum`. */
#define fg_fail_errno(err, errnum, ...) fg_never_ok(fg_error_record_errno((err), (errnum), __VA_ARGS__))
fg_status fg_error_record_errno(fg_error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* fg_hint(err, format, ...) says what the user can do. The first hint stays. Gives the status of the failure
 * that err holds (without one FG_ERR_BUG), so that `return fg_hint(...)` works. */
#define fg_hint(err, ...) fg_never_ok(fg_error_hint((err), __VA_ARGS__))
fg_status fg_error_hint(fg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* fg_where(err, format, ...) adds what was being done, for a caller that knows more than the function that
 * failed. Gives what fg_hint gives. */
#define fg_where(err, ...) fg_never_ok(fg_error_where((err), __VA_ARGS__))
fg_status fg_error_where(fg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The file that the failure is about, where its text names it among other things. Gives what fg_hint gives.
 */
#define fg_about_file(err, path) fg_never_ok(fg_error_about_file((err), (path)))
fg_status fg_error_about_file(fg_error *err, const char *path);

/* The same for the key, for what was found and for what was expected: "9 bytes", "8 bytes or less". */
#define fg_about_key(err, key) fg_never_ok(fg_error_about_key((err), (key)))
fg_status fg_error_about_key(fg_error *err, const char *key);
#define fg_about_found(err, ...) fg_never_ok(fg_error_about_found((err), __VA_ARGS__))
fg_status fg_error_about_found(fg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define fg_about_expected(err, ...) fg_never_ok(fg_error_about_expected((err), __VA_ARGS__))
fg_status fg_error_about_expected(fg_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A status other than FG_OK says that the caller's error holds a failure. Developers' builds stop where it
 * does not: nothing was recorded, or it was recorded in another error. */
#ifdef FG_CHECK_ERRORS
void fg_error_expect(const fg_error *err, fg_status status, const char *file, int line) __attribute__((cold));
#define FG_EXPECT_ERROR(status) fg_error_expect(err, (status), __FILE__, __LINE__)
#else
#define FG_EXPECT_ERROR(status) (void)err
#endif

/* Passes a failure of `call` on to the caller at once: for functions that have nothing to clean up. `call`
 * records it in what `err` points to. */
#define FG_CALL(call)                                                                                        \
    do {                                                                                                     \
        const fg_status called = (call);                                                                     \
        if (called != FG_OK) {                                                                               \
            FG_EXPECT_ERROR(called);                                                                         \
            return called;                                                                                   \
        }                                                                                                    \
    } while (0)

/* The same for those that have: stores what `call` gives in `status`, goes to `done` unless it is FG_OK. */
#define FG_TRY(call)                                                                                         \
    do {                                                                                                     \
        status = (call);                                                                                     \
        if (status != FG_OK) {                                                                               \
            FG_EXPECT_ERROR(status);                                                                         \
            goto done;                                                                                       \
        }                                                                                                    \
    } while (0)

/* Raises an error in a function that ends with a label `done`: FG_FAIL(err, FG_ERR_INPUT, "%s: ...",
 * path). */
#define FG_FAIL(...) FG_TRY(fg_fail(__VA_ARGS__))

#endif
