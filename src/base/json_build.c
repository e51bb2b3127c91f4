/* JSON values made in memory: copies that are whole or fail, strings of any bytes, members of documents. */
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8_text.h"

/* `made`, unless jansson passed over a failed allocation in it. */
static json_t *whole(json_t *made, uint64_t failures, const char *action, fg_error *err) {
    if (made && fg_alloc_json_failures() == failures) return made;
    json_decref(made);
    fg_fail(err, FG_ERR_MEMORY, "out of memory while %s JSON", action);
    return NULL;
}

/* Bytes of the longest string of the text. */
static size_t longest_string(const char *at, const char *end) {
    size_t longest = 0;
    for (const char *quote; at < end && (quote = memchr(at, '"', (size_t)(end - at))) != NULL; at++) {
        for (at = quote + 1; at < end && *at != '"'; at++) at += *at == '\\';
        if ((size_t)(at - quote) > longest) longest = (size_t)(at - quote);
    }
    return longest;
}

/* jansson reads past a string for which it has no room: it doubles its buffer, and copies the string. */
static bool has_room(const char *bytes, size_t length) {
    enum { SMALL = 1 << 20, TIMES = 4 };
    return length < SMALL || fg_alloc_fits(TIMES * longest_string(bytes, bytes + length));
}

fg_status fg_json_load(const char *bytes, size_t length, size_t flags, json_t **value, json_error_t *what,
                       fg_error *err) {
    uint64_t failures = fg_alloc_json_failures();
    *value = NULL;
    if (!has_room(bytes, length)) return fg_fail(err, FG_ERR_MEMORY, "out of memory while reading JSON");
    *value = json_loadb(bytes, length, flags, what);
    if (fg_alloc_json_failures() == failures) return FG_OK;
    *value = whole(*value, failures, "reading", err);
    return FG_ERR_MEMORY;
}

json_t *fg_json_copy(const json_t *value, fg_error *err) {
    uint64_t failures = fg_alloc_json_failures();
    return whole(json_copy((json_t *)(uintptr_t)value), failures, "copying", err);
}

json_t *fg_json_deep_copy(const json_t *value, fg_error *err) {
    uint64_t failures = fg_alloc_json_failures();
    return whole(json_deep_copy(value), failures, "copying", err);
}

json_t *fg_json_string(const char *text) {
    size_t length = strlen(text);
    fg_buffer valid = {0};
    json_t *value = NULL;
    if (fg_utf8_replace_invalid(text, length, &valid, NULL) == FG_OK)
        value = json_stringn(valid.data ? valid.data : "", valid.length);
    fg_buffer_free(&valid);
    return value;
}

fg_status fg_json_put(json_t *object, const char *key, json_t *value, fg_error *err) {
    if (json_object_set_new(object, key, value))
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while setting JSON key \"%s\"", key);
    return FG_OK;
}

fg_status fg_json_push(json_t *array, json_t *value, fg_error *err) {
    if (json_array_append_new(array, value))
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while building a JSON array");
    return FG_OK;
}

fg_status fg_json_merge_patch(json_t *target, const json_t *patch, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(patch, key, value) {
        json_t *old = json_object_get(target, key);
        if (json_is_null(value))
            json_object_del(target, key);
        else if (json_is_object(old) && json_is_object(value))
            FG_CALL(fg_json_merge_patch(old, value, err));
        else
            FG_CALL(fg_json_put(target, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

fg_status fg_json_put_text(json_t *object, const char *key, const char *text, fg_error *err) {
    return fg_json_put(object, key, text ? fg_json_string(text) : json_null(), err);
}

fg_status fg_json_put_u64(json_t *object, const char *key, uint64_t number, fg_error *err) {
    return fg_json_put(object, key, json_integer((json_int_t)number), err);
}

json_t *fg_json_put_array(json_t *object, const char *key, fg_error *err) {
    json_t *array = json_array();
    return fg_json_put(object, key, array, err) == FG_OK ? array : NULL;
}

json_t *fg_json_put_object(json_t *object, const char *key, fg_error *err) {
    json_t *member = json_object();
    return fg_json_put(object, key, member, err) == FG_OK ? member : NULL;
}

json_t *fg_json_push_object(json_t *array, fg_error *err) {
    json_t *item = json_object();
    return fg_json_push(array, item, err) == FG_OK ? item : NULL;
}

fg_status fg_json_put_texts(json_t *object, const char *key, char *const *texts, size_t count,
                            fg_error *err) {
    json_t *array = fg_json_put_array(object, key, err);
    for (size_t i = 0; array && i < count; i++) FG_CALL(fg_json_push(array, fg_json_string(texts[i]), err));
    return array ? FG_OK : FG_ERR_MEMORY;
}

fg_status fg_json_put_u64s(json_t *object, const char *key, const uint64_t *numbers, size_t count,
                           fg_error *err) {
    json_t *array = fg_json_put_array(object, key, err);
    for (size_t i = 0; array && i < count; i++)
        FG_CALL(fg_json_push(array, json_integer((json_int_t)numbers[i]), err));
    return array ? FG_OK : FG_ERR_MEMORY;
}
