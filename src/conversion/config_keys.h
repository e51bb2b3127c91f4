/* What became of each key of the configuration, for people: from one configuration to the other. */
#ifndef FG_CONVERSION_CONFIG_KEYS_H
#define FG_CONVERSION_CONFIG_KEYS_H

#include "base/json.h"

/* "config/keys" of the report, from the two configurations: keys that changed or were made first, then those
 * of the source that are under another name or left out, then those that were carried. */
typedef struct fg_config_change {
    const json_t *source, *destination;             /* the configurations */
    const json_t *source_rules, *destination_rules; /* as fg_translation has them; may be NULL */
    const json_t *left_out;                         /* what the report says of keys that are left out */
} fg_config_change;
fg_status fg_config_keys_report(const fg_config_change *change, json_t *config, fg_error *err);

#endif
