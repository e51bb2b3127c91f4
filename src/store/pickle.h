/* Pickles of plain data, protocol 2, read without executing anything.
 *
 * Invariant: nothing is ever called. A global is a reference to the caller's allow-list; calling one (REDUCE)
 * gives a FG_PICKLE_CALL that records the global and its arguments; a persistent id gives a
 * FG_PICKLE_PERSISTENT. An opcode outside the set or a global outside the list is FG_ERR_INPUT that names it.
 * Memory is bounded by the limits below, whatever the bytes say, and nothing recurses.
 *
 * Contents of lists, and what BUILD sets on a dict (state_dict's `_metadata`), are checked and dropped: state
 * dicts do not need them.
 */
#ifndef FG_STORE_PICKLE_H
#define FG_STORE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
    FG_PICKLE_SIZE_LIMIT = 64 << 20,
    FG_PICKLE_MEMO_LIMIT = 4000000,
    FG_PICKLE_STACK_LIMIT = 4000000,
    FG_PICKLE_ITEM_LIMIT = 8000000,  /* values inside tuples, all together */
    FG_PICKLE_ENTRY_LIMIT = 2000000, /* entries of dicts, all together */
    FG_PICKLE_DEPTH_LIMIT = 100,     /* open MARKs */
};

/* A row of the allow-list. */
typedef struct fg_pickle_global {
    const char *module, *name;
    const char
        *refused; /* NULL: allowed; else what it means ("a sparse tensor"), for the message that refuses it */
    bool makes_dict;      /* a call without arguments makes an empty dict */
    uint8_t role, detail; /* the caller's */
} fg_pickle_global;

typedef enum fg_pickle_kind {
    FG_PICKLE_NOTHING = 0,
    FG_PICKLE_NONE,
    FG_PICKLE_BOOL,       /* number */
    FG_PICKLE_INTEGER,    /* number */
    FG_PICKLE_FLOAT,      /* value dropped */
    FG_PICKLE_STRING,     /* bytes first .. first + count of the pickle: UTF-8 */
    FG_PICKLE_TUPLE,      /* items first .. first + count */
    FG_PICKLE_LIST,       /* contents dropped */
    FG_PICKLE_DICT,       /* the entries whose `dict` is `first` */
    FG_PICKLE_GLOBAL,     /* `global` */
    FG_PICKLE_CALL,       /* of `global`, arguments like a tuple */
    FG_PICKLE_PERSISTENT, /* the id is a tuple: like it */
} fg_pickle_kind;

typedef struct fg_pickle_value {
    uint8_t kind;
    uint8_t global; /* row of the allow-list */
    uint32_t count;
    union {
        int64_t number;
        uint64_t first;
    };
} fg_pickle_value;

typedef struct fg_pickle_entry {
    uint64_t dict;
    fg_pickle_value key, value;
} fg_pickle_entry;

typedef struct fg_pickle {
    const unsigned char *bytes; /* borrowed; strings lie in it */
    size_t size;
    const fg_pickle_global *globals; /* borrowed */
    size_t global_count;             /* at most 255 */
    fg_pickle_value *items;          /* owned; what tuples hold */
    size_t item_count, item_capacity;
    fg_pickle_entry *entries; /* owned; of all dicts, in the order in which they were set */
    size_t entry_count, entry_capacity;
    uint64_t dict_count;
    fg_pickle_value root; /* what the pickle holds */
} fg_pickle;

/* Reads `size` bytes, which must outlive the result; `name` is for messages. */
fg_status fg_pickle_read(const char *name, const void *bytes, size_t size, const fg_pickle_global *globals,
                         size_t global_count, fg_pickle *pickle, fg_error *err);
void fg_pickle_free(fg_pickle *pickle);

/* The first character of a string value, which has `count` bytes and no terminator. */
const char *fg_pickle_string(const fg_pickle *pickle, fg_pickle_value value);
bool fg_pickle_string_is(const fg_pickle *pickle, fg_pickle_value value, const char *text);
/* "an integer", "a dict", "a call of torch.device" for messages, in `buffer`, which is returned. */
const char *fg_pickle_text(const fg_pickle *pickle, fg_pickle_value value, char *buffer, size_t size);

#endif
