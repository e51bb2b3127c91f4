#include "model/profile.h"

#include <stddef.h>

const fg_profile *fg_profile_of(fg_profile_kind kind) {
    static const fg_profile profiles[] = {
        [FG_PROFILE_STRICT] = {"strict", 1e-4, 1e-3, 0.9999},
        [FG_PROFILE_STANDARD] = {"standard", 1e-3, 1e-2, 0.999},
        [FG_PROFILE_RELAXED] = {"relaxed", 1e-2, 1e-1, 0.99},
    };
    return kind == FG_PROFILE_EXACT ? NULL : &profiles[kind];
}

bool fg_profile_met(const fg_profile *profile, const fg_comparison *logits) {
    bool finite = !logits->non_finite[FG_SIDE_A] && !logits->non_finite[FG_SIDE_B];
    return finite && logits->kl_mean <= profile->kl_mean && logits->kl_p95 <= profile->kl_p95 &&
           logits->cosine >= profile->cosine;
}
