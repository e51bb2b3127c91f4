/* The model code of a destination whose format has some: where it comes from, and whether it loads what is
 * written. */
#ifndef FG_CONVERSION_DESTINATION_CODE_H
#define FG_CONVERSION_DESTINATION_CODE_H

#include "conversion/layout.h"
#include "copy/publish.h"

typedef enum fg_code_origin { FG_CODE_NONE, FG_CODE_OF_CONVERTER, FG_CODE_OF_SOURCE } fg_code_origin;

typedef struct fg_destination_code {
    fg_code_origin origin;
    const char *why_none; /* NULL: there is some */
    bool checked;         /* it makes exactly the parameters that are written, and reads the keys */
    uint64_t lacking;     /* parameters that it makes and nothing writes (--no-strict) */
} fg_destination_code;

/* Code that the converter declares must make exactly the parameters that the layout writes, and read the keys
 * that change what is computed: else FG_ERR_INPUT. */
fg_status fg_destination_code_check(const fg_decisions *decisions, const fg_layout *layout,
                                    fg_destination_code *code, fg_error *err);
/* Writes the converter's code, if the destination gets it. */
/* The name of the file that fg_destination_code_write writes; NULL: none. Borrowed from the converter. */
const char *fg_destination_code_written(const fg_decisions *decisions, const fg_destination_code *code);
fg_status fg_destination_code_write(const fg_decisions *decisions, const fg_destination_code *code,
                                    fg_stage *stage, fg_error *err);
/* The "code" part of the report. */
fg_status fg_destination_code_report(const fg_decisions *decisions, const fg_destination_code *code,
                                     json_t *report, fg_error *err);

#endif
