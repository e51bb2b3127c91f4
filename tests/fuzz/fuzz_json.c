/* libFuzzer: any bytes as JSON; what is read must be written and read back as the same value. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    fg_error err = {0};
    fg_buffer text = {0};
    json_t *value = NULL, *again = NULL;
    fg_status status = fg_json_parse("fuzz", (const char *)bytes, size, &value, &err);
    if (status == FG_OK) {
        if (fg_json_write(value, FG_JSON_COMPACT, &text, &err) != FG_OK) abort();
        if (fg_json_parse("again", text.data, text.length, &again, &err) != FG_OK) abort();
        if (!fg_json_equal(value, again)) abort();
    } else if (status != FG_ERR_INPUT) {
        abort();
    }
    json_decref(value);
    json_decref(again);
    fg_buffer_free(&text);
    return 0;
}
