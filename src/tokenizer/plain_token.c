#include "tokenizer/plain_token.h"

#include <string.h>

static const char *const flag_names[FG_TOKEN_FLAGS] = {"single_word", "lstrip", "rstrip", "normalized",
                                                       "special"};

const char *fg_token_flag_name(size_t flag) {
    return flag_names[flag];
}

/* Most keys are not the one they are compared with: their first character tells. */
static bool span_is(const fg_json_scan *s, fg_json_span span, const char *text) {
    if (s->text[span.begin] != *text) return false;
    return strncmp(s->text + span.begin, text, span.length) == 0 && !text[span.length];
}

static bool plain_id(fg_json_scan *s, fg_plain_token *token) {
    bool first = !token->has_id;
    token->has_id = true;
    return first && fg_json_plain_integer(s, &token->id);
}

static bool plain_word(fg_json_scan *s, const char *word) {
    size_t length = strlen(word);
    if (strncmp(s->text + s->at, word, length) != 0) return false;
    s->at += length;
    return true;
}

static bool plain_flag(fg_json_scan *s, fg_plain_token *token, fg_json_span key) {
    unsigned flag = 0;
    while (flag < FG_TOKEN_FLAGS && !span_is(s, key, flag_names[flag])) flag++;
    if (flag == FG_TOKEN_FLAGS || token->given >> flag & 1) return false;
    token->given |= (uint8_t)(1u << flag);
    fg_json_scan_peek(s);
    if (plain_word(s, "false")) return true;
    token->set |= (uint8_t)(1u << flag);
    return plain_word(s, "true");
}

static bool plain_content(fg_json_scan *s, fg_plain_token *token) {
    bool first = !token->has_content;
    token->has_content = true;
    return first && fg_json_plain_string(s, &token->content);
}

bool fg_plain_token_read(fg_json_scan *s, fg_plain_token *token) {
    fg_json_span key;
    *token = (fg_plain_token){0};
    if (!fg_json_plain_accept(s, '{')) return false;
    do {
        if (!fg_json_plain_key(s, &key)) return false;
        if (!(span_is(s, key, "content") ? plain_content(s, token)
              : span_is(s, key, "id")    ? plain_id(s, token)
                                         : plain_flag(s, token, key)))
            return false;
    } while (fg_json_plain_accept(s, ','));
    return fg_json_plain_accept(s, '}') && token->has_content;
}

bool fg_plain_token_flag(const fg_plain_token *token, fg_token_flag flag, bool missing) {
    return token->given >> flag & 1 ? token->set >> flag & 1 : missing;
}
