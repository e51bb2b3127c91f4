#include "base/text_pool.h"

#include <string.h>

#include "base/alloc.h"

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 1 << 20 };

typedef struct block {
    struct block *before;
    char text[];
} block;

struct fg_text_pool {
    block *last;       /* owned, with those before it */
    size_t used, size; /* bytes of its text */
    size_t owners;
};

static fg_status add_block(fg_text_pool *pool, size_t needed, fg_error *err) {
    size_t size = pool->size ? pool->size * 2 : FIRST_BLOCK;
    block *larger;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < needed) size = needed;
    FG_CALL_NEW(larger, fg_alloc_buffer(sizeof *larger + size, err));
    larger->before = pool->last;
    pool->last = larger;
    pool->used = 0;
    pool->size = size;
    return FG_OK;
}

char *fg_text_pool_add(fg_text_pool **pool, const char *text, size_t length, fg_error *err) {
    fg_text_pool *p = *pool;
    if (!p) {
        p = *pool = fg_alloc(1, sizeof *p, err);
        if (!p) return NULL;
        p->owners = 1;
    }
    if (length >= p->size - p->used && add_block(p, length + 1, err) != FG_OK) return NULL;
    char *copy = p->last->text + p->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    p->used += length + 1;
    return copy;
}

fg_text_pool *fg_text_pool_share(fg_text_pool *pool) {
    if (pool) pool->owners++;
    return pool;
}

void fg_text_pool_free(fg_text_pool **pool) {
    fg_text_pool *p = *pool;
    *pool = NULL;
    if (!p || --p->owners) return;
    while (p->last) {
        block *before = p->last->before;
        fg_free(p->last);
        p->last = before;
    }
    fg_free(p);
}
