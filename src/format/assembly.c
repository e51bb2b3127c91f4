#include "format/assembly.h"

void fg_assembly_free(fg_assembly *assembly) {
    fg_plan_free(&assembly->plan);
    fg_plan_free(&assembly->originals);
    fg_plan_free(&assembly->copies);
    json_decref(assembly->facts);
    *assembly = (fg_assembly){0};
}
