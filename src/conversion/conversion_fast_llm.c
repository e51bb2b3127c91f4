/* Metadata of Fast-LLM checkpoints, and settings of Fast-LLM that are carried through other formats and
 * restored. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/yaml.h"
#include "conversion/conversion.h"
#include "format/carried.h"
#include "language/classes.h"

fg_status fg_conversion_wrap_config(fg_conversion *c, fg_catalogue *catalogue, fg_error *err) {
    fg_status status = FG_OK;
    const fg_classes *classes;
    const char *model =
        json_string_value(json_object_get(fg_converter_document(fg_conversion_last(c)->converter), "model"));
    json_t *base_model = c->config;
    FG_TRY(fg_classes_load(&classes, catalogue, &fg_format_fast_llm, err));
    if (!classes) FG_FAIL(err, FG_ERR_SYSTEM, "defaults/fast_llm.json is missing from the converters");
    FG_TRY_NEW(c->fast_llm_version, fg_strdup(fg_classes_version(classes), err));
    c->config = json_pack("{s:s, s:O}", "type", model ? model : "gpt", "base_model", base_model);
    json_decref(base_model);
    if (!c->config) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while writing metadata.yaml");
done:
    return status;
}

/* ---- carried settings ---- */

/* Sorted by key, so that the order of the source's keys does not matter. */
static fg_status sorted_by_key(const json_t *left_out, json_t **sorted, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *entry;
    *sorted = json_array();
    json_array_foreach((json_t *)(uintptr_t)left_out, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        size_t at = i;
        while (at &&
               strcmp(json_string_value(json_object_get(json_array_get(*sorted, at - 1), "key")), key) > 0)
            at--;
        if (json_array_insert(*sorted, at, entry))
            FG_FAIL(err, FG_ERR_MEMORY, "out of memory while writing metadata.yaml");
    }
done:
    return status;
}

static fg_status check_carried(const char *path, const json_t *list, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *entry;
    if (!json_is_array(list))
        FG_FAIL(err, FG_ERR_INPUT, "%s: fast_llm: found %s, expected a list", path, fg_json_kind(list));
    json_array_foreach((json_t *)(uintptr_t)list, i, entry) {
        if (!json_is_string(json_object_get(entry, "key")) || !json_object_get(entry, "value"))
            FG_FAIL(err, FG_ERR_INPUT, "%s: fast_llm/%zu: expected an object with key and value", path, i);
    }
done:
    if (status != FG_OK)
        fg_hint(err, "remove the file; settings of the earlier Fast-LLM checkpoint are then not restored");
    return status;
}

static fg_status read_carried(const fg_conversion *c, json_t **carried, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    json_t *document = NULL;
    fg_path_kind kind;
    FG_TRY_NEW(path, fg_path_join(c->source.directory, FG_CARRIED_FILE, err));
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) goto done;
    FG_TRY(fg_json_read(path, &document, err));
    FG_TRY(check_carried(path, json_object_get(document, "fast_llm"), err));
    *carried = json_incref(json_object_get(document, "fast_llm"));
done:
    json_decref(document);
    fg_free(path);
    return status;
}

fg_status fg_conversion_carried(const fg_conversion *c, size_t index, json_t **carried, fg_error *err) {
    const fg_route_step *step = &c->steps[index], *before = index ? step - 1 : NULL;
    *carried = NULL;
    if (step->direction == FG_EXPORT) {
        json_t *held = index ? NULL : (json_t *)(uintptr_t)c->source.carried;
        *carried = json_incref(held);
    } else if (step->other == &fg_format_fast_llm && before && before->other == &fg_format_fast_llm) {
        *carried = json_incref(before->translation.left_out);
    } else if (step->other == &fg_format_fast_llm) {
        return read_carried(c, carried, err);
    }
    return FG_OK;
}

fg_status fg_conversion_to_carry(const fg_conversion *c, json_t **document, fg_error *err) {
    fg_status status = FG_OK;
    json_t *list = NULL;
    const fg_route_step *first = &c->steps[0];
    *document = NULL;
    if (c->to == &fg_format_fast_llm || c->source.format != &fg_format_fast_llm ||
        !json_array_size(first->translation.left_out))
        goto done;
    FG_TRY(sorted_by_key(first->translation.left_out, &list, err));
    *document = json_pack(
        "{s:s, s:O}", "about",
        "settings of Fast-LLM that other formats cannot hold; fgconv restores them when it converts to "
        "Fast-LLM",
        "fast_llm", list);
    if (!*document) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while keeping settings of Fast-LLM");
done:
    json_decref(list);
    return status;
}

/* ---- the destination ---- */

fg_status fg_conversion_name_shards(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    char *name = NULL;
    for (size_t i = 0; i < c->plan.shard_count; i++) {
        FG_TRY_NEW(name, fg_strformat(err, "model_%zu.safetensors", i));
        fg_free(c->plan.shard_files[i]);
        c->plan.shard_files[i] = name;
    }
done:
    return status;
}

/* "NAME/weights" -> file. */
static fg_status state_index(const fg_plan *plan, json_t **index, fg_error *err) {
    fg_status status = FG_OK;
    char *key = NULL;
    *index = json_object();
    for (size_t o = 0; o < plan->output_count; o++) {
        FG_TRY_NEW(key, fg_strformat(err, "%s/weights", plan->outputs[o].name));
        FG_TRY(fg_json_put(*index, key, json_string(plan->shard_files[plan->outputs[o].shard]), err));
        fg_free(key);
        key = NULL;
    }
done:
    fg_free(key);
    return status;
}

fg_status fg_conversion_metadata(const fg_conversion *c, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    json_t *index = NULL, *kept = NULL;
    json_t *document = c->keeps_format ? fg_json_deep_copy(c->source.metadata, err) : json_object();
    const fg_translation *last = &fg_conversion_last(c)->translation;
    FG_TRY(state_index(&c->plan, &index, err));
    FG_TRY(sorted_by_key(last->left_out, &kept, err));
    FG_TRY(fg_json_put(document, "config", json_incref(c->config), err));
    FG_TRY(fg_json_put(document, "fast_llm_version", json_string(c->fast_llm_version), err));
    FG_TRY(fg_json_put(document, "format", json_string(fg_format_fast_llm.name), err));
    FG_TRY(fg_json_put(document, "model", json_incref(json_object_get(c->config, "type")), err));
    FG_TRY(fg_json_put(document, "shards", json_pack("[s]", "weights"), err));
    FG_TRY(fg_json_set_at(document, "metadata/state_index", json_incref(index), err));
    FG_TRY(fg_json_set_at(document, fg_format_fast_llm.family_key,
                          json_string(fg_conversion_destination_type(c)), err));
    FG_TRY(fg_json_set_at(document, fg_format_fast_llm.carried_path, json_incref(kept), err));
    if (last->newer_rotary)
        FG_TRY(fg_json_set_at(document, fg_format_fast_llm.newer_rotary_path, json_true(), err));
    FG_TRY(fg_yaml_write(document, text, err));
done:
    json_decref(index);
    json_decref(kept);
    json_decref(document);
    return status;
}
