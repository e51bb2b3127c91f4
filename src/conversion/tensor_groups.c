#include "conversion/tensor_groups.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { SLOTS = 4 }; /* numbers in a name that are left open; further ones are part of the name */

typedef struct name_numbers {
    uint64_t low[SLOTS], high[SLOTS];
} name_numbers;

/* One group while it is filled. */
typedef struct group {
    char *name;                /* owned; with {} for each number */
    char *source;              /* owned; the same of the first source, whose place is 0; NULL: none yet */
    json_t *sources;           /* owned; object: the same of each source -> its place in `ranges` */
    name_numbers own, *ranges; /* owned; of the sources */
    size_t range_count, range_capacity;
    const fg_output *first;
    fg_dtype source_dtype;
    const char *operation;
    uint64_t count, bytes;
} group;

typedef struct groups {
    const fg_plan *plan;
    uint32_t *places; /* of outputs; NULL: not asked for */
    json_t *by_key;   /* owned; what the tensors of a group have in common -> its index */
    group *items;     /* owned */
    size_t count, capacity;
    size_t last; /* group of the last output: blocks are alike, so that groups mostly come in turns */
} groups;

/* ---- names ---- */

static bool ends_part(char c) {
    return !c || c == '.' || c == '/';
}

/* How many digits make up the part of a name that begins at `at`; 0: it is no number, or too large. */
static size_t number_length(const char *at, uint64_t *number) {
    enum { DIGITS = 9 };
    size_t length = 0;
    for (*number = 0; at[length] >= '0' && at[length] <= '9' && length <= DIGITS; length++)
        *number = *number * 10 + (uint64_t)(at[length] - '0');
    return length <= DIGITS && ends_part(at[length]) ? length : 0;
}

/* The name with {} for its first numbers; `numbers` get them. */
static fg_status open_name(const char *name, fg_buffer *out, name_numbers *numbers, fg_error *err) {
    size_t slot = 0;
    const char *done = name; /* what is before it is in `out` */
    fg_buffer_clear(out);
    for (const char *at = name; *at && slot < SLOTS;) {
        uint64_t number;
        size_t digits = number_length(at, &number);
        if (digits) {
            numbers->low[slot] = numbers->high[slot] = number;
            slot++;
            FG_CALL(fg_buffer_add(out, done, (size_t)(at - done), err));
            FG_CALL(fg_buffer_add(out, "{}", 2, err));
            at = done = at + digits;
        }
        while (!ends_part(*at)) at++;
        if (*at) at++;
    }
    return fg_buffer_put(out, done, err);
}

static void widen(name_numbers *into, const name_numbers *one) {
    for (size_t i = 0; i < SLOTS; i++) {
        into->low[i] = fg_min(into->low[i], one->low[i]);
        into->high[i] = fg_max(into->high[i], one->high[i]);
    }
}

/* "layers.{0..79}.weight"; a number that is always the same stays. */
static json_t *closed_name(const char *name, const name_numbers *numbers, fg_error *err) {
    fg_buffer text = {0};
    size_t slot = 0;
    fg_status status = FG_OK;
    for (const char *at = name; *at && status == FG_OK; at++) {
        if (strncmp(at, "{}", 2) != 0 || slot == SLOTS) {
            status = fg_buffer_add(&text, at, 1, err);
            continue;
        }
        unsigned long long low = numbers->low[slot], high = numbers->high[slot];
        status = low == high ? fg_buffer_printf(&text, err, "%llu", low)
                             : fg_buffer_printf(&text, err, "{%llu..%llu}", low, high);
        slot++;
        at++;
    }
    json_t *closed = status == FG_OK && text.data ? json_string(text.data) : NULL;
    fg_buffer_free(&text);
    return closed;
}

/* ---- what is done ---- */

static const fg_piece *piece_of(const fg_plan *plan, const fg_output *output, size_t index) {
    return &plan->pieces[output->first_piece + index];
}

static bool in_order(const fg_piece *piece) {
    for (unsigned d = 0; d < piece->dims; d++) {
        if (piece->extent[d] > 1 && piece->from_stride[d] != piece->to_stride[d]) return false;
    }
    return true;
}

static const char *operation_of(const fg_plan *plan, const fg_output *output) {
    size_t copied = 0, filled = 0, others = 0;
    bool ordered = true;
    const fg_piece *first = NULL;
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *piece = piece_of(plan, output, i);
        if (piece->kind != FG_PIECE_COPY) {
            filled++;
            continue;
        }
        if (!first) first = piece;
        copied++;
        others += piece->source != first->source;
        ordered = ordered && in_order(piece);
    }
    if (!copied) return "fill";
    if (filled) return "extend";
    if (others) return "concatenate";
    if (plan->source.items[first->source].elements > output->elements) return "split";
    return ordered && output->piece_count == 1 ? "copy" : "transpose";
}

/* ---- groups ---- */

static fg_status describe_key(const fg_output *output, const char *operation, const char *name,
                              fg_buffer *key, fg_error *err) {
    const char *const words[] = {name, " ", fg_dtype_name(output->dtype), " ", operation};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) FG_CALL(fg_buffer_put(key, words[i], err));
    for (uint32_t d = 0; d < output->rank; d++) {
        FG_CALL(fg_buffer_put(key, " ", err));
        FG_CALL(fg_buffer_put_u64(key, output->shape[d], err));
    }
    return FG_OK;
}

static fg_status add_source(group *into, const char *name, const name_numbers *numbers, fg_error *err) {
    if (into->source && strcmp(into->source, name) == 0) {
        widen(into->ranges, numbers);
        return FG_OK;
    }
    json_t *held = json_object_get(into->sources, name);
    if (held) {
        widen(&into->ranges[json_integer_value(held)], numbers);
        return FG_OK;
    }
    FG_CALL(fg_grow(&into->ranges, into->range_count, &into->range_capacity, sizeof *into->ranges, err));
    FG_CALL(fg_json_put_u64(into->sources, name, into->range_count, err));
    if (!into->source) FG_CALL_NEW(into->source, fg_strdup(name, err));
    into->ranges[into->range_count++] = *numbers;
    return FG_OK;
}

static fg_status add_sources(const groups *g, const fg_output *output, group *into, fg_buffer *name,
                             fg_error *err) {
    for (size_t i = 0; i < output->piece_count; i++) {
        const fg_piece *piece = piece_of(g->plan, output, i);
        name_numbers numbers = {0};
        if (piece->kind == FG_PIECE_ZERO) continue;
        const fg_tensor *source = &g->plan->source.items[piece->source];
        into->source_dtype = source->dtype;
        FG_CALL(open_name(source->name, name, &numbers, err));
        FG_CALL(add_source(into, name->data, &numbers, err));
    }
    return FG_OK;
}

static fg_status new_group(groups *g, const char *key, const char *name, const fg_output *output,
                           const char *operation, fg_error *err) {
    FG_CALL(fg_grow(&g->items, g->count, &g->capacity, sizeof *g->items, err));
    group *made = &g->items[g->count++];
    *made = (group){.first = output, .operation = operation, .source_dtype = output->dtype};
    FG_CALL_NEW(made->sources, json_object());
    FG_CALL_NEW(made->name, fg_strdup(name, err));
    return fg_json_put_u64(g->by_key, key, g->count - 1, err);
}

static bool belongs(const fg_output *output, const char *operation, const char *name, const group *to) {
    const fg_output *first = to->first;
    return output->dtype == first->dtype && output->rank == first->rank && operation == to->operation &&
           memcmp(output->shape, first->shape, sizeof output->shape) == 0 && strcmp(name, to->name) == 0;
}

/* The group of an output, whose index becomes g->last. */
static fg_status find_group(groups *g, const fg_output *output, const char *name, fg_buffer *key,
                            const name_numbers *numbers, fg_error *err) {
    const char *operation = operation_of(g->plan, output);
    size_t next = g->last + 1 < g->count ? g->last + 1 : 0;
    for (size_t i = 0; i < 2 && next < g->count; i++, next = g->last) {
        if (!belongs(output, operation, name, &g->items[next])) continue;
        g->last = next;
        return FG_OK;
    }
    fg_buffer_clear(key);
    FG_CALL(describe_key(output, operation, name, key, err));
    const json_t *held = json_object_get(g->by_key, key->data);
    if (!held) FG_CALL(new_group(g, key->data, name, output, operation, err));
    if (!held) g->items[g->count - 1].own = *numbers;
    g->last = held ? (size_t)json_integer_value(held) : g->count - 1;
    return FG_OK;
}

static fg_status add_output(groups *g, const fg_output *output, fg_buffer *name, fg_buffer *key,
                            fg_error *err) {
    name_numbers numbers = {0};
    FG_CALL(open_name(output->name, name, &numbers, err));
    FG_CALL(find_group(g, output, name->data, key, &numbers, err));
    group *into = &g->items[g->last];
    if (g->places) g->places[output - g->plan->outputs] = (uint32_t)(into - g->items);
    widen(&into->own, &numbers);
    into->count++;
    into->bytes += fg_output_bytes(output);
    return add_sources(g, output, into, name, err);
}

/* ---- the report ---- */

static fg_status report_group(const group *one, json_t *list, fg_error *err) {
    json_t *entry, *sources, *value;
    FG_CALL_NEW(entry, fg_json_push_object(list, err));
    FG_CALL(fg_json_put(entry, "name", closed_name(one->name, &one->own, err), err));
    FG_CALL_NEW(sources, fg_json_put_array(entry, "sources", err));
    FG_JSON_MEMBERS(one->sources, name, value)
        FG_CALL(fg_json_push(sources, closed_name(name, &one->ranges[json_integer_value(value)], err), err));
    FG_CALL(fg_json_put_u64(entry, "tensors", one->count, err));
    FG_CALL(fg_json_put_u64s(entry, "shape", one->first->shape, one->first->rank, err));
    FG_CALL(fg_json_put_text(entry, "dtype", fg_dtype_name(one->first->dtype), err));
    if (one->source_dtype != one->first->dtype)
        FG_CALL(fg_json_put_text(entry, "source_dtype", fg_dtype_name(one->source_dtype), err));
    FG_CALL(fg_json_put_text(entry, "operation", one->operation, err));
    return fg_json_put_u64(entry, "bytes", one->bytes, err);
}

static void free_groups(groups *g) {
    for (size_t i = 0; i < g->count; i++) {
        fg_free(g->items[i].name);
        fg_free(g->items[i].source);
        fg_free(g->items[i].ranges);
        json_decref(g->items[i].sources);
    }
    fg_free(g->items);
    json_decref(g->by_key);
}

fg_status fg_tensor_groups_report(const fg_plan *plan, uint32_t *places, json_t *report, fg_error *err) {
    fg_status status = FG_OK;
    groups g = {.plan = plan, .places = places};
    fg_buffer name = {0}, key = {0};
    json_t *list;
    FG_TRY_NEW(g.by_key, json_object());
    for (size_t o = 0; o < plan->output_count; o++)
        FG_TRY(add_output(&g, &plan->outputs[o], &name, &key, err));
    FG_TRY_NEW(list, fg_json_put_array(report, "map", err));
    for (size_t i = 0; i < g.count; i++) FG_TRY(report_group(&g.items[i], list, err));
done:
    free_groups(&g);
    fg_buffer_free(&name);
    fg_buffer_free(&key);
    return status;
}
