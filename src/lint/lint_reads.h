/* For `fgconv lint`: whether the forward pass of a family reads each weight that its converter writes. */
#ifndef FG_LINT_LINT_READS_H
#define FG_LINT_LINT_READS_H

#include "language/converter.h"

/* Binds a small model of the converter's family in hf's format and in Forgather's, by the names and shapes
 * that its "tensors" give; no weight is read. FG_ERR_INPUT says what does not fit. A converter
 * without a configuration to try ("example") passes. */
fg_status fg_lint_reads(const json_t *spec, const fg_converter *converter, fg_error *err);

#endif
