/* The configuration classes of a target, as data: converters/defaults/FORMAT.json (scripts/generate-classes).
 *
 *   "classes": { NAME: { "type": dynamic type or null, "fields": { FIELD: { "architecture" or "other": TYPE,
 *                        "default": VALUE or "class": the class of an empty instance } } } },
 *   "registries": { BASE: { "types": { dynamic type: class }, "default": class without a type } },
 *   "enums": { NAME: [...] }
 *
 * Invariant: a class that any entry names is known, or its values are opaque (nothing below them is looked
 * at).
 */
#ifndef FG_LANGUAGE_CLASSES_H
#define FG_LANGUAGE_CLASSES_H

#include "format/format.h"
#include "language/catalogue.h"

typedef struct fg_classes fg_classes;

/* The classes of a format, owned by the catalogue; NULL, and FG_OK, for a format that has none (Forgather's
 * configurations are flat). */
fg_status fg_classes_load(const fg_classes **classes, fg_catalogue *catalogue, const fg_format *format,
                          fg_error *err);
/* The version of the package that the data describes; "" if it does not say. */
const char *fg_classes_version(const fg_classes *classes);

/* One field, borrowed. */
typedef struct fg_field {
    const char *name, *type; /* type as the data has it: "int", "float | null", "dict[str, BlockConfig]" */
    const json_t *default_value; /* NULL if it has none */
    const char *default_class;   /* of an empty instance; NULL if it is no configuration */
    bool architecture;
} fg_field;

bool fg_class_known(const fg_classes *classes, const char *name);
/* False if the class has no such field. */
bool fg_class_field(const fg_classes *classes, const char *class_name, const char *field, fg_field *found);
/* The object of fields of a class, for walking; NULL if it is unknown. */
const json_t *fg_class_fields(const fg_classes *classes, const char *class_name);
/* The dynamic type that names a class among its like, or NULL. */
const char *fg_class_type(const fg_classes *classes, const char *class_name);
/* Whether some field of the class belongs to the architecture. */
bool fg_class_has_architecture(const fg_classes *classes, const char *class_name);
/* The class of the configuration in a field (in an entry of it, for dictionaries): by its "type", else by the
 * field's default. NULL if the value is no object, the type is unknown or the field holds something else. */
const char *fg_class_of(const fg_classes *classes, const fg_field *field, const json_t *value);
/* The class at `path` below an object of `class_name`; NULL if there is no configuration. */
const char *fg_class_at(const fg_classes *classes, const char *class_name, const json_t *object,
                        const char *path);

/* Whether a configuration of a class can have a field at `path`: where several classes are possible on the
 * way, one of them with the rest is enough; every class can be named by "type". `defaults`, an array, gets
 * the field's default in each class that has it and a default. */
fg_status fg_class_can_have(const fg_classes *classes, const char *class_name, const char *path, bool *can,
                            json_t *defaults, fg_error *err);

/* Where what is wrong with a configuration goes. */
typedef struct fg_class_problems {
    fg_status (*say)(void *context, const char *path, const char *what, fg_error *err);
    void *context;
} fg_class_problems;

/* A copy of `given`, a configuration of `class_name`, with every field: absent ones with their defaults,
 * dynamic types everywhere. Unknown fields, unknown types and values of another type are problems. */
fg_status fg_class_complete(const fg_classes *classes, const char *class_name, const json_t *given,
                            const fg_class_problems *problems, json_t **completed, fg_error *err);

#endif
