/* The files that a command line asks for next to the destination, --report, --html and --dump, as rank 0
 * keeps them while a command runs: reserved before it writes anything, removed again when it fails or a
 * signal stops it.
 */
#ifndef FG_MPI_OUTPUTS_H
#define FG_MPI_OUTPUTS_H

#include "copy/publish.h"
#include "report/output_file.h"

typedef struct fg_outputs {
    fg_output_file report, page, dump;
    bool keep; /* what was filled stays, however the command ends */
} fg_outputs;

enum { FG_OUTPUT_READS = 4 };

/* What a command line asks for; NULL: it does not. */
typedef struct fg_output_request {
    const char *report, *html, *dump;
    const char *reads[FG_OUTPUT_READS]; /* directories that the run reads: what is there stays */
    const fg_stage *stage;              /* of the destination */
} fg_output_request;

/* Rank 0. FG_ERR_USAGE when one of them cannot be made, lies inside the destination, or would take the place
 * of a file that is not an older report, or is one of a directory: what was read, or converted. To be closed
 * in any case. */
fg_status fg_outputs_reserve(fg_outputs *outputs, const fg_output_request *request, fg_error *err);
/* Rank 0. What was filled is kept when the command ended with FG_OK or found that the models differ. Returns
 * `status`, or why a file could not be kept. */
fg_status fg_outputs_close(fg_outputs *outputs, fg_status status, fg_error *err);

#endif
