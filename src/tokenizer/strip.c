/* Strip, a decoder: takes a character away from the beginning and the end of each token. */
#include <string.h>

#include "base/utf8_text.h"
#include "tokenizer/component.h"

typedef struct strip_settings {
    char content[FG_UTF8_MOST + 1]; /* the character */
    uint64_t start, stop;           /* how many of it go at most */
} strip_settings;

static fg_status read_strip(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    strip_settings *s = settings;
    FG_CALL(fg_tokenizer_json_character(c, "content", s->content, err));
    FG_CALL(fg_json_get_u64(c->json, "start", c->file, &s->start, err));
    return fg_json_get_u64(c->json, "stop", c->file, &s->stop, err);
}

static fg_status strip(const void *settings, const fg_spans *tokens, fg_spans *out, fg_error *err) {
    const strip_settings *s = settings;
    size_t size = strlen(s->content);
    for (size_t i = 0; i < tokens->count; i++) {
        const char *text = fg_spans_text(tokens, i);
        size_t start = 0, end = tokens->pieces[i].length;
        for (uint64_t n = 0; n < s->start && end - start >= size; n++, start += size) {
            if (memcmp(text + start, s->content, size) != 0) break;
        }
        for (uint64_t n = 0; n < s->stop && end - start >= size; n++, end -= size) {
            if (memcmp(text + end - size, s->content, size) != 0) break;
        }
        FG_CALL(fg_spans_add(out, text + start, end - start, err));
    }
    return FG_OK;
}

const fg_component_kind fg_strip = {.family = FG_DECODER,
                                    .type = "Strip",
                                    .keys = "type content start stop",
                                    .size = sizeof(strip_settings),
                                    .read = read_strip,
                                    .decode = strip};
