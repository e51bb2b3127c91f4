#include "mapping/tensor_tied.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "mapping/tensor_names.h"
#include "mapping/tensor_plan.h"

enum { CHUNK = 1 << 20 }; /* bytes that are compared at once */

static bool same_storage(const fg_tensor *a, const fg_tensor *b) {
    return a->file == b->file && a->offset == b->offset &&
           memcmp(a->stride, b->stride, sizeof a->stride) == 0;
}

static fg_status differ(const fg_tensor *a, const fg_tensor *b, const char *how, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "\"%s\" and \"%s\" are tied by the configuration, but %s", a->name, b->name,
            how);
    return fg_hint(err, "set tie_word_embeddings to false in config.json if they are two weights, or remove "
                        "the one that is not used");
}

static fg_status compare_bytes(fg_reader *reader, const fg_tensor *a, const fg_tensor *b, unsigned char *room,
                               fg_error *err) {
    fg_status status = FG_OK;
    char how[80];
    size_t size = fg_dtype_size(a->dtype);
    for (uint64_t at = 0; at < a->elements;) {
        uint64_t count = fg_min(a->elements - at, CHUNK / size);
        FG_TRY(fg_reader_read(reader, a, at, count, room, err));
        FG_TRY(fg_reader_read(reader, b, at, count, room + CHUNK, err));
        for (uint64_t i = 0; memcmp(room, room + CHUNK, count * size) != 0 && i < count; i++) {
            if (memcmp(room + i * size, room + CHUNK + i * size, size) == 0) continue;
            snprintf(how, sizeof how, "element %" PRIu64 " differs", at + i);
            FG_TRY(differ(a, b, how, err));
        }
        at += count;
    }
done:
    return status;
}

fg_status fg_tied_compare(const fg_tensors *table, const fg_tensor *a, const fg_tensor *b, fg_error *err) {
    fg_status status = FG_OK;
    fg_reader *reader = NULL;
    unsigned char *room = NULL;
    bool same_shape = a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
    if (!same_shape || a->dtype != b->dtype) FG_TRY(differ(a, b, "have different shapes or dtypes", err));
    if (same_storage(a, b)) goto done;
    FG_TRY_NEW(room, fg_alloc_buffer(2 * CHUNK, err));
    FG_TRY(fg_reader_new(&reader, table, err));
    FG_TRY(compare_bytes(reader, a, b, room, err));
done:
    fg_reader_free(&reader);
    fg_free(room);
    return status;
}

/* ---- for param_sharing ---- */

/* The target's name, as a JSON string. */
static fg_status target_name(const fg_converter *converter, const char *hf, json_t **name, fg_error *err) {
    fg_buffer text = {0};
    bool matched;
    fg_status status =
        fg_name_rules_apply(fg_converter_rules(converter, FG_IMPORT), hf, &text, &matched, err);
    if (status == FG_OK && !matched)
        status =
            fg_fail(err, FG_ERR_INPUT, "%s: no name rule matches \"%s\"", fg_converter_file(converter), hf);
    if (status == FG_OK) *name = json_string(text.data);
    fg_buffer_free(&text);
    return status;
}

static fg_status add_pair(const fg_converter *converter, const fg_tensor_template *t, uint64_t block,
                          json_t *pairs, fg_error *err) {
    fg_status status = FG_OK;
    char *name = NULL, *other = NULL;
    json_t *first = NULL, *second = NULL, *pair = json_array();
    FG_TRY_NEW(name, fg_tensor_name_of(t->name, block, err));
    FG_TRY_NEW(other, fg_tensor_name_of(t->tied_to, block, err));
    FG_TRY(target_name(converter, name, &first, err));
    FG_TRY(target_name(converter, other, &second, err));
    FG_TRY(fg_json_push(pair, json_incref(first), err));
    FG_TRY(fg_json_push(pair, json_incref(second), err));
    FG_TRY(fg_json_push(pairs, json_incref(pair), err));
done:
    json_decref(first);
    json_decref(second);
    json_decref(pair);
    fg_free(name);
    fg_free(other);
    return status;
}

fg_status fg_tensor_plan_tied(const fg_converter *converter, fg_direction direction, const json_t *hf,
                              json_t **pairs, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_names names = {0};
    *pairs = json_array();
    if (!*pairs) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while listing tied tensors");
    if (direction == FG_EXPORT) goto done;
    FG_TRY(fg_tensor_templates_new(&names, converter, hf, err));
    for (size_t i = 0; i < names.template_count; i++) {
        const fg_tensor_template *t = &names.templates[i];
        for (uint64_t block = 0; t->tied && block < t->count; block++)
            FG_TRY(add_pair(converter, t, block, *pairs, err));
    }
done:
    fg_tensor_names_free(&names);
    if (status != FG_OK) {
        json_decref(*pairs);
        *pairs = NULL;
    }
    return status;
}
