/* Fuse, a decoder: all tokens become one. */
#include "tokenizer/component.h"

static fg_status fuse(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    fg_status status = FG_OK;
    (void)settings;
    for (size_t i = 0; i < tokens->count; i++)
        FG_TRY(fg_buffer_add(&out->text, fg_spans_text(tokens, i), tokens->pieces[i].length, err));
    FG_TRY(fg_spans_cut(out, 0, out->text.length, err));
done:
    return status;
}

const fg_component_kind fg_fuse = {.family = FG_DECODER, .type = "Fuse", .keys = "type", .decode = fuse};
