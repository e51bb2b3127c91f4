/* Hugging Face's format: config.json, and weights under the names of transformers. */
#include "format/format.h"

const fg_format fg_format_hf = {.name = "hf", .family_key = "model_type"};
