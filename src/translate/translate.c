#include "translate/translate.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/shell_word.h"
#include "language/defaults.h"
#include "language/hf_keys.h"
#include "translate/custom.h"
#include "translate/layer_overrides.h"
#include "translate/rotary_settings.h"
#include "translate/translator.h"

enum { BRIEF = 120, PATH = 300 };

static fg_status set_variables(fg_translator *t, fg_error *err) {
    fg_emitted_code code = fg_converter_code(t->converter);
    const struct {
        const char *name, *value;
    } rows[] = {
        {"model_type", fg_converter_model_type(t->converter)},
        {"hf_model_type", fg_converter_hf_model_type(t->converter)},
        {"version", t->options->version},
        {"module", code.module},
        {"config_class", code.config_class},
        {"model_class", code.model_class},
    };
    t->variables = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        FG_CALL(fg_json_put(t->variables, rows[i].name,
                            rows[i].value ? json_string(rows[i].value) : json_null(), err));
    return FG_OK;
}

static const json_t *architectures(const fg_translator *t) {
    return json_object_get(json_object_get(t->document, "hf"), "architectures");
}

/* The class names confirm what the model type says; others mean another model. */
static fg_status import_architectures(fg_translator *t, fg_error *err) {
    const json_t *accepted = architectures(t), *found = json_object_get(t->given, "architectures");
    char wanted[BRIEF];
    json_t *item;
    if (!accepted || !found || json_is_null(found)) return FG_OK;
    bool known = json_is_array(found);
    FG_JSON_EACH(found, i, item) known &= fg_json_contains(accepted, item);
    if (known) return FG_OK;
    return fg_translator_refuse_value(
        t, NULL, NULL, "architectures", found, err,
        "a class with another forward pass or head; %s is converted with these: %s",
        fg_converter_model_type(t->converter), fg_json_brief(accepted, wanted, sizeof wanted));
}

static fg_status export_architectures(fg_translator *t, fg_error *err) {
    json_t *first = json_array_get(architectures(t), 0);
    return first ? fg_json_put(t->result, "architectures", json_pack("[O]", first), err) : FG_OK;
}

/* Runs the root section with t->given and t->source set. */
static fg_status run_root(fg_translator *t, fg_error *err) {
    if (!t->declarations->root) return fg_fail(err, FG_ERR_INPUT, "%s: has no \"root\" section", t->file);
    FG_CALL(set_variables(t, err));
    t->result = json_object();
    t->resolved = json_object();
    if (!t->result || !t->resolved)
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration");
    fg_frame frame = {.section = t->declarations->root, .hf = "", .target = ""};
    if (architectures(t)) FG_CALL(fg_translator_claim(t, &frame, FG_SIDE_HF, "architectures", NULL, err));
    frame.scope = (fg_scope){.here = t->source, .root = t->source, .variables = t->variables};
    FG_CALL(t->direction == FG_IMPORT ? import_architectures(t, err) : export_architectures(t, err));
    return fg_translator_run(t, &frame, err);
}

/* What a refusal says itself comes first; a key that is only unknown may be one that does not matter. */
static fg_status report_refusals(const fg_translator *t, fg_error *err) {
    const char *family = fg_converter_model_type(t->converter);
    char key[FG_SHELL_WORD];
    if (fg_translator_verdict(t, err) == FG_OK) return FG_OK;
    if (t->hint) return fg_hint(err, "%s", t->hint);
    if (*t->unknown)
        return fg_hint(
            err,
            "check that this is a plain %s model; if an unknown key does not change what it computes, "
            "--ignore-key %s leaves it out; a converter that knows more can be given with "
            "--converter-path",
            family, fg_shell_word(t->unknown, key));
    return fg_hint(err,
                   "check that this is a plain %s model; a converter that knows more can be given with "
                   "--converter-path",
                   family);
}

/* Calls `set` for each of the converter's "options" that is given. */
static fg_status each_option(fg_translator *t,
                             fg_status (*set)(fg_translator *t, const char *path, json_t *value,
                                              fg_error *err),
                             fg_error *err) {
    json_t *option;
    FG_JSON_MEMBERS(json_object_get(t->document, "options"), path, option) {
        uint64_t value = 0;
        const char *name = json_string_value(option);
        if (!name || !fg_translate_option(t->options, name, &value))
            return fg_fail(err, FG_ERR_INPUT, "%s: options/%s: there is no option \"%s\"", t->file, path,
                           name ? name : "(no text)");
        if (value) FG_CALL(set(t, path, json_integer((json_int_t)value), err));
        if (t->direction == FG_EXPORT && fg_option_find(name) == FG_OPTION_VOCAB_SIZE)
            FG_CALL(fg_json_push(t->vocabulary_sizes, json_string(path), err));
    }
    return FG_OK;
}

/* An import notes the value where it is left out; an export writes it. Both take over the reference. */
static fg_status set_left_out(fg_translator *t, const char *path, json_t *value, fg_error *err) {
    json_t *entry;
    FG_JSON_EACH(t->left_out, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        if (key && strcmp(key, path) == 0) return fg_json_put(entry, "value", value, err);
    }
    entry = json_pack("{s:s, s:o, s:s}", "key", path, "value", value, "reason", "a command-line option");
    return fg_json_push(t->left_out, entry, err);
}

static fg_status set_result(fg_translator *t, const char *path, json_t *value, fg_error *err) {
    return fg_json_set_at(t->result, path, value, err);
}

/* ---- targets with classes ---- */

static fg_status say_problem(void *context, const char *path, const char *what, fg_error *err) {
    return fg_translator_refuse(context, NULL, err, "\"%s\": %s", path, what);
}

/* The target's configuration with its defaults; NULL for a target without classes. What is wrong with it is
 * refused. */
static fg_status complete_target(fg_translator *t, const json_t *target, json_t **completed, fg_error *err) {
    fg_class_problems problems = {.say = say_problem, .context = t};
    *completed = NULL;
    if (!t->classes || !t->declarations->root || !t->declarations->root->class_name) return FG_OK;
    return fg_class_complete(t->classes, t->declarations->root->class_name, target, &problems, completed,
                             err);
}

/* ---- the way back ---- */

/* Whether a declaration is meant to come back another way, or not at all. */
static bool may_differ(const fg_translator *there, const fg_declaration *d) {
    uint64_t value;
    const char *option = d ? json_string_value(json_object_get(d->spec, "option")) : NULL;
    if (option && fg_translate_option(there->options, option, &value) && value) return true;
    return d && d->primitive->one_way;
}

static fg_status compare_return(fg_translator *there, const json_t *back, fg_error *err) {
    json_t *value;
    char before[BRIEF], after[BRIEF], place[PATH];
    FG_JSON_MEMBERS(there->resolved, path, value) {
        const json_t *found = fg_json_at(back, path);
        const fg_claim *claim = fg_claims_find(&there->claims[FG_SIDE_HF], path);
        const fg_declaration *d = claim ? claim->declaration : NULL;
        bool same = found ? fg_json_equal(found, value) : json_is_null(value);
        if (same || may_differ(there, d)) continue;
        FG_CALL(fg_translator_refuse(there, d, err, "key \"%s\" = %s would come back as %s",
                                     fg_translator_name(there, path, place, sizeof place),
                                     fg_json_brief(value, before, sizeof before),
                                     fg_json_brief(found, after, sizeof after)));
    }
    return FG_OK;
}

/* Adds the defaults of the models inside, such as the text model of a vision model: "defaults" says where
 * they stand and which type they are if they do not say so themselves. */
static fg_status complete_inside(const fg_translator *t, json_t *hf, fg_error *err) {
    json_t *type;
    const json_t *defaults;
    FG_JSON_MEMBERS(json_object_get(t->document, "defaults"), path, type) {
        json_t *inside = fg_json_at(hf, path);
        const char *own = json_string_value(json_object_get(inside, "model_type"));
        if (!json_is_object(inside)) continue;
        FG_CALL(fg_defaults_load(fg_converter_catalogue(t->converter), own ? own : json_string_value(type),
                                 &defaults, err));
        FG_CALL(fg_defaults_complete(inside, defaults, err));
    }
    return FG_OK;
}

/* Adds the family's defaults to hf's configuration, which is in the spelling that declarations see, and stays
 * so. */
static fg_status complete_hf(const fg_translator *t, json_t *hf, const json_t *defaults, fg_error *err) {
    FG_CALL(fg_custom_run(t, FG_CUSTOM_BEFORE_DEFAULTS, hf, err));
    FG_CALL(fg_defaults_complete(hf, defaults, err));
    FG_CALL(complete_inside(t, hf, err));
    return fg_custom_run(t, FG_CUSTOM_AFTER_DEFAULTS, hf, err);
}

/* What came in must come back the same from what was written. */
static fg_status check_return(fg_translator *there, const json_t *target, const json_t *defaults,
                              fg_error *err) {
    fg_status status = FG_OK;
    fg_translate_options options = *there->options;
    options.max_length = 0;
    fg_translator back = {.converter = there->converter,
                          .document = there->document,
                          .file = there->file,
                          .declarations = there->declarations,
                          .direction = FG_EXPORT,
                          .options = &options,
                          .hf_keys = there->hf_keys,
                          .classes = there->classes,
                          .given = there->result};
    FG_TRY_NEW(back.source, fg_json_deep_copy(target ? target : there->result, err));
    FG_TRY(run_root(&back, err));
    if (back.refused)
        FG_TRY(fg_translator_refuse(there, NULL, err,
                                    "round-trip check failed: the reverse conversion refuses: %s",
                                    back.refusals.data));
    FG_TRY(complete_hf(&back, back.result, defaults, err));
    FG_TRY(compare_return(there, back.result, err));
done:
    fg_translator_free(&back);
    return status;
}

/* ---- directions ---- */

/* Whether the target that is being made has a configuration that such a field belongs to: of what it does not
 * hold (yet), the class of what does must have the field. */
static bool has_target_place(const fg_translator *t, const char *key) {
    char above[PATH] = "";
    const char *root = t->declarations->root->class_name, *rest = key;
    if (!t->classes || !root || strlen(key) >= sizeof above) return false;
    for (const char *slash; (slash = strchr(rest, '/')) != NULL; rest = slash + 1) {
        char next[PATH];
        snprintf(next, sizeof next, "%.*s", (int)(slash - key), key);
        if (!json_is_object(fg_json_at(t->result, next))) break;
        memcpy(above, next, sizeof above);
    }
    char field[PATH];
    fg_field found;
    snprintf(field, sizeof field, "%.*s", (int)strcspn(rest, "/"), rest);
    const char *class_name = fg_class_at(t->classes, root, t->result, above);
    return class_name && fg_class_field(t->classes, class_name, field, &found);
}

/* Whether what is being made has a place for what the other direction left out. What hf's key stood for, it
 * stands for only where a declaration still writes it; a key that no declaration had can always be there. */
static bool has_place(const fg_translator *t, const char *key, const json_t *entry) {
    if (t->direction == FG_IMPORT) return has_target_place(t, key);
    bool claimed = json_object_get(entry, "as") || json_object_get(entry, "absent");
    return !claimed || fg_claims_find(&t->claims[FG_SIDE_HF], key);
}

/* Puts back what the other direction left out: keys that were not written, and values of which what stands
 * for them was written. */
static fg_status put_back(fg_translator *t, fg_error *err) {
    json_t *entry;
    FG_JSON_EACH(t->options->carried, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        const json_t *found = key ? fg_json_at(t->result, key) : NULL;
        json_t *value = json_object_get(entry, "value");
        if (!key || !value || (found && !fg_json_equal(found, json_object_get(entry, "as")))) continue;
        if (!has_place(t, key, entry)) {
            FG_CALL(fg_warnings_add(
                t->warnings, err,
                "%s: \"%s\", which an earlier checkpoint had, does not fit this model; it is not restored",
                t->options->file, key));
            continue;
        }
        FG_CALL(fg_json_set_at(t->result, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

/* Coverage of the source's keys, with those that the user says do not matter. */
static fg_status check_source(fg_translator *t, fg_error *err) {
    FG_CALL(fg_ignored_keys_check(t, err));
    FG_CALL(fg_coverage_check(t, err));
    FG_CALL(report_refusals(t, err));
    return fg_ignored_keys_warn(t, err);
}

static fg_status import(fg_translator *t, const json_t *defaults, fg_translation *translation,
                        fg_error *err) {
    FG_CALL(complete_hf(t, t->source, defaults, err));
    FG_CALL(run_root(t, err));
    FG_CALL(check_source(t, err));
    FG_CALL(put_back(t, err));
    FG_CALL(complete_target(t, t->result, &translation->target, err));
    if (translation->target && !t->refused) FG_CALL(fg_coverage_architecture(t, translation->target, err));
    FG_CALL(report_refusals(t, err));
    FG_CALL(check_return(t, translation->target, defaults, err));
    FG_CALL(report_refusals(t, err));
    if (t->options->coverage_only) return FG_OK;
    FG_CALL(each_option(t, set_left_out, err));
    translation->result = json_incref(t->result);
    translation->hf = json_incref(t->source);
    return FG_OK;
}

/* Adds what the absence of keys that are not written means. */
static fg_status add_absent(const fg_translator *t, json_t *hf, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(t->resolved, path, value) {
        if (!fg_json_at(hf, path)) FG_CALL(fg_json_set_at(hf, path, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
}

static fg_status export(fg_translator *t, const json_t *defaults, fg_translation *translation,
                        fg_error *err) {
    if (t->classes) FG_CALL(fg_ignored_keys_refuse(t, err));
    FG_CALL(complete_target(t, t->given, &translation->target, err));
    FG_CALL(report_refusals(t, err));
    if (translation->target) {
        json_decref(t->source);
        FG_CALL_NEW(t->source, fg_json_deep_copy(translation->target, err));
    }
    FG_CALL(run_root(t, err));
    if (translation->target) {
        FG_CALL(fg_coverage_architecture(t, translation->target, err));
        FG_CALL(fg_coverage_leave_out(t, err));
    }
    FG_CALL(translation->target ? report_refusals(t, err) : check_source(t, err));
    if (t->options->coverage_only) return FG_OK;
    FG_CALL(put_back(t, err));
    FG_CALL(each_option(t, set_result, err));
    FG_CALL_NEW(translation->hf, fg_json_deep_copy(t->result, err));
    FG_CALL(complete_hf(t, translation->hf, defaults, err));
    FG_CALL(add_absent(t, translation->hf, err));
    FG_CALL(fg_custom_run(t, FG_CUSTOM_WRITE, t->result, err));
    translation->result = json_incref(t->result);
    return FG_OK;
}

/* Brings the source into the form that declarations see. */
static fg_status spell_given(const fg_translator *t, json_t *given, const json_t *defaults, fg_error *err) {
    const json_t *overrides = json_object_get(t->document, "layer_overrides");
    if (t->direction == FG_EXPORT && t->classes) return FG_OK;
    FG_CALL(fg_custom_run(t, FG_CUSTOM_READ, given, err));
    if (t->direction == FG_IMPORT && overrides)
        FG_CALL(fg_layer_overrides_resolve(given, overrides, defaults, t->options->file, err));
    return FG_OK;
}

/* Which rule claims each path of a side. */
static fg_status name_rules(const fg_translator *t, int side, json_t **rules, fg_error *err) {
    const fg_claims *claims = &t->claims[side];
    char place[PATH];
    bool is_read = (side == FG_SIDE_HF) == fg_translator_imports(t);
    FG_CALL_NEW(*rules, json_object());
    for (size_t i = 0; i < claims->count; i++) {
        const fg_declaration *rule = claims->items[i].declaration;
        const char *path = claims->items[i].path;
        if (!rule) continue;
        char *name = fg_strformat(err, "%s:%u %s", fg_path_name(rule->file), rule->line, rule->label);
        if (is_read) path = fg_translator_name(t, path, place, sizeof place);
        fg_status status = name ? fg_json_put(*rules, path, json_string(name), err) : FG_ERR_MEMORY;
        fg_free(name);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

fg_status fg_translate(const fg_converter *converter, fg_direction direction, const json_t *source,
                       const fg_translate_options *options, fg_translation *translation, fg_error *err) {
    fg_status status = FG_OK;
    json_t *given = NULL;
    const json_t *defaults;
    fg_catalogue *catalogue = fg_converter_catalogue(converter);
    fg_translator t = {.converter = converter,
                       .document = fg_converter_document(converter),
                       .file = fg_converter_file(converter),
                       .direction = direction,
                       .options = options,
                       .warnings = &translation->warnings};
    *translation = (fg_translation){0};
    if (!json_is_object(source))
        FG_FAIL(err, FG_ERR_INPUT, "%s: found %s, expected an object", options->file, fg_json_kind(source));
    t.declarations = fg_converter_declarations(converter);
    if (direction == FG_IMPORT) t.file_config = source;
    FG_TRY(fg_hf_keys_load(catalogue, &t.hf_keys, err));
    given = fg_json_deep_copy(source, err);
    translation->newer_rotary = direction == FG_IMPORT && fg_rotary_settings_are_newer(source);
    translation->left_out = t.left_out = json_array();
    translation->vocabulary_sizes = t.vocabulary_sizes = json_array();
    if (!given || !t.left_out || !t.vocabulary_sizes)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while translating a configuration");
    FG_TRY(fg_classes_load(&t.classes, catalogue, fg_converter_format(converter), err));
    FG_TRY(fg_defaults_load(catalogue, fg_converter_hf_model_type(converter), &defaults, err));
    FG_TRY(spell_given(&t, given, defaults, err));
    t.given = given;
    FG_TRY_NEW(t.source, fg_json_deep_copy(given, err));
    FG_TRY(direction == FG_IMPORT ? import(&t, defaults, translation, err)
                                  : export(&t, defaults, translation, err));
    for (int side = 0; side < 2; side++) FG_TRY(name_rules(&t, side, &translation->rules[side], err));
done:
    fg_translator_free(&t);
    json_decref(given);
    if (status != FG_OK) fg_translation_free(translation);
    return status;
}

fg_status fg_translation_grow(const fg_translation *translation, uint64_t rows, json_t **result,
                              fg_error *err) {
    json_t *path;
    FG_CALL_NEW(*result, fg_json_deep_copy(translation->result, err));
    FG_JSON_EACH(translation->vocabulary_sizes, i, path)
        FG_CALL(fg_json_set_at(*result, json_string_value(path), json_integer((json_int_t)rows), err));
    return FG_OK;
}

void fg_translation_free(fg_translation *translation) {
    json_decref(translation->result);
    json_decref(translation->hf);
    json_decref(translation->target);
    json_decref(translation->left_out);
    json_decref(translation->vocabulary_sizes);
    json_decref(translation->rules[FG_SIDE_HF]);
    json_decref(translation->rules[FG_SIDE_TARGET]);
    fg_warnings_free(&translation->warnings);
    *translation = (fg_translation){0};
}
