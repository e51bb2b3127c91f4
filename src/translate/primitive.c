#include "translate/primitive.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "translate/custom.h"

enum { BRIEF = 120, VALUES = 240, PLACE = 300 };

/* ---- types ---- */

static bool is_count(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 1;
}

static bool is_size(const json_t *value) {
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_number(const json_t *value) {
    return json_is_number(value);
}

static bool is_texts(const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!json_is_string(item)) return false;
    }
    return json_is_array(value);
}

static bool is_positive(const json_t *value) {
    return json_is_number(value) && json_number_value(value) > 0;
}

static bool is_probability(const json_t *value) {
    return json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) < 1;
}

static bool is_flag(const json_t *value) {
    return json_is_boolean(value);
}

static bool is_text(const json_t *value) {
    return json_is_string(value);
}

static bool is_ids(const json_t *value) {
    size_t i;
    json_t *item;
    if (json_is_null(value) || json_is_integer(value)) return true;
    json_array_foreach((json_t *)(uintptr_t)value, i, item) {
        if (!json_is_integer(item)) return false;
    }
    return json_is_array(value);
}

static bool is_object(const json_t *value) {
    return json_is_object(value);
}

static const struct fg_type_row {
    const char *name;
    bool (*holds)(const json_t *value);
    const char *expected;
} types[] = {
    {"count", is_count, "an integer of 1 or more"},
    {"size", is_size, "an integer of 0 or more"},
    {"number", is_number, "a number"},
    {"texts", is_texts, "a list of strings"},
    {"positive", is_positive, "a number above 0"},
    {"probability", is_probability, "a number from 0 to below 1"},
    {"flag", is_flag, "true or false"},
    {"text", is_text, "a string"},
    {"ids", is_ids, "a token id, a list of them, or null"},
    {"object", is_object, "an object"},
};

/* "count?" also takes null. */
static const struct fg_type_row *type_row(const char *type, bool *nullable) {
    size_t length = strlen(type);
    *nullable = fg_ends_with(type, "?");
    length -= *nullable;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].name) == length && strncmp(types[i].name, type, length) == 0) return &types[i];
    }
    return NULL;
}

bool fg_type_known(const char *type) {
    bool nullable;
    return type_row(type, &nullable) != NULL;
}

const char *fg_type_mismatch(const char *type, const json_t *value) {
    bool nullable;
    const struct fg_type_row *row = type_row(type, &nullable);
    if (!row || row->holds(value) || (nullable && json_is_null(value))) return NULL;
    return row->expected;
}

/* ---- shared by the primitives ---- */

static const json_t *member(const fg_declaration *d, const char *name) {
    return json_object_get(d->spec, name);
}

static bool importing(const fg_translator *t) {
    return t->direction == FG_IMPORT;
}

/* Where a declaration with one path a side reads and writes. */
static const char *from_path(const fg_translator *t, const fg_declaration *d) {
    return importing(t) ? d->keys[0] : d->fields[0];
}

static const char *to_path(const fg_translator *t, const fg_declaration *d) {
    return importing(t) ? d->fields[0] : d->keys[0];
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
    if (status != FG_ERR_INPUT) return fg_fail(err, status, "%s", why.text);
    if (t->lacks_key) {
        status = fg_expression_has_operands(member(d, name), &frame->scope, &has, err);
        if (status != FG_OK || !has) return status;
    }
    return fg_translator_refuse(
        t, d, err, "key \"%s\" is absent, and what that means cannot be worked out: %s",
        fg_translator_place(t, frame, from_path(t, d), place, sizeof place), why.text);
}

static bool is_listed(const json_t *list, const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        if (fg_json_equal(item, value)) return true;
    }
    return false;
}

/* Whether the file gives one of the keys that have their defaults together only. */
static fg_status gives_any(const fg_translator *t, const fg_frame *frame, const json_t *keys, bool *any,
                           fg_error *err) {
    fg_status status = FG_OK;
    size_t i;
    json_t *key;
    const json_t *found;
    *any = false;
    json_array_foreach((json_t *)(uintptr_t)keys, i, key) {
        FG_TRY(fg_translator_read(t, frame, json_string_value(key), true, &found, err));
        *any |= found && !json_is_null(found);
    }
done:
    return status;
}

/* "together": a default that is used where the file gives none of the keys, and is said then. With some of
 * them the others are missing. */
static fg_status take_together(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                               json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *keys = member(d, "together");
    char place[PLACE], brief[BRIEF];
    bool any;
    if (!keys || !*value) goto done;
    FG_TRY(gives_any(t, frame, keys, &any, err));
    fg_translator_place(t, frame, from_path(t, d), place, sizeof place);
    fg_json_brief(*value, brief, sizeof brief);
    if (!any) {
        fg_warn("%s: key \"%s\" is absent: transformers' default %s is used", t->options->file, place, brief);
        goto done;
    }
    FG_TRY(fg_translator_refuse(
        t, d, err,
        "key \"%s\" is absent, but others that belong to it are given: transformers' default is %s", place,
        brief));
    t->hint =
        "add the missing keys with these values if the model was trained with them, or leave all of them out";
    json_decref(*value);
    *value = NULL;
done:
    return status;
}

/* The source's value, or what its absence means. NULL with FG_OK: absent, and that is all right, or refused.
 */
static fg_status read_or_default(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *found;
    const char *path = from_path(t, d), *instead = NULL;
    char place[PLACE];
    *value = NULL;
    FG_TRY(fg_translator_read(t, frame, path, false, &found, err));
    if (importing(t)) {
        bool null = json_is_null(found) && !member(d, "default_for"); /* a list says it all */
        if ((!found || null) && member(d, "default")) instead = "default";
        if (!found && member(d, "optional")) instead = "optional";
        if (found && is_listed(member(d, "default_for"), found)) instead = "default";
    } else {
        if (!found && member(d, "optional")) instead = "optional";
        if (!found && member(d, "omit")) instead = "omit";
        if ((!found || json_is_null(found)) && member(d, "absent")) instead = "absent";
    }
    if (instead) FG_TRY(value_or_refuse(t, frame, d, instead, value, err));
    if (instead && importing(t)) FG_TRY(take_together(t, frame, d, value, err));
    if (instead && found && *value && (importing(t) || !json_is_null(found)))
        FG_TRY(fg_translator_leave_out(t, frame, path, found, "stands for a value that is worked out", *value,
                                       err));
    if (instead)
        goto done;
    else if (found)
        *value = json_incref((json_t *)(uintptr_t)found);
    else if (!member(d, "maybe")) {
        t->lacks_key = true;
        FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" is absent and has no default",
                                    fg_translator_place(t, frame, path, place, sizeof place)));
    }
done:
    return status;
}

/* The value that the run asks for in place of the file's. */
static fg_status apply_option(const fg_translator *t, const fg_declaration *d, json_t **value,
                              fg_error *err) {
    uint64_t asked = 0;
    if (!member(d, "option")) return FG_OK;
    fg_translate_option(t->options, json_string_value(member(d, "option")), &asked);
    if (!asked) return FG_OK;
    json_decref(*value);
    *value = json_integer((json_int_t)asked);
    return *value ? FG_OK : fg_fail(err, FG_ERR_MEMORY, "out of memory while translating a configuration");
}

/* Whether the value equals what a member of the declaration means here. */
static fg_status equals(const fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                        const char *name, const json_t *value, bool *equal, fg_error *err) {
    json_t *meant = NULL;
    *equal = false;
    if (!member(d, name)) return FG_OK;
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
    size_t i, from = importing(t) ? 1 : 0;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)table, i, row) {
        if (!used && fg_json_equal(json_array_get(row, from), value)) used = row;
    }
    const json_t *found = json_array_get(used, 1 - from);
    *warning = importing(t) ? json_string_value(json_array_get(used, 2)) : NULL;
    *back = NULL;
    json_array_foreach((json_t *)(uintptr_t)table, i, row) {
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
        status = fg_translator_refuse(t, d, err, "key \"%s\" = %s: the other format has no such value (%s)",
                                      fg_translator_place(t, frame, from_path(t, d), place, sizeof place),
                                      fg_json_brief(*value, brief, sizeof brief),
                                      json_string_value(member(d, "through")));
    } else if (!fg_json_equal(back, *value)) {
        *same = false;
        status = fg_translator_leave_out(
            t, frame, from_path(t, d), *value,
            warning ? warning : "has the same meaning to the other format as another value", back, err);
    }
    if (warning && t->left_out)
        fg_warn("%s: key \"%s\" = %s: %s", t->options->file,
                fg_translator_place(t, frame, from_path(t, d), place, sizeof place),
                fg_json_brief(*value, brief, sizeof brief), warning);
    json_t *old = *value;
    *value = found ? json_incref((json_t *)(uintptr_t)found) : NULL;
    json_decref(old);
    return status;
}

/* ---- rename, optional, import_only ---- */

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

/* Writes a value that was read, as the other side has it. `value` is taken over. */
static fg_status pass_on(fg_translator *t, const fg_frame *frame, const fg_declaration *d, json_t *value,
                         fg_error *err) {
    fg_status status = FG_OK;
    bool skip, same;
    json_t *given = json_incref(value);
    FG_TRY(equals(t, frame, d, "optional", value, &skip, err));
    if (skip && importing(t)) FG_TRY(note_sentinel(t, frame, d, err));
    FG_TRY(translate_value(t, frame, d, &value, &same, err));
    if (!value) goto done;
    if (importing(t) && member(d, "null_if")) {
        same = false;
        FG_TRY(note_number(t, frame, d, err));
    }
    if (importing(t)) FG_TRY(fg_translator_resolve(t, frame, d, given, !skip && same, err));
    FG_TRY(apply_option(t, d, &value, err));
    FG_TRY(equals(t, frame, d, importing(t) ? "omit" : "optional", value, &skip, err));
    FG_TRY(equals(t, frame, d, "null_if", value, &same, err));
    if (same && !importing(t)) {
        json_decref(value);
        value = json_null();
    }
    if (!skip) FG_TRY(fg_translator_write(t, frame, to_path(t, d), value, err));
done:
    json_decref(value);
    json_decref(given);
    return status;
}

static fg_status carry(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value = NULL;
    char brief[BRIEF], place[PLACE];
    const char *type = json_string_value(member(d, "type"));
    FG_TRY(read_or_default(t, frame, d, &value, err));
    if (!value) goto done;
    const char *expected = type ? fg_type_mismatch(type, value) : NULL;
    if (expected)
        FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" = %s: expected %s",
                                    fg_translator_place(t, frame, from_path(t, d), place, sizeof place),
                                    fg_json_brief(value, brief, sizeof brief), expected));
    else
        FG_TRY(pass_on(t, frame, d, json_incref(value), err));
done:
    json_decref(value);
    return status;
}

static fg_status write_constant(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                const char *name, const char *path, fg_error *err);

/* From one key, or from an expression over all of them. */
static fg_status import_only_import(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    fg_error *err) {
    if (d->key_count) return carry(t, frame, d, err);
    return write_constant(t, frame, d, "import_only", d->fields[0], err);
}

static fg_status import_only_export(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                    fg_error *err) {
    const json_t *found;
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
        fg_fail(err, status, "%s", why.text);
    json_decref(value);
    return status;
}

static fg_status demand_constant(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                 const char *name, const char *path, bool absent_passes, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *found;
    json_t *value = NULL;
    char brief[BRIEF], wanted[BRIEF], place[PLACE];
    FG_TRY(fg_translator_read(t, frame, path, false, &found, err));
    FG_TRY(fg_translator_value(t, frame, d, name, &value, err));
    if (found ? fg_json_equal(found, value) : absent_passes || json_is_null(value)) goto done;
    fg_json_brief(found, brief, sizeof brief);
    fg_json_brief(value, wanted, sizeof wanted);
    FG_TRY(fg_translator_refuse(t, d, err, "key \"%s\" = %s: only %s is supported",
                                fg_translator_place(t, frame, path, place, sizeof place), brief, wanted));
done:
    json_decref(value);
    return status;
}

/* Another value that "neutral" lists means the same, and comes back. */
static fg_status constant_export_import(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                        fg_error *err) {
    fg_status status = FG_OK;
    const json_t *found = NULL, *neutral = member(d, "neutral");
    json_t *written = NULL;
    if (neutral) FG_TRY(fg_translator_read(t, frame, d->keys[0], true, &found, err));
    if (!found || !is_listed(neutral, found))
        return demand_constant(t, frame, d, "constant_export", d->keys[0], member(d, "maybe") != NULL, err);
    FG_TRY(fg_translator_value(t, frame, d, "constant_export", &written, err));
    FG_TRY(fg_translator_leave_out(t, frame, d->keys[0], found, "means the same", written, err));
done:
    json_decref(written);
    return status;
}

static fg_status constant_export_export(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                        fg_error *err) {
    return write_constant(t, frame, d, "constant_export", d->keys[0], err);
}

static fg_status constant_import_import(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                        fg_error *err) {
    return write_constant(t, frame, d, "constant_import", d->fields[0], err);
}

static fg_status constant_import_export(fg_translator *t, const fg_frame *frame, const fg_declaration *d,
                                        fg_error *err) {
    return demand_constant(t, frame, d, "constant_import", d->fields[0], true, err);
}

/* ---- ignored ---- */

static const char *neutral_values(const json_t *neutral, char *buffer, size_t size) {
    size_t i, used = 0;
    json_t *item;
    char brief[BRIEF];
    buffer[0] = '\0';
    json_array_foreach((json_t *)(uintptr_t)neutral, i, item) {
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
    char brief[BRIEF], values[VALUES], place[PLACE];
    fg_status status = fg_translator_read(t, frame, path, true, &found, err);
    if (status != FG_OK || !found) return status;
    bool harmless = !neutral || is_listed(neutral, found);
    if (!harmless) {
        return fg_translator_refuse(t, d, err, "key \"%s\" = %s: only absent or %s can be left out: %s",
                                    fg_translator_place(t, frame, path, place, sizeof place),
                                    fg_json_brief(found, brief, sizeof brief),
                                    neutral_values(neutral, values, sizeof values), reason);
    }
    json_t *written = NULL;
    const char *comes_back_as = importing(t) ? "export_as" : "import_as";
    if (member(d, comes_back_as)) status = fg_translator_value(t, frame, d, comes_back_as, &written, NULL);
    bool comes_back = status == FG_OK && written && fg_json_equal(written, found); /* then nothing is lost */
    status = comes_back ? FG_OK : fg_translator_leave_out(t, frame, path, found, reason, written, err);
    json_decref(written);
    return status;
}

static fg_status ignore(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    fg_status status = FG_OK;
    size_t count = importing(t) ? d->key_count : d->field_count;
    const char *write = importing(t) ? "import_as" : "export_as";
    for (size_t i = 0; i < count; i++)
        FG_TRY(ignore_key(t, frame, d, (importing(t) ? d->keys : d->fields)[i], err));
    if (member(d, write))
        FG_TRY(write_constant(t, frame, d, write, (importing(t) ? d->fields : d->keys)[0], err));
done:
    return status;
}

/* ---- custom ---- */

static fg_status run_custom(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    const fg_custom *custom = fg_custom_find(json_string_value(member(d, "custom")));
    if (!custom) return fg_fail(err, FG_ERR_BUG, "%s: there is no custom function \"%s\"", d->file, d->label);
    return (importing(t) ? custom->import : custom->export)(t, frame, d, err);
}

static bool custom_known(const char *name) {
    return fg_custom_find(name) != NULL;
}

/* ---- the tables ---- */

enum {
    OBJECT = FG_MOD_KEYS,
    CARRIED = FG_MOD_FIELD | FG_MOD_MAYBE | FG_MOD_ABSENT | FG_MOD_OMIT | FG_MOD_OPTION | FG_MOD_TYPE |
              FG_MOD_THROUGH | OBJECT,
    SECTION = FG_MOD_FIELD | FG_MOD_HF | FG_MOD_KEYS,
    IGNORED = FG_MOD_FIELD | FG_MOD_HF | FG_MOD_IMPORT_AS | FG_MOD_EXPORT_AS | FG_MOD_NEUTRAL | OBJECT,
};

static const fg_primitive primitives[] = {
    {"rename", FG_CLAIM_VALUE,
     CARRIED | FG_MOD_DEFAULT | FG_MOD_DEFAULT_FOR | FG_MOD_NULL_IF | FG_MOD_TOGETHER, 's', NULL, carry,
     carry},
    {"optional", FG_CLAIM_RENAME, CARRIED | FG_MOD_RENAME, 'v', NULL, carry, carry},
    {"import_only", FG_CLAIM_VALUE, FG_MOD_FIELD | FG_MOD_DEFAULT | FG_MOD_MAYBE | FG_MOD_TYPE | OBJECT, 's',
     NULL, import_only_import, import_only_export},
    {"constant_export", FG_CLAIM_LABEL, FG_MOD_HF | FG_MOD_MAYBE | FG_MOD_NEUTRAL, 'v', NULL,
     constant_export_import, constant_export_export},
    {"constant_import", FG_CLAIM_FIELD, FG_MOD_FIELD | OBJECT, 'v', NULL, constant_import_import,
     constant_import_export},
    {"ignored", FG_CLAIM_EITHER, IGNORED, 's', NULL, ignore, ignore},
    {"nested", FG_CLAIM_SECTION, SECTION, 's', NULL, fg_run_nested, fg_run_nested},
    {"dispatch", FG_CLAIM_SECTION, SECTION | FG_MOD_HF_TYPE, 'd', NULL, fg_run_dispatch, fg_run_dispatch},
    {"typed_dict", FG_CLAIM_SECTION, SECTION | FG_MOD_HF_TYPE, 'c', NULL, fg_run_typed_dict,
     fg_run_typed_dict},
    {"blocks", FG_CLAIM_SECTION, FG_MOD_FIELD | FG_MOD_COUNT | FG_MOD_AT, 's', NULL, fg_run_blocks,
     fg_run_blocks},
    {"list_dispatch", FG_CLAIM_SECTION, SECTION | FG_MOD_COUNT | FG_MOD_AT | FG_MOD_EVERY_LAYER | FG_MOD_LAST,
     'r', NULL, fg_run_list_dispatch, fg_run_list_dispatch},
    {"custom", FG_CLAIM_EITHER, FG_MOD_FIELD | FG_MOD_HF | OBJECT, 's', custom_known, run_custom, run_custom},
};

const fg_primitive *fg_primitive_find(const char *name) {
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        if (strcmp(primitives[i].name, name) == 0) return &primitives[i];
    }
    return NULL;
}

unsigned fg_modifier_find(const char *name, char *kind) {
    static const struct {
        const char *name;
        unsigned bit;
        char kind;
    } rows[] = {
        {"field", FG_MOD_FIELD, 'p'},
        {"hf", FG_MOD_HF, 'p'},
        {"default", FG_MOD_DEFAULT, 'v'},
        {"import_as", FG_MOD_IMPORT_AS, 'v'},
        {"maybe", FG_MOD_MAYBE, 'b'},
        {"export_as", FG_MOD_EXPORT_AS, 'v'},
        {"absent", FG_MOD_ABSENT, 'v'},
        {"omit", FG_MOD_OMIT, 'v'},
        {"neutral", FG_MOD_NEUTRAL, 'l'},
        {"keys", FG_MOD_KEYS, 'n'},
        {"together", FG_MOD_TOGETHER, 'n'},
        {"option", FG_MOD_OPTION, 's'},
        {"type", FG_MOD_TYPE, 's'},
        {"rename", FG_MOD_RENAME, 's'},
        {"through", FG_MOD_THROUGH, 's'},
        {"count", FG_MOD_COUNT, 's'},
        {"hf_type", FG_MOD_HF_TYPE, 's'},
        {"at", FG_MOD_AT, 's'},
        {"default_for", FG_MOD_DEFAULT_FOR, 'l'},
        {"null_if", FG_MOD_NULL_IF, 'v'},
        {"every_layer", FG_MOD_EVERY_LAYER, 'b'},
        {"last", FG_MOD_LAST, 's'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        *kind = rows[i].kind;
        return rows[i].bit;
    }
    return 0;
}
