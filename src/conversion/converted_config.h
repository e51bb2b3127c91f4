/* The configuration of the destination as the converters make it: before token ids and dtype are resolved. */
#ifndef FG_CONVERSION_CONVERTED_CONFIG_H
#define FG_CONVERSION_CONVERTED_CONFIG_H

#include "conversion/vocabulary_change.h"

/* Of the destination's format, a new reference. A route that keeps the format keeps the source's own configuration, with the changes
 * that a larger vocabulary makes. */
fg_status fg_converted_config(const fg_source *source, const fg_route *route, const fg_configs *configs,
                              const fg_vocabulary_change *vocabulary, json_t **config, fg_error *err);

#endif
