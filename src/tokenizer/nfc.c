/* NFC, a normalizer: Unicode's normalization form C, as HF tokenizers has it (Unicode 9). Characters that
 * Unicode 9 does not know stay where they are, whatever the version of utf8proc. */
#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/utf8_text.h"
#include "tokenizer/component.h"
#include "tokenizer/unicode_table.h"

/* Below FIRST_MARK nothing composes or moves; MOST_PARTS: into how many a character comes apart. */
enum { FIRST_MARK = 0x300, MOST_PARTS = 4, CLASSES = 256 };

static bool is_inert(const fg_code_set *set, uint32_t code) {
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > set->ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && code >= set->ranges[low].first;
}

static unsigned class_of(utf8proc_int32_t code) {
    return (unsigned)utf8proc_get_property(code)->combining_class;
}

/* Puts marks that follow each other in the order of their classes, equal ones as they come. utf8proc's own
 * ordering takes quadratic time for a long row of marks. */
static void order_marks(utf8proc_int32_t *codes, size_t count, utf8proc_int32_t *spare) {
    size_t places[CLASSES + 1] = {0};
    for (size_t i = 0; i < count; i++) places[class_of(codes[i]) + 1]++;
    for (size_t i = 1; i <= CLASSES; i++) places[i] += places[i - 1];
    for (size_t i = 0; i < count; i++) spare[places[class_of(codes[i])]++] = codes[i];
    memcpy(codes, spare, count * sizeof *codes);
}

static void order_all(utf8proc_int32_t *codes, size_t count, utf8proc_int32_t *spare) {
    for (size_t at = 0, end; at < count; at = end) {
        for (end = at; end < count && class_of(codes[end]); end++) continue;
        if (end > at + 1) order_marks(codes + at, end - at, spare);
        if (end == at) end++;
    }
}

/* A run without inert characters. */
static fg_status compose_run(const char *text, size_t length, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    utf8proc_int32_t *codes = NULL, *spare = NULL;
    size_t count = 0, room = length * MOST_PARTS;
    int boundary = 0;
    if (!length) return FG_OK;
    FG_NEW(codes, room);
    FG_NEW(spare, room);
    for (const char *at = text, *end = text + length; at < end;) {
        utf8proc_int32_t code = fg_utf8_next(&at, end);
        utf8proc_ssize_t parts =
            utf8proc_decompose_char(code, codes + count, (utf8proc_ssize_t)(room - count),
                                    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
        if (parts < 0 || (size_t)parts > room - count)
            FG_FAIL(err, FG_ERR_INPUT, "a text of %zu bytes cannot be normalized", length);
        count += (size_t)parts;
    }
    order_all(codes, count, spare);
    utf8proc_ssize_t left =
        utf8proc_normalize_utf32(codes, (utf8proc_ssize_t)count, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < left; i++) {
        char buffer[FG_UTF8_MOST];
        FG_TRY(fg_buffer_add(out, buffer, fg_utf8_put((uint32_t)codes[i], buffer), err));
    }
done:
    fg_free(codes);
    fg_free(spare);
    return status;
}

static fg_status compose(const void *settings, const fg_buffer *text, fg_buffer *out, fg_error *err) {
    const fg_code_set *inert = fg_code_set_find("inert");
    const char *end = text->data + text->length, *plain = text->data, *run = NULL;
    (void)settings;
    /* plain: not written yet and known to stay as it is, up to `run`, from where composing is needed. The
     * character before a mark belongs to the run. */
    for (const char *at = text->data, *last = at; at < end;) {
        const char *here = at;
        uint32_t code = (uint32_t)fg_utf8_next(&at, end);
        bool stays = code < FIRST_MARK || is_inert(inert, code);
        if (!stays && !run) {
            run = code < 0x3400 || code >= 0xa000 ? last : NULL; /* CJK ideographs need no look */
        } else if (run && stays) {
            FG_CALL(fg_buffer_add(out, plain, (size_t)(run - plain), err));
            FG_CALL(compose_run(run, (size_t)(here - run), out, err));
            plain = here;
            run = NULL;
        }
        last = is_inert(inert, code) ? at : here;
    }
    const char *rest = run ? run : end;
    FG_CALL(fg_buffer_add(out, plain, (size_t)(rest - plain), err));
    return compose_run(rest, (size_t)(end - rest), out, err);
}

const fg_component_kind fg_nfc = {
    .family = FG_NORMALIZER, .type = "NFC", .keys = "type", .normalize = compose};
