/* Lines of the summary about a checkpoint in Fast-LLM's format distributed: its layout, the run that it is
 * from, and what of it is not certain. */
#ifndef FG_REPORT_REPORT_DISTRIBUTED_H
#define FG_REPORT_REPORT_DISTRIBUTED_H

#include "base/json.h"

/* `facts`: "distributed" of a report or of inspect; NULL, and what is missing, is not printed. */
fg_status fg_report_distributed(const json_t *facts, fg_buffer *out, fg_error *err);

#endif
