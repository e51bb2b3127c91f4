#include "conversion/assembled.h"

#include <string.h>

#include "base/alloc.h"
#include "language/classes.h"
#include "model/weight_source.h"
#include "plan/compose.h"

static const char *const order_names[] = {[FG_ORDER_OLDER] = "older", [FG_ORDER_NEWER] = "newer"};

const char *fg_parameter_order_name(fg_parameter_order order) {
    return order_names[order];
}

static fg_status parse_order(const char *text, fg_parameter_order *order, fg_error *err) {
    *order = FG_ORDER_BY_VALUES;
    if (!text) return FG_OK;
    for (*order = FG_ORDER_OLDER; *order <= FG_ORDER_NEWER; ++*order)
        if (strcmp(text, order_names[*order]) == 0) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "parameter order: found \"%s\", expected older or newer", text);
    return fg_about_key(err, "parameter_order");
}

/* ---- a checkpoint by itself ---- */

/* The class of the model's configuration, by the type of the checkpoint's. */
static const char *root_class(const fg_checkpoint *c) {
    const char *type = json_string_value(json_object_get(c->config, "type"));
    return type && strcmp(type, "multimodal") == 0 ? "MultiModalBaseModelConfig" : "GPTBaseModelConfig";
}

static fg_status refuse_field(void *context, const char *path, const char *what, fg_error *err) {
    const fg_checkpoint *c = context;
    return fg_fail(err, FG_ERR_INPUT, "%s/%s: config/%s/%s: %s", c->directory, c->format->config_file,
                   c->format->model_path, path, what);
}

fg_status fg_assemble_checkpoint(const fg_checkpoint *c, fg_catalogue *catalogue, const char *parameter_order,
                                 fg_assembly *assembly, fg_error *err) {
    fg_status status = FG_OK;
    fg_assembly_options how;
    const fg_classes *classes;
    const fg_class_problems problems = {.say = refuse_field, .context = (void *)(uintptr_t)c};
    json_t *completed = NULL;
    FG_TRY(parse_order(parameter_order, &how.parameter_order, err));
    FG_TRY(fg_classes_load(&classes, catalogue, c->format, err));
    FG_TRY(fg_class_complete(classes, root_class(c), fg_format_model_config(c->format, c->config), &problems,
                             &completed, err));
    FG_TRY(c->format->assemble(c, completed, &how, assembly, err));
done:
    json_decref(completed);
    return status;
}

/* ---- a conversion ---- */

fg_status fg_assembled_begin(const fg_checkpoint *checkpoint, const fg_tensors *tensors,
                             const json_t *completed, const char *parameter_order, fg_assembled *assembled,
                             fg_error *err) {
    fg_assembly_options how;
    fg_checkpoint with_tensors = *checkpoint;
    with_tensors.tensors = *tensors;
    FG_CALL(parse_order(parameter_order, &how.parameter_order, err));
    return checkpoint->format->assemble(&with_tensors, completed, &how, &assembled->assembly, err);
}

static fg_status copy_plan(const fg_plan *plan, fg_plan *copy, fg_error *err) {
    fg_buffer text = {0};
    fg_status status = fg_plan_encode(plan, &text, err);
    if (status == FG_OK) status = fg_plan_decode(text.data, text.length, copy, err);
    fg_buffer_free(&text);
    return status;
}

fg_status fg_assembled_join(fg_assembled *assembled, fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    fg_plan vectors = {0};
    FG_TRY(copy_plan(plan, &assembled->steps, err));
    if (fg_plan_casts(plan)) FG_TRY(fg_weight_rounding(plan, &assembled->rounded, err));
    FG_TRY(copy_plan(&assembled->assembly.plan, &vectors, err));
    FG_TRY(fg_plan_compose(&vectors, plan, err));
done:
    fg_plan_free(&vectors);
    return status;
}

void fg_assembled_free(fg_assembled *assembled) {
    fg_assembly_free(&assembled->assembly);
    fg_plan_free(&assembled->steps);
    fg_free(assembled->rounded);
    *assembled = (fg_assembled){0};
}
