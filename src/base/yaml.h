/* YAML as JSON values, read and written: the subset that PyYAML's safe_load reads (YAML 1.1), on top of
 * libyaml.
 *
 * Plain scalars are resolved as PyYAML does: null, booleans (yes, no, on, off too), integers in its
 * spellings, floats (which need a point: 1e-05 is a string), else strings. Dates stay strings.
 *
 * Invariant: a value that was read is bounded whatever the text: depth, and the number of values that aliases
 * expand to. Duplicate keys, keys that are no strings, tags beyond the core ones, merge keys ("<<") and a
 * second document are errors.
 */
#ifndef FG_BASE_YAML_H
#define FG_BASE_YAML_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/error.h"

enum { FG_YAML_LIMIT = 64 << 20, FG_YAML_DEPTH = 100, FG_YAML_VALUES = 1 << 20 };

/* Reads a document; `name` is for messages, which carry line and column. An empty document is null. The
 * result is owned by the caller. `marks`, unless NULL, gets a new object that says where values begin: the
 * path as fg_json_at takes it -> [line, column], from 1. */
fg_status fg_yaml_parse(const char *name, const char *bytes, size_t length, json_t **value, json_t **marks,
                        fg_error *err);
/* The same for a file. */
fg_status fg_yaml_read(const char *path, json_t **value, json_t **marks, fg_error *err);

/* Appends a value as a document in block style, keys in byte order, ASCII alone. fg_yaml_parse and PyYAML's
 * safe_load read it back as the same value. Deeper than FG_YAML_DEPTH is FG_ERR_INPUT. */
fg_status fg_yaml_write(const json_t *value, fg_buffer *out, fg_error *err);

/* The version of libyaml that is loaded. */
const char *fg_yaml_library(void);

#endif
