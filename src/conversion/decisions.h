/* What is decided before the first tensor is looked at, each part from earlier ones alone.
 *
 *   recipe -> source -> route -> configs -> vocabulary -> config
 */
#ifndef FG_CONVERSION_DECISIONS_H
#define FG_CONVERSION_DECISIONS_H

#include "conversion/vocabulary_change.h"

typedef struct fg_decisions {
    const fg_recipe *recipe; /* borrowed */
    fg_source source;
    fg_route route;
    fg_configs configs;
    fg_vocabulary_change vocabulary;
    json_t *config; /* owned; as the converters make it: token ids and dtype are not resolved yet */
} fg_decisions;

/* Also gives the source's table of tensors. Fills a zeroed struct, which is to be freed whatever comes back,
 * before recipe and catalogue are. `version` is fgconv's. */
fg_status fg_decisions_make(const fg_recipe *recipe, fg_catalogue *catalogue, const char *version,
                            fg_decisions *decisions, fg_tensors *tensors, fg_error *err);
void fg_decisions_free(fg_decisions *decisions);

#endif
