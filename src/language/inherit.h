/* The files that make up one converter: the file itself and what it extends, and the document that they give
 * together.
 *
 * Invariant: `items` begins with the file that was asked for; a file comes after those that extend it, and
 * of two that one file extends the first named comes first.
 */
#ifndef FG_LANGUAGE_INHERIT_H
#define FG_LANGUAGE_INHERIT_H

#include "language/catalogue.h"

typedef struct fg_layers {
    const fg_source_file **items; /* owned array of borrowed files */
    size_t count, capacity;
} fg_layers;

/* Reads `path` and what it extends. A name in "extends" is looked for next to the file, then along
 * `catalogue` (in the format's directory too); a file that extends this one is passed over, so that a plug-in
 * may extend the built-in file of its own name. A file that two others extend is laid under both. Nothing
 * found, and loops, are FG_ERR_INPUT. */
fg_status fg_layers_load(fg_layers *layers, fg_catalogue *catalogue, const char *path, fg_error *err);
void fg_layers_free(fg_layers *layers);

/* The merged document, owned by the caller. */
fg_status fg_layers_merge(const fg_layers *layers, json_t **document, fg_error *err);

/* The layer in which the member `key` of the object at `parent` ("sections/model/config"; "" is the root)
 * stands: the first that has it. The first layer if none has. */
const fg_source_file *fg_layers_find(const fg_layers *layers, const char *parent, const char *key);
/* The line of that member in its layer's text; 0 if there is none. `key` may hold slashes. */
unsigned fg_source_file_line(const fg_source_file *layer, const char *parent, const char *key);

/* FG_ERR_INPUT: "FILE:LINE: PARENT/KEY: what". */
fg_status fg_layers_fail(const fg_layers *layers, const char *parent, const char *key, fg_error *err,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
