#include "tokenizer/token_stream.h"

#include <string.h>

static const char NO_CHARACTER[] = "\xef\xbf\xbd"; /* U+FFFD */

fg_status fg_token_stream_begin(fg_token_stream *stream, const fg_tokenizer *tokenizer, const uint32_t *ids,
                                size_t count, fg_error *err) {
    *stream = (fg_token_stream){.tokenizer = tokenizer, .read = count};
    return fg_id_list_append(&stream->ids, ids, count, err);
}

/* Bytes without the ones at the end that are no character yet. */
static size_t certain(const fg_buffer *text) {
    size_t length = text->length, mark = sizeof NO_CHARACTER - 1;
    while (length >= mark && memcmp(text->data + length - mark, NO_CHARACTER, mark) == 0) length -= mark;
    return length;
}

/* Appends the text of the ids behind `read`, up to the last certain character or, at the end, all of it. */
static fg_status hand_out(fg_token_stream *s, bool end, fg_buffer *text, fg_error *err) {
    const uint32_t *ids = s->ids.ids + s->from;
    fg_buffer_clear(&s->before);
    fg_buffer_clear(&s->after);
    FG_CALL(fg_tokenizer_decode(s->tokenizer, ids, s->read - s->from, false, &s->before, err));
    FG_CALL(fg_tokenizer_decode(s->tokenizer, ids, s->ids.count - s->from, false, &s->after, err));
    size_t written = certain(&s->before), known = certain(&s->after);
    if (!end && known < s->after.length) return FG_OK;
    if (s->after.length <= written) return FG_OK;
    FG_CALL(fg_buffer_add(text, s->after.data + written, s->after.length - written, err));
    if (written == s->before.length) s->from = s->read; /* else a character begins before it */
    s->read = s->ids.count;
    return FG_OK;
}

fg_status fg_token_stream_add(fg_token_stream *stream, uint32_t id, fg_buffer *text, fg_error *err) {
    FG_CALL(fg_id_list_add(&stream->ids, id, err));
    return hand_out(stream, false, text, err);
}

fg_status fg_token_stream_end(fg_token_stream *stream, fg_buffer *text, fg_error *err) {
    return stream->read < stream->ids.count ? hand_out(stream, true, text, err) : FG_OK;
}

void fg_token_stream_free(fg_token_stream *stream) {
    fg_id_list_free(&stream->ids);
    fg_buffer_free(&stream->before);
    fg_buffer_free(&stream->after);
    *stream = (fg_token_stream){0};
}
