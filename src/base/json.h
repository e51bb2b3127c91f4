/* JSON access on top of jansson: strict reading, paths, and writing as the Python tools of this field write.
 *
 * Invariant: a document that was read has no duplicate keys and bounded depth. Values are jansson's,
 * reference counted by its rules.
 *
 * Integers beyond 64 bits (tokenizers say model_max_length 1e30 in digits) are read as reals and written as
 * digits again.
 */
#ifndef FG_BASE_JSON_H
#define FG_BASE_JSON_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"

enum { FG_JSON_LIMIT = 256 << 20 }; /* bytes in one JSON file: the largest tokenizer.json has some 40 MB */

/* Reads a file / bytes; `name` is for messages, which carry line and column. The result is owned by the
 * caller. */
fg_status fg_json_read(const char *path, json_t **value, fg_error *err);
fg_status fg_json_parse(const char *name, const char *bytes, size_t length, json_t **value, fg_error *err);

/* The object in `directory`/`name`; NULL, and FG_OK, if nothing of that name is there. Another kind of value,
 * or what is no file, is FG_ERR_INPUT. */
fg_status fg_json_read_object(const char *directory, const char *name, json_t **object, fg_error *err);

/* The value at a path such as "rope_scaling/factor" (object keys; decimal indices into arrays), borrowed;
 * NULL if absent. */
json_t *fg_json_at(const json_t *root, const char *path);
/* Sets it, creating objects on the way; takes over the reference to `value` as json_object_set_new does. */
fg_status fg_json_set_at(json_t *root, const char *path, json_t *value, fg_error *err);

/* Equal values: numbers by value (1 equals 1.0), objects whatever the order of keys. */
bool fg_json_equal(const json_t *a, const json_t *b);
/* Whether an item of a list (NULL: none) equals the value. */
bool fg_json_contains(const json_t *list, const json_t *value);

enum {
    FG_JSON_SORTED = 1,  /* keys in byte order, as transformers writes config.json; else insertion order */
    FG_JSON_COMPACT = 2, /* one line, ", " and ": " between, for messages; else indent 2 and a line a value */
    FG_JSON_UTF8 = 4,    /* non-ASCII characters as they are, as tokenizer files have; else \uXXXX */
};
/* Appends the text, without a newline at the end. Reals are the shortest digits that read back the same, 1.0
 * keeps ".0", as Python writes them. */
fg_status fg_json_write(const json_t *value, unsigned flags, fg_buffer *text, fg_error *err);
/* The same with a newline: a file, or what is printed. */
fg_status fg_json_write_line(const json_t *value, unsigned flags, fg_buffer *text, fg_error *err);
/* The value in one line for a message, at most `size` - 1 bytes, cut with "..."; returns `buffer`. "(absent)"
 * for NULL. */
const char *fg_json_brief(const json_t *value, char *buffer, size_t size);

/* "an object", "a string", "null" ... for messages; "nothing" for NULL. */
const char *fg_json_kind(const json_t *value);

/* Reads a member of `object` into a C value. Absent: FG_OK and the target keeps what it holds. Another type,
 * or a number that does not fit: FG_ERR_INPUT that names `file` and the key. Strings are borrowed. */
fg_status fg_json_get_u64(const json_t *object, const char *key, const char *file, uint64_t *value,
                          fg_error *err);
fg_status fg_json_get_string(const json_t *object, const char *key, const char *file, const char **value,
                             fg_error *err);

/* Reads one JSON value of the text by jansson's JSON_* flags. Not valid: FG_OK, NULL and what is wrong in
 * `what` (may be NULL). jansson also takes a value whose text it could not keep whole for lack of memory:
 * that is FG_ERR_MEMORY here. */
fg_status fg_json_load(const char *bytes, size_t length, size_t flags, json_t **value, json_error_t *what,
                       fg_error *err);

/* A copy of the value (members shared / copied, too), or NULL with FG_ERR_MEMORY recorded. jansson's own
 * functions leave out the members for which there is no memory, and a test forbids them elsewhere. A `value`
 * of NULL counts as no memory. */
json_t *fg_json_copy(const json_t *value, fg_error *err);
json_t *fg_json_deep_copy(const json_t *value, fg_error *err);

/* A string of any bytes: those that are not UTF-8, as paths may have, become U+FFFD. NULL without memory. */
json_t *fg_json_string(const char *text);

/* For building documents: FG_ERR_MEMORY if `value` is NULL or does not fit; takes over the reference. */
fg_status fg_json_put(json_t *object, const char *key, json_t *value, fg_error *err);
fg_status fg_json_push(json_t *array, json_t *value, fg_error *err);
fg_status fg_json_put_text(json_t *object, const char *key, const char *text,
                           fg_error *err); /* null for NULL */
fg_status fg_json_put_u64(json_t *object, const char *key, uint64_t number, fg_error *err);
/* Lays `patch` over `target`, both objects: members replace, objects are merged, null removes (RFC 7396). */
fg_status fg_json_merge_patch(json_t *target, const json_t *patch, fg_error *err);
/* A new member / item that is empty, to be filled: borrowed; NULL with FG_ERR_MEMORY recorded. */
json_t *fg_json_put_array(json_t *object, const char *key, fg_error *err);
json_t *fg_json_put_object(json_t *object, const char *key, fg_error *err);
json_t *fg_json_push_object(json_t *array, fg_error *err);
/* An array of texts / of numbers. */
fg_status fg_json_put_texts(json_t *object, const char *key, char *const *texts, size_t count, fg_error *err);
fg_status fg_json_put_u64s(json_t *object, const char *key, const uint64_t *numbers, size_t count,
                           fg_error *err);

/* Loops over the items of an array and over the members of an object; there are none in NULL and in other
 * values. The loop declares `index` or `key`; `item` and `value` are variables of the caller. The body must
 * not add or remove what it loops over. */
#define FG_JSON_EACH(array, index, item)                                                                     \
    for (size_t index = 0; ((item) = json_array_get((array), index)) != NULL; index++)
#define FG_JSON_MEMBERS(object, key, value)                                                                  \
    for (const char *key = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)(object)));            \
         key && ((value) = json_object_iter_value(json_object_key_to_iter(key))) != NULL;                    \
         key = json_object_iter_key(                                                                         \
             json_object_iter_next((json_t *)(uintptr_t)(object), json_object_key_to_iter(key))))

#endif
