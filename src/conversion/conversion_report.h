/* The parts of the report that are known once a conversion is prepared. */
#ifndef FG_CONVERSION_CONVERSION_REPORT_H
#define FG_CONVERSION_CONVERSION_REPORT_H

#include "conversion/conversion.h"

/* Source, destination, options, steps, config, tokens, dropped, left files, and what else the conversion has. `recipe`: what was asked for,
 * as it is recorded. */
fg_status fg_conversion_report(const fg_conversion *conversion, const fg_recipe *recipe, json_t *report,
                               fg_error *err);
/* Into one side of a report: where its weights lie and, if that is a training checkpoint, which one; `chosen`: "given" (with -c),
 * "latest", or NULL. */
fg_status fg_conversion_report_weights(const fg_checkpoint *checkpoint, const char *chosen, json_t *side,
                                       fg_error *err);
/* The "tensors" part; `digests` (one an output) may be NULL. */
fg_status fg_conversion_report_tensors(const fg_plan *plan, const uint64_t *digests, json_t *report,
                                       fg_error *err);

/* The table of names (--debug-params): "source name -> destination name", one a line. */
fg_status fg_conversion_names(const fg_plan *plan, fg_buffer *out, fg_error *err);

#endif
