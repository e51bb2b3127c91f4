#include "translate/translator.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/visible_text.h"
#include "translate/custom.h"
#include "translate/primitive_functions.h"

enum { MESSAGE = 700, WHERE = 400, BRIEF = 120, PLACE = 300 };

/* ---- what primitives call ---- */

static fg_status add_refusal(fg_translator *t, const fg_declaration *d, const fg_error *said, fg_error *err) {
    char rule[MESSAGE];
    if (!t->refused) t->first = *said;
    if (t->refused++ >= FG_REFUSALS_SHOWN) return FG_OK;
    fg_buffer *all = &t->refusals;
    if (all->length) FG_CALL(fg_buffer_put(all, "\n  ", err));
    FG_CALL(fg_visible_add(said->text, strnlen(said->text, MESSAGE - 1), FG_VISIBLE_LINE, all, err));
    if (!d) return FG_OK;
    snprintf(rule, sizeof rule, " (rule \"%s\", %s:%u)", d->label, d->file, d->line);
    return fg_visible_add(rule, strlen(rule), FG_VISIBLE_LINE, all, err);
}

fg_status fg_translator_refuse(fg_translator *t, const fg_declaration *d, fg_error *err, const char *format,
                               ...) {
    fg_error said = {0};
    va_list arguments;
    va_start(arguments, format);
    fg_fail_list(&said, FG_ERR_INPUT, format, arguments);
    va_end(arguments);
    return add_refusal(t, d, &said, err);
}

fg_status fg_translator_refuse_value(fg_translator *t, const fg_declaration *d, const fg_frame *frame,
                                     const char *path, const json_t *value, fg_error *err, const char *format,
                                     ...) {
    fg_error why = {0}, said = {0};
    char place[PLACE], brief[BRIEF];
    va_list arguments;
    va_start(arguments, format);
    fg_fail_list(&why, FG_ERR_INPUT, format, arguments);
    va_end(arguments);
    if (frame)
        fg_translator_place(t, frame, path, place, sizeof place);
    else
        fg_translator_name(t, path, place, sizeof place);
    fg_fail(&said, FG_ERR_INPUT, "key \"%s\" = %s: %s", place, fg_json_brief(value, brief, sizeof brief),
            why.text);
    fg_fail_quoting(&said, &why);
    return add_refusal(t, d, &said, err);
}

/* The length of the refusals that a message has room for, whole lines (one at least), and their number. */
static size_t whole_lines(const char *text, size_t room, size_t *lines) {
    size_t fits = 0;
    for (const char *end = text; end && *end; (*lines)++) {
        end = strchr(end + 1, '\n');
        size_t length = end ? (size_t)(end - text) : strlen(text);
        if (*lines && length > room) return fits;
        fits = length;
    }
    return fits;
}

fg_status fg_translator_verdict(const fg_translator *t, fg_error *err) {
    if (!t->refused) return FG_OK;
    char more[48] = "";
    size_t lines = 0, used = strlen(t->options->file) + sizeof more + 2;
    size_t length = whole_lines(t->refusals.data, FG_ERROR_TEXT > used ? FG_ERROR_TEXT - used : 0, &lines);
    if (t->refused > lines) snprintf(more, sizeof more, "\n  and %zu more", t->refused - lines);
    fg_buffer file = {0};
    FG_CALL(fg_visible_add(t->options->file, strlen(t->options->file), FG_VISIBLE_LINE, &file, err));
    fg_fail_lines(err, FG_ERR_INPUT, "%s: %.*s%s", file.data ? file.data : "", (int)length, t->refusals.data,
                  more);
    fg_buffer_free(&file);
    return fg_fail_quoting(err, &t->first);
}

void fg_translator_free(fg_translator *t) {
    fg_claims_free(&t->claims[FG_SIDE_HF]);
    fg_claims_free(&t->claims[FG_SIDE_TARGET]);
    json_decref(t->source);
    json_decref(t->resolved);
    json_decref(t->result);
    json_decref(t->variables);
    fg_buffer_free(&t->refusals);
    *t = (fg_translator){0};
}

static const char *prefix_of(const fg_frame *frame, bool hf) {
    return !frame ? "" : hf ? frame->hf : frame->target;
}

fg_status fg_translator_claim(fg_translator *t, const fg_frame *frame, int side, const char *path,
                              const fg_declaration *d, fg_error *err) {
    const char *prefix = side == FG_SIDE_HF ? frame->hf : frame->target;
    return fg_claims_add(&t->claims[side], fg_path_resolve(prefix, path, err), d, err);
}

const char *fg_translator_name(const fg_translator *t, const char *path, char *buffer, size_t size) {
    return fg_custom_name(t, path, buffer, size);
}

const char *fg_translator_place(const fg_translator *t, const fg_frame *frame, const char *path, char *buffer,
                                size_t size) {
    char *full = fg_path_resolve(prefix_of(frame, t->direction == FG_IMPORT), path, NULL);
    fg_translator_name(t, full ? full : path, buffer, size);
    fg_free(full);
    return buffer;
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
    fg_status status = FG_OK;
    char before[BRIEF], after[BRIEF], *full = NULL;
    const char *place = prefix_of(frame, t->direction == FG_IMPORT);
    FG_TRY_NEW(full, fg_path_resolve(prefix_of(frame, t->direction == FG_EXPORT), path, err));
    const json_t *old = fg_json_at(t->result, full);
    if (!old)
        FG_TRY(fg_json_set_at(t->result, full, fg_json_deep_copy(value, err), err));
    else if (!fg_json_equal(old, value))
        FG_TRY(fg_translator_refuse(
            t, NULL, err,
            "\"%s\" would be %s and %s%s%s%s: two parts of the configuration differ that the "
            "other format cannot distinguish",
            full, fg_json_brief(old, before, sizeof before), fg_json_brief(value, after, sizeof after),
            *place ? " (the latter by \"" : "", place, *place ? "\")" : ""));
done:
    fg_free(full);
    return status;
}

fg_status fg_translator_write_new(fg_translator *t, const fg_frame *frame, const char *path, json_t *value,
                                  fg_error *err) {
    fg_status status = value ? fg_translator_write(t, frame, path, value, err)
                             : fg_fail(err, FG_ERR_MEMORY, "out of memory while translating \"%s\"", path);
    json_decref(value);
    return status;
}

fg_status fg_translator_note_vocabulary(fg_translator *t, const fg_frame *frame, const char *path,
                                        fg_error *err) {
    fg_status status = FG_OK;
    char *full = NULL;
    if (!t->vocabulary_sizes) goto done;
    FG_TRY_NEW(full, fg_path_resolve(prefix_of(frame, t->direction == FG_EXPORT), path, err));
    FG_TRY(fg_json_push(t->vocabulary_sizes, json_string(full), err));
done:
    fg_free(full);
    return status;
}

fg_status fg_translator_note_absent(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    const json_t *value, fg_error *err) {
    fg_status status = FG_OK;
    char *full = NULL;
    FG_TRY_NEW(full, fg_path_resolve(frame->hf, d->keys[0], err));
    FG_TRY(fg_json_put(t->resolved, full, fg_json_deep_copy(value, err), err));
done:
    fg_free(full);
    return status;
}

fg_status fg_translator_resolve(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                const json_t *value, bool comes_back, fg_error *err) {
    fg_status status = FG_OK;
    char *full = NULL;
    FG_TRY_NEW(full, fg_path_resolve(frame->hf, d->keys[0], err));
    if (comes_back) FG_TRY(fg_json_put(t->resolved, full, fg_json_deep_copy(value, err), err));
    if (!fg_json_equal(fg_json_at(t->source, full), value))
        FG_TRY(fg_json_set_at(t->source, full, fg_json_deep_copy(value, err), err));
done:
    fg_free(full);
    return status;
}

fg_status fg_translator_leave_out(fg_translator *t, const fg_frame *frame, const char *path,
                                  const json_t *value, const char *reason, const json_t *as, fg_error *err) {
    fg_status status = FG_OK;
    char *full = NULL;
    json_t *entry = NULL;
    if (!t->left_out) return FG_OK;
    FG_TRY_NEW(full, fg_path_resolve(prefix_of(frame, t->direction == FG_IMPORT), path, err));
    entry = json_object();
    FG_TRY(fg_json_put(entry, "key", json_string(full), err));
    FG_TRY(fg_json_put(entry, "value", fg_json_deep_copy(value, err), err));
    FG_TRY(fg_json_put(entry, "reason", json_string(reason), err));
    if (as) FG_TRY(fg_json_put(entry, "as", fg_json_deep_copy(as, err), err));
    FG_TRY(fg_json_push(t->left_out, json_incref(entry), err));
done:
    json_decref(entry);
    fg_free(full);
    return status;
}

fg_status fg_translator_leave_out_default(fg_translator *t, const fg_frame *frame, const char *path,
                                          const json_t *value, const char *reason, fg_error *err) {
    FG_CALL(fg_translator_leave_out(t, frame, path, value, reason, NULL, err));
    return fg_translator_mark_last(t, "absent", err);
}

fg_status fg_translator_mark_last(fg_translator *t, const char *member, fg_error *err) {
    json_t *entry = json_array_get(t->left_out, json_array_size(t->left_out) - 1);
    return entry ? fg_json_put(entry, member, json_true(), err) : FG_OK;
}

fg_status fg_translator_value(const fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              const char *name, json_t **value, fg_error *err) {
    char where[WHERE];
    (void)t;
    snprintf(where, sizeof where, "%s:%u: %s/%s", d->file, d->line, d->label, name);
    return fg_template_value(json_object_get(d->spec, name), &frame->scope, where, value, err);
}

/* ---- declarations and conditions ---- */

/* Rotary settings in a text, as the source's file calls them. New text. */
static char *named_as_in_file(const fg_translator *t, const char *text, fg_error *err) {
    static const char *const names[] = {"rope_scaling", "rope_parameters"};
    fg_buffer out = {0};
    char place[WHERE];
    fg_status status = fg_buffer_printf(&out, err, "%s", "");
    while (*text && status == FG_OK) {
        size_t i = 0;
        while (i < 2 && !fg_starts_with(text, names[i])) i++;
        status = i < 2
                     ? fg_buffer_printf(&out, err, "%s", fg_translator_name(t, names[i], place, sizeof place))
                     : fg_buffer_printf(&out, err, "%c", *text);
        text += i < 2 ? strlen(names[i]) : 1;
    }
    if (status == FG_OK) return out.data;
    fg_buffer_free(&out);
    return NULL;
}

/* [expression, message]; `rule` is its name or number. */
static fg_status check_condition(fg_translator *t, const fg_frame *frame, const json_t *condition, bool warn,
                                 const char *rule, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer facts = {0};
    char name[WHERE], *found = NULL;
    const char *text = json_string_value(json_array_get(condition, 0)),
               *message = json_string_value(json_array_get(condition, 1)),
               *place = fg_translator_name(t, prefix_of(frame, t->direction == FG_IMPORT), name, sizeof name);
    bool truth;
    FG_TRY(fg_expression_check(text, &frame->scope, rule, &truth, &facts, err));
    if (truth) goto done;
    if (warn) {
        FG_TRY(fg_warnings_add(t->warnings, err, "%s: %s", t->options->file, message));
        goto done;
    }
    FG_TRY_NEW(found, named_as_in_file(t, facts.length ? facts.data : "", err));
    const char *colon = *place ? ": " : "", *section = frame->section->name;
    FG_TRY(*found ? fg_translator_refuse(t, NULL, err, "%s%s%s; found %s (rule \"%s\" of sections/%s, %s)",
                                         place, colon, message, found, rule, section, t->file)
                  : fg_translator_refuse(t, NULL, err, "%s%s%s (rule \"%s\" of sections/%s, %s)", place,
                                         colon, message, rule, section, t->file));
done:
    fg_free(found);
    fg_buffer_free(&facts);
    return status;
}

static fg_status check_conditions(fg_translator *t, const fg_frame *frame, const json_t *conditions,
                                  bool warn, fg_error *err) {
    char number[24];
    json_t *item;
    FG_JSON_EACH(conditions, i, item) {
        snprintf(number, sizeof number, "%zu", i);
        FG_CALL(check_condition(t, frame, item, warn, number, err));
    }
    FG_JSON_MEMBERS(conditions, name, item) FG_CALL(check_condition(t, frame, item, warn, name, err));
    return FG_OK;
}

/* What the declaration claims; sections that it leads to claim for themselves, unless it names other leaves
 * ("keys"). */
static fg_status claim(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    bool claims_keys = !d->choice_count || json_object_get(d->spec, "keys");
    for (size_t i = 0; i < d->key_count && claims_keys; i++)
        FG_CALL(fg_translator_claim(t, frame, FG_SIDE_HF, d->keys[i], d, err));
    for (size_t i = 0; i < d->field_count; i++)
        FG_CALL(fg_translator_claim(t, frame, FG_SIDE_TARGET, d->fields[i], d, err));
    return FG_OK;
}

fg_status fg_translator_run(fg_translator *t, const fg_frame *frame, fg_error *err) {
    for (size_t i = 0; i < frame->section->count; i++) {
        const fg_declaration *d = &frame->section->items[i];
        FG_CALL(claim(t, frame, d, err));
        FG_CALL(fg_primitive_function(d->primitive->id, t->direction)(t, frame, d, err));
    }
    if (t->refused) return FG_OK; /* conditions rely on values that declarations have accepted */
    fg_frame resolved = *frame;   /* the object may have come into being meanwhile */
    resolved.scope.here = fg_json_at(t->source, prefix_of(frame, t->direction == FG_IMPORT));
    bool import = t->direction == FG_IMPORT;
    const json_t *spec = frame->section->spec;
    FG_CALL(check_conditions(t, &resolved, json_object_get(spec, import ? "import_if" : "export_if"), false,
                             err));
    return check_conditions(t, &resolved, json_object_get(spec, import ? "import_warn" : "export_warn"), true,
                            err);
}
