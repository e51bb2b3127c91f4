#include "translate/primitive_functions.h"

static fg_status do_nothing(fg_translator *t, const fg_frame *frame, const fg_declaration *d, fg_error *err) {
    (void)t, (void)frame, (void)d, (void)err;
    return FG_OK; /* custom: see translate/custom.h */
}

static fg_primitive_run *const functions[FG_PRIMITIVES][2] = {
    [FG_PRIMITIVE_RENAME] = {fg_carry_value, fg_carry_value},
    [FG_PRIMITIVE_DEFAULT] = {fg_carry_value, fg_carry_value},
    [FG_PRIMITIVE_OPTIONAL] = {fg_carry_value, fg_carry_value},
    [FG_PRIMITIVE_IMPORT_ONLY] = {fg_import_only_import, fg_import_only_export},
    [FG_PRIMITIVE_CONSTANT_EXPORT] = {fg_constant_export_import, fg_constant_export_export},
    [FG_PRIMITIVE_CONSTANT_IMPORT] = {fg_constant_import_import, fg_constant_import_export},
    [FG_PRIMITIVE_IGNORED] = {fg_ignore_keys, fg_ignore_keys},
    [FG_PRIMITIVE_NESTED] = {fg_run_object, fg_run_object},
    [FG_PRIMITIVE_DISPATCH] = {fg_run_object, fg_run_object},
    [FG_PRIMITIVE_TYPED_DICT] = {fg_run_typed_dict, fg_run_typed_dict},
    [FG_PRIMITIVE_LIST_DISPATCH] = {fg_run_list_dispatch, fg_run_list_dispatch},
    [FG_PRIMITIVE_CUSTOM] = {do_nothing, do_nothing},
};

fg_primitive_run *fg_primitive_function(fg_primitive_id id, fg_direction direction) {
    return functions[id][direction];
}
