#include "cli/print.h"

#include <errno.h>

#include "base/visible_text.h"

/* 0, or why `text`, or something before it, did not arrive. */
static int put(FILE *out, const fg_buffer *text) {
    errno = 0;
    bool written = !text->length || fwrite(text->data, 1, text->length, out) == text->length;
    return written && !fflush(out) && !ferror(out) ? 0 : errno ? errno : EIO;
}

static fg_status not_printed(int reason, fg_error *err) {
    return fg_fail_errno(err, reason, "cannot print the result");
}

/* *reason: 0, or why it did not arrive. */
static fg_status put_for(fg_audience audience, FILE *out, const fg_buffer *text, int *reason, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer visible = {0};
    if (audience == FG_FOR_PEOPLE)
        FG_TRY(fg_visible_add(text->data, text->length, FG_VISIBLE_LINES, &visible, err));
    *reason = put(out, audience == FG_FOR_PEOPLE ? &visible : text);
done:
    fg_buffer_free(&visible);
    return status;
}

fg_status fg_print(FILE *out, fg_audience audience, const fg_buffer *text, fg_error *err) {
    int reason;
    FG_CALL(put_for(audience, out, text, &reason, err));
    return reason ? not_printed(reason, err) : FG_OK;
}

fg_status fg_print_beside(FILE *out, fg_audience audience, const fg_buffer *text, fg_error *err) {
    int reason;
    FG_CALL(put_for(audience, out, text, &reason, err));
    return reason && reason != EPIPE ? not_printed(reason, err) : FG_OK;
}

fg_status fg_print_flush(FILE *out, fg_error *err) {
    return fg_print(out, FG_FOR_PROGRAMS, &(fg_buffer){0}, err);
}

fg_status fg_print_json(FILE *out, const json_t *document, unsigned flags, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_json_write_line(document, flags, &text, err));
    FG_TRY(fg_print(out, FG_FOR_PROGRAMS, &text, err));
done:
    fg_buffer_free(&text);
    return status;
}
