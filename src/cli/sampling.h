/* The sampling settings of -g: from options, otherwise from generation_config.json. */
#ifndef FG_CLI_SAMPLING_H
#define FG_CLI_SAMPLING_H

#include "cli/options.h"
#include "model/sample.h"

/* Greedy unless --sample, --temperature, --top-p or --seed is given. `generation_config` (NULL: none) is the
 * destination's; its temperature, top_p and top_k must then have the right types (FG_ERR_INPUT). Without options
 * a message says that its do_sample is ignored. */
fg_status fg_sampling_resolve(fg_sampling *sampling, const fg_options *options,
                              const json_t *generation_config, fg_error *err);

#endif
