/* Sizes as --max-shard-size has them. */
#ifndef FG_CLI_BYTE_SIZE_H
#define FG_CLI_BYTE_SIZE_H

#include <stdint.h>

#include "base/error.h"

/* "5GB" (powers of 1000), "5GiB", "512MB": bytes. FG_ERR_USAGE names the option. */
fg_status fg_byte_size_parse(const char *text, uint64_t *bytes, fg_error *err);

#endif
