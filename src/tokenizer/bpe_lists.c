#include "tokenizer/bpe_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8_text.h"

enum { ID_DIGITS = 8 };

typedef struct list_search {
    fg_bpe_lists *lists;
    fg_json_scan scan;
    fg_buffer left, right; /* scratch */
    fg_json_span vocabulary, merges, added;
    bool met_model, met_vocabulary, met_merges, met_added;
} list_search;

/* Says nothing to users: base/json.h reads the text again. */
static fg_status leave(fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT, "not as usual");
}

static fg_status accept(fg_json_scan *s, char wanted, fg_error *err) {
    return fg_json_plain_accept(s, wanted) ? FG_OK : leave(err);
}

/* A string that is not empty. */
static fg_status take_text(fg_json_scan *s, fg_buffer *out, fg_error *err) {
    fg_json_scan_peek(s);
    size_t begin = s->at;
    FG_CALL(fg_json_scan_string(s, out, err));
    for (size_t i = begin; i < s->at; i++) {
        if ((unsigned char)s->text[i] < ' ') return leave(err);
    }
    return out->length ? FG_OK : leave(err);
}

/* ---- the vocabulary ---- */

static fg_status take_id(fg_json_scan *s, uint64_t *id, fg_error *err) {
    size_t digits = 0;
    bool zero = fg_json_scan_peek(s) == '0';
    for (*id = 0; s->text[s->at] >= '0' && s->text[s->at] <= '9' && digits < ID_DIGITS; digits++)
        *id = *id * 10 + (uint64_t)(s->text[s->at++] - '0');
    bool ends = s->text[s->at] && strchr(",} \n\t\r", s->text[s->at]);
    return digits && ends && (!zero || digits == 1) && *id < FG_ID_LIMIT ? FG_OK : leave(err);
}

static fg_status take_token(list_search *s, fg_error *err) {
    fg_vocabulary *vocabulary = &s->lists->vocabulary;
    const fg_buffer *text = &s->left;
    uint64_t id;
    FG_CALL(take_text(&s->scan, &s->left, err));
    FG_CALL(accept(&s->scan, ':', err));
    FG_CALL(take_id(&s->scan, &id, err));
    if (memchr(text->data, '\0', text->length) ||
        fg_vocabulary_find(vocabulary, text->data, text->length) != FG_ID_ABSENT)
        return leave(err);
    return fg_vocabulary_add(vocabulary, text->data, text->length, id, err);
}

static fg_status take_vocabulary(list_search *s, fg_error *err) {
    FG_CALL(accept(&s->scan, '{', err));
    if (fg_json_plain_accept(&s->scan, '}')) return FG_OK;
    do FG_CALL(take_token(s, err));
    while (fg_json_plain_accept(&s->scan, ','));
    return accept(&s->scan, '}', err);
}

/* ---- merges ---- */

/* Cuts "a b" into the two. */
static fg_status cut(fg_buffer *left, fg_buffer *right, fg_error *err) {
    const char *end = left->data + left->length, *space = memchr(left->data, ' ', left->length);
    if (fg_starts_with(left->data, "#version")) {
        fg_buffer_clear(left);
        return FG_OK;
    }
    if (!space || space == left->data || space + 1 == end ||
        memchr(space + 1, ' ', (size_t)(end - space - 1)))
        return leave(err);
    FG_CALL(fg_buffer_add(right, space + 1, (size_t)(end - space - 1), err));
    left->length = (size_t)(space - left->data);
    left->data[left->length] = '\0';
    return FG_OK;
}

/* Both spellings: "a b" and ["a", "b"]. */
static fg_status take_merge(fg_json_scan *s, fg_buffer *left, fg_buffer *right, fg_error *err) {
    fg_buffer_clear(right);
    bool pair = fg_json_plain_accept(s, '[');
    FG_CALL(take_text(s, left, err));
    if (!pair) return cut(left, right, err);
    FG_CALL(accept(s, ',', err));
    FG_CALL(take_text(s, right, err));
    return accept(s, ']', err);
}

static fg_status check_merges(list_search *s, fg_error *err) {
    s->lists->merges = s->scan;
    FG_CALL(accept(&s->scan, '[', err));
    if (fg_json_plain_accept(&s->scan, ']')) return FG_OK;
    do {
        FG_CALL(take_merge(&s->scan, &s->left, &s->right, err));
        s->lists->merge_count++;
    } while (fg_json_plain_accept(&s->scan, ','));
    return accept(&s->scan, ']', err);
}

fg_status fg_bpe_lists_next(fg_bpe_lists *lists, fg_buffer *left, fg_buffer *right, fg_error *err) {
    lists->merges.at++; /* the bracket, or a comma */
    FG_CALL(take_merge(&lists->merges, left, right, err));
    fg_json_scan_peek(&lists->merges);
    return FG_OK;
}

/* ---- the file ---- */

/* A list that may be met once. */
static fg_status take_list(list_search *s, bool *met, fg_json_span *span,
                           fg_status (*take)(list_search *s, fg_error *err), fg_error *err) {
    if (*met) return leave(err);
    *met = true;
    fg_json_scan_peek(&s->scan);
    span->begin = s->scan.at;
    FG_CALL(take(s, err));
    span->length = s->scan.at - span->begin;
    s->scan.fresh = false;
    return FG_OK;
}

static fg_status take_model(list_search *s, fg_error *err) {
    bool more;
    if (s->met_model) return leave(err);
    s->met_model = true;
    FG_CALL(fg_json_scan_enter(&s->scan, '{', err));
    for (;;) {
        FG_CALL(fg_json_scan_next(&s->scan, &s->left, &more, err));
        if (!more) return FG_OK;
        if (strcmp(s->left.data, "vocab") == 0)
            FG_CALL(take_list(s, &s->met_vocabulary, &s->vocabulary, take_vocabulary, err));
        else if (strcmp(s->left.data, "merges") == 0)
            FG_CALL(take_list(s, &s->met_merges, &s->merges, check_merges, err));
        else
            FG_CALL(fg_json_scan_skip(&s->scan, err));
    }
}

static fg_status skip_added(list_search *s, fg_error *err) {
    if (fg_json_scan_peek(&s->scan) != '[') return leave(err);
    s->lists->added = s->scan;
    return fg_json_scan_skip(&s->scan, err);
}

static fg_status take_file(list_search *s, fg_error *err) {
    bool more;
    FG_CALL(fg_json_scan_enter(&s->scan, '{', err));
    for (;;) {
        FG_CALL(fg_json_scan_next(&s->scan, &s->left, &more, err));
        if (!more) return s->met_vocabulary && s->met_merges ? FG_OK : leave(err);
        if (strcmp(s->left.data, "added_tokens") == 0)
            FG_CALL(take_list(s, &s->met_added, &s->added, skip_added, err));
        else
            FG_CALL(strcmp(s->left.data, "model") == 0 ? take_model(s, err)
                                                       : fg_json_scan_skip(&s->scan, err));
    }
}

/* A span becomes an empty list, with its newlines. */
static fg_status add_empty(const fg_buffer *text, fg_json_span span, fg_buffer *rest, fg_error *err) {
    const char *at = text->data + span.begin, *end = at + span.length;
    FG_CALL(fg_buffer_add(rest, at, 1, err));
    for (const char *line = at; (line = memchr(line, '\n', (size_t)(end - line))) != NULL; line++)
        FG_CALL(fg_buffer_add(rest, line, 1, err));
    return fg_buffer_add(rest, end - 1, 1, err);
}

static int by_begin(const void *a, const void *b) {
    size_t left = ((const fg_json_span *)a)->begin, right = ((const fg_json_span *)b)->begin;
    return (left > right) - (left < right);
}

static fg_status write_rest(const list_search *s, const fg_buffer *text, fg_buffer *rest, fg_error *err) {
    fg_json_span spans[] = {s->vocabulary, s->merges, s->added};
    size_t written = 0, count = s->met_added ? 3 : 2;
    qsort(spans, count, sizeof *spans, by_begin);
    for (size_t i = 0; i < count; i++) {
        FG_CALL(fg_buffer_add(rest, text->data + written, spans[i].begin - written, err));
        FG_CALL(add_empty(text, spans[i], rest, err));
        written = spans[i].begin + spans[i].length;
    }
    return fg_buffer_add(rest, text->data + written, text->length - written, err);
}

fg_status fg_bpe_lists_read(fg_bpe_lists *lists, const char *file, const fg_buffer *text, fg_buffer *rest,
                            bool *usual, fg_error *err) {
    fg_error what = {0};
    list_search s = {.lists = lists, .scan = {.name = file, .text = text->data, .length = text->length}};
    fg_status status = fg_utf8_valid(text->data, text->length) && !memchr(text->data, '\0', text->length)
                           ? take_file(&s, &what)
                           : leave(&what);
    if (status == FG_OK) status = write_rest(&s, text, rest, &what);
    *usual = status == FG_OK;
    fg_buffer_free(&s.left);
    fg_buffer_free(&s.right);
    if (!*usual) fg_bpe_lists_free(lists);
    return *usual || status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &what);
}

void fg_bpe_lists_free(fg_bpe_lists *lists) {
    fg_vocabulary_free(&lists->vocabulary);
    *lists = (fg_bpe_lists){0};
}
