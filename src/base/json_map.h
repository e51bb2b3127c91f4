/* A copy of a JSON value in which each text is another: strings, and keys of objects. */
#ifndef FG_BASE_JSON_MAP_H
#define FG_BASE_JSON_MAP_H

#include "base/json.h"

typedef struct fg_json_map {
    /* Appends what stands for the text. */
    fg_status (*text)(const void *context, const char *text, size_t length, fg_buffer *out, fg_error *err);
    const void *context; /* borrowed */
} fg_json_map;

/* A new reference. Of keys that become the same the last one stays. */
fg_status fg_json_map_texts(const json_t *value, const fg_json_map *map, json_t **mapped, fg_error *err);

#endif
