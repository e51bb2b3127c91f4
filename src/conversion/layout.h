/* Where the destination's tensors lie: files, folder and index.
 *
 * Invariant: it follows from plan and recipe alone, never from the number of ranks.
 */
#ifndef FG_CONVERSION_LAYOUT_H
#define FG_CONVERSION_LAYOUT_H

#include "conversion/decisions.h"
#include "plan/plan.h"

typedef struct fg_layout {
    fg_plan plan; /* with shards */
    bool has_index;
    json_t *index_metadata; /* owned; what the index says besides (param_sharing); NULL: nothing */
    char *
        checkpoint; /* owned; the folder of the destination that gets the weights ("checkpoints/checkpoint-3"), to which links
                               then lead; NULL: they are next to config.json */
    char *optimizer; /* owned; the file with the optimizer's state that is kept, or NULL */
    uint64_t optimizer_bytes;
} fg_layout;

/* Takes the plan over, which is then empty. To be freed whatever comes back. */
fg_status fg_layout_make(const fg_decisions *decisions, fg_plan *plan, fg_layout *layout, fg_error *err);
void fg_layout_free(fg_layout *layout);

#endif
