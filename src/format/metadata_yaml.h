/* metadata.yaml: what the formats of Fast-LLM have in common. */
#ifndef FG_FORMAT_METADATA_YAML_H
#define FG_FORMAT_METADATA_YAML_H

#include "base/json.h"

#define FG_METADATA_YAML "metadata.yaml"
/* Where fgconv notes what Fast-LLM has no place for. */
#define FG_METADATA_FAMILY "metadata/fgconv/model_type"
#define FG_METADATA_CARRIED "metadata/fgconv/left_out"
#define FG_METADATA_NEWER_ROTARY "metadata/fgconv/rope_parameters"

/* The document of a directory, a new reference. */
fg_status fg_metadata_yaml_read(const char *directory, json_t **document, fg_error *err);
/* Whether a directory that has the file is Fast-LLM's, in the format `format` (NULL: in any). One next to a
 * config.json may have nothing to do with Fast-LLM. */
fg_status fg_metadata_yaml_recognise(const char *directory, const char *format, bool *is, fg_error *err);
/* FG_ERR_INPUT unless the document names the format and has a model's configuration. */
fg_status fg_metadata_yaml_check(const char *path, const json_t *document, const char *format, fg_error *err);
/* As fg_format.wrap_config. */
fg_status fg_metadata_yaml_wrap_config(const char *type, const json_t *model, json_t **config, fg_error *err);

#endif
