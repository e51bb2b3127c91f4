/* list_dispatch: sequences of blocks, of one section or of those that a list of hf names. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/block_sequence.h"
#include "translate/section_primitives.h"

enum { BRIEF = 120 };

/* The fields of a sequence of either kind, other than its blocks. */
static fg_status claim_sequence(fg_translator *t, const char *target, const fg_declaration *d,
                                fg_error *err) {
    static const char *const fields[] = {"type", "num_blocks", "pattern"};
    const fg_frame at = {.hf = "", .target = target};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        FG_CALL(fg_translator_claim(t, &at, FG_SIDE_TARGET, fields[i], d, err));
    return FG_OK;
}

/* Export: what one block alone would write must be what the others of its kind write, absent keys too: hf has
 * one place for all of them. `kind` collects it. */
static fg_status export_block(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              const fg_section *section, const char *target, json_t **kind, fg_error *err) {
    fg_status status = FG_OK;
    char before[BRIEF], after[BRIEF];
    json_t *all = t->result;
    t->result = json_object();
    status = t->result ? fg_section_enter(t, frame, section, frame->hf, target, err)
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
    json_t *value;
    char *path = NULL;
    FG_JSON_MEMBERS(from, key, value) {
        FG_TRY_RENEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        if (json_object_size(value))
            FG_TRY(merge(t, target, value, path, err));
        else
            FG_TRY(fg_translator_write(t, &root, path, value, err));
    }
done:
    fg_free(path);
    return status;
}

/* The names of a sequence's blocks, each once, in the order of their first use, then those without a use:
 * [null] for a fixed one. */
static fg_status block_names(const fg_block_sequence *sequence, json_t **names, fg_error *err) {
    fg_status status = FG_OK;
    json_t *name, *seen = json_object();
    *names = json_array();
    if (!sequence->pattern) FG_TRY(fg_json_push(*names, json_null(), err));
    FG_JSON_EACH(sequence->pattern, i, name) {
        if (json_object_get(seen, json_string_value(name))) continue;
        FG_TRY(fg_json_put(seen, json_string_value(name), json_true(), err));
        FG_TRY(fg_json_push(*names, json_incref(name), err));
    }
    FG_JSON_MEMBERS(sequence->blocks, key, name) {
        if (!json_object_get(seen, key)) FG_TRY(fg_json_push(*names, json_string(key), err));
    }
done:
    json_decref(seen);
    return status;
}

typedef struct sequence_task {
    char *target;   /* owned */
    json_t *names;  /* owned; the blocks */
    json_t *layout; /* owned; names of choices, by position; NULL: refused, or there is no list */
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
    const char *wrong = fg_block_sequence_read(fg_json_at(t->source, task->target), &task->sequence);
    if (wrong) {
        FG_TRY(fg_translator_refuse(t, d, err, "\"%s\": %s", task->target, wrong));
        goto done;
    }
    letters = json_object(); /* block name -> choice name */
    FG_NEW(task->kinds, d->choice_count);
    FG_TRY(block_names(&task->sequence, &task->names, err));
    FG_JSON_EACH(task->names, i, name) {
        const fg_choice *choice;
        FG_TRY_RENEW(block, fg_strformat(err, "%s/%s", task->target,
                                         fg_block_sequence_path(json_string_value(name), buffer)));
        FG_TRY(fg_choose_by_class(t, d, block, &choice, err));
        if (!choice)
            FG_TRY(fg_refuse_class(t, d, block, err));
        else
            FG_TRY(export_block(t, frame, d, choice->section, block, &task->kinds[choice - d->choices], err));
        if (choice && choice->name)
            FG_TRY(fg_json_put(letters, json_is_null(name) ? "" : json_string_value(name),
                               json_string(choice->name), err));
    }
    for (size_t i = 0; i < d->choice_count; i++) FG_TRY(merge(t, task->target, task->kinds[i], "", err));
    task->layout = json_array();
    uint64_t positions = every_layer(d)           ? task->sequence.count
                         : task->sequence.pattern ? json_array_size(task->sequence.pattern)
                                                  : 1;
    for (size_t i = 0; i < positions; i++) {
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
static fg_status warn_of_pattern(const fg_translator *t, const fg_declaration *d, const json_t *layout,
                                 uint64_t count, fg_error *err) {
    size_t named = json_array_size(layout);
    if (every_layer(d) || named == count) return FG_OK;
    return fg_warnings_add(
        t->warnings, err,
        "%s: \"%s\" names %zu of %llu layers and is repeated: code that expects a name for each layer "
        "computes another model",
        t->options->file, d->keys[0], named, (unsigned long long)count);
}

/* The number of blocks in hf: claimed, read (NULL: refused) or written. */
static fg_status read_count(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                            const json_t **count, fg_error *err) {
    const char *path = fg_member_text(d, "count", "num_blocks");
    FG_CALL(fg_translator_claim(t, frame, FG_SIDE_HF, path, d, err));
    FG_CALL(fg_translator_read(t, frame, path, false, count, err));
    if (json_is_integer(*count) && json_integer_value(*count) >= 0) return FG_OK;
    FG_CALL(
        fg_translator_refuse_value(t, d, frame, path, *count, err, "expected a whole number of 0 or more"));
    *count = NULL;
    return FG_OK;
}

static fg_status write_count(fg_translator *t, const fg_frame *frame, const fg_declaration *d, uint64_t count,
                             fg_error *err) {
    return fg_translator_write_new(t, frame, fg_member_text(d, "count", "num_blocks"),
                                   json_integer((json_int_t)count), err);
}

/* Import: writes the sequence, and each of its blocks by the choice that the layout names. */
static fg_status import_sequence(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 const json_t *layout, const json_t *count, sequence_task *task,
                                 fg_error *err) {
    fg_status status = FG_OK;
    char buffer[FG_BLOCK_PATH], *block = NULL;
    json_t *made = NULL, *name;
    FG_TRY(fg_block_sequence_make(layout, count, &made, err));
    task->sequence.pattern = json_object_get(made, "pattern");
    FG_TRY(fg_translator_write(t, frame, d->fields[0], made, err));
    FG_TRY(block_names(&task->sequence, &task->names, err));
    FG_JSON_EACH(task->names, i, name) {
        const char *letter = json_string_value(json_is_null(name) ? json_array_get(layout, 0) : name);
        const fg_choice *choice = letter ? fg_choose_by_name(d, letter) : &d->choices[0];
        FG_TRY_RENEW(block, fg_strformat(err, "%s/%s", task->target,
                                         fg_block_sequence_path(json_string_value(name), buffer)));
        FG_TRY(choice ? fg_section_enter(t, frame, choice->section, frame->hf, block, err)
                      : fg_refuse_name(t, d, NULL, d->keys[0],
                                       json_is_null(name) ? json_array_get(layout, 0) : name, err));
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
    *hf = fg_path_resolve(frame->hf, fg_member_text(d, "at", ""), err);
    if (!*hf) return FG_ERR_MEMORY;
    size_t length = strlen(*hf);
    if (length && (*hf)[length - 1] == '/') (*hf)[length - 1] = '\0';
    moved->hf = *hf;
    if (fg_translator_imports(t)) moved->scope.here = fg_json_at(t->source, *hf);
    return FG_OK;
}

static bool is_list_of_names(const json_t *list) {
    json_t *name;
    FG_JSON_EACH(list, i, name) {
        if (!json_is_string(name) && !json_is_integer(name) && !json_is_boolean(name)) return false;
    }
    return json_array_size(list) > 0;
}

/* What the lists of hf say at a position. New reference; NULL: there was no memory. */
static json_t *values_at(const json_t *lists, size_t position, fg_error *err) {
    json_t *values, *list;
    if (json_array_size(lists) == 1) return json_incref(json_array_get(json_array_get(lists, 0), position));
    values = json_array();
    FG_JSON_EACH(lists, k, list) {
        if (fg_json_push(values, json_incref(json_array_get(list, position)), err) == FG_OK) continue;
        json_decref(values);
        return NULL;
    }
    return values;
}

/* The name of what lists of hf say; of several that lead to one section, the first. */
static fg_status name_of_values(const fg_declaration *d, const json_t *values, fg_buffer *name,
                                fg_error *err) {
    for (size_t i = 0; i < d->choice_count; i++) {
        const fg_choice *first = d->choices;
        if (!fg_json_equal(d->choices[i].values, values)) continue;
        while (first->section != d->choices[i].section) first++;
        fg_buffer_clear(name);
        return fg_buffer_put(name, first->name, err);
    }
    return fg_choice_name(values, name, err);
}

static fg_status make_layout(const fg_declaration *d, const json_t *lists, json_t **layout, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer name = {0};
    json_t *values = NULL;
    *layout = json_array();
    for (size_t i = 0; i < json_array_size(json_array_get(lists, 0)); i++) {
        json_decref(values);
        FG_TRY_NEW(values, values_at(lists, i, err));
        FG_TRY(name_of_values(d, values, &name, err));
        FG_TRY(fg_json_push(*layout, json_string(name.data), err));
    }
done:
    json_decref(values);
    fg_buffer_free(&name);
    return status;
}

/* Export: a list of hf, from the names of the layout. */
static fg_status write_list(fg_translator *t, const fg_frame *frame, const fg_declaration *d, size_t list,
                            const json_t *layout, fg_error *err) {
    fg_status status = FG_OK;
    json_t *values = json_array(), *name;
    FG_JSON_EACH(layout, i, name) {
        const fg_choice *choice = fg_choose_by_name(d, json_string_value(name));
        json_t *value = (json_t *)(uintptr_t)fg_choice_value(d, choice, list);
        FG_TRY(fg_json_push(values, json_incref(value), err));
    }
    FG_TRY(fg_translator_write(t, frame, d->keys[list], values, err));
done:
    json_decref(values);
    return status;
}

/* Import: the last layer is of the kind that "last" names, whatever hf's list says. */
static fg_status resolve_last(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              json_t *layout, fg_error *err) {
    fg_status status = FG_OK;
    json_t *before = NULL;
    const char *wanted = fg_member_text(d, "last", NULL);
    size_t last = json_array_size(layout) - 1;
    const char *found = json_string_value(json_array_get(layout, last));
    if (!wanted || strcmp(found, wanted) == 0) return FG_OK;
    FG_TRY(
        fg_warnings_add(t->warnings, err,
                        "%s: \"%s\": the last layer is \"%s\" but becomes \"%s\", as transformers treats it",
                        t->options->file, d->keys[0], found, wanted));
    FG_TRY_NEW(before, fg_json_copy(layout, err));
    if (json_array_set_new(layout, last, json_string(wanted)) != 0)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while reading a list of layers");
    FG_TRY(fg_translator_leave_out(t, frame, d->keys[0], before, "the last layer is always of one kind",
                                   layout, err));
    FG_TRY(fg_translator_resolve(t, frame, d, layout, true, err));
done:
    json_decref(before);
    return status;
}

/* Export: the last layer has the kind that "last" names, or hf is another model. */
static fg_status warn_of_last(const fg_translator *t, const fg_declaration *d, const json_t *layout,
                              fg_error *err) {
    const char *wanted = fg_member_text(d, "last", NULL),
               *found = json_string_value(json_array_get(layout, json_array_size(layout) - 1));
    if (!wanted || !found || strcmp(found, wanted) == 0) return FG_OK;
    return fg_warnings_add(
        t->warnings, err,
        "%s: \"%s\" ends with \"%s\", which transformers treats as \"%s\": it computes another model",
        t->options->file, d->keys[0], found, wanted);
}

/* Where the list has an entry a layer, each kind must occur: hf's keys for it would be absent otherwise. */
static fg_status check_kinds(fg_translator *t, const fg_declaration *d, const sequence_task *task,
                             fg_error *err) {
    for (size_t i = 0; i < d->choice_count; i++) {
        if (!task->kinds[i])
            FG_CALL(fg_translator_refuse(t, d, err, "\"%s\": no block is a \"%s\", and this format needs one",
                                         task->target, d->choices[i].name));
    }
    return FG_OK;
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
            FG_TRY_RENEW(hf, fg_section_hf_path(at, d, err));
            const fg_frame inner = {.section = d->choices[k].section, .hf = hf, .target = at->target};
            if (fg_primitive_takes(d->primitive, "hf_type"))
                FG_TRY(set_aside(t, &inner, d, fg_member_text(d, "hf_type", "type"), err));
            FG_TRY(set_section_aside(t, &inner, depth + 1, err));
        }
    }
done:
    fg_free(hf);
    return status;
}

/* Whether a declaration has a list of hf that chooses among sections; else all blocks are of one. */
static bool has_list(const fg_declaration *d) {
    return d->key_count > 0;
}

/* Import: the first list may have more entries than there are layers; the rest of them count for nothing. */
static fg_status cut_list(fg_translator *t, const fg_frame *frame, const fg_declaration *d, size_t layers,
                          json_t **names, fg_error *err) {
    fg_status status = FG_OK;
    json_t *whole = *names, *rest;
    *names = json_array();
    FG_JSON_EACH(whole, i, rest) {
        if (i < layers) FG_TRY(fg_json_push(*names, json_incref(rest), err));
    }
    FG_TRY(fg_translator_leave_out(t, frame, d->keys[0], whole,
                                   "entries beyond the last layer have no effect", *names, err));
    FG_TRY(fg_translator_resolve(t, frame, d, *names, false, err));
done:
    json_decref(whole);
    return status;
}

/* Import: a list of hf, or what "derived" says that its absence means. New reference; NULL: refused. */
static fg_status read_list(fg_translator *t, const fg_frame *frame, const fg_declaration *d, size_t list,
                           const json_t *count, json_t **names, fg_error *err) {
    const json_t *found, *derived = json_array_get(json_object_get(d->spec, "derived"), list);
    *names = NULL;
    FG_CALL(fg_translator_read(t, frame, d->keys[list], false, &found, err));
    if (derived && (!found || json_is_null(found)))
        FG_CALL(fg_template_value(derived, &frame->scope, d->label, names, err));
    else if (is_list_of_names(found))
        *names = json_incref((json_t *)(uintptr_t)found);
    if (!*names) {
        return fg_translator_refuse_value(t, d, NULL, d->keys[list], found, err,
                                          "expected a list of block names");
    }
    size_t entries = json_array_size(*names), layers = (size_t)json_integer_value(count);
    if (!count || !every_layer(d) || entries == layers) return FG_OK;
    if (entries > layers && list == 0 && json_object_get(d->spec, "may_exceed"))
        return cut_list(t, frame, d, layers, names, err);
    json_decref(*names);
    *names = NULL;
    return fg_translator_refuse(t, d, err, "key \"%s\" has %zu entries, expected one for each of %zu layers",
                                d->keys[list], entries, layers);
}

/* Several lists that say together what a layer is. */
static fg_status check_lengths(fg_translator *t, const fg_declaration *d, const json_t *lists, bool *equal,
                               fg_error *err) {
    size_t first = json_array_size(json_array_get(lists, 0));
    const json_t *list;
    *equal = true;
    FG_JSON_EACH(lists, k, list) {
        if (json_array_size(list) == first) continue;
        *equal = false;
        return fg_translator_refuse(
            t, d, err, "keys \"%s\" and \"%s\" have %zu and %zu entries, expected one a layer in both",
            d->keys[0], d->keys[k], first, json_array_size(list));
    }
    return FG_OK;
}

/* Import: the layout that the lists of hf give; NULL: refused. */
static fg_status read_layout(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                             const json_t *count, json_t **layout, fg_error *err) {
    fg_status status = FG_OK;
    json_t *lists = json_array(), *names = NULL;
    bool equal;
    for (size_t k = 0; k < d->key_count; k++) {
        FG_TRY(read_list(t, frame, d, k, count, &names, err));
        if (names) FG_TRY(fg_json_push(lists, names, err));
    }
    if (json_array_size(lists) < d->key_count) goto done;
    FG_TRY(check_lengths(t, d, lists, &equal, err));
    if (!equal) goto done;
    FG_TRY(make_layout(d, lists, layout, err));
    if (!count) goto done;
    FG_TRY(resolve_last(t, frame, d, *layout, err));
    FG_TRY(warn_of_pattern(t, d, *layout, (uint64_t)json_integer_value(count), err));
done:
    json_decref(lists);
    return status;
}

static fg_status import_blocks(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                               sequence_task *task, fg_error *err) {
    const json_t *count;
    FG_CALL(read_count(t, frame, d, &count, err));
    if (has_list(d)) FG_CALL(read_layout(t, frame, d, count, &task->layout, err));
    if (count && (task->layout || !has_list(d)))
        FG_CALL(import_sequence(t, frame, d, task->layout, count, task, err));
    for (size_t i = 0; i < d->choice_count && has_list(d); i++) {
        const fg_frame at = {.section = d->choices[i].section, .hf = frame->hf, .target = task->target};
        FG_CALL(set_section_aside(t, &at, 0, err));
    }
    return FG_OK;
}

static fg_status export_blocks(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                               sequence_task *task, fg_error *err) {
    FG_CALL(export_sequence(t, frame, d, task, err));
    FG_CALL(write_count(t, frame, d, task->sequence.count, err));
    if (has_list(d) && task->layout) {
        FG_CALL(warn_of_pattern(t, d, task->layout, task->sequence.count, err));
        FG_CALL(warn_of_last(t, d, task->layout, err));
        for (size_t k = 0; k < d->key_count; k++) FG_CALL(write_list(t, frame, d, k, task->layout, err));
    }
    if (task->kinds && every_layer(d) && !json_object_get(d->spec, "may_lack"))
        FG_CALL(check_kinds(t, d, task, err));
    return FG_OK;
}

fg_status fg_run_list_dispatch(fg_translator *t, const fg_frame *outer, const fg_declaration *d,
                               fg_error *err) {
    fg_status status = FG_OK;
    sequence_task task = {0};
    char *hf = NULL;
    fg_frame frame;
    FG_TRY(move_frame(t, outer, d, &frame, &hf, err));
    FG_TRY_NEW(task.target, fg_path_resolve(frame.target, d->fields[0], err));
    FG_TRY(claim_sequence(t, task.target, d, err));
    for (size_t k = 0; k < d->key_count; k++)
        FG_TRY(fg_translator_claim(t, &frame, FG_SIDE_HF, d->keys[k], d, err));
    FG_TRY((fg_translator_imports(t) ? import_blocks : export_blocks)(t, &frame, d, &task, err));
done:
    fg_free(hf);
    task_free(&task, d);
    return status;
}
