/* What became of each key of the configuration, for people: from one configuration to the other. */
#ifndef FG_CONVERSION_CONFIG_KEYS_H
#define FG_CONVERSION_CONFIG_KEYS_H

#include "base/json.h"

/* "config/keys" of the report, from the two configurations: keys that changed or were made first, then those
 * of the source that are under another name or left out, then those that were carried. `left_out`: what the
 * report says of these. */
fg_status fg_config_keys_report(const json_t *source, const json_t *destination, const json_t *left_out,
                                json_t *config, fg_error *err);

#endif
