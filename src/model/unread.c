#include "model/unread.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { LISTED = 3 };

fg_status fg_read_ranges_add(fg_read_ranges *ranges, const fg_weight *weight, uint64_t first, uint64_t count,
                             fg_error *err) {
    fg_status status = fg_grow(&ranges->items, ranges->count, &ranges->capacity, sizeof *ranges->items, err);
    if (status == FG_OK)
        ranges->items[ranges->count++] = (fg_read_range){weight->index, first, first + count};
    return status;
}

void fg_read_ranges_free(fg_read_ranges *ranges) {
    fg_free(ranges->items);
    *ranges = (fg_read_ranges){0};
}

static int by_place(const void *left, const void *right) {
    const fg_read_range *a = left, *b = right;
    if (a->tensor != b->tensor) return a->tensor < b->tensor ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* The elements of the tensor that are read. `at` is the first range of it or of a later tensor, and moves
 * behind its ranges. */
static uint64_t count_read(const fg_read_ranges *ranges, uint32_t tensor, size_t *at) {
    uint64_t count = 0, end = 0;
    for (; *at < ranges->count && ranges->items[*at].tensor == tensor; ++*at) {
        const fg_read_range *r = &ranges->items[*at];
        if (r->end > end) count += r->end - fg_max(r->first, end);
        end = fg_max(end, r->end);
    }
    return count;
}

static bool is_listed(const json_t *unread, const char *name) {
    json_t *ending;
    FG_JSON_EACH(unread, i, ending) {
        if (json_is_string(ending) && fg_ends_with(name, json_string_value(ending))) return true;
    }
    return false;
}

static fg_status list(fg_buffer *names, size_t count, const char *name, uint64_t read, uint64_t elements,
                      fg_error *err) {
    if (count > LISTED) return FG_OK;
    FG_CALL(fg_buffer_printf(names, err, "%s\"%.150s\"", count > 1 ? ", " : "", name));
    if (read)
        FG_CALL(
            fg_buffer_printf(names, err, " (only %" PRIu64 " of its %" PRIu64 " numbers)", read, elements));
    return FG_OK;
}

static fg_status list_unread(const fg_read_ranges *ranges, const fg_weight_source *weights,
                             const json_t *unread, fg_buffer *names, size_t *count, fg_error *err) {
    const char *name;
    size_t at = 0;
    for (uint32_t tensor = 0; (name = weights->name_of(weights->context, tensor)) != NULL; tensor++) {
        fg_weight weight = {0};
        uint64_t read = count_read(ranges, tensor, &at);
        if (!weights->find(weights->context, name, &weight) || read == weight.elements) continue;
        if (!read && is_listed(unread, name)) continue;
        ++*count;
        FG_CALL(list(names, *count, name, read, weight.elements, err));
    }
    return FG_OK;
}

fg_status fg_read_ranges_check(fg_read_ranges *ranges, const fg_weight_source *weights, const json_t *unread,
                               fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer names = {0};
    size_t count = 0;
    if (!weights->name_of) return FG_OK;
    if (ranges->count) qsort(ranges->items, ranges->count, sizeof *ranges->items, by_place);
    FG_TRY(list_unread(ranges, weights, unread, &names, &count, err));
    if (!count) goto done;
    fg_fail(err, FG_ERR_INPUT, "the forward pass does not read %zu of the tensors: %s%s", count, names.data,
            count > LISTED ? ", ..." : "");
    status =
        fg_hint(err, "the proof would say nothing of them: models/ must say what the model does with them "
                     "(\"weights\", \"config\"), or that it does nothing (\"unread\")");
done:
    fg_buffer_free(&names);
    return status;
}
