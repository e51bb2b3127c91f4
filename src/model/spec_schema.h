/* The schema of specs: which members the objects of a file of models/ may have, role by role (model/spec.h
 * says what they mean). A new word is a row here.
 *
 * Invariant: names of roles and of rotary numbers come from the tables that read them.
 */
#ifndef FG_MODEL_SPEC_SCHEMA_H
#define FG_MODEL_SPEC_SCHEMA_H

#include "language/inherit.h"

/* A file, without what it extends, whose members null may remove. FG_ERR_INPUT with file, line and path: a
 * member that is not known, or of another kind. */
fg_status fg_spec_schema_check(const fg_source_file *file, fg_error *err);
/* The same for members of a SIDE that are at `place` in a file, and that null may remove. */
fg_status fg_spec_schema_check_side(const json_t *side, const fg_source_file *file, const char *place,
                                    fg_error *err);

#endif
