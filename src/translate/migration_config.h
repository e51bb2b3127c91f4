/* What a migration (language/migration.h) makes of a configuration. */
#ifndef FG_TRANSLATE_MIGRATION_CONFIG_H
#define FG_TRANSLATE_MIGRATION_CONFIG_H

#include "base/warnings.h"
#include "language/migration.h"

/* The configuration in the newer schema, stamped with architecture and version. `file` is for messages. Keys
 * that a rule leaves out are added to `left_out`, warnings to `warnings` (as in fg_translation; may be NULL).
 * What is refused is FG_ERR_INPUT. */
fg_status fg_migration_config(const fg_migration *migration, const char *arch, const json_t *config,
                              const char *file, json_t **result, json_t *left_out, fg_warnings *warnings,
                              fg_error *err);

#endif
