/* The primitives that lead to other sections: nested, dispatch, typed_dict, blocks, list_dispatch. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "language/block_sequence.h"
#include "translate/primitive.h"

enum { BRIEF = 120, PLACE = 300 };

static bool importing(const fg_translator *t) {
    return t->direction == FG_IMPORT;
}

static const char *text_of(const fg_declaration *d, const char *modifier, const char *otherwise) {
    const char *text = json_string_value(json_object_get(d->spec, modifier));
    return text ? text : otherwise;
}

/* The object's path in hf; a section without one lies flat next to the frame's keys. */
static char *hf_path(const fg_frame *frame, const fg_declaration *d, fg_error *err) {
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
    json_t *value = json_string(type);
    fg_status status = value ? fg_translator_write(t, inner, "type", value, err)
                             : fg_fail(err, FG_ERR_MEMORY, "out of memory");
    json_decref(value);
    return status;
}

/* Runs a section at a place of both sides; `hf` and `target` are full paths. */
static fg_status enter(fg_translator *t, const fg_frame *frame, const fg_section *section, const char *hf,
                       const char *target, fg_error *err) {
    fg_status status = FG_OK;
    fg_frame inner = {.section = section, .hf = hf, .target = target};
    inner.scope = (fg_scope){.here = fg_json_at(t->source, importing(t) ? hf : target),
                             .parent = &frame->scope,
                             .root = t->source,
                             .variables = t->variables};
    if (importing(t)) FG_TRY(write_type(t, &inner, err));
    FG_TRY(fg_translator_run(t, &inner, err));
done:
    return status;
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

/* The classes that a declaration has choices for, each once; or, of `found`, the conditions of its
 * choices. */
static fg_status list_choices(const fg_declaration *d, const char *found, fg_buffer *list, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < d->choice_count; i++) {
        const fg_choice *choice = &d->choices[i];
        bool listed =
            found ? choice->when && strcmp(class_of(choice), found) == 0 : !repeats_class(d, choice);
        if (listed)
            FG_TRY(fg_buffer_printf(list, err, "%s%s", list->length ? ", " : "",
                                    found ? choice->when : class_of(choice)));
    }
done:
    return status;
}

/* No choice is for what is there: its class is another one, or its class has conditions and none of them
 * holds. */
static fg_status refuse_class(fg_translator *t, const fg_declaration *d, const char *target, fg_error *err) {
    const char *found = class_at(t, target);
    fg_buffer wanted = {0};
    fg_status status = FG_OK;
    if (found) FG_TRY(list_choices(d, found, &wanted, err));
    if (wanted.length) {
        FG_TRY(fg_translator_refuse(t, d, err,
                                    "\"%s\" is a %s that this format does not hold: expected one of %s",
                                    target, found, wanted.data));
    } else {
        FG_TRY(list_choices(d, NULL, &wanted, err));
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s\" is %s%s: this format holds only %s", target,
                                    found ? "a " : "no known configuration", found ? found : "",
                                    wanted.data));
    }
done:
    fg_buffer_free(&wanted);
    return status;
}

/* Whether the condition of a choice holds for the configuration `here`. */
static fg_status condition_holds(const fg_choice *choice, const json_t *here, const json_t *root, bool *holds,
                                 fg_error *err) {
    fg_status status = FG_OK;
    fg_expression *expression = NULL;
    json_t *value = NULL;
    const fg_scope scope = {.here = here, .root = root};
    *holds = !choice->when;
    if (*holds) return FG_OK;
    FG_TRY(fg_expression_parse(&expression, choice->when, choice->name, err));
    FG_TRY(fg_expression_evaluate(expression, &scope, &value, err));
    *holds = fg_expression_truth(value);
done:
    fg_expression_free(&expression);
    json_decref(value);
    return status;
}

fg_status fg_choice_by_class(const fg_classes *classes, const fg_section *root, const json_t *configuration,
                             const fg_declaration *d, const char *path, const fg_choice **choice,
                             fg_error *err) {
    const char *found = classes ? fg_class_at(classes, root->class_name, configuration, path) : NULL;
    fg_status status = FG_OK;
    bool holds;
    *choice = NULL;
    for (size_t i = 0; i < d->choice_count && !*choice; i++) {
        const char *wanted = d->choices[i].section->class_name;
        if (classes && wanted && (!found || strcmp(found, wanted) != 0)) continue;
        FG_TRY(condition_holds(&d->choices[i], fg_json_at(configuration, path), configuration, &holds, err));
        if (holds) *choice = &d->choices[i];
    }
done:
    return status;
}

/* Export: the choice for the configuration at `target`. NULL: none. */
static fg_status choose_by_class(const fg_translator *t, const fg_declaration *d, const char *target,
                                 const fg_choice **choice, fg_error *err) {
    return fg_choice_by_class(t->classes, t->declarations->root, t->source, d, target, choice, err);
}

static const fg_choice *choose_by_name(const fg_declaration *d, const char *name) {
    for (size_t i = 0; i < d->choice_count; i++) {
        if (!d->choices[i].name || strcmp(d->choices[i].name, name) == 0) return &d->choices[i];
    }
    return NULL;
}

static fg_status refuse_name(fg_translator *t, const fg_declaration *d, const char *path, const json_t *found,
                             fg_error *err) {
    char brief[BRIEF];
    fg_buffer known = {0};
    fg_status status = FG_OK;
    for (size_t i = 0; i < d->choice_count; i++)
        FG_TRY(fg_buffer_printf(&known, err, "%s\"%s\"", i ? ", " : "", d->choices[i].name));
    FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" = %s: known here: %s", path,
                                fg_json_brief(found, brief, sizeof brief), known.data));
done:
    fg_buffer_free(&known);
    return status;
}

/* ---- nested, dispatch ---- */

/* Import: whether what hf has in the declaration's place is an object, or nothing: then its keys say what
 * that means. Anything else is one refusal, instead of one for each of the keys. */
static fg_status find_object(fg_translator *t, const fg_frame *frame, const fg_declaration *d, const char *hf,
                             bool *there, fg_error *err) {
    fg_status status = FG_OK;
    char brief[BRIEF], place[PLACE];
    const json_t *found = fg_json_at(t->source, hf);
    *there = !importing(t) || !d->key_count || !found || json_is_object(found);
    if (*there) return FG_OK;
    FG_TRY(fg_translator_claim(t, frame, FG_SIDE_HF, d->keys[0], d, err));
    FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" = %s: expected an object",
                                fg_translator_name(t, hf, place, sizeof place),
                                fg_json_brief(found, brief, sizeof brief)));
done:
    return status;
}

fg_status fg_run_nested(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    const fg_choice *choice = &d->choices[0];
    char *hf = NULL, *target = NULL;
    bool there;
    FG_TRY_NEW(hf, hf_path(frame, d, err));
    FG_TRY_NEW(target, fg_path_resolve(frame->target, d->fields[0], err));
    FG_TRY(find_object(t, frame, d, hf, &there, err));
    if (!there) goto done;
    if (!importing(t)) FG_TRY(choose_by_class(t, d, target, &choice, err));
    FG_TRY(choice ? enter(t, frame, choice->section, hf, target, err) : refuse_class(t, d, target, err));
done:
    fg_free(hf);
    fg_free(target);
    return status;
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
    fg_status status = FG_OK;
    const fg_frame at = {.hf = hf, .target = target};
    const char *name = text_of(d, "hf_type", "type");
    const json_t *found;
    json_t *value = NULL;
    char place[PLACE];
    *choice = NULL;
    FG_TRY(fg_translator_claim(t, &at, FG_SIDE_HF, name, d, err));
    if (importing(t)) {
        FG_TRY(fg_translator_read(t, &at, name, false, &found, err));
        const char *text =
            json_is_boolean(found) ? (json_is_true(found) ? "true" : "false") : json_string_value(found);
        if (text) *choice = choose_by_name(d, text);
        FG_TRY(*choice
                   ? note_synonym(t, &at, d, name, *choice, found, err)
                   : refuse_name(t, d, fg_translator_place(t, &at, name, place, sizeof place), found, err));
        goto done;
    }
    FG_TRY(choose_by_class(t, d, target, choice, err));
    if (!*choice) {
        FG_TRY(refuse_class(t, d, target, err));
        goto done;
    }
    FG_TRY_NEW(value, name_value((*choice)->name));
    FG_TRY(fg_translator_write(t, &at, name, value, err));
done:
    json_decref(value);
    return status;
}

fg_status fg_run_dispatch(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    const fg_choice *choice;
    char *hf = NULL, *target = NULL;
    bool there;
    FG_TRY_NEW(hf, hf_path(frame, d, err));
    FG_TRY_NEW(target, fg_path_resolve(frame->target, d->fields[0], err));
    FG_TRY(find_object(t, frame, d, hf, &there, err));
    if (!there) goto done;
    FG_TRY(choose(t, d, hf, target, &choice, err));
    if (choice) FG_TRY(enter(t, frame, choice->section, hf, target, err));
done:
    fg_free(hf);
    fg_free(target);
    return status;
}

/* ---- typed_dict ---- */

static fg_status run_entry(fg_translator *t, const fg_frame *frame, const fg_declaration *d, const char *hf,
                           const char *target, fg_error *err) {
    fg_status status = FG_OK;
    const fg_choice *choice = &d->choices[0];
    if (choice->name) /* heterogeneous: each entry says its type */
        FG_TRY(choose(t, d, hf, target, &choice, err));
    else if (!importing(t))
        FG_TRY(choose_by_class(t, d, target, &choice, err));
    if (choice)
        FG_TRY(enter(t, frame, choice->section, hf, target, err));
    else if (!d->choices[0].name)
        FG_TRY(refuse_class(t, d, target, err));
done:
    return status;
}

fg_status fg_run_typed_dict(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    char *hf = NULL, *target = NULL, *hf_entry = NULL, *target_entry = NULL, brief[BRIEF];
    const char *key;
    json_t *value;
    FG_TRY_NEW(hf, hf_path(frame, d, err));
    FG_TRY_NEW(target, fg_path_resolve(frame->target, d->fields[0], err));
    const json_t *from = fg_json_at(t->source, importing(t) ? hf : target);
    if (!json_object_size(from))
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s\" = %s: expected an object with at least one entry",
                                    importing(t) ? hf : target, fg_json_brief(from, brief, sizeof brief)));
    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        if (strchr(key, '/')) {
            FG_TRY(fg_translator_refuse(t, d, err, "\"%s\": the name \"%s\" has a slash in it",
                                        importing(t) ? hf : target, key));
            continue;
        }
        FG_TRY_NEW(hf_entry, fg_strformat(err, "%s/%s", hf, key));
        FG_TRY_NEW(target_entry, fg_strformat(err, "%s/%s", target, key));
        FG_TRY(run_entry(t, frame, d, hf_entry, target_entry, err));
        fg_free(hf_entry);
        fg_free(target_entry);
        hf_entry = target_entry = NULL;
    }
done:
    fg_free(hf);
    fg_free(target);
    fg_free(hf_entry);
    fg_free(target_entry);
    return status;
}

/* ---- sequences of blocks ---- */

/* The fields of a sequence of either kind, other than its blocks. */
static fg_status claim_sequence(fg_translator *t, const char *target, const fg_declaration *d,
                                fg_error *err) {
    static const char *const fields[] = {"type", "num_blocks", "pattern"};
    const fg_frame at = {.hf = "", .target = target};
    fg_status status = FG_OK;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        FG_TRY(fg_translator_claim(t, &at, FG_SIDE_TARGET, fields[i], d, err));
done:
    return status;
}

/* Export: what one block alone would write must be what the others of its kind write, absent keys too: hf has
 * one place for all of them. `kind` collects it. */
static fg_status export_block(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              const fg_section *section, const char *target, json_t **kind, fg_error *err) {
    fg_status status = FG_OK;
    char before[BRIEF], after[BRIEF];
    json_t *all = t->result;
    t->result = json_object();
    status = t->result ? enter(t, frame, section, frame->hf, target, err)
                       : fg_fail(err, FG_ERR_MEMORY, "out of memory");
    json_t *alone = t->result;
    t->result = all;
    if (status != FG_OK) goto done;
    if (!*kind)
        *kind = json_incref(alone);
    else if (!fg_json_equal(*kind, alone))
        FG_TRY(fg_translator_refuse(
            t, d, err,
            "\"%s\" differs from another block, and this format has one place for both: %s "
            "and %s",
            target, fg_json_brief(alone, after, sizeof after), fg_json_brief(*kind, before, sizeof before)));
done:
    json_decref(alone);
    return status;
}

/* Writes what a block of the sequence at `target` wrote by itself, leaf by leaf, so that it is compared with
 * other sections' values for the same keys. */
static fg_status merge(fg_translator *t, const char *target, const json_t *from, const char *prefix,
                       fg_error *err) {
    const fg_frame root = {.hf = "", .target = target};
    fg_status status = FG_OK;
    const char *key;
    json_t *value;
    char *path = NULL;
    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        if (json_object_size(value))
            FG_TRY(merge(t, target, value, path, err));
        else
            FG_TRY(fg_translator_write(t, &root, path, value, err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

/* The names of a sequence's blocks, each once, in the order of their first use, then those without a use:
 * [null] for a fixed one. */
static fg_status block_names(const fg_block_sequence *sequence, json_t **names, fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    const char *key;
    json_t *name, *seen = json_object();
    *names = json_array();
    if (!sequence->pattern) FG_TRY(fg_json_push(*names, json_null(), err));
    json_array_foreach((json_t *)(uintptr_t)sequence->pattern, i, name) {
        if (json_object_get(seen, json_string_value(name))) continue;
        FG_TRY(fg_json_put(seen, json_string_value(name), json_true(), err));
        FG_TRY(fg_json_push(*names, json_incref(name), err));
    }
    json_object_foreach((json_t *)(uintptr_t)sequence->blocks, key, name) {
        if (!json_object_get(seen, key)) FG_TRY(fg_json_push(*names, json_string(key), err));
    }
done:
    json_decref(seen);
    return status;
}

typedef struct sequence_task {
    char *target;   /* owned */
    json_t *names;  /* owned; the blocks */
    json_t *layout; /* owned; names of choices, by position in the pattern */
    json_t **kinds; /* owned array; what each choice's blocks write */
    fg_block_sequence sequence;
} sequence_task;

static void task_free(sequence_task *task, const fg_declaration *d) {
    for (size_t i = 0; task->kinds && i < d->choice_count; i++) json_decref(task->kinds[i]);
    fg_free(task->kinds);
    fg_free(task->target);
    json_decref(task->names);
    json_decref(task->layout);
}

/* Whether hf's list has an entry for each layer, not for each position of the pattern. */
static bool every_layer(const fg_declaration *d) {
    return json_object_get(d->spec, "every_layer") != NULL;
}

static fg_status export_sequence(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 sequence_task *task, fg_error *err) {
    fg_status status = FG_OK;
    char buffer[FG_BLOCK_PATH], *block = NULL;
    json_t *name, *letters = NULL, *letter;
    size_t i;
    const char *wrong = fg_block_sequence_read(fg_json_at(t->source, task->target), &task->sequence);
    if (wrong) {
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s\": %s", task->target, wrong));
        goto done;
    }
    letters = json_object(); /* block name -> choice name */
    FG_NEW(task->kinds, d->choice_count);
    FG_TRY(block_names(&task->sequence, &task->names, err));
    json_array_foreach(task->names, i, name) {
        const fg_choice *choice;
        FG_TRY_NEW(block, fg_strformat(err, "%s/%s", task->target,
                                       fg_block_sequence_path(json_string_value(name), buffer)));
        FG_TRY(choose_by_class(t, d, block, &choice, err));
        if (!choice)
            FG_TRY(refuse_class(t, d, block, err));
        else
            FG_TRY(export_block(t, frame, d, choice->section, block, &task->kinds[choice - d->choices], err));
        if (choice && choice->name)
            FG_TRY(fg_json_put(letters, json_is_null(name) ? "" : json_string_value(name),
                               json_string(choice->name), err));
        fg_free(block);
        block = NULL;
    }
    for (i = 0; i < d->choice_count; i++) FG_TRY(merge(t, task->target, task->kinds[i], "", err));
    task->layout = json_array();
    uint64_t positions = every_layer(d)           ? task->sequence.count
                         : task->sequence.pattern ? json_array_size(task->sequence.pattern)
                                                  : 1;
    for (i = 0; i < positions; i++) {
        const char *used = fg_block_sequence_name(&task->sequence, i);
        letter = json_object_get(letters, used ? used : "");
        if (letter) FG_TRY(fg_json_push(task->layout, json_incref(letter), err));
    }
done:
    json_decref(letters);
    fg_free(block);
    return status;
}

/* A list that names each position of a pattern is what Fast-LLM's own converter reads and writes. */
static void warn_of_pattern(const fg_translator *t, const fg_declaration *d, const json_t *layout,
                            uint64_t count) {
    size_t named = json_array_size(layout);
    if (!t->left_out || every_layer(d) || named == count) return; /* not on a trial way back */
    fg_warn("%s: \"%s\" names %zu of %llu layers and is repeated: code that expects a name for each layer "
            "computes another model",
            t->options->file, d->keys[0], named, (unsigned long long)count);
}

/* The number of blocks in hf: claimed, read (NULL: refused) or written. */
static fg_status read_count(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                            const json_t **count, fg_error *err) {
    fg_status status = FG_OK;
    char brief[BRIEF], place[PLACE];
    const char *path = text_of(d, "count", "num_blocks");
    FG_TRY(fg_translator_claim(t, frame, FG_SIDE_HF, path, d, err));
    FG_TRY(fg_translator_read(t, frame, path, false, count, err));
    if (json_is_integer(*count) && json_integer_value(*count) >= 0) goto done;
    FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" = %s: expected a whole number of 0 or more",
                                fg_translator_place(t, frame, path, place, sizeof place),
                                fg_json_brief(*count, brief, sizeof brief)));
    *count = NULL;
done:
    return status;
}

static fg_status write_count(fg_translator *t, const fg_frame *frame, const fg_declaration *d, uint64_t count,
                             fg_error *err) {
    json_t *value = json_integer((json_int_t)count);
    fg_status status = value ? fg_translator_write(t, frame, text_of(d, "count", "num_blocks"), value, err)
                             : fg_fail(err, FG_ERR_MEMORY, "out of memory");
    json_decref(value);
    return status;
}

/* Import: writes the sequence, and each of its blocks by the choice that the layout names. */
static fg_status import_sequence(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 const json_t *layout, const json_t *count, sequence_task *task,
                                 fg_error *err) {
    fg_status status = FG_OK;
    char buffer[FG_BLOCK_PATH], *block = NULL;
    json_t *made = NULL, *name;
    size_t i;
    FG_TRY(fg_block_sequence_make(layout, count, &made, err));
    task->sequence.pattern = json_object_get(made, "pattern");
    FG_TRY(fg_translator_write(t, frame, d->fields[0], made, err));
    FG_TRY(block_names(&task->sequence, &task->names, err));
    json_array_foreach(task->names, i, name) {
        const char *letter = json_string_value(json_is_null(name) ? json_array_get(layout, 0) : name);
        const fg_choice *choice = letter ? choose_by_name(d, letter) : &d->choices[0];
        FG_TRY_NEW(block, fg_strformat(err, "%s/%s", task->target,
                                       fg_block_sequence_path(json_string_value(name), buffer)));
        FG_TRY(choice ? enter(t, frame, choice->section, frame->hf, block, err)
                      : refuse_name(t, d, d->keys[0], json_is_null(name) ? json_array_get(layout, 0) : name,
                                    err));
        fg_free(block);
        block = NULL;
    }
done:
    json_decref(made);
    fg_free(block);
    return status;
}

/* The frame moved to the object of hf that "at" names: which has the blocks' keys and the number of blocks.
 * `hf` is to be freed. */
static fg_status move_frame(const fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                            fg_frame *moved, char **hf, fg_error *err) {
    *moved = *frame;
    *hf = fg_path_resolve(frame->hf, text_of(d, "at", ""), err);
    if (!*hf) return FG_ERR_MEMORY;
    size_t length = strlen(*hf);
    if (length && (*hf)[length - 1] == '/') (*hf)[length - 1] = '\0';
    moved->hf = *hf;
    if (importing(t)) moved->scope.here = fg_json_at(t->source, *hf);
    return FG_OK;
}

fg_status fg_run_blocks(fg_translator *t, const fg_frame *outer, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    sequence_task task = {0};
    const json_t *count;
    char *hf = NULL;
    fg_frame moved;
    const fg_frame *frame = &moved;
    FG_TRY(move_frame(t, outer, d, &moved, &hf, err));
    FG_TRY_NEW(task.target, fg_path_resolve(frame->target, d->fields[0], err));
    FG_TRY(claim_sequence(t, task.target, d, err));
    if (importing(t)) {
        FG_TRY(read_count(t, frame, d, &count, err));
        if (count) FG_TRY(import_sequence(t, frame, d, NULL, count, &task, err));
    } else {
        FG_TRY(export_sequence(t, frame, d, &task, err));
        FG_TRY(write_count(t, frame, d, task.sequence.count, err));
    }
done:
    fg_free(hf);
    task_free(&task, d);
    return status;
}

/* ---- list_dispatch ---- */

static bool is_layout(const json_t *layout) {
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)layout, i, name) {
        if (!json_is_string(name)) return false;
    }
    return json_array_size(layout) > 0;
}

/* Import: the last layer is of the kind that "last" names, whatever hf's list says. */
static fg_status resolve_last(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              const json_t **layout, fg_error *err) {
    fg_status status = FG_OK;
    json_t *resolved = NULL;
    const char *wanted = text_of(d, "last", NULL);
    size_t last = json_array_size(*layout) - 1;
    const char *found = json_string_value(json_array_get(*layout, last));
    if (!wanted || strcmp(found, wanted) == 0) return FG_OK;
    fg_warn("%s: \"%s\": the last layer is \"%s\" but becomes \"%s\", as transformers treats it",
            t->options->file, d->keys[0], found, wanted);
    resolved = fg_json_copy(*layout, err);
    if (!resolved || json_array_set_new(resolved, last, json_string(wanted)) != 0)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while reading a list of layers");
    FG_TRY(fg_translator_leave_out(t, frame, d->keys[0], *layout, "the last layer is always of one kind",
                                   resolved, err));
    FG_TRY(fg_translator_resolve(t, frame, d, resolved, true, err));
    FG_TRY(fg_translator_read(t, frame, d->keys[0], false, layout, err));
done:
    json_decref(resolved);
    return status;
}

/* Export: the last layer has the kind that "last" names, or hf is another model. */
static void warn_of_last(const fg_translator *t, const fg_declaration *d, const json_t *layout) {
    const char *wanted = text_of(d, "last", NULL),
               *found = json_string_value(json_array_get(layout, json_array_size(layout) - 1));
    if (!t->left_out || !wanted || !found || strcmp(found, wanted) == 0) return; /* not on a trial way back */
    fg_warn("%s: \"%s\" ends with \"%s\", which transformers treats as \"%s\": it computes another model",
            t->options->file, d->keys[0], found, wanted);
}

/* Where the list has an entry a layer, each kind must occur: hf's keys for it would be absent otherwise. */
static fg_status check_kinds(fg_translator *t, const fg_declaration *d, const sequence_task *task,
                             fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < d->choice_count; i++) {
        if (!task->kinds[i])
            FG_TRY(fg_translator_refuse(t, d, err, "\"%s\": no block is a \"%s\", and this format needs one",
                                        task->target, d->choices[i].name));
    }
done:
    return status;
}

/* A key of a section that no block of this layout has: known, but read by nothing. */
static fg_status set_aside(fg_translator *t, const fg_frame *at, const fg_declaration *d, const char *key,
                           fg_error *err) {
    fg_status status = FG_OK;
    const json_t *found;
    char *full = NULL;
    FG_TRY_NEW(full, fg_path_resolve(at->hf, key, err));
    if (fg_claims_find(&t->claims[FG_SIDE_HF], full)) goto done;
    FG_TRY(fg_translator_claim(t, at, FG_SIDE_HF, key, d, err));
    FG_TRY(fg_translator_read(t, at, key, true, &found, err));
    if (found)
        FG_TRY(fg_translator_leave_out(t, at, key, found, "no block of this model reads it", NULL, err));
done:
    fg_free(full);
    return status;
}

static fg_status set_section_aside(fg_translator *t, const fg_frame *at, unsigned depth, fg_error *err) {
    enum { DEPTH = 8 };
    fg_status status = FG_OK;
    char *hf = NULL;
    for (size_t i = 0; i < at->section->count && depth < DEPTH; i++) {
        const fg_declaration *d = &at->section->items[i];
        for (size_t k = 0; k < d->key_count && !d->choice_count; k++)
            FG_TRY(set_aside(t, at, d, d->keys[k], err));
        for (size_t k = 0; k < d->choice_count; k++) {
            FG_TRY_NEW(hf, hf_path(at, d, err));
            const fg_frame inner = {.section = d->choices[k].section, .hf = hf, .target = at->target};
            if (d->primitive->modifiers & FG_MOD_HF_TYPE)
                FG_TRY(set_aside(t, &inner, d, text_of(d, "hf_type", "type"), err));
            FG_TRY(set_section_aside(t, &inner, depth + 1, err));
            fg_free(hf);
            hf = NULL;
        }
    }
done:
    fg_free(hf);
    return status;
}

fg_status fg_run_list_dispatch(fg_translator *t, const fg_frame *outer, const fg_declaration *d,
                               fg_error *err) {
    fg_status status = FG_OK;
    sequence_task task = {0};
    const json_t *count, *layout;
    char brief[BRIEF], *hf = NULL;
    fg_frame moved;
    const fg_frame *frame = &moved;
    FG_TRY(move_frame(t, outer, d, &moved, &hf, err));
    FG_TRY_NEW(task.target, fg_path_resolve(frame->target, d->fields[0], err));
    FG_TRY(claim_sequence(t, task.target, d, err));
    FG_TRY(fg_translator_claim(t, frame, FG_SIDE_HF, d->keys[0], d, err));
    if (importing(t)) {
        FG_TRY(read_count(t, frame, d, &count, err));
        FG_TRY(fg_translator_read(t, frame, d->keys[0], false, &layout, err));
        if (!is_layout(layout))
            FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" = %s: expected a list of block names",
                                        d->keys[0], fg_json_brief(layout, brief, sizeof brief)));
        else if (count && every_layer(d) && json_array_size(layout) != (size_t)json_integer_value(count))
            FG_TRY(fg_translator_refuse(
                t, d, err, "key \"%s\" has %zu entries, expected one for each of %lld layers", d->keys[0],
                json_array_size(layout), (long long)json_integer_value(count)));
        else if (count) {
            FG_TRY(resolve_last(t, frame, d, &layout, err));
            warn_of_pattern(t, d, layout, (uint64_t)json_integer_value(count));
            FG_TRY(import_sequence(t, frame, d, layout, count, &task, err));
        }
        for (size_t i = 0; i < d->choice_count; i++) {
            const fg_frame at = {.section = d->choices[i].section, .hf = frame->hf, .target = task.target};
            FG_TRY(set_section_aside(t, &at, 0, err));
        }
    } else {
        FG_TRY(export_sequence(t, frame, d, &task, err));
        FG_TRY(write_count(t, frame, d, task.sequence.count, err));
        if (task.layout) {
            warn_of_pattern(t, d, task.layout, task.sequence.count);
            warn_of_last(t, d, task.layout);
            FG_TRY(fg_translator_write(t, frame, d->keys[0], task.layout, err));
        }
        if (task.kinds && every_layer(d)) FG_TRY(check_kinds(t, d, &task, err));
    }
done:
    fg_free(hf);
    task_free(&task, d);
    return status;
}
