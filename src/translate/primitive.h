/* The words of the converter language: one row a primitive. A new word is a new row.
 *
 * Invariant: what a row reads and writes is what the declaration claims (its `keys` and `fields`); coverage
 * relies on it.
 */
#ifndef FG_TRANSLATE_PRIMITIVE_H
#define FG_TRANSLATE_PRIMITIVE_H

#include "language/declaration.h"
#include "translate/translator.h"

/* Modifiers, as bits. */
enum {
    FG_MOD_FIELD = 1 << 0,
    FG_MOD_HF = 1 << 1,
    FG_MOD_DEFAULT = 1 << 2,
    FG_MOD_IMPORT_AS = 1 << 3,
    FG_MOD_EXPORT_AS = 1 << 4,
    FG_MOD_MAYBE = 1 << 5,
    FG_MOD_ABSENT = 1 << 6,
    FG_MOD_OMIT = 1 << 7,
    FG_MOD_NEUTRAL = 1 << 8,
    FG_MOD_KEYS = 1 << 9,
    FG_MOD_TOGETHER = 1 << 10,
    FG_MOD_OPTION = 1 << 11,
    FG_MOD_TYPE = 1 << 12,
    FG_MOD_RENAME = 1 << 13, /* the path of "optional" */
    FG_MOD_THROUGH = 1 << 14,
    FG_MOD_COUNT = 1 << 15,
    FG_MOD_HF_TYPE = 1 << 16,
    FG_MOD_AT = 1 << 17,
    FG_MOD_DEFAULT_FOR = 1 << 18,
    FG_MOD_NULL_IF = 1 << 19,
    FG_MOD_EVERY_LAYER = 1 << 20,
    FG_MOD_LAST = 1 << 21,
};

/* Which paths a declaration claims when it does not say so itself. */
typedef enum fg_claiming {
    FG_CLAIM_VALUE,   /* the hf path is the primitive's own value */
    FG_CLAIM_RENAME,  /* the hf path is under "rename" */
    FG_CLAIM_LABEL,   /* no target side; the hf path is "hf", else the label */
    FG_CLAIM_FIELD,   /* no hf side */
    FG_CLAIM_EITHER,  /* the target side unless only "hf" is given */
    FG_CLAIM_SECTION, /* other sections, under a field; those claim */
} fg_claiming;

typedef struct fg_primitive {
    const char *name;
    fg_claiming claiming;
    unsigned modifiers;               /* that it knows */
    char value;                       /* kind of its own value, as fg_modifier_find has them */
    bool (*known)(const char *value); /* whether its value is a known name; NULL: any will do */
    /* One declaration, one direction; refusals go to the translator, only failures of the machine are
     * returned. NULL: nothing happens. */
    fg_status (*import)(fg_translator *translator, const fg_frame *frame, const fg_declaration *declaration,
                        fg_error *err);
    fg_status (*export)(fg_translator *translator, const fg_frame *frame, const fg_declaration *declaration,
                        fg_error *err);
} fg_primitive;

/* The row of a name, or NULL. */
const fg_primitive *fg_primitive_find(const char *name);
/* The bit of a modifier's name, 0 if there is none; `kind`: 's' string, 'p' path or list of paths, 'v' value,
 * 'b' true, 'l' list of values, 'n' list of names, 'd' sections by name, 'c' these or one section, 'r' rows
 * of a section each. */
unsigned fg_modifier_find(const char *name, char *kind);

/* The primitives that lead to other sections (section_primitives.c). */
typedef fg_status fg_primitive_run(fg_translator *translator, const fg_frame *frame,
                                   const fg_declaration *declaration, fg_error *err);
fg_primitive_run fg_run_nested, fg_run_dispatch, fg_run_typed_dict, fg_run_list_dispatch, fg_run_blocks;

/* The choice whose class is exactly that of the target's configuration at `path` below `configuration` (of
 * the root's class), and whose condition holds. NULL: there is none. */
fg_status fg_choice_by_class(const fg_classes *classes, const fg_section *root, const json_t *configuration,
                             const fg_declaration *declaration, const char *path, const fg_choice **choice,
                             fg_error *err);

/* Whether `type` is a word that "type" may have. */
bool fg_type_known(const char *type);
/* NULL if the value is of the type; else what was expected ("an integer of 1 or more"). */
const char *fg_type_mismatch(const char *type, const json_t *value);

#endif
