/* The migrations of an architecture: where they are found, and the chain of them that leads from one version
 * to another.
 *
 * Invariant: of a loaded set no two migrations lead from one version to different ones; of one step that is
 * given twice the one that was found first counts (a plug-in's before the built-in one).
 */
#ifndef FG_LANGUAGE_MIGRATIONS_H
#define FG_LANGUAGE_MIGRATIONS_H

#include "language/migration.h"

typedef struct fg_migrations {
    fg_layers files;     /* the files that hold the items */
    fg_migration *items; /* owned; of one step the first counts */
    size_t count, capacity;
} fg_migrations;

/* All migrations of an architecture: those of its converter's file and of what that extends (`converter` may
 * be NULL), then those of the directories' files. FG_ERR_INPUT with file, line and rule: unknown keys, broken
 * versions, patterns, declarations. */
fg_status fg_migrations_load(fg_migrations *migrations, fg_catalogue *catalogue, const char *converter,
                             const char *arch, fg_error *err);
/* The same for one file, a converter or a migration, and all that it holds, whatever architecture they are
 * for. */
fg_status fg_migrations_load_file(fg_migrations *migrations, fg_catalogue *catalogue, const char *path,
                                  fg_error *err);
void fg_migrations_free(fg_migrations *migrations);
/* The files of migrations that the directories hold: full paths, the first directory's first. */
fg_status fg_migrations_files(fg_catalogue *catalogue, fg_names *paths, fg_error *err);

/* Whether a document is a migration by itself, and no converter. */
bool fg_migrations_is_file(const json_t *document);

/* The version that a converter's configurations have: what it writes to forgather_arch_version. `found` is
 * false if it writes none. */
fg_status fg_converter_version(const fg_converter *converter, fg_version *version, bool *found,
                               fg_error *err);
/* The version that the newest migration leads to; NULL: there is none. */
const fg_version *fg_migrations_newest(const fg_migrations *migrations);

/* The steps from one version to another, in their order. */
typedef struct fg_migration_chain {
    const fg_migration **steps; /* owned array */
    size_t count;
} fg_migration_chain;
/* FG_ERR_INPUT names the step that is missing; FG_ERR_USAGE for a step back. */
fg_status fg_migrations_chain(const fg_migrations *migrations, const char *arch, const fg_version *from,
                              const fg_version *to, fg_migration_chain *chain, fg_error *err);
void fg_migration_chain_free(fg_migration_chain *chain);

#endif
