#include "lint/lint_reads.h"

#include "lint/lint.h"
#include "model/forward.h"
#include "translate/translate.h"

/* The target's tensors are those of an import, hf's those of an export. */
static fg_status bind_side(const json_t *spec, const fg_converter *converter, const fg_translation *there,
                           fg_direction direction, fg_error *err) {
    fg_status status = FG_OK;
    bool target = direction == FG_IMPORT;
    fg_plan plan = {0};
    fg_weight_source weights; /* the model takes it over */
    fg_model *model = NULL;
    FG_TRY(fg_lint_outputs(converter, there->hf, direction, &plan, err));
    FG_TRY(fg_weight_source_from_plan(&weights, &plan, err));
    FG_TRY(fg_model_bind(&model, &fg_device_cpu, spec,
                         target ? fg_converter_format(converter) : &fg_format_hf,
                         target ? there->result : there->hf, weights, err));
done:
    fg_model_free(&model);
    fg_plan_free(&plan);
    return status;
}

/* What the converter itself refuses, its own lint says. */
fg_status fg_lint_reads(const json_t *spec, const fg_converter *converter, fg_error *err) {
    fg_status status = FG_OK;
    const fg_translate_options options = {.hf_version = 4, .version = "0", .file = "example"};
    fg_translation there = {0};
    fg_error what = {0};
    json_t *config = NULL;
    FG_TRY(fg_lint_small_config(converter, &config, err));
    if (!config) goto done;
    status = fg_translate(converter, FG_IMPORT, config, &options, &there, &what);
    if (status == FG_ERR_INPUT) status = FG_OK;
    if (status != FG_OK) FG_TRY(fg_fail_again(err, &what));
    if (!there.result) goto done;
    FG_TRY(bind_side(spec, converter, &there, FG_EXPORT, err));
    FG_TRY(bind_side(spec, converter, &there, FG_IMPORT, err));
done:
    fg_translation_free(&there);
    json_decref(config);
    return status;
}
