/* Migrations: JSON that says how a Forgather directory of one version of its architecture's schema becomes
 * one of the next. The language is described in docs/updating.md ("Writing a migration").
 *
 * A migration has a file of its own (converters/forgather/migrations/, or migrations/ of a plug-in
 * directory), or is in the list "migrations" of a converter file, which passes it on to those that extend it.
 * Its words are those of converters (language/converter.h), of which hf is the older side here and the target
 * the newer.
 *
 * Invariant: a migration that was loaded leads to a later version; its declarations, patterns and expressions
 * are sound.
 */
#ifndef FG_LANGUAGE_MIGRATION_H
#define FG_LANGUAGE_MIGRATION_H

#include "language/converter.h"
#include "language/declaration.h"
#include "language/version.h"

/* Where a Forgather config.json says which schema it follows. */
#define FG_ARCH_KEY "forgather_arch"
#define FG_ARCH_VERSION_KEY "forgather_arch_version"

/* One entry of "tensors": how a tensor is seen. */
typedef struct fg_tensor_view {
    fg_name_rules *pattern; /* owned; takes whole names */
    const char *text;       /* borrowed: the pattern as the file has it */
    const json_t *rule;     /* borrowed */
    unsigned line;
} fg_tensor_view;

typedef struct fg_migration {
    const json_t *document;     /* borrowed: the object */
    const fg_source_file *file; /* borrowed: the one that has it, */
    char *place;                /* owned: and where: "", or "migrations/0" */
    unsigned line;
    fg_version from, to;
    fg_declarations declarations;
    fg_name_rules *names;
    fg_tensor_view *views; /* owned */
    size_t view_count;
} fg_migration;

/* Compiles the object `document`, the member `place` ("" or "migrations/0") of the one layer of `layers`, and
 * outlives the migration. FG_ERR_INPUT with file, line and rule. The migration is to be freed in any case. */
fg_status fg_migration_compile(fg_migration *migration, const json_t *document, const char *place,
                               const fg_layers *layers, fg_error *err);
void fg_migration_free(fg_migration *migration);
/* Whether it is for this architecture; `otherwise` is what a migration without "arch" is for. */
bool fg_migration_is_for(const fg_migration *migration, const char *arch, const char *otherwise);

const char *fg_migration_about(const fg_migration *migration);
/* "1->2: what it is about". Newly allocated. */
char *fg_migration_text(const fg_migration *migration, fg_error *err);
/* "model", or NULL; "no_forward_pass", or NULL. */
const json_t *fg_migration_model(const fg_migration *migration);
const char *fg_migration_no_forward_pass(const fg_migration *migration);

/* Adds to a failure which migration was being applied; gives `status`. */
fg_status fg_migration_where(const fg_migration *migration, fg_status status, fg_error *err);

#endif
