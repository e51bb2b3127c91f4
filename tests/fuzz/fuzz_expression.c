/* libFuzzer: any text as an expression of a converter file, evaluated over a small configuration. */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "language/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static json_t *config;
    fg_error err = {0};
    fg_expression *expression = NULL;
    json_t *value = NULL;
    if (!config)
        config = json_pack("{s:i, s:{s:f}, s:[s, s], s:n}", "a", 12, "b", "c", 2.5, "d", "x", "y", "e");
    char *text = fg_strndup((const char *)bytes, size, &err);
    fg_scope scope = {.here = config};
    if (text && fg_expression_parse(&expression, text, "fuzz", &err) == FG_OK)
        fg_expression_evaluate(expression, &scope, &value, &err);
    json_decref(value);
    fg_expression_free(&expression);
    fg_free(text);
    return 0;
}
