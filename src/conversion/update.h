/* `fgconv update`: architecture and versions of a Forgather directory, and the migrations between them.
 *
 * An update applies migrations, and then, if the converter's version is reached, makes a round trip through hf, which covers
 * configuration and tensors. Its configuration and vocabulary stay what they are otherwise.
 */
#ifndef FG_CONVERSION_UPDATE_H
#define FG_CONVERSION_UPDATE_H

#include "base/clock.h"
#include "conversion/source.h"
#include "language/migrations.h"
#include "mapping/tensor_plan.h"

typedef struct fg_update {
    char *arch; /* owned; architecture */
    fg_version from, to;
    fg_version current;            /* of its converter */
    const fg_converter *converter; /* of the current version */
    fg_migrations migrations;
    fg_migration_chain chain; /* from `from` to `to`, in the order of the steps */
    fg_migration_chain rest;  /* and on to `current`, where `to` comes before it */
    const char *unreadable;   /* why a model of the source's or the destination's version cannot be run; NULL:
                                 it can */
    json_t *config;           /* owned; the source's configuration, stamped */
    char begun[FG_CLOCK_TEXT];
} fg_update;

/* Newly allocated; to be freed whatever comes back. FG_ERR_USAGE: versions that contradict the source or lead nowhere. */
fg_status fg_update_decide(const fg_recipe *recipe, const fg_source *source, fg_catalogue *catalogue,
                           fg_update **update, fg_error *err);
void fg_update_free(fg_update **update);

/* Whether it reaches the version that the converter writes. */
bool fg_update_is_checked(const fg_update *update);
/* The destination's configuration: `translated`, which the last step made, with the keys of `migrated` that do not describe the code.
 * A new reference. `migrated` NULL: there is no code for the version, and nothing names it. */
fg_status fg_update_config(const json_t *migrated, const json_t *translated, json_t **config, fg_error *err);
/* Tied tensors that migrations have rewritten must still be equal: `plan` makes those that `converter` reads. */
fg_status fg_update_check_ties(const fg_converter *converter, const json_t *hf, const fg_plan *plan,
                               fg_error *err);
/* forgather_update.json, a new reference. */
fg_status fg_update_audit(const fg_update *update, const char *source, const fg_plan *plan,
                          const fg_tensor_gaps *gaps, json_t **audit, fg_error *err);
/* Revises a spec of the current version (model/spec.h) with what migrations declare for the source's or the destination's version.
 * NULL: nothing to revise. */
fg_status fg_update_revise_spec(const fg_update *update, bool source, json_t *spec, fg_error *err);

#endif
