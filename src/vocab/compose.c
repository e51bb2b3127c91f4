#include "vocab/compose.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "vocab/unicode_table.h"
#include "vocab/utf8_text.h"

enum { FIRST_MARK = 0x300 }; /* below this code point nothing composes or moves */

static const fg_code_set *inert_set(void) {
    for (size_t i = 0; i < fg_code_set_count; i++) {
        if (strcmp(fg_code_sets[i].name, "inert") == 0) return &fg_code_sets[i];
    }
    return NULL;
}

static bool is_inert(const fg_code_set *set, uint32_t code) {
    size_t low = 0, high = set ? set->count : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > set->ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return set && low < set->count && code >= set->ranges[low].first;
}

/* A run without inert characters. */
static fg_status compose_run(const char *text, size_t length, fg_text *out, fg_error *err) {
    fg_status status = FG_OK;
    utf8proc_int32_t *codes = NULL;
    if (!length) return FG_OK;
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    utf8proc_ssize_t count = utf8proc_decompose(bytes, (utf8proc_ssize_t)length, NULL, 0, options);
    if (count > 0) {
        FG_NEW(codes, (size_t)count);
        count = utf8proc_decompose(bytes, (utf8proc_ssize_t)length, codes, count, options);
        if (count > 0) count = utf8proc_normalize_utf32(codes, count, options);
    }
    if (count < 0)
        FG_TRY(fg_fail(err, count == UTF8PROC_ERROR_NOMEM ? FG_ERR_MEMORY : FG_ERR_INPUT,
                       "a text of %zu bytes cannot be normalized: %s", length, utf8proc_errmsg(count)));
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        char buffer[FG_UTF8_MOST];
        FG_TRY(fg_text_add(out, buffer, fg_utf8_put((uint32_t)codes[i], buffer), err));
    }
done:
    fg_free(codes);
    return status;
}

fg_status fg_compose(const char *text, size_t length, fg_text *out, fg_error *err) {
    fg_status status = FG_OK;
    const fg_code_set *inert = inert_set();
    const char *end = text + length, *plain = text, *run = NULL;
    /* plain: not written yet and known to stay as it is, up to `run`, from where composing is needed. The
     * character before a mark belongs to the run. */
    for (const char *at = text, *last = text; at < end;) {
        const char *here = at;
        uint32_t code = (uint32_t)fg_utf8_next(&at, end);
        bool stays = code < FIRST_MARK || is_inert(inert, code);
        if (!stays && !run) {
            run = code < 0x3400 || code >= 0xa000 ? last : NULL; /* CJK ideographs need no look */
        } else if (run && stays) {
            FG_TRY(fg_text_add(out, plain, (size_t)(run - plain), err));
            FG_TRY(compose_run(run, (size_t)(here - run), out, err));
            plain = here;
            run = NULL;
        }
        last = is_inert(inert, code) ? at : here;
    }
    const char *rest = run ? run : end;
    FG_TRY(fg_text_add(out, plain, (size_t)(rest - plain), err));
    FG_TRY(compose_run(rest, (size_t)(end - rest), out, err));
done:
    return status;
}
