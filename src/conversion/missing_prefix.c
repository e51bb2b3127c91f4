#include "conversion/missing_prefix.h"

#include <string.h>

#include "base/alloc.h"

static size_t count_prefixed(const fg_tensors *table, const char *prefix, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++) count += strncmp(table->items[i].name, prefix, length) == 0;
    return count;
}

/* The length of the prefix that `name` of `with` has and `without` lacks; 0: none. Without the condition on
 * half the names the end of a layer's tensor ("norm.weight") would do. */
static size_t prefix_of(const char *name, const fg_tensors *with, const fg_tensors *without) {
    if (fg_tensors_find(without, name)) return 0;
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        size_t length = (size_t)(dot + 1 - name);
        if (!fg_tensors_find(without, dot + 1)) continue;
        bool common = 2 * count_prefixed(with, name, length) >= with->count;
        return common && count_prefixed(without, name, length) == 0 ? length : 0;
    }
    return 0;
}

static fg_status look_for(fg_missing_prefix *missing, const fg_tensors *with, const fg_tensors *without,
                          fg_error *err) {
    for (size_t i = 0; i < with->count && !missing->prefix; i++) {
        size_t length = prefix_of(with->items[i].name, with, without);
        if (length) FG_CALL_NEW(missing->prefix, fg_strndup(with->items[i].name, length, err));
    }
    return FG_OK;
}

fg_status fg_missing_prefix_find(fg_missing_prefix *missing, const fg_tensors *first,
                                 const fg_tensors *second, fg_error *err) {
    *missing = (fg_missing_prefix){0};
    fg_status status = look_for(missing, second, first, err);
    missing->lacking_first = missing->prefix != NULL;
    if (status != FG_OK || missing->prefix) return status;
    return look_for(missing, first, second, err);
}

fg_status fg_missing_prefix_counterpart(fg_missing_prefix *missing, const fg_tensors *table, bool first,
                                        const char *name, const fg_tensor **counterpart, fg_error *err) {
    *counterpart = fg_tensors_find(table, name);
    if (*counterpart || !missing->prefix) return FG_OK;
    if (missing->lacking_first == first) {
        if (fg_starts_with(name, missing->prefix))
            *counterpart = fg_tensors_find(table, name + strlen(missing->prefix));
    } else {
        fg_buffer_clear(&missing->full_name);
        FG_CALL(fg_buffer_printf(&missing->full_name, err, "%s%s", missing->prefix, name));
        *counterpart = fg_tensors_find(table, missing->full_name.data);
    }
    return FG_OK;
}

void fg_missing_prefix_free(fg_missing_prefix *missing) {
    fg_free(missing->prefix);
    fg_buffer_free(&missing->full_name);
}
