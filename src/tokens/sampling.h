/* How new tokens are chosen: what the command line asks for, otherwise generation_config.json. */
#ifndef FG_TOKENS_SAMPLING_H
#define FG_TOKENS_SAMPLING_H

#include "base/json.h"

typedef struct fg_sampling {
    bool greedy;               /* the rest is not looked at */
    double temperature, top_p; /* above 0; 0 to 1 */
    uint64_t top_k;            /* 0: all */
    uint64_t seed;
} fg_sampling;

/* --sample and the options that imply it; those that are negative are not given. */
typedef struct fg_sampling_request {
    bool sample;
    double temperature, top_p;
    int64_t seed;
} fg_sampling_request;

/* Greedy unless something is asked for. `generation_config` (NULL: none) is the destination's; its
 * temperature, top_p and top_k must then have the right types (FG_ERR_INPUT). If nothing is asked for, a
 * message says that its do_sample is ignored. */
fg_status fg_sampling_resolve(fg_sampling *sampling, const fg_sampling_request *request,
                              const json_t *generation_config, fg_error *err);

#endif
