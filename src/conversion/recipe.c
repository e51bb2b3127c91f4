#include "conversion/recipe.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

static const char *const kind_names[] = {"convert", "update", "finalize", "update-vocab"};

enum { BRIEF = 60 };
enum { KINDS = sizeof kind_names / sizeof *kind_names };

/* ---- members ---- */

typedef enum member_kind {
    TEXT,
    FORMAT,
    DTYPE,
    COUNT,
    DEFAULTED,
    VERSION,
    FLAG,
    TEXTS,
    DOCUMENT
} member_kind;

/* DEFAULTED and VERSION always have a value, which an earlier run decides. */
typedef struct member {
    const char *key;
    member_kind kind;
    size_t offset;
    bool reported;
} member;

#define MEMBER(name, kind, reported)                                                                         \
    { #name, kind, offsetof(fg_recipe, name), reported }

static const member members[] = {
    MEMBER(model_type, TEXT, true),
    MEMBER(dtype, DTYPE, true),
    MEMBER(checkpoint_path, TEXT, true),
    MEMBER(hf_base, TEXT, true),
    MEMBER(parameter_order, TEXT, true),
    MEMBER(allow_unfinished, FLAG, true),
    MEMBER(max_length, COUNT, true),
    MEMBER(max_shard_size, DEFAULTED, true),
    MEMBER(hf_version, VERSION, true),
    MEMBER(ignore_keys, TEXTS, true),
    MEMBER(arch, TEXT, true),
    MEMBER(from_version, TEXT, true),
    MEMBER(to_version, TEXT, true),
    MEMBER(no_strict, FLAG, true),
    MEMBER(no_code, FLAG, true),
    MEMBER(tokens, DOCUMENT, true),
    MEMBER(source, TEXT, false),
    MEMBER(destination, TEXT, false),
    MEMBER(from, FORMAT, false),
    MEMBER(to, FORMAT, false),
    MEMBER(reverse, FLAG, false),
    MEMBER(add_tokens, TEXT, false),
    MEMBER(chat_template, TEXT, false),
    MEMBER(skip_default_tokens, FLAG, false),
    MEMBER(stop_tokens, TEXT, false),
    MEMBER(generation_config, TEXT, false),
    MEMBER(no_auto_stop_tokens, FLAG, false),
    MEMBER(keep_optimizer, FLAG, false),
    MEMBER(root_copy, FLAG, false),
    MEMBER(in_place, FLAG, false),
};

enum { MEMBERS = sizeof members / sizeof *members };

/* Where a member lies in a recipe. */
typedef union member_place {
    void *any;
    const char **text;
    const fg_format **format;
    fg_dtype *dtype;
    uint64_t *count;
    int *version;
    bool *flag;
    const json_t **document;
} member_place;

static member_place place_of(const fg_recipe *recipe, const member *m) {
    return (member_place){.any = (char *)(uintptr_t)recipe + m->offset};
}

/* ---- writing ---- */

static json_t *text_or_null(const char *text) {
    return text ? fg_json_string(text) : json_null();
}

static json_t *member_value(const member *m, member_place at) {
    switch (m->kind) {
    case TEXT:
        return text_or_null(*at.text);
    case FORMAT:
        return text_or_null(*at.format ? (*at.format)->name : NULL);
    case DTYPE:
        return text_or_null(*at.dtype == FG_DTYPE_NONE ? NULL : fg_dtype_name(*at.dtype));
    case COUNT:
    case DEFAULTED:
        return json_integer((json_int_t)*at.count);
    case VERSION:
        return json_integer(*at.version);
    case FLAG:
        return json_boolean(*at.flag);
    default:
        return *at.document ? json_incref((json_t *)(uintptr_t)*at.document) : json_null();
    }
}

fg_status fg_recipe_put(const fg_recipe *recipe, bool whole, json_t *object, fg_error *err) {
    if (whole) FG_CALL(fg_json_put_text(object, "command", kind_names[recipe->kind], err));
    for (size_t i = 0; i < MEMBERS; i++) {
        const member *m = &members[i];
        if (!whole && !m->reported) continue;
        FG_CALL(m->kind == TEXTS
                    ? fg_json_put_texts(object, m->key, (char *const *)(uintptr_t)recipe->ignore_keys,
                                        recipe->ignore_key_count, err)
                    : fg_json_put(object, m->key, member_value(m, place_of(recipe, m)), err));
    }
    return FG_OK;
}

/* ---- reading ---- */

static fg_status refuse(const char *file, const char *key, const json_t *found, const char *expected,
                        fg_error *err) {
    char brief[BRIEF];
    fg_fail(err, FG_ERR_INPUT, "%s: options/%s: found %s, expected %s", file, key,
            fg_json_brief(found, brief, sizeof brief), expected);
    return fg_hint(err, "the file was changed, or is of another version of fgconv");
}

/* The text of a member; NULL: there is none, or null. */
static fg_status held_text(const json_t *held, const char *key, const char *file, const char **text,
                           fg_error *err) {
    *text = NULL;
    if (json_is_null(json_object_get(held, key))) return FG_OK;
    return fg_json_get_string(held, key, file, text, err);
}

static fg_status recall_ignored(fg_recipe *recipe, const json_t *held, const char *file, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *list = json_object_get(held, "ignore_keys");
    json_t *key;
    if (list && !json_is_array(list)) return refuse(file, "ignore_keys", list, "an array", err);
    if (recipe->ignore_key_count || !json_array_size(list)) return FG_OK;
    fg_free(recipe->ignore_keys);
    FG_NEW(recipe->ignore_keys, json_array_size(list));
    FG_JSON_EACH(list, i, key) {
        if (!json_is_string(key))
            FG_FAIL(err, FG_ERR_INPUT, "%s: options/ignore_keys/%zu: expected a string", file, i);
        recipe->ignore_keys[recipe->ignore_key_count++] = json_string_value(key);
    }
done:
    return status;
}

static fg_status recall_number(const member *m, member_place at, const json_t *held, const char *file,
                               fg_error *err) {
    const json_t *found = json_object_get(held, m->key);
    uint64_t number = 0;
    if (!found) return FG_OK;
    FG_CALL(fg_json_get_u64(held, m->key, file, &number, err));
    if (m->kind == VERSION && number != 4 && number != 5) return refuse(file, m->key, found, "4 or 5", err);
    if (m->kind == DEFAULTED && !number) return refuse(file, m->key, found, "a positive integer", err);
    if (m->kind == VERSION)
        *at.version = (int)number;
    else if (m->kind == DEFAULTED || !*at.count)
        *at.count = number;
    return FG_OK;
}

/* What is given on the command line stays, but what is held must be right. */
static fg_status recall_name(const member *m, member_place at, const json_t *held, const char *file,
                             fg_error *err) {
    const json_t *found = json_object_get(held, m->key);
    const char *text;
    FG_CALL(held_text(held, m->key, file, &text, err));
    if (!text) return FG_OK;
    const fg_format *format = m->kind == FORMAT ? fg_format_find(text) : NULL;
    const fg_dtype dtype = m->kind == DTYPE ? fg_dtype_from_name(text) : FG_DTYPE_NONE;
    const bool castable = dtype == FG_BF16 || dtype == FG_F32 || dtype == FG_F16;
    if (m->kind == FORMAT && !format) return refuse(file, m->key, found, "the name of a format", err);
    if (m->kind == DTYPE && !castable)
        return refuse(file, m->key, found, "bfloat16, float32 or float16", err);
    if (m->kind == TEXT && !*at.text) *at.text = text;
    if (m->kind == FORMAT && !*at.format) *at.format = format;
    if (m->kind == DTYPE && *at.dtype == FG_DTYPE_NONE) *at.dtype = dtype;
    return FG_OK;
}

static fg_status recall_member(fg_recipe *recipe, const member *m, const json_t *held, const char *file,
                               fg_error *err) {
    const member_place at = place_of(recipe, m);
    const json_t *value = json_object_get(held, m->key);
    if (m->kind <= DTYPE) return recall_name(m, at, held, file, err);
    if (m->kind <= VERSION) return recall_number(m, at, held, file, err);
    if (m->kind == TEXTS) return recall_ignored(recipe, held, file, err);
    if (m->kind == FLAG) {
        if (value && !json_is_boolean(value)) return refuse(file, m->key, value, "true or false", err);
        *at.flag |= json_is_true(value);
        return FG_OK;
    }
    if (value && !json_is_null(value) && !json_is_object(value))
        return refuse(file, m->key, value, "an object", err);
    *at.document = json_is_object(value) ? value : NULL;
    return FG_OK;
}

fg_status fg_recipe_recall(fg_recipe *recipe, const json_t *held, const char *file, fg_error *err) {
    const char *command = json_string_value(json_object_get(held, "command"));
    if (held && !json_is_object(held))
        return fg_fail(err, FG_ERR_INPUT, "%s: options: expected an object", file);
    for (size_t i = 0; i < MEMBERS; i++) FG_CALL(recall_member(recipe, &members[i], held, file, err));
    if (command) recipe->kind = fg_recipe_kind_find(command, recipe->kind);
    recipe->skip_default_tokens = true; /* what was added is among the tokens */
    return FG_OK;
}

fg_recipe_kind fg_recipe_kind_find(const char *name, fg_recipe_kind otherwise) {
    for (size_t i = 0; i < KINDS; i++) {
        if (strcmp(kind_names[i], name) == 0) return (fg_recipe_kind)i;
    }
    return otherwise;
}

void fg_recipe_free(fg_recipe *recipe) {
    fg_free(recipe->ignore_keys);
    *recipe = (fg_recipe){0};
}
