#include "model_pair_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

json_t *fg_model_pair_rows_describe(const fg_row_edits *edits) {
    char value[FG_ROW_TEXT];
    if (!edits || !edits->rows) return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < edits->count; i++)
        json_array_append_new(list, json_pack("[I, s]", (json_int_t)edits->items[i].row,
                                              fg_row_value_text(edits->items[i].value, value)));
    if (json_array_size(list) == edits->count)
        return json_pack("{s:I, s:o}", "rows", (json_int_t)edits->rows, "edits", list);
    json_decref(list);
    return NULL;
}

fg_status fg_model_pair_rows_read(const json_t *described, fg_row_edits *edits, fg_error *err) {
    size_t i;
    json_t *entry;
    fg_row_value value;
    json_array_foreach(json_object_get(described, "edits"), i, entry) {
        if (!fg_row_value_parse(json_string_value(json_array_get(entry, 1)), &value))
            return fg_fail(err, FG_ERR_BUG, "an edited row was received in an unknown form");
        FG_CALL(fg_row_edits_set(edits, (uint64_t)json_integer_value(json_array_get(entry, 0)), value, err));
    }
    edits->rows = (uint64_t)json_integer_value(json_object_get(described, "rows"));
    return FG_OK;
}

fg_status fg_model_pair_rows_bind(const fg_model_pair *pair, const fg_tensors *source,
                                  fg_weight_source *weights, json_t **config, fg_error *err) {
    fg_status status = FG_OK;
    fg_weight_source raw = {0};
    const json_t *side = json_object_get(pair->about, "source"), *spec = json_object_get(side, "spec");
    const fg_format *format = fg_format_find(json_string_value(json_object_get(side, "format")));
    *config = NULL;
    if (!pair->edits.rows) {
        *config = json_incref(json_object_get(side, "config"));
        return FG_OK;
    }
    FG_TRY(fg_weight_source_from_tensors(&raw, source, err));
    FG_TRY(fg_weight_source_edit_rows(weights, &raw, spec, format, &pair->edits, err));
    FG_TRY(fg_config_set_vocabulary(json_object_get(side, "config"), spec, format, pair->edits.rows, config,
                                    err));
done:
    if (status != FG_OK) fg_weight_source_close(weights);
    return status;
}

static fg_status check_row(const fg_model_pair *pair, const fg_row_edit *edit, float *expected, float *found,
                           fg_error *err) {
    fg_status status = FG_OK;
    uint32_t id = (uint32_t)edit->row;
    uint64_t hidden = fg_model_shape_of(pair->models[FG_CANDIDATE]).hidden;
    char value[FG_ROW_TEXT];
    FG_TRY(fg_model_embed(pair->models[FG_REFERENCE], &id, 1, expected, err));
    FG_TRY(fg_model_embed(pair->models[FG_CANDIDATE], &id, 1, found, err));
    if (memcmp(expected, found, hidden * sizeof *found) == 0) goto done;
    status = fg_fail(err, FG_ERR_DIFFER,
                     "the models differ: the embedding row of token %lu is not %s, as requested",
                     (unsigned long)id, fg_row_value_text(edit->value, value));
done:
    return status;
}

fg_status fg_model_pair_rows_check(const fg_model_pair *pair, fg_error *err) {
    fg_status status = FG_OK;
    float *rows = NULL;
    uint64_t hidden = fg_model_shape_of(pair->models[FG_CANDIDATE]).hidden;
    if (!pair->edits.rows) return FG_OK;
    FG_NEW(rows, 2 * hidden);
    for (size_t i = (size_t)pair->ranks->rank; i < pair->edits.count; i += (size_t)pair->ranks->size)
        FG_TRY(check_row(pair, &pair->edits.items[i], rows, rows + hidden, err));
done:
    fg_free(rows);
    return fg_ranks_agree(pair->ranks, err);
}
