#include "cli/print.h"

#include <errno.h>

/* 0, or why `text`, or something before it, did not arrive. */
static int put(FILE *out, const fg_buffer *text) {
    errno = 0;
    bool written = !text->length || fwrite(text->data, 1, text->length, out) == text->length;
    return written && !fflush(out) && !ferror(out) ? 0 : errno ? errno : EIO;
}

static fg_status not_printed(int reason, fg_error *err) {
    return fg_fail_errno(err, reason, "cannot print the result");
}

fg_status fg_print(FILE *out, const fg_buffer *text, fg_error *err) {
    int reason = put(out, text);
    return reason ? not_printed(reason, err) : FG_OK;
}

fg_status fg_print_beside(FILE *out, const fg_buffer *text, fg_error *err) {
    int reason = put(out, text);
    return reason && reason != EPIPE ? not_printed(reason, err) : FG_OK;
}

fg_status fg_print_flush(FILE *out, fg_error *err) {
    return fg_print(out, &(fg_buffer){0}, err);
}

fg_status fg_print_json(FILE *out, const json_t *document, unsigned flags, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_json_write(document, flags, &text, err));
    FG_TRY(fg_buffer_add(&text, "\n", 1, err));
    FG_TRY(fg_print(out, &text, err));
done:
    fg_buffer_free(&text);
    return status;
}
