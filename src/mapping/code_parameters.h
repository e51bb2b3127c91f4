/* Whether a plan writes exactly the parameters that the emitted code makes.
 *
 * A proof compares forward passes of fgconv's own. It covers the emitted code only if that code loads each
 * tensor that is written, finds each parameter that it makes, and ties what the plan ties.
 */
#ifndef FG_MAPPING_CODE_PARAMETERS_H
#define FG_MAPPING_CODE_PARAMETERS_H

#include "language/code_declaration.h"
#include "plan/plan.h"

/* What is compared with the declaration. All borrowed. */
typedef struct fg_code_written {
    const json_t *config; /* the destination's config.json */
    const fg_plan *plan;  /* outputs with names and shapes */
    const json_t *tied;   /* pairs of names, of fg_name_map_tied */
    bool may_lack;        /* --no-strict: parameters that nothing writes are let pass */
} fg_code_written;

/* FG_ERR_INPUT: a tensor that the code has no parameter for, of another shape, a parameter that nothing
 * writes, or a pair that only one of the two ties. `lacking`, unless NULL, is set to the number of parameters
 * that nothing writes. */
fg_status fg_code_check_parameters(const fg_code_declaration *declaration, const fg_code_written *written,
                                   uint64_t *lacking, fg_error *err);

/* Each template of the converter's "tensors" has a name that the code declares for some configuration; else
 * FG_ERR_INPUT. */
fg_status fg_code_check_names(const fg_code_declaration *declaration, fg_error *err);

#endif
