#include "mapping/hf_names.h"

#include "base/log.h"

fg_status fg_hf_names_init(fg_hf_names *names, const fg_converter *converter, fg_direction direction,
                           const fg_tensors *source, fg_error *err) {
    const json_t *document = fg_converter_document(converter), *other;
    *names = (fg_hf_names){0};
    if (direction != FG_IMPORT) return FG_OK;
    names->prefix = json_string_value(json_object_get(document, "base_model_prefix"));
    names->lacking = names->prefix != NULL;
    for (size_t i = 0; i < source->count && names->lacking; i++)
        names->lacking = !fg_starts_with(source->items[i].name, names->prefix);
    other = json_object_get(document, "other_names");
    if (!json_array_size(other)) return FG_OK;
    return fg_name_rules_compile(&names->other, other, NULL, fg_converter_file(converter), "other_names",
                                 NULL, err);
}

static fg_status put_before(fg_hf_names *names, const char *name, fg_error *err) {
    fg_buffer_clear(&names->name);
    return fg_buffer_printf(&names->name, err, "%s%s", names->prefix, name);
}

static fg_status translate(fg_hf_names *names, const char *name, bool *translated, fg_error *err) {
    *translated = false;
    return names->other ? fg_name_rules_apply(names->other, name, &names->name, translated, err) : FG_OK;
}

fg_status fg_hf_names_find(fg_hf_names *names, const fg_map *map, const char *name, int64_t *value,
                           fg_error *err) {
    bool translated;
    *value = fg_map_get(map, name);
    if (*value == FG_MAP_NONE && names->lacking) {
        FG_CALL(put_before(names, name, err));
        *value = fg_map_get(map, names->name.data);
        names->added = names->added || *value != FG_MAP_NONE;
    }
    if (*value != FG_MAP_NONE) return FG_OK;
    FG_CALL(translate(names, name, &translated, err));
    if (translated) *value = fg_map_get(map, names->name.data);
    return FG_OK;
}

fg_status fg_hf_names_apply(fg_hf_names *names, fg_name_rules *rules, const char *name, fg_buffer *out,
                            bool *matched, fg_error *err) {
    bool translated;
    FG_CALL(fg_name_rules_apply(rules, name, out, matched, err));
    if (!*matched && names->lacking) {
        FG_CALL(put_before(names, name, err));
        FG_CALL(fg_name_rules_apply(rules, names->name.data, out, matched, err));
    }
    if (*matched) return FG_OK;
    FG_CALL(translate(names, name, &translated, err));
    if (translated) FG_CALL(fg_name_rules_apply(rules, names->name.data, out, matched, err));
    return FG_OK;
}

void fg_hf_names_warn(const fg_hf_names *names, const fg_tensors *source) {
    if (names->added)
        fg_warn("%s: the checkpoint of a base model, whose names lack \"%s\": the prefix is added, as "
                "transformers does",
                source->files[0], names->prefix);
}

void fg_hf_names_free(fg_hf_names *names) {
    fg_name_rules_free(&names->other);
    fg_buffer_free(&names->name);
}
