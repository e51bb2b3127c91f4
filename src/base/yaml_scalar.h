/* What a plain scalar of YAML means. */
#ifndef FG_BASE_YAML_SCALAR_H
#define FG_BASE_YAML_SCALAR_H

#include <jansson.h>

/* The value that PyYAML's safe_load gives a plain scalar (terminated, `length` bytes): null, true or false,
 * an integer, a real, else a string. An integer beyond 64 bits is a real. New reference; NULL: out of
 * memory. */
json_t *fg_yaml_scalar(const char *text, size_t length);

#endif
