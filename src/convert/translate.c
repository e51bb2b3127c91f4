#include "convert/translate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "convert/defaults.h"
#include "convert/primitive.h"
#include "convert/rotary.h"
#include "convert/translator.h"

enum { BRIEF = 120, MESSAGE = 700, SHOWN = 8, WHERE = 400 };

/* ---- what primitives call ---- */

fg_status fg_translator_refuse(fg_translator *t, const fg_declaration *d, fg_error *err, const char *format,
                               ...) {
    char message[MESSAGE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (t->refused++ >= SHOWN) return FG_OK;
    fg_status status = fg_text_printf(&t->refusals, err, "%s%s", t->refusals.length ? "\n  " : "", message);
    if (status == FG_OK && d)
        status = fg_text_printf(&t->refusals, err, " (rule \"%s\", %s:%u)", d->label, d->file, d->line);
    return status;
}

static const char *prefix_of(const fg_frame *frame, bool hf) {
    return !frame ? "" : hf ? frame->hf : frame->target;
}

fg_status fg_translator_read(const fg_translator *t, const fg_frame *frame, const char *path, bool given,
                             const json_t **found, fg_error *err) {
    char *full = fg_path_resolve(prefix_of(frame, t->direction == FG_IMPORT), path, err);
    if (!full) return FG_ERR_MEMORY;
    *found = fg_json_at(given ? t->given : t->source, full);
    fg_free(full);
    return FG_OK;
}

fg_status fg_translator_write(fg_translator *t, const fg_frame *frame, const char *path, const json_t *value,
                              fg_error *err) {
    char *full = fg_path_resolve(prefix_of(frame, t->direction == FG_EXPORT), path, err);
    if (!full) return FG_ERR_MEMORY;
    fg_status status = fg_json_set_at(t->result, full, json_deep_copy(value), err);
    fg_free(full);
    return status;
}

fg_status fg_translator_settle(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                               const json_t *value, bool comes_back, fg_error *err) {
    fg_status status = FG_OK;
    char *full = NULL;
    FG_TRY_NEW(full, fg_path_resolve(frame->hf, d->keys[0], err));
    if (comes_back) FG_TRY(fg_json_put(t->settled, full, json_deep_copy(value), err));
    if (!fg_json_equal(fg_json_at(t->source, full), value))
        FG_TRY(fg_json_set_at(t->source, full, json_deep_copy(value), err));
done:
    fg_free(full);
    return status;
}

fg_status fg_translator_leave_out(fg_translator *t, const fg_frame *frame, const char *path,
                                  const json_t *value, const char *reason, fg_error *err) {
    fg_status status = FG_OK;
    char *full = NULL;
    json_t *entry = NULL;
    if (!t->left_out) return FG_OK;
    FG_TRY_NEW(full, fg_path_resolve(prefix_of(frame, t->direction == FG_IMPORT), path, err));
    entry = json_object();
    FG_TRY(fg_json_put(entry, "key", json_string(full), err));
    FG_TRY(fg_json_put(entry, "value", json_deep_copy(value), err));
    FG_TRY(fg_json_put(entry, "reason", json_string(reason), err));
    FG_TRY(fg_json_push(t->left_out, json_incref(entry), err));
done:
    json_decref(entry);
    fg_free(full);
    return status;
}

fg_status fg_translator_value(const fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              const char *name, json_t **value, fg_error *err) {
    char where[WHERE];
    (void)t;
    snprintf(where, sizeof where, "%s:%u: %s/%s", d->file, d->line, d->label, name);
    return fg_template_value(json_object_get(d->spec, name), &frame->scope, where, value, err);
}

/* ---- declarations and conditions ---- */

/* A condition that cannot be evaluated (text where a number belongs) does not hold. */
static fg_status holds(const fg_frame *frame, const char *text, const char *where, bool *truth, fg_error *why,
                       fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    json_t *value = NULL;
    *truth = false;
    FG_TRY(fg_expression_parse(&expression, text, where, err));
    status = fg_expression_evaluate(expression, &frame->scope, &value, why);
    if (status == FG_ERR_INPUT)
        status = FG_OK;
    else if (status != FG_OK)
        fg_fail(err, status, "%s", why->text);
    else
        *truth = fg_expression_truth(value);
done:
    json_decref(value);
    fg_expression_free(&expression);
    return status;
}

static fg_status check_conditions(fg_translator *t, const fg_frame *frame, const json_t *conditions,
                                  bool warn, fg_error *err) {
    fg_status status = FG_OK;
    char where[WHERE];
    size_t i;
    json_t *item;
    snprintf(where, sizeof where, "%s: a condition of sections/%s", fg_converter_file(t->converter),
             frame->section->name);
    json_array_foreach((json_t *)(uintptr_t)conditions, i, item) {
        const char *text = json_string_value(json_array_get(item, 0)),
                   *message = json_string_value(json_array_get(item, 1));
        bool truth;
        fg_error why = {0};
        FG_TRY(holds(frame, text, where, &truth, &why, err));
        if (truth) continue;
        if (warn)
            fg_warn("%s: %s", t->options->file, message);
        else if (why.status)
            FG_TRY(fg_translator_refuse(t, NULL, err, "%s (%s)", message, why.text));
        else
            FG_TRY(fg_translator_refuse(t, NULL, err, "%s (the condition is: %s)", message, text));
    }
done:
    return status;
}

fg_status fg_translator_run(fg_translator *t, const fg_frame *frame, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < frame->section->count; i++) {
        const fg_declaration *d = &frame->section->items[i];
        fg_status (*run)(fg_translator *, const fg_frame *, const fg_declaration *, fg_error *) =
            t->direction == FG_IMPORT ? d->primitive->import : d->primitive->export;
        if (run) FG_TRY(run(t, frame, d, err));
    }
    if (t->refused) goto done; /* conditions rely on values that declarations have accepted */
    fg_frame settled = *frame; /* the object may have come into being meanwhile */
    settled.scope.here = fg_json_at(t->source, prefix_of(frame, t->direction == FG_IMPORT));
    bool import = t->direction == FG_IMPORT;
    FG_TRY(check_conditions(t, &settled, import ? frame->section->import_if : frame->section->export_if,
                            false, err));
    if (import) FG_TRY(check_conditions(t, &settled, frame->section->import_warn, true, err));
done:
    return status;
}

/* ---- a whole configuration ---- */

static fg_status set_variables(fg_translator *t, fg_error *err) {
    fg_status status = FG_OK;
    fg_emitted_code code = fg_converter_code(t->converter);
    const struct {
        const char *name, *value;
    } rows[] = {
        {"model_type", fg_converter_model_type(t->converter)},
        {"version", t->options->version},
        {"module", code.module},
        {"config_class", code.config_class},
        {"model_class", code.model_class},
    };
    t->variables = json_object();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        FG_TRY(fg_json_put(t->variables, rows[i].name,
                           rows[i].value ? json_string(rows[i].value) : json_null(), err));
done:
    return status;
}

static const json_t *architectures(const fg_translator *t) {
    return json_object_get(json_object_get(fg_converter_document(t->converter), "hf"), "architectures");
}

static bool contains(const json_t *list, const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        if (fg_json_equal(item, value)) return true;
    }
    return false;
}

/* The class names confirm what the model type says; others mean another model. */
static fg_status import_architectures(fg_translator *t, fg_error *err) {
    const json_t *accepted = architectures(t), *found = json_object_get(t->given, "architectures");
    char brief[BRIEF], wanted[BRIEF];
    size_t i;
    json_t *item;
    if (!accepted || !found || json_is_null(found)) return FG_OK;
    bool known = json_is_array(found);
    json_array_foreach((json_t *)(uintptr_t)found, i, item) known &= contains(accepted, item);
    if (known) return FG_OK;
    return fg_translator_refuse(t, NULL, err,
                                "key \"architectures\" = %s: a class with another forward pass or head; %s "
                                "is converted with these: %s",
                                fg_json_brief(found, brief, sizeof brief),
                                fg_converter_model_type(t->converter),
                                fg_json_brief(accepted, wanted, sizeof wanted));
}

static fg_status export_architectures(fg_translator *t, fg_error *err) {
    json_t *first = json_array_get(architectures(t), 0);
    return first ? fg_json_put(t->result, "architectures", json_pack("[O]", first), err) : FG_OK;
}

/* Runs the root section with t->given and t->source set. */
static fg_status run_root(fg_translator *t, fg_error *err) {
    fg_status status = FG_OK;
    if (!t->declarations->root)
        return fg_fail(err, FG_ERR_INPUT, "%s: has no \"root\" section", fg_converter_file(t->converter));
    FG_TRY(set_variables(t, err));
    t->result = json_object();
    t->settled = json_object();
    if (!t->result || !t->settled)
        FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration"));
    fg_frame frame = {.section = t->declarations->root, .hf = "", .target = ""};
    frame.scope = (fg_scope){.here = t->source, .root = t->source, .variables = t->variables};
    FG_TRY(t->direction == FG_IMPORT ? import_architectures(t, err) : export_architectures(t, err));
    FG_TRY(fg_translator_run(t, &frame, err));
done:
    return status;
}

static void translator_free(fg_translator *t) {
    json_decref(t->source);
    json_decref(t->settled);
    json_decref(t->result);
    json_decref(t->variables);
    fg_text_free(&t->refusals);
    *t = (fg_translator){0};
}

static fg_status report_refusals(const fg_translator *t, fg_error *err) {
    if (!t->refused) return FG_OK;
    if (t->refused > SHOWN)
        fg_fail(err, FG_ERR_INPUT, "%s: %s\n  and %zu more", t->options->file, t->refusals.data,
                t->refused - SHOWN);
    else
        fg_fail(err, FG_ERR_INPUT, "%s: %s", t->options->file, t->refusals.data);
    fg_hint(err,
            "check that this is a plain %s model; a key that does not matter for it can be taken out "
            "of the file, and a converter that "
            "knows more can be given with --converter-path",
            fg_converter_model_type(t->converter));
    return FG_ERR_INPUT;
}

/* What came in must come back the same from what was written. */
static fg_status check_return(fg_translator *there, const json_t *defaults, fg_error *err) {
    fg_status status = FG_OK;
    const char *path;
    json_t *value;
    char before[BRIEF], after[BRIEF];
    fg_translate_options options = *there->options;
    options.max_length = 0;
    fg_translator back = *there;
    back.direction = FG_EXPORT;
    back.options = &options;
    back.given = there->result;
    back.left_out = back.settled = back.result = back.variables = NULL;
    back.refusals = (fg_text){0};
    back.source = json_deep_copy(there->result);
    if (!back.source) FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while checking a translation"));
    FG_TRY(run_root(&back, err));
    if (back.refused)
        FG_TRY(
            fg_translator_refuse(there, NULL, err, "the way back would be refused: %s", back.refusals.data));
    FG_TRY(fg_defaults_complete(back.result, defaults, err));
    json_object_foreach(there->settled, path, value) {
        const json_t *found = fg_json_at(back.result, path);
        bool same = found ? fg_json_equal(found, value) : json_is_null(value);
        const fg_claim *claim = fg_claims_find(&there->declarations->claims[FG_SIDE_HF], path);
        bool replaced =
            there->options->max_length && claim && json_object_get(claim->declaration->spec, "option");
        if (same || replaced ||
            (claim && claim->declaration->primitive->export != claim->declaration->primitive->import))
            continue;
        FG_TRY(fg_translator_refuse(
            there, claim ? claim->declaration : NULL, err, "key \"%s\" = %s would come back as %s", path,
            fg_json_brief(value, before, sizeof before), fg_json_brief(found, after, sizeof after)));
    }
done:
    translator_free(&back);
    return status;
}

static fg_status import(fg_translator *t, const json_t *defaults, fg_translation *translation,
                        fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_defaults_complete(t->source, defaults, err));
    FG_TRY(run_root(t, err));
    FG_TRY(fg_coverage_check(t, err));
    FG_TRY(report_refusals(t, err));
    FG_TRY(check_return(t, defaults, err));
    FG_TRY(report_refusals(t, err));
    translation->result = json_incref(t->result);
    translation->hf = json_incref(t->source);
done:
    return status;
}

static fg_status export(fg_translator *t, const json_t *defaults, fg_translation *translation,
                        fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(run_root(t, err));
    FG_TRY(fg_coverage_check(t, err));
    FG_TRY(report_refusals(t, err));
    translation->hf = json_deep_copy(t->result);
    if (!translation->hf)
        FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration"));
    FG_TRY(fg_defaults_complete(translation->hf, defaults, err));
    if (t->options->hf_version >= 5) FG_TRY(fg_rotary_to_newer(t->result, err));
    translation->result = json_incref(t->result);
done:
    return status;
}

fg_status fg_translate(const fg_converter *converter, const fg_converter_dirs *dirs, fg_direction direction,
                       const json_t *source, const fg_translate_options *options, fg_translation *translation,
                       fg_error *err) {
    fg_status status = FG_OK;
    json_t *given = NULL, *defaults = NULL;
    fg_translator t = {.converter = converter, .direction = direction, .options = options};
    *translation = (fg_translation){0};
    if (!json_is_object(source))
        FG_TRY(fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", options->file,
                       fg_json_kind(source)));
    t.declarations = fg_converter_declarations(converter);
    given = json_deep_copy(source);
    translation->left_out = t.left_out = json_array();
    if (!given || !t.left_out)
        FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration"));
    const fg_claims *claims = &t.declarations->claims[direction == FG_IMPORT ? FG_SIDE_HF : FG_SIDE_TARGET];
    if (!fg_claims_find(claims, "rope_parameters")) FG_TRY(fg_rotary_to_older(given, options->file, err));
    t.given = given;
    t.source = json_deep_copy(given);
    if (!t.source) FG_TRY(fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration"));
    FG_TRY(fg_defaults_load(dirs, fg_converter_model_type(converter), &defaults, err));
    FG_TRY(direction == FG_IMPORT ? import(&t, defaults, translation, err)
                                  : export(&t, defaults, translation, err));
done:
    translator_free(&t);
    json_decref(given);
    json_decref(defaults);
    if (status != FG_OK) fg_translation_free(translation);
    return status;
}

void fg_translation_free(fg_translation *translation) {
    json_decref(translation->result);
    json_decref(translation->hf);
    json_decref(translation->left_out);
    *translation = (fg_translation){0};
}
