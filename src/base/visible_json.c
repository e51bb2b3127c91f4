#include "base/visible_json.h"

#include "base/json_map.h"
#include "base/visible_text.h"

static fg_status visible(const void *context, const char *text, size_t length, fg_buffer *out,
                         fg_error *err) {
    (void)context;
    return fg_visible_add(text, length, FG_VISIBLE_LINE, out, err);
}

fg_status fg_visible_json(const json_t *value, json_t **mapped, fg_error *err) {
    const fg_json_map map = {.text = visible};
    return fg_json_map_texts(value, &map, mapped, err);
}
