/* Forgather's format: config.json that names the family it came from, and weights under Forgather's names. */
#include "format/format.h"

const fg_format fg_format_forgather = {.name = "forgather", .family_key = "hf_model_type"};
