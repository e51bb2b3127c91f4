/* The configuration on its way through the steps of a route.
 *
 * Warnings are said once all steps have succeeded: a refusal stands alone.
 */
#ifndef FG_CONVERSION_CONFIGS_H
#define FG_CONVERSION_CONFIGS_H

#include "conversion/route.h"
#include "mapping/converter_map.h"
#include "translate/translate.h"

typedef struct fg_config_step {
    const fg_route_step *route;    /* borrowed */
    const fg_converter *converter; /* NULL: of a migration */
    fg_translation translation;    /* owned; of a migration result, left_out and warnings alone */
} fg_config_step;

typedef struct fg_configs {
    fg_config_step *steps; /* owned; one for each step of the route */
    size_t count;
    json_t *base_keys; /* owned; array of paths in config.json that come from --hf-base */
} fg_configs;

/* Translates step by step. `version` is fgconv's. To be freed whatever comes back; the route outlives it. */
fg_status fg_configs_translate(const fg_recipe *recipe, const fg_source *source, const fg_route *route,
                               fg_catalogue *catalogue, const char *version, fg_configs *configs,
                               fg_error *err);
void fg_configs_free(fg_configs *configs);

/* The configurations of both sides of a converter's step, borrowed. */
fg_completed fg_config_step_completed(const fg_config_step *step);
/* The last of the steps: it makes the destination. */
const fg_config_step *fg_configs_last(const fg_configs *configs);

#endif
