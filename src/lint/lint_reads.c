#include "lint/lint_reads.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "lint/lint.h"
#include "mapping/name_map.h"
#include "model/forward.h"
#include "translate/translate.h"

/* ---- weights that have names and shapes alone ---- */

static bool find(void *context, const char *name, fg_weight *weight) {
    const fg_plan *plan = context;
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *output = &plan->outputs[i];
        if (strcmp(output->name, name) != 0) continue;
        *weight = (fg_weight){
            .index = (uint32_t)i, .dtype = output->dtype, .rank = output->rank, .elements = output->elements};
        memcpy(weight->shape, output->shape, output->rank * sizeof *output->shape);
        return true;
    }
    return false;
}

static const char *name_of(void *context, uint32_t index) {
    const fg_plan *plan = context;
    return index < plan->output_count ? plan->outputs[index].name : NULL;
}

/* ---- one family ---- */

typedef struct small_model {
    const json_t *spec;
    const fg_converter *converter;
    fg_translation there;
    fg_plan sides[2]; /* hf's tensors and the target's, without pieces */
} small_model;

static fg_status add_tensors(small_model *m, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensor_map map;
    FG_TRY(fg_name_map_new(&map, m->converter, m->there.hf, err));
    for (size_t i = 0; i < map.count; i++) {
        const fg_tensor_form *form = &map.forms[map.links[i].form];
        FG_TRY(fg_plan_add_output(&m->sides[0], map.parts[i], FG_F32, form->rank, form->shape, err));
        FG_TRY(fg_plan_add_output(&m->sides[1], map.links[i].target, FG_F32, form->rank, form->shape, err));
    }
done:
    fg_tensor_map_free(&map);
    return status;
}

static fg_status bind_side(small_model *m, size_t side, fg_error *err) {
    const fg_weight_source weights = {.context = &m->sides[side], .find = find, .name_of = name_of};
    fg_model *model = NULL;
    fg_status status =
        fg_model_bind(&model, m->spec, side ? fg_converter_format(m->converter) : &fg_format_hf,
                      side ? m->there.result : m->there.hf, weights, err);
    fg_model_free(&model);
    return status;
}

/* What the converter itself refuses, its own lint says. */
static fg_status try_family(small_model *m, fg_error *err) {
    fg_status status = FG_OK;
    const fg_translate_options options = {.hf_version = 4, .version = "0", .file = "example"};
    json_t *config = NULL;
    FG_TRY(fg_lint_small_config(m->converter, &config, err));
    if (!config) goto done;
    fg_error what = {0};
    status = fg_translate(m->converter, FG_IMPORT, config, &options, &m->there, &what);
    if (status == FG_ERR_INPUT) status = FG_OK;
    if (status != FG_OK) FG_FAIL(err, status, "%s", what.text);
    if (!m->there.result) goto done;
    FG_TRY(add_tensors(m, err));
    for (size_t side = 0; side < 2; side++) FG_TRY(bind_side(m, side, err));
done:
    json_decref(config);
    return status;
}

fg_status fg_lint_reads(const json_t *spec, const fg_converter *converter, fg_error *err) {
    char unsaid[FG_LOG_LINE];
    small_model m = {.spec = spec, .converter = converter};
    if (fg_converter_no_forward_pass(converter)) return FG_OK;
    fg_log_trial_begin();
    fg_status status = try_family(&m, err);
    fg_log_trial_end(unsaid);
    fg_translation_free(&m.there);
    for (size_t side = 0; side < 2; side++) fg_plan_free(&m.sides[side]);
    return status;
}
