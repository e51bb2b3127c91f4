#include "draft/draft_converter.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "draft/donor.h"
#include "draft/draft_names.h"
#include "language/todo.h"

enum { TEXT = 800, BRIEF = 80, SMALL = 2 };

typedef struct draft {
    const fg_draft_source *source;
    json_t *config, *tensors, *targets; /* borrowed; targets: NAME of hf -> name in the target */
} draft;

/* ---- parts that all drafts have ---- */

fg_status fg_draft_todo(json_t *object, fg_error *err, const char *format, ...) {
    char text[TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fg_json_put(object, FG_TODO, json_string(text), err);
}

static bool has_lists(const json_t *config) {
    json_t *value;
    FG_JSON_MEMBERS(config, key, value) {
        if (json_array_size(value) > SMALL) return true;
    }
    return false;
}

/* The configuration for lint, with few layers unless some key has a value for each. */
static fg_status add_example(const fg_draft_source *s, json_t *document, fg_error *err) {
    json_t *example = fg_json_copy(s->config, err);
    FG_CALL(fg_json_put(document, "example", example, err));
    json_object_del(example, "architectures");
    json_object_del(example, "transformers_version");
    json_int_t layers = json_integer_value(json_object_get(example, "num_hidden_layers"));
    if (layers <= SMALL || has_lists(s->config)) return FG_OK;
    return fg_json_put(example, "num_hidden_layers", json_integer(SMALL), err);
}

fg_status fg_draft_begin(const fg_draft_source *s, const fg_format *format, json_t **document,
                         fg_error *err) {
    fg_status status = FG_OK;
    char *extends = NULL, *about = NULL;
    const json_t *architectures = json_object_get(s->config, "architectures");
    const char *nearest = fg_converter_model_type(s->fit->converter);
    *document = NULL;
    FG_TRY_NEW(extends, fg_strformat(err, "%s", fg_path_name(fg_converter_file(s->fit->converter))));
    FG_TRY_NEW(about, fg_strformat(err, "%s: %s with what differs", s->model_type, nearest));
    FG_TRY_NEW(*document, json_pack("{s:s, s:s, s:s, s:s}", "format", format->schema, "extends", extends,
                                    "model_type", s->model_type, "about", about));
    if (json_array_size(architectures) && !format->spec)
        FG_TRY(fg_json_put(*document, "hf", json_pack("{s:O}", "architectures", architectures), err));
    FG_TRY(add_example(s, *document, err));
done:
    fg_free(extends);
    fg_free(about);
    return status;
}

/* ---- keys ---- */

static const char *type_of(const json_t *value) {
    if (json_is_boolean(value)) return "flag";
    if (json_is_integer(value)) return "size";
    return json_is_real(value) ? "number" : json_is_string(value) ? "text" : NULL;
}

/* The nearest family's declaration of the key makes way, unless it is replaced by one of the same label. */
static fg_status take_away(draft *d, const char *key, const char *label, fg_error *err) {
    const fg_declaration *old = fg_family_claim(d->source->fit->converter, key);
    json_t *rest, *keys, *item;
    if (!old || strcmp(old->label, label) == 0 || json_object_get(d->config, old->label)) return FG_OK;
    if (old->key_count == 1) return fg_json_put(d->config, old->label, json_null(), err);
    FG_CALL_NEW(rest, fg_json_copy(old->spec, err));
    FG_CALL(fg_json_put(d->config, old->label, rest, err));
    FG_CALL_NEW(keys, fg_json_put_array(rest, "hf", err));
    FG_JSON_EACH(json_object_get(old->spec, "hf"), i, item) {
        if (strcmp(json_string_value(item), key) != 0) FG_CALL(fg_json_push(keys, json_incref(item), err));
    }
    return FG_OK;
}

static fg_status declare(draft *d, const char *key, const char *label, json_t *declaration, fg_error *err) {
    FG_CALL(fg_json_put(d->config, label, declaration, err)); /* which owns it */
    return take_away(d, key, label, err);
}

/* A key that no family carries, but the emitted code reads under the same name. */
static fg_status declare_code_key(draft *d, const char *key, const json_t *value, fg_error *err) {
    const char *type = type_of(value);
    json_t *made = json_pack("{s:s, s:s*}", "rename", key, "type", type);
    FG_CALL(declare(d, key, key, made, err));
    return fg_draft_todo(made, err,
                         "a guess: the emitted code has a key of this name. Does it mean the same there?");
}

static fg_status declare_unknown(draft *d, const char *key, const json_t *value, fg_error *err) {
    char label[BRIEF], brief[BRIEF];
    json_t *made =
        json_pack("{s:s, s:[s], s:[O]}", "ignored", "only this value is known", "hf", key, "neutral", value);
    snprintf(label, sizeof label, "hf %.*s", BRIEF - 8, key);
    FG_CALL(declare(d, key, label, made, err));
    return fg_draft_todo(
        made, err,
        "%s = %s is in no family. If it does not change what the model computes, say why in \"ignored\" "
        "(without \"neutral\", if that holds for each value); if it does, carry it over",
        key, fg_json_brief(value, brief, sizeof brief));
}

static fg_status add_unknown(draft *d, const char *key, const json_t *value, fg_error *err) {
    const fg_declaration *donor;
    if (fg_pairing_uses(d->source->pairing->keys, key)) return FG_OK;
    FG_CALL(fg_donor_key(d->source->fit, key, value, &donor, err));
    if (donor) return declare(d, key, donor->label, fg_json_deep_copy(donor->spec, err), err);
    return json_object_get(json_object_get(d->source->code, "config"), key)
               ? declare_code_key(d, key, value, err)
               : declare_unknown(d, key, value, err);
}

/* The family's declaration of a key that the model calls otherwise. */
static fg_status add_renamed(draft *d, const char *key, const char *label, fg_error *err) {
    bool sure;
    const char *name = fg_pairing_name(d->source->pairing->keys, key, &sure);
    const fg_declaration *old = fg_family_claim(d->source->fit->converter, key);
    json_t *made = fg_json_deep_copy(old->spec, err);
    FG_CALL(fg_json_put(d->config, label, made, err));
    bool constant = json_object_get(made, "constant_export") != NULL;
    FG_CALL(fg_json_put(made, constant ? "hf" : "rename", json_string(name), err));
    return sure ? FG_OK
                : fg_draft_todo(made, err, "a guess: is %s what %s calls %s?", name,
                                fg_converter_model_type(d->source->fit->converter), key);
}

static fg_status add_absent(draft *d, const char *key, const char *label, fg_error *err) {
    if (fg_pairing_name(d->source->pairing->keys, key, NULL)) return add_renamed(d, key, label, err);
    const fg_declaration *old = fg_family_claim(d->source->fit->converter, key);
    if (old->absence[FG_SIDE_TARGET].means) /* nobody needs it: a key of that family alone */
        return fg_json_put(d->config, label, json_null(), err);
    json_t *made = fg_json_deep_copy(old->spec, err);
    FG_CALL(fg_json_put(d->config, label, made, err));
    return fg_draft_todo(
        made, err,
        "config.json has no %s. What does the model's code do without it? If it assumes a value, "
        "{\"default\": VALUE, \"rename\": \"%s\"}; if it has no such key, {\"constant_import\": VALUE}, "
        "or null where the target has none either",
        key, key);
}

static fg_status add_keys(draft *d, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(d->source->fit->absent, key, value)
        FG_CALL(add_absent(d, key, json_string_value(value), err));
    FG_JSON_MEMBERS(d->source->fit->unknown, key, value) FG_CALL(add_unknown(d, key, value, err));
    return FG_OK;
}

/* ---- tensors ---- */

static fg_status note_target(draft *d, const char *name, const fg_converter *by, const char *like,
                             fg_error *err) {
    char *target = NULL;
    FG_CALL(fg_donor_target(by, like, &target, err));
    fg_status status = fg_json_put(d->targets, name, json_string(target ? target : name), err);
    fg_free(target);
    return status;
}

/* The rule of a tensor of the nearest family, for the model's name and keys. */
static fg_status add_paired(draft *d, const char *family, const char *name, bool sure, fg_error *err) {
    const fg_converter *nearest = d->source->fit->converter;
    json_t *rule;
    FG_CALL(fg_pairing_rename(d->source->pairing, json_object_get(fg_family_tensors(nearest), family), &rule,
                              err));
    FG_CALL(fg_json_put(d->tensors, name, rule, err));
    FG_CALL(note_target(d, name, nearest, family, err));
    return sure ? FG_OK
                : fg_draft_todo(rule, err, "a guess by name and shape: is this %s's %s?",
                                fg_converter_model_type(nearest), family);
}

static fg_status add_missing(draft *d, const char *name, fg_error *err) {
    bool sure;
    const char *model = fg_pairing_name(d->source->pairing->tensors, name, &sure);
    FG_CALL(fg_json_put(d->tensors, name, json_null(), err));
    return model ? add_paired(d, name, model, sure, err) : FG_OK;
}

/* How often the tensors of blocks are there. Borrowed. */
static json_t *repeat_of(const draft *d) {
    json_t *rule;
    FG_JSON_MEMBERS(fg_family_tensors(d->source->fit->converter), name, rule) {
        json_t *repeat = json_object_get(rule, "repeat");
        if (repeat) return repeat;
    }
    return NULL;
}

/* The sizes as numbers: the author knows the expressions. */
static fg_status add_new(draft *d, const char *name, const json_t *shape, fg_error *err) {
    json_t *rule = json_pack("{s:O}", "shape", shape), *repeat = repeat_of(d);
    FG_CALL(fg_json_put(d->tensors, name, rule, err));
    if (strstr(name, "{i}") && repeat) FG_CALL(fg_json_put(rule, "repeat", json_incref(repeat), err));
    FG_CALL(fg_json_put(d->targets, name, json_string(name), err));
    return fg_draft_todo(
        rule, err,
        "no family has this tensor. Write its shape by keys, and in to_forgather and to_hf what the "
        "code calls it; if the code has nothing for it, the family needs code of its own");
}

/* A tensor that no family has: perhaps the emitted code does. */
static fg_status add_parameter(draft *d, const char *name, const json_t *shape, fg_error *err) {
    json_t *rule;
    const json_t *parameters = json_object_get(d->source->code, "parameters");
    FG_CALL(fg_donor_parameter(d->source->fit, parameters, name, shape, &rule, err));
    return rule ? fg_json_put(d->tensors, name, rule, err) : add_new(d, name, shape, err);
}

static fg_status add_extra(draft *d, const char *name, const json_t *shape, fg_error *err) {
    const fg_converter *donor;
    json_t *rule, *found;
    if (fg_pairing_uses(d->source->pairing->tensors, name)) return FG_OK;
    FG_CALL(fg_donor_tensor(d->source->fit, name, shape, &donor, err));
    if (!donor) return add_parameter(d, name, shape, err);
    FG_CALL(
        fg_pairing_rename(d->source->pairing, json_object_get(fg_family_tensors(donor), name), &rule, err));
    FG_CALL(fg_json_put(d->tensors, name, rule, err));
    FG_CALL(fg_donor_resolve(d->source->fit, name, rule, &found, err));
    json_decref(found);
    return note_target(d, name, donor, name, err);
}

/* Rules of tensors that both have, where they name a key that the model calls otherwise. */
static fg_status add_rewritten(draft *d, const char *name, const json_t *rule, fg_error *err) {
    json_t *renamed;
    if (json_object_get(d->source->fit->missing, name)) return FG_OK;
    FG_CALL(fg_pairing_rename(d->source->pairing, rule, &renamed, err));
    if (!fg_json_equal(renamed, rule)) return fg_json_put(d->tensors, name, renamed, err);
    json_decref(renamed);
    return FG_OK;
}

static fg_status add_tensors(draft *d, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(d->source->fit->missing, name, value) FG_CALL(add_missing(d, name, err));
    FG_JSON_MEMBERS(d->source->fit->extra, name, value) FG_CALL(add_extra(d, name, value, err));
    FG_JSON_MEMBERS(fg_family_tensors(d->source->fit->converter), name, value)
        FG_CALL(add_rewritten(d, name, value, err));
    return FG_OK;
}

/* Tensors of the nearest family that nothing of the model stands for. */
static fg_status ask_about_missing(const draft *d, json_t *document, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer names = {0};
    json_t *value;
    FG_JSON_MEMBERS(d->source->fit->missing, name, value) {
        if (!fg_pairing_name(d->source->pairing->tensors, name, NULL))
            FG_TRY(fg_buffer_printf(&names, err, "%s%s", names.length ? ", " : "", name));
    }
    if (names.length)
        FG_TRY(fg_draft_todo(document, err, "%s has %s, this model has not. What does its code do without?",
                             fg_converter_model_type(d->source->fit->converter), names.data));
done:
    fg_buffer_free(&names);
    return status;
}

fg_status fg_draft_converter(const fg_draft_source *source, json_t **document, fg_error *err) {
    fg_status status = FG_OK;
    draft d = {.source = source, .targets = json_object()};
    const fg_section *root = fg_converter_declarations(source->fit->converter)->root;
    json_t *sections, *section;
    FG_TRY(fg_draft_begin(source, fg_converter_format(source->fit->converter), document, err));
    FG_TRY_NEW(sections, fg_json_put_object(*document, "sections", err));
    FG_TRY_NEW(section, fg_json_put_object(sections, root->name, err));
    FG_TRY_NEW(d.config, fg_json_put_object(section, "config", err));
    FG_TRY_NEW(d.tensors, fg_json_put_object(*document, "tensors", err));
    FG_TRY(add_keys(&d, err));
    FG_TRY(add_tensors(&d, err));
    FG_TRY(fg_draft_names(source->fit->converter, d.tensors, d.targets, *document, err));
    FG_TRY(ask_about_missing(&d, *document, err));
    if (!json_object_size(d.config)) json_object_del(*document, "sections");
    if (!json_object_size(d.tensors)) json_object_del(*document, "tensors");
done:
    json_decref(d.targets);
    return status;
}
