#include "tokenizer/token_entries.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8_text.h"
#include "tokenizer/plain_token.h"
#include "tokenizer/vocabulary.h"

/* ---- ids ---- */

bool fg_token_id_valid(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 0 &&
           json_integer_value(value) < FG_ID_LIMIT;
}

fg_status fg_token_id_refuse(const char *file, const char *token, const json_t *id, fg_error *err) {
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: the token \"%.80s\" has the id %s, expected an integer from 0 to %d", file, token,
                   fg_json_brief(id, brief, sizeof brief), FG_ID_LIMIT - 1);
}

/* ---- reading ---- */

/* The entry that is read now. */
typedef struct entry_reading {
    const char *part;     /* for messages */
    fg_token_entry entry; /* its id: FG_ID_LIMIT if it has no valid one */
    fg_buffer key, content;
    bool has_content, has_id;
    json_t *id; /* owned; of an entry that is not plain */
} entry_reading;

static fg_status meet(const entry_reading *r, bool *met, const fg_json_scan *scan, fg_error *err) {
    if (*met)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: a token has \"%s\" twice", scan->name, r->part,
                       r->key.data);
    *met = true;
    return FG_OK;
}

static fg_status read_content(entry_reading *r, fg_json_scan *scan, fg_error *err) {
    FG_CALL(meet(r, &r->has_content, scan, err));
    FG_CALL(fg_json_scan_string(scan, &r->content, err));
    if (fg_utf8_valid(r->content.data, r->content.length)) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: the content of a token is not UTF-8", scan->name, r->part);
}

static fg_status read_id(entry_reading *r, fg_json_scan *scan, fg_error *err) {
    FG_CALL(meet(r, &r->has_id, scan, err));
    json_decref(r->id);
    FG_CALL(fg_json_scan_value(scan, &r->id, err));
    if (fg_token_id_valid(r->id)) r->entry.id = json_integer_value(r->id);
    return FG_OK;
}

static fg_status read_flag(entry_reading *r, unsigned flag, fg_json_scan *scan, fg_error *err) {
    bool met = r->entry.given >> flag & 1;
    char begins = fg_json_scan_peek(scan);
    FG_CALL(meet(r, &met, scan, err));
    r->entry.given |= (uint8_t)(1u << flag);
    if (begins == 't') r->entry.set |= (uint8_t)(1u << flag);
    if (begins == 't' || begins == 'f') return fg_json_scan_skip(scan, err);
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"%s\" of a token is neither true nor false", scan->name,
                   r->part, fg_token_flag_name(flag));
}

static fg_status read_member(entry_reading *r, fg_json_scan *scan, fg_error *err) {
    if (strcmp(r->key.data, "content") == 0 && fg_json_scan_peek(scan) == '"')
        return read_content(r, scan, err);
    if (strcmp(r->key.data, "id") == 0) return read_id(r, scan, err);
    for (unsigned flag = 0; flag < FG_TOKEN_FLAGS; flag++) {
        if (strcmp(r->key.data, fg_token_flag_name(flag)) == 0) return read_flag(r, flag, scan, err);
    }
    return fg_json_scan_skip(scan, err);
}

/* An entry that is written as most are; false, and the scan stays, if it is not. */
static bool is_plain(const fg_json_scan *scan, fg_plain_token *plain, size_t *end) {
    fg_json_scan ahead = *scan;
    bool read = fg_plain_token_read(&ahead, plain);
    *end = ahead.at;
    return read && plain->id < FG_ID_LIMIT;
}

static fg_status take_plain(entry_reading *r, const fg_plain_token *plain, const char *text, fg_error *err) {
    r->entry.given = plain->given;
    r->entry.set = plain->set;
    r->entry.id = plain->id;
    r->has_content = true;
    r->has_id = plain->has_id;
    fg_buffer_clear(&r->content);
    return fg_buffer_add(&r->content, text + plain->content.begin, plain->content.length, err);
}

static fg_status read_members(entry_reading *r, fg_json_scan *scan, fg_error *err) {
    bool more;
    FG_CALL(fg_json_scan_enter(scan, '{', err));
    for (;;) {
        FG_CALL(fg_json_scan_next(scan, &r->key, &more, err));
        if (!more) return FG_OK;
        FG_CALL(read_member(r, scan, err));
    }
}

static fg_status read_entry(entry_reading *r, fg_json_scan *scan, fg_error *err) {
    fg_plain_token plain;
    size_t end;
    fg_json_scan_peek(scan);
    r->entry = (fg_token_entry){.begin = scan->at, .id = FG_ID_LIMIT};
    r->has_content = r->has_id = false;
    if (is_plain(scan, &plain, &end)) {
        FG_CALL(take_plain(r, &plain, scan->text, err));
        scan->at = end;
        scan->fresh = false;
    } else {
        FG_CALL(read_members(r, scan, err));
    }
    r->entry.length = scan->at - r->entry.begin;
    return FG_OK;
}

/* Adds the entry that was read. */
static fg_status add(fg_token_entries *entries, const entry_reading *r, fg_error *err) {
    FG_CALL(fg_grow(&entries->items, entries->count, &entries->capacity, sizeof *entries->items, err));
    fg_token_entry *added = &entries->items[entries->count];
    *added = r->entry;
    added->content = entries->contents.length;
    FG_CALL(fg_buffer_add(&entries->contents, r->content.data, strlen(r->content.data) + 1, err));
    entries->count++;
    return FG_OK;
}

static void end_reading(entry_reading *r) {
    fg_buffer_free(&r->key);
    fg_buffer_free(&r->content);
    json_decref(r->id);
}

fg_status fg_token_entries_read_list(fg_token_entries *entries, fg_json_scan *scan, fg_error *err) {
    fg_status status = FG_OK;
    entry_reading r = {.part = "added_tokens"};
    bool more;
    FG_TRY(fg_json_scan_enter(scan, '[', err));
    for (;;) {
        FG_TRY(fg_json_scan_next(scan, NULL, &more, err));
        if (!more) break;
        FG_TRY(read_entry(&r, scan, err));
        if (!r.has_content || !r.has_id || r.entry.id == FG_ID_LIMIT)
            FG_TRY(fg_token_id_refuse(scan->name, r.has_content ? r.content.data : "(without content)",
                                      r.has_id ? r.id : NULL, err));
        FG_TRY(add(entries, &r, err));
    }
done:
    end_reading(&r);
    return status;
}

/* The id that a key says; FG_ID_LIMIT if it says none. */
static int64_t id_of_key(const char *key) {
    char *end;
    long long id = strtoll(key, &end, 10);
    return end == key || *end || id < 0 || id >= FG_ID_LIMIT ? FG_ID_LIMIT : id;
}

fg_status fg_token_entries_read_object(fg_token_entries *entries, fg_json_scan *scan, fg_error *err) {
    fg_status status = FG_OK;
    entry_reading r = {.part = "added_tokens_decoder"};
    fg_buffer key = {0};
    bool more;
    FG_TRY(fg_json_scan_enter(scan, '{', err));
    for (;;) {
        FG_TRY(fg_json_scan_next(scan, &key, &more, err));
        if (!more) break;
        FG_TRY(read_entry(&r, scan, err));
        r.entry.id = id_of_key(key.data);
        if (!r.has_content || r.entry.id == FG_ID_LIMIT)
            FG_FAIL(err, FG_ERR_INPUT, "%s: %s: \"%.40s\" is not the id of a token with content", scan->name,
                    r.part, key.data);
        FG_TRY(add(entries, &r, err));
    }
done:
    fg_buffer_free(&key);
    end_reading(&r);
    return status;
}

/* ---- entries ---- */

const char *fg_token_entries_content(const fg_token_entries *entries, size_t index) {
    return entries->contents.data + entries->items[index].content;
}

size_t fg_token_entries_find(const fg_token_entries *entries, int64_t id) {
    size_t index = 0;
    while (index < entries->count && entries->items[index].id != id) index++;
    return index;
}

void fg_token_entries_free(fg_token_entries *entries) {
    fg_free(entries->items);
    fg_buffer_free(&entries->contents);
    *entries = (fg_token_entries){0};
}
