/* The grammar of declarations: the primitives, and which members each may have. What they do is in
 * translate/.
 *
 * Invariant: what a primitive reads and writes is what its declaration claims (`keys` and `fields`); coverage
 * relies on it.
 */
#ifndef FG_LANGUAGE_PRIMITIVE_H
#define FG_LANGUAGE_PRIMITIVE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum fg_primitive_id {
    FG_PRIMITIVE_RENAME,
    FG_PRIMITIVE_DEFAULT,
    FG_PRIMITIVE_OPTIONAL,
    FG_PRIMITIVE_IMPORT_ONLY,
    FG_PRIMITIVE_CONSTANT_EXPORT,
    FG_PRIMITIVE_CONSTANT_IMPORT,
    FG_PRIMITIVE_IGNORED,
    FG_PRIMITIVE_NESTED,
    FG_PRIMITIVE_DISPATCH,
    FG_PRIMITIVE_TYPED_DICT,
    FG_PRIMITIVE_LIST_DISPATCH,
    FG_PRIMITIVE_CUSTOM,
    FG_PRIMITIVES,
} fg_primitive_id;

/* Which paths a declaration claims when it does not say so itself. */
typedef enum fg_claiming {
    FG_CLAIM_VALUE,   /* the hf path is the primitive's own value */
    FG_CLAIM_RENAME,  /* the hf path is under "rename" */
    FG_CLAIM_LABEL,   /* no target side; the hf path is "hf", else the label */
    FG_CLAIM_FIELD,   /* no hf side */
    FG_CLAIM_EITHER,  /* the target side unless only "hf" is given */
    FG_CLAIM_SECTION, /* other sections, under a field; those claim */
    FG_CLAIM_NOTHING, /* others claim what it reads and writes */
} fg_claiming;

typedef struct fg_primitive {
    const char *name;
    fg_primitive_id id;
    fg_claiming claiming;
    char kind;             /* of its own value (language/schema.h) */
    const char *modifiers; /* names of the members that it may have besides, " " around each */
    bool one_way;          /* it does not write back what it has read */
} fg_primitive;

/* The row of a name, or NULL. */
const fg_primitive *fg_primitive_find(const char *name);
/* The names of primitives, and those of modifiers, from 0; NULL behind the last. */
const char *fg_primitive_name_at(size_t index);
const char *fg_modifier_name_at(size_t index);
/* Whether it knows this modifier. */
bool fg_primitive_takes(const fg_primitive *primitive, const char *modifier);
/* The kind of a modifier's value, 0 if there is no such modifier. */
char fg_modifier_kind(const char *name);

/* The names that "custom" and "option" may have; the functions and values are translate/'s. */
typedef enum fg_option_id { FG_OPTION_MAX_LENGTH, FG_OPTION_VOCAB_SIZE, FG_OPTIONS } fg_option_id;
typedef enum fg_custom_id {
    FG_CUSTOM_ROTARY_OLDER,
    FG_CUSTOM_ROTARY_NEWER,
    FG_CUSTOM_ROTARY_PARAMETERS,
    FG_CUSTOM_ROTARY_BY_LAYER,
    FG_CUSTOMS,
} fg_custom_id;
/* The index of a name; FG_OPTIONS or FG_CUSTOMS if there is no such name. */
fg_option_id fg_option_find(const char *name);
fg_custom_id fg_custom_find(const char *name);
/* Whether it knows this modifier. */
bool fg_custom_takes(fg_custom_id custom, const char *modifier);

#endif
