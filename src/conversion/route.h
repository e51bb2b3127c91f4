/* The steps of a conversion.
 *
 * Every converter maps hf to one other format. A conversion between two others is a chain of two steps through hf, whose plans are
 * composed: the source is read once, the destination written once, and both steps cover every key and tensor.
 *
 * finalize and update-vocab keep the format: they are a round trip, both directions of one converter. So they refuse what a
 * conversion refuses, and the result is the source with the requested changes. An update applies migrations before that.
 */
#ifndef FG_CONVERSION_ROUTE_H
#define FG_CONVERSION_ROUTE_H

#include "conversion/update.h"

/* From hf to another format (import), or back (export); or a migration of Forgather's schema, which stays in the format. */
typedef struct fg_route_step {
    const fg_migration *migration; /* borrowed; NULL: the step of a converter, of which the next two are */
    fg_direction direction;
    const fg_format *other; /* the format that is not hf */
} fg_route_step;

typedef struct fg_route {
    const fg_format *to;
    bool keeps_format;    /* `to` is the format of the source, whose configuration stays */
    fg_update *update;    /* owned; NULL: no update */
    fg_route_step *steps; /* owned */
    size_t count, capacity;
} fg_route;

/* Their converters are loaded during translation, since the second depends on the first's result. To be freed whatever comes back. */
fg_status fg_route_decide(const fg_recipe *recipe, const fg_source *source, fg_catalogue *catalogue,
                          fg_route *route, fg_error *err);
void fg_route_free(fg_route *route);

#endif
