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
    FG_STOPPED_INT = 130,
    FG_STOPPED_TERM = 143,
} fg_status;

enum { FG_ERROR_TEXT = 1400, FG_ERROR_WHERE = 600, FG_ERROR_HINT = 600 };

/* Plain data without pointers: it is sent between ranks as bytes. Start from `fg_error err = {0}`. */
typedef struct fg_error {
    int status;                 /* fg_status of the first failure, FG_OK if none */
    int rank;                   /* where it happened; filled in when ranks agree */
    char text[FG_ERROR_TEXT];   /* what was found and what was expected, naming file, tensor, key or rule */
    char where[FG_ERROR_WHERE]; /* what was being done, innermost first, "; " between */
    char hint[FG_ERROR_HINT];   /* what the user can do; may be empty */
} fg_error;

/* Records the failure (unless err already holds one or is NULL) and returns `status`. Text ends without a
 * full stop or newline and is cut to fit. */
fg_status fg_fail(fg_error *err, fg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Like fg_fail with FG_ERR_SYSTEM; appends ": " and the text of `errnum`. ENOMEM becomes FG_ERR_MEMORY. */
fg_status fg_fail_errno(fg_error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says what the user can do. The first hint stays. Returns err->status, so that `return fg_hint(...)` works.
 */
fg_status fg_hint(fg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds what was being done, for a caller that knows more than the function that failed. Returns err->status.
 */
fg_status fg_where(fg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole message, as main prints it: "text", then indented lines "while: ..." and "do: ...". `buffer` is
 * filled and terminated. */
void fg_error_message(const fg_error *err, char *buffer, unsigned long size);

/* Passes a failure on: evaluates `call`, stores it in `status` and goes to `done` unless it is FG_OK. */
#define FG_TRY(call)                                                                                         \
    do {                                                                                                     \
        status = (call);                                                                                     \
        if (status != FG_OK) goto done;                                                                      \
    } while (0)

#endif
