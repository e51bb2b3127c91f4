#include "language/classes.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

enum { NAME = 120, DEPTH = 24, BRIEF = 100, MESSAGE = 400 };

struct fg_classes {
    const json_t *document;
    const fg_format *format;
    const json_t *classes, *registries, *enums; /* members of the document */
};

static fg_status read_classes(fg_classes *made, fg_catalogue *catalogue, const char *path, fg_error *err) {
    const fg_source_file *file;
    FG_CALL(fg_catalogue_read(catalogue, path, &file, err));
    made->document = file->document;
    made->classes = json_object_get(made->document, "classes");
    made->registries = json_object_get(made->document, "registries");
    made->enums = json_object_get(made->document, "enums");
    if (json_is_object(made->classes)) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: there is no object \"classes\"", path);
}

fg_status fg_classes_load(const fg_classes **classes, fg_catalogue *catalogue, const fg_format *format,
                          fg_error *err) {
    fg_status status = FG_OK;
    fg_classes *made = NULL;
    char *relative = NULL, *path = NULL;
    *classes = fg_catalogue_kept(catalogue, "classes", format->schema);
    if (*classes) return FG_OK;
    FG_TRY_NEW(relative, fg_strformat(err, "defaults/%s.json", format->schema));
    FG_TRY(fg_catalogue_look(catalogue, relative, &path, err));
    if (!path) goto done;
    FG_NEW(made, 1);
    made->format = format;
    FG_TRY(read_classes(made, catalogue, path, err));
    status = fg_catalogue_keep(catalogue, "classes", format->schema, made, fg_free, err);
    if (status == FG_OK) *classes = made;
    made = NULL;
done:
    fg_free(made);
    fg_free(relative);
    fg_free(path);
    return status;
}

const char *fg_classes_version(const fg_classes *classes) {
    const char *version = json_string_value(
        json_object_get(json_object_get(classes->document, "source"), classes->format->schema));
    return version ? version : "";
}

/* ---- looking up ---- */

bool fg_class_known(const fg_classes *classes, const char *name) {
    return json_object_get(classes->classes, name) != NULL;
}

const json_t *fg_class_fields(const fg_classes *classes, const char *class_name) {
    return json_object_get(json_object_get(classes->classes, class_name), "fields");
}

const char *fg_class_type(const fg_classes *classes, const char *class_name) {
    return json_string_value(json_object_get(json_object_get(classes->classes, class_name), "type"));
}

bool fg_class_field(const fg_classes *classes, const char *class_name, const char *field, fg_field *found) {
    const json_t *entry = json_object_get(fg_class_fields(classes, class_name), field),
                 *architecture = json_object_get(entry, "architecture");
    if (!entry) return false;
    *found = (fg_field){.name = field, .architecture = architecture != NULL};
    found->type = json_string_value(architecture ? architecture : json_object_get(entry, "other"));
    found->default_value = json_object_get(entry, "default");
    found->default_class = json_string_value(json_object_get(entry, "class"));
    return found->type != NULL;
}

bool fg_class_has_architecture(const fg_classes *classes, const char *class_name) {
    json_t *entry;
    FG_JSON_MEMBERS(fg_class_fields(classes, class_name), key, entry) {
        if (json_object_get(entry, "architecture")) return true;
    }
    return false;
}

/* ---- types ---- */

/* Takes the next alternative of a type ("float | null") into `one`; NULL after the last. */
static const char *next_alternative(const char *type, char *one, size_t size) {
    if (!type) return NULL;
    const char *end = strstr(type, " | ");
    snprintf(one, size, "%.*s", (int)(end ? (size_t)(end - type) : strlen(type)), type);
    return end ? end + 3 : "";
}

/* "dict[str, X]" -> X. */
static bool entry_type(const char *type, char *entry, size_t size) {
    if (!fg_starts_with(type, "dict[str, ")) return false;
    snprintf(entry, size, "%s", type + strlen("dict[str, "));
    size_t length = strlen(entry);
    if (length) entry[length - 1] = '\0';
    return true;
}

static const char *class_by_type(const fg_classes *classes, const char *type_name, const char *default_class,
                                 const json_t *value) {
    const json_t *registry = json_object_get(classes->registries, type_name),
                 *type = json_object_get(value, "type");
    if (!registry) { /* the document's own copy of the name: the other one may be a buffer */
        void *entry = json_object_iter_at((json_t *)(uintptr_t)classes->classes, type_name);
        return entry ? json_object_iter_key(entry) : NULL;
    }
    if (json_is_string(type))
        return json_string_value(
            json_object_get(json_object_get(registry, "types"), json_string_value(type)));
    if (type && !json_is_null(type)) return NULL;
    return default_class ? default_class : json_string_value(json_object_get(registry, "default"));
}

/* Whether the class of a name has known fields. */
static bool is_configuration(const fg_classes *classes, const char *name) {
    return json_object_get(classes->registries, name) || fg_class_known(classes, name);
}

const char *fg_class_of(const fg_classes *classes, const fg_field *field, const json_t *value) {
    char one[NAME], entry[NAME];
    if (!json_is_object(value)) return NULL;
    for (const char *rest = field->type; (rest = next_alternative(rest, one, sizeof one)) != NULL;) {
        const char *name = entry_type(one, entry, sizeof entry) ? entry : one;
        if (is_configuration(classes, name)) return class_by_type(classes, name, field->default_class, value);
        if (!*rest) break;
    }
    return NULL;
}

/* What is asked of classes, and what is found so far. */
typedef struct class_search {
    const fg_classes *classes;
    json_t *defaults;
    bool found;
} class_search;

static fg_status search_class(class_search *s, const char *class_name, const char *path, fg_error *err);

/* The values that a field of this type may have. */
static fg_status search_inside(class_search *s, const fg_field *field, const char *type, const char *path,
                               fg_error *err) {
    const json_t *registry = json_object_get(s->classes->registries, type);
    json_t *held;
    if (!registry) return search_class(s, type, path, err);
    if (field->default_class) FG_CALL(search_class(s, field->default_class, path, err));
    FG_JSON_MEMBERS(json_object_get(registry, "types"), name, held)
        FG_CALL(search_class(s, json_string_value(held), path, err));
    return FG_OK;
}

static fg_status search_class(class_search *s, const char *class_name, const char *path, fg_error *err) {
    char key[NAME], one[NAME];
    fg_field field;
    size_t length = strcspn(path, "/");
    if (strcmp(path, "type") == 0) {
        s->found |= fg_class_known(s->classes, class_name);
        return FG_OK;
    }
    snprintf(key, sizeof key, "%.*s", (int)length, path);
    if (!fg_class_field(s->classes, class_name, key, &field)) return FG_OK;
    if (!path[length]) {
        s->found = true;
        return field.default_value
                   ? fg_json_push(s->defaults, json_incref((json_t *)(uintptr_t)field.default_value), err)
                   : FG_OK;
    }
    for (const char *rest = field.type; (rest = next_alternative(rest, one, sizeof one)) != NULL;) {
        FG_CALL(search_inside(s, &field, one, path + length + 1, err));
        if (!*rest) break;
    }
    return FG_OK;
}

fg_status fg_class_can_have(const fg_classes *classes, const char *class_name, const char *path, bool *can,
                            json_t *defaults, fg_error *err) {
    class_search s = {.classes = classes, .defaults = defaults};
    fg_status status = search_class(&s, class_name, path, err);
    *can = s.found;
    return status;
}

static bool is_dictionary(const fg_field *field) {
    return fg_starts_with(field->type, "dict[");
}

const char *fg_class_at(const fg_classes *classes, const char *class_name, const json_t *object,
                        const char *path) {
    char key[NAME];
    fg_field field;
    while (class_name && *path) {
        size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        path += length + (path[length] == '/');
        if (!fg_class_field(classes, class_name, key, &field)) return NULL;
        object = json_object_get(object, key);
        if (is_dictionary(&field)) {
            length = strcspn(path, "/");
            snprintf(key, sizeof key, "%.*s", (int)length, path);
            path += length + (path[length] == '/');
            object = json_object_get(object, key);
        }
        class_name = fg_class_of(classes, &field, object);
    }
    return class_name;
}

/* Whether a value fits one alternative of a type. What the data does not describe fits. */
static bool fits(const fg_classes *classes, const char *type, const json_t *value) {
    static const char *const lists[] = {"list[", "tuple["};
    const json_t *members = json_object_get(classes->enums, type);
    if (members) return fg_json_contains(members, value);
    if (strcmp(type, "int") == 0) return json_is_integer(value);
    if (strcmp(type, "float") == 0) return json_is_number(value);
    if (strcmp(type, "bool") == 0) return json_is_boolean(value);
    if (strcmp(type, "str") == 0) return json_is_string(value);
    if (strcmp(type, "null") == 0) return json_is_null(value);
    if (fg_starts_with(type, lists[0]) || fg_starts_with(type, lists[1])) return json_is_array(value);
    return json_is_object(value);
}

/* ---- completing ---- */

typedef struct completion {
    const fg_classes *classes;
    const fg_class_problems *problems;
    fg_error *err;
} completion;

static fg_status complete_object(const completion *c, const char *class_name, const json_t *given,
                                 const char *path, unsigned depth, json_t **made);

static fg_status say_type(const completion *c, const fg_field *field, const json_t *value, const char *path) {
    char brief[BRIEF], what[MESSAGE];
    const json_t *type = json_object_get(value, "type");
    if (json_is_object(value) && type)
        snprintf(what, sizeof what, "type %s is not that of a %s", fg_json_brief(type, brief, sizeof brief),
                 field->type);
    else
        snprintf(what, sizeof what, "found %s, expected %s", fg_json_brief(value, brief, sizeof brief),
                 field->type);
    return c->problems->say(c->problems->context, path, what, c->err);
}

static fg_status complete_dictionary(const completion *c, const fg_field *field, const json_t *given,
                                     const char *path, unsigned depth, json_t **made) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    char *below = NULL;
    json_t *inner = NULL, *value;
    *made = json_object();
    FG_JSON_MEMBERS(given, key, value) {
        FG_TRY_RENEW(below, fg_strformat(err, "%s/%s", path, key));
        const char *class_name = strchr(key, '/') ? NULL : fg_class_of(c->classes, field, value);
        if (class_name)
            FG_TRY(complete_object(c, class_name, value, below, depth + 1, &inner));
        else
            FG_TRY(say_type(c, field, value, below));
        value = inner;
        inner = NULL;
        if (value) FG_TRY(fg_json_put(*made, key, value, err));
    }
done:
    json_decref(inner);
    fg_free(below);
    return status;
}

static bool holds_configurations(const completion *c, const fg_field *field) {
    char one[NAME], entry[NAME];
    next_alternative(field->type, one, sizeof one);
    return is_configuration(c->classes, entry_type(one, entry, sizeof entry) ? entry : one);
}

static fg_status complete_value(const completion *c, const fg_field *field, const json_t *given,
                                const char *path, unsigned depth, json_t **made) {
    char one[NAME];
    bool fit = false;
    for (const char *rest = field->type; !fit && (rest = next_alternative(rest, one, sizeof one)) != NULL;) {
        fit = fits(c->classes, one, given);
        if (!*rest) break;
    }
    if (fit && json_is_object(given) && holds_configurations(c, field)) {
        if (is_dictionary(field)) return complete_dictionary(c, field, given, path, depth, made);
        const char *class_name = fg_class_of(c->classes, field, given);
        if (class_name) return complete_object(c, class_name, given, path, depth + 1, made);
        fit = false;
    }
    *made = fg_json_deep_copy(given, c->err);
    if (!*made) return FG_ERR_MEMORY;
    return fit ? FG_OK : say_type(c, field, given, path);
}

static fg_status complete_absent(const completion *c, const fg_field *field, const char *path, unsigned depth,
                                 json_t **made) {
    fg_status status = FG_OK;
    if (field->default_class && fg_class_known(c->classes, field->default_class)) {
        json_t *empty = json_object();
        status = complete_object(c, field->default_class, empty, path, depth + 1, made);
        json_decref(empty);
    } else if (field->default_value) {
        *made = fg_json_deep_copy(field->default_value, c->err);
        if (!*made) status = FG_ERR_MEMORY;
    }
    return status;
}

/* Lists the types of the registry that the class belongs to whose classes have a field of this name. */
static fg_status list_types_with(const completion *c, const char *class_name, const char *field,
                                 fg_buffer *list) {
    fg_error *err = c->err;
    const char *own = fg_class_type(c->classes, class_name);
    json_t *registry, *name;
    fg_field found;
    FG_JSON_MEMBERS(c->classes->registries, base, registry) {
        const json_t *types = json_object_get(registry, "types");
        const char *there = own ? json_string_value(json_object_get(types, own)) : NULL;
        if (!there || strcmp(there, class_name) != 0) continue;
        FG_JSON_MEMBERS(types, type, name) {
            if (fg_class_field(c->classes, json_string_value(name), field, &found))
                FG_CALL(fg_buffer_printf(list, err, "%s\"%s\"", list->length ? ", " : "", type));
        }
    }
    return FG_OK;
}

/* A field that the class does not have: where the type chose the class, it may be the type that is wrong. */
static fg_status say_unknown_field(const completion *c, const char *class_name, const char *field,
                                   const char *path, const json_t *value) {
    fg_error *err = c->err;
    char what[MESSAGE], brief[BRIEF];
    const char *type = fg_class_type(c->classes, class_name);
    fg_buffer types = {0};
    fg_status status = FG_OK;
    FG_TRY(list_types_with(c, class_name, field, &types));
    fg_json_brief(value, brief, sizeof brief);
    if (types.length)
        snprintf(what, sizeof what, "no field of type \"%s\" (value %s); these types have it: %s", type,
                 brief, types.data);
    else
        snprintf(what, sizeof what, "unknown field of a %s (value %s)", class_name, brief);
    FG_TRY(c->problems->say(c->problems->context, path, what, err));
done:
    fg_buffer_free(&types);
    return status;
}

static fg_status say_unknown(const completion *c, const char *class_name, const json_t *given,
                             const char *path) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    char *below = NULL;
    const char *type = fg_class_type(c->classes, class_name);
    json_t *value;
    fg_field field;
    FG_JSON_MEMBERS(given, key, value) {
        bool named = strcmp(key, "type") == 0 &&
                     (json_is_null(value) ||
                      (type && json_is_string(value) && strcmp(type, json_string_value(value)) == 0));
        if (named || fg_class_field(c->classes, class_name, key, &field)) continue;
        FG_TRY_RENEW(below, fg_strformat(err, "%s%s%s", path, *path ? "/" : "", key));
        FG_TRY(say_unknown_field(c, class_name, key, below, value));
    }
done:
    fg_free(below);
    return status;
}

static fg_status complete_object(const completion *c, const char *class_name, const json_t *given,
                                 const char *path, unsigned depth, json_t **made) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    const char *type = fg_class_type(c->classes, class_name);
    char *below = NULL;
    json_t *entry, *value = NULL;
    fg_field field;
    *made = json_object();
    if (depth > DEPTH) FG_FAIL(err, FG_ERR_INPUT, "%s: configurations are nested too deeply", path);
    FG_TRY(say_unknown(c, class_name, given, path));
    if (type) FG_TRY(fg_json_put(*made, "type", json_string(type), err));
    FG_JSON_MEMBERS(fg_class_fields(c->classes, class_name), name, entry) {
        if (!fg_class_field(c->classes, class_name, name, &field)) continue;
        FG_TRY_RENEW(below, fg_strformat(err, "%s%s%s", path, *path ? "/" : "", name));
        const json_t *present = json_object_get(given, name);
        FG_TRY(present ? complete_value(c, &field, present, below, depth, &value)
                       : complete_absent(c, &field, below, depth, &value));
        entry = value;
        value = NULL;
        if (entry) FG_TRY(fg_json_put(*made, name, entry, err));
    }
done:
    json_decref(value);
    fg_free(below);
    return status;
}

fg_status fg_class_complete(const fg_classes *classes, const char *class_name, const json_t *given,
                            const fg_class_problems *problems, json_t **completed, fg_error *err) {
    completion c = {.classes = classes, .problems = problems, .err = err};
    *completed = NULL;
    fg_status status = complete_object(&c, class_name, given, "", 0, completed);
    if (status != FG_OK) {
        json_decref(*completed);
        *completed = NULL;
    }
    return status;
}
