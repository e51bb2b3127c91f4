/* The declarations of a converter, compiled: sections of declarations, and which paths each claims.
 *
 * Invariant: a compiled declaration has one primitive, only modifiers that this primitive knows, and
 * expressions that parse; no two of a section claim one path of a side. JSON is borrowed from the merged
 * document.
 */
#ifndef FG_LANGUAGE_DECLARATION_H
#define FG_LANGUAGE_DECLARATION_H

#include "base/map.h"
#include "language/absence.h"
#include "language/expression.h"
#include "language/inherit.h"
#include "language/primitive.h"

/* One section that a declaration may lead to. */
typedef struct fg_choice {
    /* Borrowed: what names it in hf (a type, a letter of a layout) as a text; NULL: there is no choice. */
    const char *name;
    /* Borrowed: what names it in each list of hf, of a list_dispatch: a value, or a list of them where there
     * are several lists. NULL: it is of another primitive. */
    const json_t *values;
    const struct fg_section *section; /* borrowed */
    /* Borrowed expression over the target: what must hold on export; NULL: the class decides. */
    const char *when;
} fg_choice;

typedef struct fg_declaration {
    const fg_primitive *primitive;
    const char *label;   /* borrowed: the name under which it is in "config" */
    const json_t *spec;  /* borrowed: the object */
    const char **fields; /* owned array of borrowed target paths, relative to the section */
    size_t field_count;
    const char **keys; /* owned array of borrowed hf paths, relative to the section */
    size_t key_count;
    fg_choice *choices; /* owned; of primitives that lead to other sections */
    json_t *names;      /* owned; texts of names that are none themselves */
    size_t choice_count;
    fg_absence absence[2]; /* by side */
    const char *file;      /* borrowed: where it stands */
    unsigned line;
} fg_declaration;

/* One path of one side and who claims it. */
typedef struct fg_claim {
    char *path;                        /* owned */
    const fg_declaration *declaration; /* borrowed; NULL: the engine itself ("architectures") */
} fg_claim;

typedef struct fg_claims {
    fg_claim *items; /* owned */
    size_t count, capacity;
    fg_map map; /* of paths */
} fg_claims;

typedef struct fg_section {
    const char *name;       /* borrowed */
    char *place;            /* owned; where its declarations are in the file: "sections/NAME/config" */
    const json_t *spec;     /* borrowed: the object; of a migration NULL */
    const char *class_name; /* borrowed: the target's class that it is for; NULL: it has no classes */
    fg_declaration *items;  /* owned */
    size_t count, capacity;
    const json_t *let, *weights; /* borrowed; NULL if there are none */
    fg_claims claims[2];         /* per side; paths relative to the section */
} fg_section;

typedef struct fg_declarations {
    fg_section *sections; /* owned */
    size_t count;
    const fg_section *root; /* NULL in a file without sections */
} fg_declarations;

/* Compiles "sections" and "root" of the merged document. FG_ERR_INPUT names file, line and rule. */
fg_status fg_declarations_compile(fg_declarations *declarations, const json_t *document,
                                  const fg_layers *layers, fg_error *err);
/* The same for one section without conditions that stands elsewhere: `config`, at `place` of the layer, of a
 * `document` that may have "tables". Primitives that lead to other sections are refused. */
fg_status fg_declarations_compile_one(fg_declarations *declarations, const json_t *config, const char *place,
                                      const json_t *document, const fg_layers *layers, fg_error *err);
void fg_declarations_free(fg_declarations *declarations);

/* The claim of a path, or NULL. */
const fg_claim *fg_claims_find(const fg_claims *claims, const char *path);
/* Whether something below the path is claimed. */
bool fg_claims_below(const fg_claims *claims, const char *path);
/* Adds one; `path` is taken over (NULL: it could not be made). A path that is claimed keeps its first
 * claim. */
fg_status fg_claims_add(fg_claims *claims, char *path, const fg_declaration *declaration, fg_error *err);
void fg_claims_free(fg_claims *claims);
/* What names a choice in the list number `list` of hf that the declaration has. */
const json_t *fg_choice_value(const fg_declaration *declaration, const fg_choice *choice, size_t list);
/* Names that values have together as one text: "sliding_attention", "0_sliding_attention". */
fg_status fg_choice_name(const json_t *values, fg_buffer *name, fg_error *err);

/* The declaration of a section with this label, or NULL. */
const fg_declaration *fg_section_find(const fg_section *section, const char *label);

/* Whether a claim of an object covers the leaf at a path below it ("keys"). */
bool fg_declaration_covers(const fg_declaration *declaration, const char *below);

/* The path `relative` seen from `prefix` ("" is the root): "a" below it, "../a" next to it, "/a" from the
 * root. Newly allocated. */
char *fg_path_resolve(const char *prefix, const char *relative, fg_error *err);

#endif
