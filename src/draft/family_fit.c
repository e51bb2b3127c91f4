#include "draft/family_fit.h"

#include <string.h>

#include "base/alloc.h"
#include "language/hf_keys.h"
#include "language/template.h"
#include "mapping/tensor_template.h"

/* A key that the family writes and the model lacks names something that the model does not do; one that the
 * model has besides is in no family, mostly. */
enum { TENSOR_WEIGHT = 2, LACKING_WEIGHT = 2, UNKNOWN_WEIGHT = 1 };

/* ---- keys ---- */

static const fg_section *root_of(const fg_converter *converter) {
    return fg_converter_declarations(converter)->root;
}

const fg_declaration *fg_family_claim(const fg_converter *converter, const char *key) {
    const fg_claim *claim = fg_claims_find(&root_of(converter)->claims[FG_SIDE_HF], key);
    return claim ? claim->declaration : NULL;
}

static bool has_row(const json_t *table, const json_t *value) {
    json_t *row;
    FG_JSON_EACH(table, i, row) {
        if (fg_json_equal(json_array_get(row, 1), value)) return true;
    }
    return false;
}

bool fg_family_takes(const fg_converter *converter, const fg_declaration *d, const json_t *value) {
    const json_t *constant = json_object_get(d->spec, "constant_export"),
                 *neutral = json_object_get(d->spec, "neutral"), *table = json_object_get(d->spec, "through");
    if (table)
        return has_row(json_object_get(json_object_get(fg_converter_document(converter), "tables"),
                                       json_string_value(table)),
                       value);
    if (!constant && !neutral) return true;
    return fg_json_contains(neutral, value) ||
           (constant && (fg_expression_is(constant) || fg_json_equal(constant, value)));
}

/* Keys that the engine itself claims, those below which something is claimed, and those that belong to no
 * family. */
static bool is_known(const fg_converter *converter, const json_t *hf_keys, const char *key,
                     const json_t *value) {
    const fg_claims *claims = &root_of(converter)->claims[FG_SIDE_HF];
    const fg_claim *claim = fg_claims_find(claims, key);
    if (claim) return !claim->declaration || fg_family_takes(converter, claim->declaration, value);
    return fg_claims_below(claims, key) || fg_hf_keys_reason(hf_keys, key, value, true);
}

static fg_status find_unknown(fg_family_fit *fit, const fg_outline *outline, fg_error *err) {
    const json_t *hf_keys;
    json_t *value;
    FG_CALL(fg_hf_keys_load(fg_converter_catalogue(fit->converter), &hf_keys, err));
    FG_JSON_MEMBERS(outline->config, key, value) {
        if (strcmp(key, "model_type") == 0 || is_known(fit->converter, hf_keys, key, value)) continue;
        FG_CALL(fg_json_put(fit->unknown, key, json_incref(value), err));
    }
    return FG_OK;
}

/* What a declaration means by an absent key: NULL if that is no plain default. */
static const json_t *meaning(const fg_declaration *d) {
    const fg_absence *hf = &d->absence[FG_SIDE_HF];
    return hf->means ? json_object_get(d->spec, hf->means) : NULL;
}

/* Whether an export writes the key. */
static bool is_written(const fg_declaration *d) {
    return (!d->primitive->one_way || d->primitive->id == FG_PRIMITIVE_CONSTANT_EXPORT) &&
           (d->primitive->id != FG_PRIMITIVE_IGNORED || json_object_get(d->spec, "export_as"));
}

static bool is_needed(const fg_declaration *d) {
    bool carries =
        d->primitive->id == FG_PRIMITIVE_RENAME || d->primitive->id == FG_PRIMITIVE_CONSTANT_EXPORT;
    return carries && !d->absence[FG_SIDE_HF].means && !d->absence[FG_SIDE_HF].passes;
}

/* A default that cannot be worked out leaves the key absent. */
static fg_status fill_in(fg_family_fit *fit, const fg_declaration *d, const char *key, fg_error *err) {
    const fg_scope scope = {.here = fit->config};
    fg_error wrong = {0};
    json_t *value = NULL;
    fg_status status = fg_template_value(meaning(d), &scope, d->label, &value, &wrong);
    if (status == FG_OK) return fg_json_put(fit->config, key, value, err);
    return status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &wrong);
}

static fg_status find_absent(fg_family_fit *fit, fg_error *err) {
    const fg_section *root = root_of(fit->converter);
    for (size_t i = 0; i < root->count; i++) {
        const fg_declaration *d = &root->items[i];
        const char *key = d->key_count ? d->keys[0] : NULL;
        if (!key || strchr(key, '/')) continue;
        const json_t *held = json_object_get(fit->config, key);
        fit->lacking += !held && is_written(d);
        if (!held && is_needed(d)) FG_CALL(fg_json_put(fit->absent, key, json_string(d->label), err));
        if ((!held || json_is_null(held)) && meaning(d)) FG_CALL(fill_in(fit, d, key, err));
    }
    return FG_OK;
}

/* ---- tensors ---- */

static fg_status shape_of(const fg_tensor_template *made, json_t **shape, fg_error *err) {
    FG_CALL_NEW(*shape, json_array());
    for (uint32_t d = 0; d < made->rank; d++)
        FG_CALL(fg_json_push(*shape, json_integer((json_int_t)made->shape[d]), err));
    return FG_OK;
}

const json_t *fg_family_tensors(const fg_converter *converter) {
    return json_object_get(fg_converter_document(converter), "tensors");
}

fg_status fg_family_tensor_make(fg_family_tensor *tensor, const fg_converter *converter, const char *name,
                                const json_t *rule, const json_t *config, fg_error *err) {
    fg_status status = FG_OK;
    json_t *entry = json_pack("{s:O}", name, rule);
    const fg_tensor_table table = {.entries = entry,
                                   .file = fg_converter_file(converter),
                                   .key = "tensors",
                                   .model_type = fg_converter_model_type(converter)};
    fg_tensor_templates made = {0};
    fg_error wrong = {0};
    *tensor = (fg_family_tensor){.present = true};
    if (!entry) FG_FAIL(err, FG_ERR_MEMORY, "out of memory");
    status = fg_tensor_templates_new(&made, &table, config, &wrong);
    if (status == FG_ERR_INPUT) status = FG_OK;
    if (status != FG_OK) FG_TRY(fg_fail_again(err, &wrong));
    if (!made.count) goto done;
    tensor->present = made.items[0].present;
    tensor->tied = made.items[0].tied;
    FG_TRY(shape_of(&made.items[0], &tensor->shape, err));
done:
    if (status != FG_OK) {
        json_decref(tensor->shape);
        tensor->shape = NULL;
    }
    fg_tensor_templates_free(&made);
    json_decref(entry);
    return status;
}

/* `common` gets the tensors that both have. */
static fg_status compare_tensor(fg_family_fit *fit, const fg_outline *outline, const char *name,
                                const json_t *rule, json_t *common, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *held = json_object_get(outline->tensors, name);
    fg_family_tensor t;
    FG_TRY(fg_family_tensor_make(&t, fit->converter, name, rule, fit->config, err));
    bool fits = t.present && held && (!t.shape || fg_json_equal(t.shape, held));
    if (fits) FG_TRY(fg_json_put(common, name, json_true(), err));
    if (!fits && t.present && !t.tied)
        FG_TRY(fg_json_put(fit->missing, name, t.shape ? json_incref(t.shape) : json_null(), err));
done:
    json_decref(t.shape);
    return status;
}

static fg_status find_tensors(fg_family_fit *fit, const fg_outline *outline, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value, *common;
    FG_TRY_NEW(common, json_object());
    FG_JSON_MEMBERS(fg_family_tensors(fit->converter), name, value)
        FG_TRY(compare_tensor(fit, outline, name, value, common, err));
    FG_JSON_MEMBERS(outline->tensors, name, value) {
        if (!json_object_get(common, name)) FG_TRY(fg_json_put(fit->extra, name, json_incref(value), err));
    }
done:
    json_decref(common);
    return status;
}

/* ---- fits ---- */

static fg_status make(fg_family_fit *fit, const fg_converter *converter, const fg_outline *outline,
                      fg_error *err) {
    *fit = (fg_family_fit){.converter = converter,
                           .missing = json_object(),
                           .extra = json_object(),
                           .unknown = json_object(),
                           .absent = json_object()};
    FG_CALL_NEW(fit->config, fg_json_deep_copy(outline->config, err));
    FG_CALL(find_unknown(fit, outline, err));
    FG_CALL(find_absent(fit, err));
    FG_CALL(find_tensors(fit, outline, err));
    fit->distance = TENSOR_WEIGHT * (json_object_size(fit->missing) + json_object_size(fit->extra)) +
                    LACKING_WEIGHT * fit->lacking + UNKNOWN_WEIGHT * json_object_size(fit->unknown);
    return FG_OK;
}

static fg_status consider(fg_family_fit *best, const fg_converter *converter, const fg_outline *outline,
                          fg_error *err) {
    fg_family_fit fit;
    fg_status status = make(&fit, converter, outline, err);
    if (status == FG_OK && (!best->converter || fit.distance < best->distance)) {
        fg_family_fit_free(best);
        *best = fit;
    } else {
        fg_family_fit_free(&fit);
    }
    return status;
}

fg_status fg_family_next(fg_catalogue *catalogue, const fg_format *format, size_t *index,
                         const fg_converter **converter, fg_error *err) {
    const fg_converter_entries *entries;
    *converter = NULL;
    FG_CALL(fg_converters_list(catalogue, &entries, err));
    while (*index < entries->count && !*converter) {
        const fg_converter_entry *entry = &entries->items[(*index)++];
        fg_error broken = {0};
        if (!entry->model_type || strcmp(entry->format, format->schema) != 0) continue;
        fg_status status = fg_converter_load_file(converter, catalogue, entry->path, &broken);
        if (status == FG_ERR_INPUT) *converter = NULL;
        if (status != FG_OK && status != FG_ERR_INPUT) return fg_fail_again(err, &broken);
    }
    return FG_OK;
}

fg_status fg_family_fit_nearest(fg_family_fit *fit, fg_catalogue *catalogue, const fg_format *format,
                                const fg_outline *outline, fg_error *err) {
    const fg_converter *converter;
    size_t index = 0;
    *fit = (fg_family_fit){0};
    FG_CALL(fg_family_next(catalogue, format, &index, &converter, err));
    while (converter) {
        FG_CALL(consider(fit, converter, outline, err));
        FG_CALL(fg_family_next(catalogue, format, &index, &converter, err));
    }
    if (fit->converter) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "there is no converter to %s that a new one could extend",
                   format->name);
}

void fg_family_fit_free(fg_family_fit *fit) {
    json_decref(fit->config);
    json_decref(fit->missing);
    json_decref(fit->extra);
    json_decref(fit->unknown);
    json_decref(fit->absent);
    *fit = (fg_family_fit){0};
}
