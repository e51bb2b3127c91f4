#include "convert/base_prefix.h"

#include "base/log.h"

fg_base_prefix fg_base_prefix_of(const fg_converter *converter, fg_direction direction,
                                 const fg_tensors *source) {
    fg_base_prefix base = {0};
    if (direction != FG_IMPORT) return base;
    base.prefix = json_string_value(json_object_get(fg_converter_document(converter), "base_model_prefix"));
    base.lacking = base.prefix != NULL;
    for (size_t i = 0; i < source->count && base.lacking; i++)
        base.lacking = !fg_starts_with(source->items[i].name, base.prefix);
    return base;
}

static fg_status put_before(fg_base_prefix *base, const char *name, fg_error *err) {
    fg_buffer_clear(&base->name);
    return fg_buffer_printf(&base->name, err, "%s%s", base->prefix, name);
}

fg_status fg_base_prefix_find(fg_base_prefix *base, const fg_map *map, const char *name, int64_t *value,
                              fg_error *err) {
    *value = fg_map_get(map, name);
    if (*value != FG_MAP_NONE || !base->lacking) return FG_OK;
    fg_status status = put_before(base, name, err);
    if (status != FG_OK) return status;
    *value = fg_map_get(map, base->name.data);
    base->added = base->added || *value != FG_MAP_NONE;
    return FG_OK;
}

fg_status fg_base_prefix_apply(fg_base_prefix *base, fg_name_rules *rules, const char *name, fg_buffer *out,
                               bool *matched, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_name_rules_apply(rules, name, out, matched, err));
    if (*matched || !base->lacking) goto done;
    FG_TRY(put_before(base, name, err));
    FG_TRY(fg_name_rules_apply(rules, base->name.data, out, matched, err));
done:
    return status;
}

void fg_base_prefix_warn(const fg_base_prefix *base, const fg_tensors *source) {
    if (base->added)
        fg_warn("%s: the checkpoint of a base model, whose names lack \"%s\": the prefix is added, as "
                "transformers does",
                source->files[0], base->prefix);
}

void fg_base_prefix_free(fg_base_prefix *base) {
    fg_buffer_free(&base->name);
}
