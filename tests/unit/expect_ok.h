/* For tests whose calls all succeed. */
#ifndef FG_TEST_EXPECT_OK_H
#define FG_TEST_EXPECT_OK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

/* The call, which names its error `e`, gives FG_OK; else the test fails with the error's text. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        fg_error ok_err = {0};                                                                               \
        fg_error *e = &ok_err;                                                                               \
        fg_status got_status = (call);                                                                       \
        if (got_status != FG_OK) fail_msg("%s: %d %s", #call, got_status, ok_err.text);                      \
    } while (0)

#endif
