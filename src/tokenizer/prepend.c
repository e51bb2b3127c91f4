/* Prepend, a normalizer: a text before the text. */
#include "tokenizer/component.h"

typedef struct prepend_settings {
    char *content; /* owned */
    size_t length;
} prepend_settings;

static fg_status read_prepend(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    prepend_settings *s = settings;
    return fg_tokenizer_json_copy(c, "prepend", &s->content, &s->length, err);
}

static void free_prepend(void *settings) {
    fg_free(((prepend_settings *)settings)->content);
}

static fg_status prepend(const void *settings, const fg_buffer *text, fg_buffer *out, fg_error *err) {
    const prepend_settings *s = settings;
    FG_CALL(fg_buffer_add(out, s->content, s->length, err));
    return fg_buffer_add(out, text->data, text->length, err);
}

const fg_component_kind fg_prepend = {.family = FG_NORMALIZER,
                                      .type = "Prepend",
                                      .keys = "type prepend",
                                      .size = sizeof(prepend_settings),
                                      .read = read_prepend,
                                      .free = free_prepend,
                                      .normalize = prepend};
