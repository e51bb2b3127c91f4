/* Profiles by which two models are judged that cannot have equal logits: of another data type, or exported by
 * another framework. A profile has limits for the KL divergence and for the cosine of the logits.
 *
 * Invariant: logits that are not finite meet no profile.
 */
#ifndef FG_MODEL_PROFILE_H
#define FG_MODEL_PROFILE_H

#include <stdbool.h>

#include "model/compare.h"

typedef enum fg_profile_kind {
    FG_PROFILE_EXACT = 0, /* no profile */
    FG_PROFILE_STRICT,
    FG_PROFILE_STANDARD,
    FG_PROFILE_RELAXED
} fg_profile_kind;

typedef struct fg_profile {
    const char *name;
    double kl_mean, kl_p95; /* at most, in nats */
    double cosine;          /* at least */
} fg_profile;

/* NULL for FG_PROFILE_EXACT. */
const fg_profile *fg_profile_of(fg_profile_kind kind);
bool fg_profile_met(const fg_profile *profile, const fg_comparison *logits);

#endif
