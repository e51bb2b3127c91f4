/* How -g chooses tokens: from options, and what they leave open from generation_config.json. */
#ifndef FG_CLI_SAMPLING_H
#define FG_CLI_SAMPLING_H

#include "cli/options.h"
#include "model/sample.h"

/* Greedy unless --sample, --temperature, --top-p or --seed asks for drawing. `generation_config` (NULL: none) is
 * the destination's; what it says of temperature, top_p and top_k must then be of the right kind, or it is
 * FG_ERR_INPUT. Without options it is only said that its do_sample is not followed. */
fg_status fg_sampling_resolve(fg_sampling *sampling, const fg_options *options,
                              const json_t *generation_config, fg_error *err);

#endif
