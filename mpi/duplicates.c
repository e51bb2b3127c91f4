#include "duplicates.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "distribute.h"
#include "report/report_text.h"

enum { PART = 1 << 20 }; /* bytes that are compared at a time */

typedef struct duplicate_check {
    const fg_plan *originals; /* that of the assembly, or of `received` */
    const fg_plan *copies;
    fg_plan received[2];
    fg_copier *original, *copy;
    unsigned char *bytes; /* owned; twice PART */
    uint64_t *differ;     /* owned; for each output how many of its numbers differ */
} duplicate_check;

/* ---- sharing ---- */

/* Rank 0's plan reaches the others. */
static fg_status share_plan(const fg_ranks *ranks, const fg_plan *mine, fg_plan *received,
                            const fg_plan **plan, fg_error *err) {
    fg_buffer text = {0};
    if (ranks->rank == 0) fg_plan_encode(mine, &text, err);
    fg_status status = fg_ranks_share_text(ranks, &text, err);
    if (status == FG_OK) {
        if (ranks->rank != 0) fg_plan_decode(text.data, text.length, received, err);
        status = fg_ranks_agree(ranks, err);
    }
    *plan = ranks->rank == 0 ? mine : received;
    fg_buffer_free(&text);
    return status;
}

static fg_status open_duplicate_check(duplicate_check *c, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_copier_new(&c->original, c->originals, NULL, err));
    FG_TRY(fg_copier_new(&c->copy, c->copies, NULL, err));
    FG_TRY_NEW(c->bytes, fg_alloc_buffer(2 * PART, err));
    FG_NEW(c->differ, c->originals->output_count);
done:
    return status;
}

static void close_duplicate_check(duplicate_check *c) {
    fg_copier_free(&c->original);
    fg_copier_free(&c->copy);
    fg_free(c->bytes);
    fg_free(c->differ);
    fg_plan_free(&c->received[0]);
    fg_plan_free(&c->received[1]);
}

/* ---- comparing ---- */

static uint64_t count_different(const unsigned char *a, const unsigned char *b, uint64_t count, size_t size) {
    uint64_t different = 0;
    if (memcmp(a, b, count * size) == 0) return 0;
    for (uint64_t i = 0; i < count; i++) different += memcmp(a + i * size, b + i * size, size) != 0;
    return different;
}

static fg_status compare_range(duplicate_check *c, size_t output, uint64_t first, uint64_t count,
                               fg_copy_progress progress, void *progress_context, fg_error *err) {
    size_t size = fg_dtype_size(c->originals->outputs[output].dtype);
    for (uint64_t end = first + count, part; first < end; first += part) {
        part = fg_min(end - first, PART / size);
        FG_CALL(fg_copier_read(c->original, output, first, part, c->bytes, err));
        FG_CALL(fg_copier_read(c->copy, output, first, part, c->bytes + PART, err));
        c->differ[output] += count_different(c->bytes, c->bytes + PART, part, size);
        if (!progress(progress_context, part * size)) break;
    }
    return FG_OK;
}

static fg_status compare_item(void *context, const fg_work_item *item, fg_copy_progress progress,
                              void *progress_context, fg_error *err) {
    duplicate_check *c = context;
    if (item->count)
        return compare_range(c, item->output, item->first, item->count, progress, progress_context, err);
    for (uint32_t o = item->output; o < item->output + item->outputs; o++)
        FG_CALL(compare_range(c, o, 0, c->originals->outputs[o].elements, progress, progress_context, err));
    return FG_OK;
}

/* ---- saying it ---- */

/* The names of the files that an output lies in: an array, each once. A new reference. */
static fg_status list_files(const fg_plan *plan, size_t output, json_t **files, fg_error *err) {
    fg_status status = FG_OK;
    const fg_output *o = &plan->outputs[output];
    json_t *seen = json_object(), *list = json_array();
    for (size_t p = 0; p < o->piece_count; p++) {
        const fg_piece *piece = &plan->pieces[o->first_piece + p];
        if (piece->kind != FG_PIECE_COPY) continue;
        const char *name = fg_path_name(plan->source.files[plan->source.items[piece->source].file]);
        if (json_object_get(seen, name)) continue;
        FG_TRY(fg_json_put(seen, name, json_true(), err));
        FG_TRY(fg_json_push(list, json_string(name), err));
    }
    *files = list;
    list = NULL;
done:
    json_decref(seen);
    json_decref(list);
    return status;
}

static fg_status say_difference(const duplicate_check *c, size_t output, json_t *list, fg_error *err) {
    fg_status status = FG_OK;
    const fg_output *o = &c->copies->outputs[output];
    char size[24], here[FG_REPORT_WORDS], there[FG_REPORT_WORDS];
    json_t *entry, *own = NULL, *taken = NULL;
    FG_TRY(list_files(c->copies, output, &own, err));
    FG_TRY(list_files(c->originals, output, &taken, err));
    fg_warn("%s (%s) differs from the values that count (%s): %llu of %llu numbers, %s in all", o->name,
            fg_report_names(own, NULL, here), fg_report_names(taken, NULL, there),
            (unsigned long long)c->differ[output], (unsigned long long)o->elements,
            fg_bytes_text(fg_output_bytes(o), size));
    FG_TRY_NEW(entry, fg_json_push_object(list, err));
    FG_TRY(fg_json_put_text(entry, "name", o->name, err));
    FG_TRY(fg_json_put(entry, "files", json_incref(own), err));
    FG_TRY(fg_json_put_u64(entry, "numbers", c->differ[output], err));
    FG_TRY(fg_json_put_u64(entry, "of", o->elements, err));
done:
    json_decref(own);
    json_decref(taken);
    return status;
}

static fg_status say_result(const duplicate_check *c, json_t *facts, fg_error *err) {
    json_t *duplicates, *list;
    FG_CALL_NEW(duplicates, fg_json_put_object(facts, "duplicates", err));
    FG_CALL(fg_json_put_u64(duplicates, "compared", c->copies->output_count, err));
    FG_CALL(fg_json_put_u64(duplicates, "bytes", fg_plan_bytes(c->copies), err));
    FG_CALL_NEW(list, fg_json_put_array(duplicates, "differ", err));
    for (size_t o = 0; o < c->copies->output_count; o++)
        if (c->differ[o]) FG_CALL(say_difference(c, o, list, err));
    return FG_OK;
}

static fg_status compare_all(duplicate_check *c, const fg_ranks *ranks, fg_progress_style style,
                             fg_error *err) {
    fg_item_task task = {.carry_out = compare_item, .context = c, .what = "comparing copies", .style = style};
    open_duplicate_check(c, err);
    FG_CALL(fg_ranks_agree(ranks, err));
    FG_CALL(fg_distribute(ranks, c->originals, &task, err));
    fg_ranks_sum_u64(ranks, c->differ, c->originals->output_count);
    return FG_OK;
}

fg_status fg_duplicates_check(const fg_ranks *ranks, const fg_assembly *assembly, fg_progress_style style,
                              json_t *facts, fg_error *err) {
    fg_status status = FG_OK;
    duplicate_check c = {0};
    FG_TRY(share_plan(ranks, assembly ? &assembly->originals : NULL, &c.received[0], &c.originals, err));
    FG_TRY(share_plan(ranks, assembly ? &assembly->copies : NULL, &c.received[1], &c.copies, err));
    FG_TRY(compare_all(&c, ranks, style, err));
    if (ranks->rank == 0) say_result(&c, facts, err);
    status = fg_ranks_agree(ranks, err);
done:
    close_duplicate_check(&c);
    return status;
}
