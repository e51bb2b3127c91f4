/* The primitives that lead to other sections: nested, dispatch, typed_dict. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/choice.h"
#include "translate/section_primitives.h"

enum { BRIEF = 120 };

const char *fg_member_text(const fg_declaration *d, const char *modifier, const char *otherwise) {
    const char *text = json_string_value(json_object_get(d->spec, modifier));
    return text ? text : otherwise;
}

/* The object's path in hf; a section without one lies flat next to the frame's keys. */
char *fg_section_hf_path(const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    return d->key_count ? fg_path_resolve(frame->hf, d->keys[0], err) : fg_strdup(frame->hf, err);
}

/* ---- entering a section ---- */

static const char *class_at(const fg_translator *t, const char *target) {
    return t->classes ? fg_class_at(t->classes, t->declarations->root->class_name, t->source, target) : NULL;
}

/* Import: the dynamic type that the class has among its like. */
static fg_status write_type(fg_translator *t, const fg_frame *inner, fg_error *err) {
    const char *class_name = inner->section->class_name,
               *type = t->classes && class_name ? fg_class_type(t->classes, class_name) : NULL;
    if (!type) return FG_OK;
    return fg_translator_write_new(t, inner, "type", json_string(type), err);
}

/* Runs a section at a place of both sides; `hf` and `target` are full paths. */
fg_status fg_section_enter(fg_translator *t, const fg_frame *frame, const fg_section *section, const char *hf,
                           const char *target, fg_error *err) {
    fg_frame inner = {.section = section, .hf = hf, .target = target};
    inner.scope = (fg_scope){.here = fg_json_at(t->source, fg_translator_imports(t) ? hf : target),
                             .parent = &frame->scope,
                             .root = t->source,
                             .variables = t->variables};
    if (fg_translator_imports(t)) FG_CALL(write_type(t, &inner, err));
    return fg_translator_run(t, &inner, err);
}

/* The first of the choices that lead to the section that this one leads to. */
static const fg_choice *first_to(const fg_declaration *d, const fg_choice *choice) {
    const fg_choice *first = d->choices;
    while (first->section != choice->section) first++;
    return first;
}

static const char *class_of(const fg_choice *choice) {
    return choice->section->class_name ? choice->section->class_name : "";
}

/* Whether a choice before this one has the same class. */
static bool repeats_class(const fg_declaration *d, const fg_choice *choice) {
    const fg_choice *first = d->choices;
    while (strcmp(class_of(first), class_of(choice)) != 0) first++;
    return first != choice;
}

/* A class by the type that a configuration names it by, else by its own name. */
static fg_status put_class(const fg_translator *t, const char *name, fg_buffer *text, fg_error *err) {
    const char *type = t->classes ? fg_class_type(t->classes, name) : NULL;
    return type ? fg_buffer_printf(text, err, "\"%s\"", type) : fg_buffer_put(text, name, err);
}

/* The conditions of the choices that a declaration has for this class. */
static fg_status list_conditions(const fg_declaration *d, const char *found, fg_buffer *list, fg_error *err) {
    for (size_t i = 0; found && i < d->choice_count; i++) {
        const fg_choice *choice = &d->choices[i];
        if (choice->when && strcmp(class_of(choice), found) == 0)
            FG_CALL(fg_buffer_printf(list, err, "%s%s", list->length ? ", " : "", choice->when));
    }
    return FG_OK;
}

/* The classes that a declaration has choices for, each once. */
static fg_status list_classes(const fg_translator *t, const fg_declaration *d, fg_buffer *list,
                              fg_error *err) {
    for (size_t i = 0; i < d->choice_count; i++) {
        if (repeats_class(d, &d->choices[i])) continue;
        if (list->length) FG_CALL(fg_buffer_put(list, ", ", err));
        FG_CALL(put_class(t, class_of(&d->choices[i]), list, err));
    }
    return FG_OK;
}

/* No choice is for what is there: its class is another one, or its class has conditions and none of them
 * holds. */
fg_status fg_refuse_class(fg_translator *t, const fg_declaration *d, const char *target, fg_error *err) {
    const char *found = class_at(t, target), *type = found ? fg_class_type(t->classes, found) : NULL;
    fg_buffer wanted = {0};
    fg_status status = FG_OK;
    FG_TRY(list_conditions(d, found, &wanted, err));
    if (wanted.length) {
        FG_TRY(fg_translator_refuse(t, d, err,
                                    "\"%s\" is a %s that this format does not hold: expected one of %s",
                                    target, found, wanted.data));
        goto done;
    }
    FG_TRY(list_classes(t, d, &wanted, err));
    if (type)
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s/type\" = \"%s\": this format holds only %s", target,
                                    type, wanted.data));
    else
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s\" is %s%s: this format holds only %s", target,
                                    found ? "a " : "no known configuration", found ? found : "",
                                    wanted.data));
done:
    fg_buffer_free(&wanted);
    return status;
}

/* Export: the choice for the configuration at `target`. NULL: none. */
fg_status fg_choose_by_class(const fg_translator *t, const fg_declaration *d, const char *target,
                             const fg_choice **choice, fg_error *err) {
    return fg_choice_by_class(t->classes, t->declarations->root, t->source, d, target, choice, err);
}

const fg_choice *fg_choose_by_name(const fg_declaration *d, const char *name) {
    for (size_t i = 0; i < d->choice_count; i++) {
        if (!d->choices[i].name || strcmp(d->choices[i].name, name) == 0) return &d->choices[i];
    }
    return NULL;
}

fg_status fg_refuse_name(fg_translator *t, const fg_declaration *d, const fg_frame *frame, const char *path,
                         const json_t *found, fg_error *err) {
    fg_buffer known = {0};
    fg_status status = FG_OK;
    for (size_t i = 0; i < d->choice_count; i++)
        FG_TRY(fg_buffer_printf(&known, err, "%s\"%s\"", i ? ", " : "", d->choices[i].name));
    FG_TRY(fg_translator_refuse_value(t, d, frame, path, found, err, "known here: %s", known.data));
done:
    fg_buffer_free(&known);
    return status;
}

/* ---- one object: nested, dispatch ---- */

/* Import: whether what hf has in the declaration's place is an object, or nothing: then its keys say what
 * that means. Anything else is one refusal, instead of one for each of the keys. */
static fg_status find_object(fg_translator *t, const fg_frame *frame, const fg_declaration *d, const char *hf,
                             bool *there, fg_error *err) {
    const json_t *found = fg_json_at(t->source, hf);
    *there = !fg_translator_imports(t) || !d->key_count || !found || json_is_object(found);
    if (*there) return FG_OK;
    FG_CALL(fg_translator_claim(t, frame, FG_SIDE_HF, d->keys[0], d, err));
    return fg_translator_refuse_value(t, d, NULL, hf, found, err, "expected an object");
}

/* Two names may lead to one section: the first is what comes back. */
static fg_status note_synonym(fg_translator *t, const fg_frame *at, const fg_declaration *d, const char *path,
                              const fg_choice *choice, const json_t *found, fg_error *err) {
    const fg_choice *first = first_to(d, choice);
    if (first == choice || first->when) return FG_OK;
    json_t *as = json_string(first->name);
    fg_status status =
        as ? fg_translator_leave_out(t, at, path, found, "has the same meaning as another type", as, err)
           : fg_fail(err, FG_ERR_MEMORY, "out of memory");
    json_decref(as);
    return status;
}

/* A discriminator as hf has it: "true" and "false" mean the booleans. */
static json_t *name_value(const char *name) {
    if (strcmp(name, "true") == 0) return json_true();
    return strcmp(name, "false") == 0 ? json_false() : json_string(name);
}

/* The choice for a place on both sides, and hf's discriminator: read and claimed, or written. NULL:
 * refused. */
static fg_status choose(fg_translator *t, const fg_declaration *d, const char *hf, const char *target,
                        const fg_choice **choice, fg_error *err) {
    const fg_frame at = {.hf = hf, .target = target};
    const char *name = fg_member_text(d, "hf_type", "type");
    const json_t *found;
    *choice = NULL;
    FG_CALL(fg_translator_claim(t, &at, FG_SIDE_HF, name, d, err));
    if (fg_translator_imports(t)) {
        FG_CALL(fg_translator_read(t, &at, name, false, &found, err));
        const char *text =
            json_is_boolean(found) ? (json_is_true(found) ? "true" : "false") : json_string_value(found);
        if (text) *choice = fg_choose_by_name(d, text);
        return *choice ? note_synonym(t, &at, d, name, *choice, found, err)
                       : fg_refuse_name(t, d, &at, name, found, err);
    }
    FG_CALL(fg_choose_by_class(t, d, target, choice, err));
    return *choice ? fg_translator_write_new(t, &at, name, name_value((*choice)->name), err)
                   : fg_refuse_class(t, d, target, err);
}

/* Runs the section for an object: the only one, that of the class of the target's object, or that of the type
 * that hf's object says. */
static fg_status run_object(fg_translator *t, const fg_frame *frame, const fg_declaration *d, const char *hf,
                            const char *target, fg_error *err) {
    const fg_choice *choice = &d->choices[0];
    bool says_type = choice->name != NULL;
    if (says_type)
        FG_CALL(choose(t, d, hf, target, &choice, err));
    else if (!fg_translator_imports(t))
        FG_CALL(fg_choose_by_class(t, d, target, &choice, err));
    if (choice) return fg_section_enter(t, frame, choice->section, hf, target, err);
    return says_type ? FG_OK : fg_refuse_class(t, d, target, err);
}

fg_status fg_run_object(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    char *hf = NULL, *target = NULL;
    bool there;
    FG_TRY_NEW(hf, fg_section_hf_path(frame, d, err));
    FG_TRY_NEW(target, fg_path_resolve(frame->target, d->fields[0], err));
    FG_TRY(find_object(t, frame, d, hf, &there, err));
    if (there) FG_TRY(run_object(t, frame, d, hf, target, err));
done:
    fg_free(hf);
    fg_free(target);
    return status;
}

/* ---- typed_dict ---- */

fg_status fg_run_typed_dict(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    char *hf = NULL, *target = NULL, *hf_entry = NULL, *target_entry = NULL, brief[BRIEF];
    json_t *value;
    FG_TRY_NEW(hf, fg_section_hf_path(frame, d, err));
    FG_TRY_NEW(target, fg_path_resolve(frame->target, d->fields[0], err));
    const json_t *from = fg_json_at(t->source, fg_translator_imports(t) ? hf : target);
    if (!json_object_size(from))
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s\" = %s: expected an object with at least one entry",
                                    fg_translator_imports(t) ? hf : target,
                                    fg_json_brief(from, brief, sizeof brief)));
    FG_JSON_MEMBERS(from, key, value) {
        if (strchr(key, '/')) {
            FG_TRY(fg_translator_refuse(t, d, err, "\"%s\": the name \"%s\" has a slash in it",
                                        fg_translator_imports(t) ? hf : target, key));
            continue;
        }
        FG_TRY_RENEW(hf_entry, fg_strformat(err, "%s/%s", hf, key));
        FG_TRY_RENEW(target_entry, fg_strformat(err, "%s/%s", target, key));
        FG_TRY(run_object(t, frame, d, hf_entry, target_entry, err));
    }
done:
    fg_free(hf);
    fg_free(target);
    fg_free(hf_entry);
    fg_free(target_entry);
    return status;
}
