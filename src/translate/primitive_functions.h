/* What primitives do: a row of functions for each row of the grammar (language/primitive.h).
 *
 * Invariant: a function reads and writes only what its declaration claims. Refusals go to the translator;
 * only failures of the machine are returned.
 */
#ifndef FG_TRANSLATE_PRIMITIVE_FUNCTIONS_H
#define FG_TRANSLATE_PRIMITIVE_FUNCTIONS_H

#include "translate/translator.h"

/* One declaration, one direction. */
typedef fg_status fg_primitive_run(fg_translator *translator, const fg_frame *frame,
                                   const fg_declaration *declaration, fg_error *err);

/* What a primitive does in a direction. */
fg_primitive_run *fg_primitive_function(fg_primitive_id id, fg_direction direction);

/* field_primitives.c */
fg_primitive_run fg_carry_value, fg_import_only_import, fg_import_only_export, fg_constant_export_import,
    fg_constant_export_export, fg_constant_import_import, fg_constant_import_export, fg_ignore_keys;
/* section_primitives.c */
fg_primitive_run fg_run_object, fg_run_typed_dict;
/* block_primitives.c */
fg_primitive_run fg_run_list_dispatch;

#endif
