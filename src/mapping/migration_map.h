/* What a migration (language/migration.h) makes of tensors. */
#ifndef FG_MAPPING_MIGRATION_MAP_H
#define FG_MAPPING_MIGRATION_MAP_H

#include "language/migration.h"
#include "mapping/tensor_plan.h"

/* The plan of the step, as fg_tensor_plan makes it. `config` is in the newer schema. */
fg_status fg_migration_plan(const fg_migration *migration, fg_tensors *source, const json_t *config,
                            const fg_tensor_plan_options *options, fg_plan *plan, fg_error *err);

#endif
