/* Fuse, a decoder: all tokens become one. */
#include "tokenizer/component.h"

static fg_status fuse(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    (void)settings;
    for (size_t i = 0; i < tokens->count; i++)
        FG_CALL(fg_buffer_add(&out->text, fg_spans_text(tokens, i), tokens->pieces[i].length, err));
    return fg_spans_cut(out, 0, out->text.length, err);
}

const fg_component_kind fg_fuse = {.family = FG_DECODER, .type = "Fuse", .keys = "type", .decode = fuse};
