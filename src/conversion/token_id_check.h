/* Token ids that the vocabulary does not have: said, because other programs fail on them later or in silence.
 */
#ifndef FG_CONVERSION_TOKEN_ID_CHECK_H
#define FG_CONVERSION_TOKEN_ID_CHECK_H

#include "format/format.h"

/* What a conversion writes. */
typedef struct fg_written_ids {
    const char *file;    /* of the configuration, for messages */
    const json_t *model; /* the model's configuration in the destination's format */
    const json_t
        *left_out; /* as fg_translation.left_out: what is carried next to it where the format has no ids */
    const json_t *generation_config; /* NULL: there is none */
} fg_written_ids;
/* Warns of each id (keys that end in "_token_id", lists of ids too) that is no row of the vocabulary. */
fg_status fg_written_ids_warn(const fg_format *format, const fg_written_ids *written, fg_error *err);

#endif
