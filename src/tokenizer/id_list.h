/* A list of token ids that grows. Start from `fg_id_list ids = {0}`. */
#ifndef FG_TOKENIZER_ID_LIST_H
#define FG_TOKENIZER_ID_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"

typedef struct fg_id_list {
    uint32_t *ids; /* owned */
    size_t count, capacity;
} fg_id_list;

static inline fg_status fg_id_list_add(fg_id_list *list, uint32_t id, fg_error *err) {
    if (list->count == list->capacity)
        FG_CALL(fg_grow(&list->ids, list->count, &list->capacity, sizeof *list->ids, err));
    list->ids[list->count++] = id;
    return FG_OK;
}

static inline fg_status fg_id_list_append(fg_id_list *list, const uint32_t *ids, size_t count,
                                          fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < count && status == FG_OK; i++) status = fg_id_list_add(list, ids[i], err);
    return status;
}

static inline void fg_id_list_free(fg_id_list *list) {
    fg_free(list->ids);
    *list = (fg_id_list){0};
}

#endif
