/* Texts that are kept, and given back, together: a million names cost a few hundred allocations.
 *
 * Invariant: a text that was added stays where it is until the last owner of its pool gives it up.
 */
#ifndef FG_BASE_TEXT_POOL_H
#define FG_BASE_TEXT_POOL_H

#include <stddef.h>

#include "base/error.h"

typedef struct fg_text_pool fg_text_pool;

/* A copy of the first `length` bytes, and a NUL behind it; NULL with FG_ERR_MEMORY recorded. Makes the pool
 * where `*pool` is NULL. */
char *fg_text_pool_add(fg_text_pool **pool, const char *text, size_t length, fg_error *err);
/* The pool, for one more owner. NULL stays NULL. */
fg_text_pool *fg_text_pool_share(fg_text_pool *pool);
/* Gives it up for this owner, and accepts NULL. */
void fg_text_pool_free(fg_text_pool **pool);

#endif
