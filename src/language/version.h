/* Versions of an architecture's schema, ordered as PEP 440 orders them: 1 < 1.1 < 2.dev1 < 2a1 < 2rc1 < 2 <
 * 2.post1.
 *
 * Invariant: of a version that was read, `text` is what stood there, and versions that PEP 440 takes for one
 * ("1", 1, "v1.0") have one `key`.
 */
#ifndef FG_LANGUAGE_VERSION_H
#define FG_LANGUAGE_VERSION_H

#include <stdint.h>

#include "base/json.h"

enum { FG_VERSION_TEXT = 64, FG_VERSION_RELEASE = 8, FG_VERSION_KEY = FG_VERSION_RELEASE + 5 };

typedef struct fg_version {
    char text[FG_VERSION_TEXT];
    uint64_t key[FG_VERSION_KEY]; /* epoch, release, kind and number of a pre-release, post-release, dev */
} fg_version;

/* False for what PEP 440 does not know, and for local versions ("1+abc"), which name builds. */
bool fg_version_parse(const char *text, fg_version *version);
/* A JSON integer or text; anything else is FG_ERR_INPUT that begins with `where`. */
fg_status fg_version_read(const json_t *value, const char *where, fg_version *version, fg_error *err);
/* Below, at or above 0 as `a` comes before, is, or comes after `b`. */
int fg_version_compare(const fg_version *a, const fg_version *b);

#endif
