/* The primitives for single keys: rename, default, optional, import_only, constants, ignored. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "language/value_type.h"
#include "translate/primitive_functions.h"

enum { BRIEF = 120, VALUES = 240, PLACE = 300 };

/* ---- shared by the primitives ---- */

static const json_t *member(const fg_declaration *d, const char *name) {
    return json_object_get(d->spec, name);
}

/* Where a declaration with one path a side reads and writes. */
static const char *from_path(const fg_translator *t, const fg_declaration *d) {
    return fg_translator_imports(t) ? d->keys[0] : d->fields[0];
}

static const char *to_path(const fg_translator *t, const fg_declaration *d) {
    return fg_translator_imports(t) ? d->fields[0] : d->keys[0];
}

/* What a V means here; an expression over values that do not fit it (text where a number belongs) is a
 * refusal, unless it reads a key that is absent and whose absence is refused. */
static fg_status value_or_refuse(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 const char *name, json_t **value, fg_error *err) {
    fg_error why = {0};
    char place[PLACE];
    bool has = true;
    fg_status status = fg_translator_value(t, frame, d, name, value, &why);
    if (status == FG_OK) return FG_OK;
    if (status != FG_ERR_INPUT) return fg_fail_again(err, &why);
    if (t->lacks_key) {
        status = fg_expression_has_operands(member(d, name), &frame->scope, &has, err);
        if (status != FG_OK || !has) return status;
    }
    return fg_translator_refuse(
        t, d, err, "key \"%s\" is absent, and what that means cannot be worked out: %s",
        fg_translator_place(t, frame, from_path(t, d), place, sizeof place), why.text);
}

/* Whether the file gives one of the keys that have their defaults together only. */
static fg_status gives_any(const fg_translator *t, const fg_frame *frame, const json_t *keys, bool *any,
                           fg_error *err) {
    json_t *key;
    const json_t *found;
    *any = false;
    FG_JSON_EACH(keys, i, key) {
        FG_CALL(fg_translator_read(t, frame, json_string_value(key), true, &found, err));
        *any |= found && !json_is_null(found);
    }
    return FG_OK;
}

/* "together": a default that is used where the file gives none of the keys, and is said then. With some of
 * them the others are missing. */
static fg_status take_together(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                               json_t **value, fg_error *err) {
    const json_t *keys = member(d, "together");
    char place[PLACE], brief[BRIEF];
    bool any;
    if (!keys || !*value) return FG_OK;
    FG_CALL(gives_any(t, frame, keys, &any, err));
    fg_translator_place(t, frame, from_path(t, d), place, sizeof place);
    fg_json_brief(*value, brief, sizeof brief);
    if (!any)
        return fg_warnings_add(t->warnings, err, "%s: key \"%s\" is absent: transformers' default %s is used",
                               t->options->file, place, brief);
    FG_CALL(fg_translator_refuse(
        t, d, err,
        "key \"%s\" is absent, but others that belong to it are given: transformers' default is %s", place,
        brief));
    t->hint =
        "add the missing keys with these values if the model was trained with them, or leave all of them out";
    json_decref(*value);
    *value = NULL;
    return FG_OK;
}

/* What absence means on the side that is read, and on the side that is written. */
static const fg_absence *read_absence(const fg_translator *t, const fg_declaration *d) {
    return &d->absence[fg_translator_imports(t) ? FG_SIDE_HF : FG_SIDE_TARGET];
}

static const fg_absence *write_absence(const fg_translator *t, const fg_declaration *d) {
    return &d->absence[fg_translator_imports(t) ? FG_SIDE_TARGET : FG_SIDE_HF];
}

static bool is_absence(const fg_absence *absence, const json_t *found) {
    return !found || (absence->null && json_is_null(found)) || fg_json_contains(absence->also, found);
}

/* What the absence that was found means; NULL: refused. */
static fg_status read_default(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              const json_t *found, json_t **value, fg_error *err) {
    FG_CALL(value_or_refuse(t, frame, d, read_absence(t, d)->means, value, err));
    if (!fg_translator_imports(t)) return FG_OK;
    FG_CALL(take_together(t, frame, d, value, err));
    if (found && *value)
        FG_CALL(fg_translator_leave_out(t, frame, from_path(t, d), found,
                                        "stands for a value that is worked out", *value, err));
    return FG_OK;
}

/* The source's value, or what its absence means. NULL with FG_OK: absent, and that is all right, or refused.
 */
static fg_status read_or_default(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 json_t **value, fg_error *err) {
    const json_t *found;
    const fg_absence *absence = read_absence(t, d);
    char place[PLACE];
    *value = NULL;
    FG_CALL(fg_translator_read(t, frame, from_path(t, d), false, &found, err));
    if (absence->means && is_absence(absence, found)) return read_default(t, frame, d, found, value, err);
    if (found) {
        *value = json_incref((json_t *)(uintptr_t)found);
    } else if (!absence->passes) {
        t->lacks_key = true;
        FG_CALL(fg_translator_refuse(t, d, err, "key \"%s\" is absent and has no default",
                                     fg_translator_place(t, frame, from_path(t, d), place, sizeof place)));
    }
    return FG_OK;
}

/* The value that the run asks for in place of the file's. */
static fg_status apply_option(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                              json_t **value, fg_error *err) {
    uint64_t asked = 0;
    const char *option = json_string_value(member(d, "option"));
    if (!option) return FG_OK;
    if (fg_option_find(option) == FG_OPTION_VOCAB_SIZE)
        return fg_translator_note_vocabulary(t, frame, to_path(t, d), err);
    if (!fg_translate_option(t->options, option, &asked) || !asked) return FG_OK;
    json_decref(*value);
    *value = json_integer((json_int_t)asked);
    return *value ? FG_OK : fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration");
}

/* Whether the value equals what a member of the declaration (NULL: none) means here. */
static fg_status equals(const fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                        const char *name, const json_t *value, bool *equal, fg_error *err) {
    json_t *meant = NULL;
    *equal = false;
    if (!name) return FG_OK;
    fg_status status = fg_translator_value(t, frame, d, name, &meant, err);
    *equal = status == FG_OK && fg_json_equal(meant, value);
    json_decref(meant);
    return status;
}

/* ---- tables of values ---- */

/* The other side's value of a row [target, hf] of the declaration's table; NULL if no row has `value`. `back`
 * is what would come back for it: the first row of a value counts. Borrowed. */
static const json_t *look_through(const fg_translator *t, const fg_declaration *d, const json_t *value,
                                  const json_t **back, const char **warning) {
    const json_t *table =
        json_object_get(json_object_get(t->document, "tables"), json_string_value(member(d, "through")));
    const json_t *used = NULL;
    size_t from = fg_translator_imports(t) ? 1 : 0;
    json_t *row;
    FG_JSON_EACH(table, i, row) {
        if (!used && fg_json_equal(json_array_get(row, from), value)) used = row;
    }
    const json_t *found = json_array_get(used, 1 - from);
    *warning = fg_translator_imports(t) ? json_string_value(json_array_get(used, 2)) : NULL;
    *back = NULL;
    FG_JSON_EACH(table, i, row) {
        if (found && !*back && fg_json_equal(json_array_get(row, 1 - from), found))
            *back = json_array_get(row, from);
    }
    return found;
}

/* Replaces the value by the table's. `same` is false if another one would come back. */
static fg_status translate_value(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 json_t **value, bool *same, fg_error *err) {
    char place[PLACE], brief[BRIEF];
    const json_t *back, *found;
    const char *warning;
    fg_status status = FG_OK;
    *same = true;
    if (!member(d, "through")) return FG_OK;
    found = look_through(t, d, *value, &back, &warning);
    if (!found) {
        status = fg_translator_refuse_value(t, d, frame, from_path(t, d), *value, err,
                                            "the other format has no such value (%s)",
                                            json_string_value(member(d, "through")));
    } else if (!fg_json_equal(back, *value)) {
        *same = false;
        status = fg_translator_leave_out(
            t, frame, from_path(t, d), *value,
            warning ? warning : "has the same meaning to the other format as another value", back, err);
        if (warning && status == FG_OK) status = fg_translator_mark_last(t, "approximated", err);
    }
    if (warning && status == FG_OK)
        status = fg_warnings_add(t->warnings, err, "%s: key \"%s\" = %s: %s", t->options->file,
                                 fg_translator_place(t, frame, from_path(t, d), place, sizeof place),
                                 fg_json_brief(*value, brief, sizeof brief), warning);
    json_t *old = *value;
    *value = found ? json_incref((json_t *)(uintptr_t)found) : NULL;
    json_decref(old);
    return status;
}

/* ---- rename, default, optional, import_only ---- */

/* Import of a key that may come back as null, which means the same: what stood there is kept. */
static fg_status note_number(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                             fg_error *err) {
    const json_t *found;
    json_t *null = json_null();
    fg_status status = fg_translator_read(t, frame, d->keys[0], true, &found, err);
    if (status == FG_OK && found && !json_is_null(found))
        status = fg_translator_leave_out(t, frame, d->keys[0], found, "null would mean the same", null, err);
    return status;
}

/* Import of a key that says what its absence would say: it is not written back, and kept where something is
 * (of a target with classes; elsewhere it is no loss). */
static fg_status note_sentinel(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                               fg_error *err) {
    const json_t *found;
    fg_status status = fg_translator_read(t, frame, d->keys[0], true, &found, err);
    if (status != FG_OK || !found || !t->classes) return status;
    return fg_translator_leave_out_default(t, frame, d->keys[0], found, "its absence would mean the same",
                                           err);
}

/* Import: whether hf's value comes back; if it would come back as null or not at all, that is noted. */
static fg_status comes_back(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                            const json_t *value, bool *same, fg_error *err) {
    const fg_absence *hf = &d->absence[FG_SIDE_HF];
    bool unwritten;
    *same = true;
    if (!fg_translator_imports(t) || !hf->unwritten) return FG_OK;
    FG_CALL(equals(t, frame, d, hf->as_null ? NULL : hf->unwritten, value, &unwritten, err));
    if (hf->as_null) FG_CALL(note_number(t, frame, d, err));
    if (unwritten) FG_CALL(note_sentinel(t, frame, d, err));
    *same = !hf->as_null && !unwritten;
    return FG_OK;
}

/* Writes a value that was read, as the other side has it. `value` is taken over. */
static fg_status pass_on(fg_translator *t, const fg_frame *frame, const fg_declaration *d, json_t *value,
                         fg_error *err) {
    fg_status status = FG_OK;
    const fg_absence *absence = write_absence(t, d);
    bool unwritten, returns, same;
    json_t *given = json_incref(value);
    FG_TRY(comes_back(t, frame, d, value, &returns, err));
    FG_TRY(translate_value(t, frame, d, &value, &same, err));
    if (!value) goto done;
    if (fg_translator_imports(t)) FG_TRY(fg_translator_resolve(t, frame, d, given, returns && same, err));
    FG_TRY(apply_option(t, frame, d, &value, err));
    FG_TRY(equals(t, frame, d, absence->unwritten, value, &unwritten, err));
    if (unwritten && !absence->as_null) {
        if (!fg_translator_imports(t)) FG_TRY(fg_translator_note_absent(t, frame, d, value, err));
        goto done;
    }
    if (unwritten) {
        json_decref(value);
        value = json_null();
    }
    FG_TRY(fg_translator_write(t, frame, to_path(t, d), value, err));
done:
    json_decref(value);
    json_decref(given);
    return status;
}

fg_status fg_carry_value(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value = NULL;
    const char *type = json_string_value(member(d, "type"));
    FG_TRY(read_or_default(t, frame, d, &value, err));
    if (!value) goto done;
    const char *expected = type ? fg_type_mismatch(type, value) : NULL;
    if (expected)
        FG_TRY(fg_translator_refuse_value(t, d, frame, from_path(t, d), value, err, "expected %s", expected));
    else
        FG_TRY(pass_on(t, frame, d, json_incref(value), err));
done:
    json_decref(value);
    return status;
}

static fg_status write_constant(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                const char *name, const char *path, fg_error *err);

/* From one key, or from an expression over all of them. */
fg_status fg_import_only_import(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                fg_error *err) {
    if (d->key_count) return fg_carry_value(t, frame, d, err);
    return write_constant(t, frame, d, "import_only", d->fields[0], err);
}

fg_status fg_import_only_export(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                fg_error *err) {
    const json_t *found;
    if (member(d, "exported")) return FG_OK; /* other declarations read it */
    fg_status status = fg_translator_read(t, frame, d->fields[0], true, &found, err);
    if (status == FG_OK && found)
        status = fg_translator_leave_out(t, frame, d->fields[0], found,
                                         "Hugging Face configurations have no such key", NULL, err);
    return status;
}

/* ---- constants ---- */

static fg_status write_constant(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                const char *name, const char *path, fg_error *err) {
    json_t *value = NULL;
    fg_error why = {0};
    fg_status status = fg_translator_value(t, frame, d, name, &value, &why);
    if (status == FG_OK)
        status = fg_translator_write(t, frame, path, value, err);
    else if (status == FG_ERR_INPUT)
        status = fg_translator_refuse(t, d, err, "%s", why.text);
    else
        fg_fail_again(err, &why);
    json_decref(value);
    return status;
}

static fg_status demand_constant(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 const char *name, const char *path, bool absent_passes, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *found;
    json_t *value = NULL;
    char wanted[BRIEF];
    FG_TRY(fg_translator_read(t, frame, path, false, &found, err));
    FG_TRY(fg_translator_value(t, frame, d, name, &value, err));
    if (found ? fg_json_equal(found, value) : absent_passes || json_is_null(value)) goto done;
    FG_TRY(fg_translator_refuse_value(t, d, frame, path, found, err, "only %s is supported",
                                      fg_json_brief(value, wanted, sizeof wanted)));
done:
    json_decref(value);
    return status;
}

/* Another value that "neutral" lists means the same, and comes back. */
fg_status fg_constant_export_import(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    fg_error *err) {
    fg_status status = FG_OK;
    const json_t *found = NULL, *neutral = member(d, "neutral");
    json_t *written = NULL;
    if (neutral) FG_TRY(fg_translator_read(t, frame, d->keys[0], true, &found, err));
    if (!found || !fg_json_contains(neutral, found))
        return demand_constant(t, frame, d, "constant_export", d->keys[0], d->absence[FG_SIDE_HF].passes,
                               err);
    FG_TRY(fg_translator_value(t, frame, d, "constant_export", &written, err));
    FG_TRY(fg_translator_leave_out(t, frame, d->keys[0], found, "means the same", written, err));
done:
    json_decref(written);
    return status;
}

fg_status fg_constant_export_export(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    fg_error *err) {
    return write_constant(t, frame, d, "constant_export", d->keys[0], err);
}

fg_status fg_constant_import_import(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    fg_error *err) {
    return write_constant(t, frame, d, "constant_import", d->fields[0], err);
}

fg_status fg_constant_import_export(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    fg_error *err) {
    return demand_constant(t, frame, d, "constant_import", d->fields[0], true, err);
}

/* ---- ignored ---- */

static const char *neutral_values(const json_t *neutral, char *buffer, size_t size) {
    size_t used = 0;
    json_t *item;
    char brief[BRIEF];
    buffer[0] = '\0';
    FG_JSON_EACH(neutral, i, item) {
        if (used < size)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", i ? ", " : "",
                                     fg_json_brief(item, brief, sizeof brief));
    }
    return buffer;
}

static fg_status ignore_key(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                            const char *path, fg_error *err) {
    const json_t *found, *neutral = member(d, "neutral");
    const char *reason = json_string_value(member(d, "ignored"));
    char values[VALUES];
    fg_status status = fg_translator_read(t, frame, path, true, &found, err);
    if (status != FG_OK || !found) return status;
    bool harmless = !neutral || fg_json_contains(neutral, found);
    if (!harmless)
        return fg_translator_refuse_value(t, d, frame, path, found, err,
                                          "only absent or %s can be left out: %s",
                                          neutral_values(neutral, values, sizeof values), reason);
    json_t *written = NULL;
    const char *comes_back_as = fg_translator_imports(t) ? "export_as" : "import_as";
    if (member(d, comes_back_as)) status = fg_translator_value(t, frame, d, comes_back_as, &written, NULL);
    bool comes_back = status == FG_OK && written && fg_json_equal(written, found); /* then nothing is lost */
    status = comes_back ? FG_OK : fg_translator_leave_out(t, frame, path, found, reason, written, err);
    json_decref(written);
    return status;
}

fg_status fg_ignore_keys(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    size_t count = fg_translator_imports(t) ? d->key_count : d->field_count;
    const char *write = fg_translator_imports(t) ? "import_as" : "export_as";
    for (size_t i = 0; i < count; i++)
        FG_CALL(ignore_key(t, frame, d, (fg_translator_imports(t) ? d->keys : d->fields)[i], err));
    if (member(d, write))
        FG_CALL(write_constant(t, frame, d, write, (fg_translator_imports(t) ? d->fields : d->keys)[0], err));
    return FG_OK;
}
