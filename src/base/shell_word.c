#include "base/shell_word.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/visible_text.h"

static bool is_plain(const char *text) {
    if (!*text || strchr("~=-", *text)) return false;
    for (const char *at = text; *at; at++) {
        if (!isascii((unsigned char)*at) || (!isalnum((unsigned char)*at) && !strchr("_-./,:+=@%~", *at)))
            return false;
    }
    return true;
}

/* A word that looks like an option is a path all the same. */
static const char *beginning(const char *text) {
    return *text == '-' ? "./" : "";
}

/* Puts `piece` behind what is there; false: there is no room. */
static bool put(char *buffer, size_t *used, const char *piece) {
    size_t length = strlen(piece);
    if (*used + length >= FG_SHELL_WORD) return false;
    memcpy(buffer + *used, piece, length + 1);
    *used += length;
    return true;
}

static bool put_quoted(const char *text, char *buffer) {
    size_t used = 0;
    bool fits = put(buffer, &used, beginning(text)) && put(buffer, &used, "'");
    for (const char *at = text; *at && fits; at++) {
        const char one[2] = {*at, '\0'};
        fits = put(buffer, &used, *at == '\'' ? "'\\''" : one);
    }
    return fits && put(buffer, &used, "'");
}

/* Bytes in the digits of $'...': \xHH takes two at most, so what follows is not taken for one. */
static bool put_escaped(const char *text, char *buffer) {
    size_t used = 0;
    bool fits = put(buffer, &used, beginning(text)) && put(buffer, &used, "$'");
    for (const char *at = text; *at && fits; at++) {
        unsigned char byte = (unsigned char)*at;
        char piece[8] = {*at, '\0'};
        if (byte == '\'' || byte == '\\')
            snprintf(piece, sizeof piece, "\\%c", byte);
        else if (byte == '\n' || byte == '\t')
            snprintf(piece, sizeof piece, "\\%c", byte == '\n' ? 'n' : 't');
        else if (byte < 0x20 || byte > 0x7e)
            snprintf(piece, sizeof piece, "\\x%02x", byte);
        fits = put(buffer, &used, piece);
    }
    return fits && put(buffer, &used, "'");
}

const char *fg_shell_word(const char *text, char buffer[FG_SHELL_WORD]) {
    if (is_plain(text) && strlen(text) < FG_SHELL_WORD) {
        memcpy(buffer, text, strlen(text) + 1);
        return buffer;
    }
    bool fits = fg_visible(text) ? put_quoted(text, buffer) : put_escaped(text, buffer);
    if (!fits) memcpy(buffer, "PATH", sizeof "PATH");
    return buffer;
}
