#include "mapping/tensor_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "mapping/hf_names.h"
#include "mapping/tensor_check.h"
#include "mapping/tensor_names.h"
#include "mapping/tensor_tied.h"
#include "mapping/tensor_unmatched.h"

enum { NONE = -1, SHAPE_TEXT = 300 };

typedef struct planner {
    const fg_converter *converter;
    fg_direction direction;
    fg_dtype cast;
    const fg_row_edits *rows;   /* borrowed; NULL: none */
    const fg_tensor_gaps *gaps; /* borrowed; NULL: there must be none */
    fg_plan *plan;
    fg_tensor_names names;
    char **targets;         /* owned; the target's name of each of `names` */
    int64_t *source_of;     /* owned; index of the source tensor of each of `names`, or NONE */
    unsigned char *claimed; /* owned; by source tensor */
    fg_name_rules *drop;    /* owned; matches whole names, gives the reason */
    fg_hf_names hf_names;
    fg_buffer scratch, second;
    fg_error *err;
} planner;

static const fg_tensor_template *template_of(const planner *p, size_t name) {
    return &p->names.templates[p->names.items[name].template_index];
}

/* The name that the source uses. */
static const char *source_name(const planner *p, size_t name) {
    return p->direction == FG_IMPORT ? p->names.items[name].hf : p->targets[name];
}

/* ---- names, checked by a round trip ---- */

static fg_status rename_one(planner *p, fg_direction direction, const char *name, fg_buffer *out) {
    bool matched;
    fg_status status =
        fg_name_rules_apply(fg_converter_rules(p->converter, direction), name, out, &matched, p->err);
    if (status != FG_OK || matched) return status;
    return fg_fail(p->err, FG_ERR_INPUT, "%s: no name rule matches the %s name \"%s\"",
                   fg_converter_file(p->converter), direction == FG_IMPORT ? "hf" : "target", name);
}

/* Works out the target's names; a round trip must give the hf name, and no two may be the same. */
static fg_status make_targets(planner *p) {
    fg_status status = FG_OK;
    fg_error *err = p->err;
    fg_map seen = {0};
    FG_NEW(p->targets, p->names.count);
    for (size_t i = 0; i < p->names.count; i++) {
        const char *hf = p->names.items[i].hf;
        FG_TRY(rename_one(p, FG_IMPORT, hf, &p->scratch));
        FG_TRY_NEW(p->targets[i], fg_strdup(p->scratch.data, err));
        int64_t other = fg_map_get(&seen, p->targets[i]);
        if (other != FG_MAP_NONE) {
            FG_FAIL(err, FG_ERR_INPUT, "%s: \"%s\" and \"%s\" both become \"%s\"",
                    fg_converter_file(p->converter), p->names.items[other].hf, hf, p->targets[i]);
        }
        FG_TRY(fg_map_set(&seen, p->targets[i], (int64_t)i, err));
        FG_TRY(rename_one(p, FG_EXPORT, p->targets[i], &p->second));
        if (strcmp(p->second.data, hf) != 0) {
            FG_FAIL(err, FG_ERR_INPUT, "%s: \"%s\" becomes \"%s\", which comes back as \"%s\"",
                    fg_converter_file(p->converter), hf, p->targets[i], p->second.data);
        }
    }
done:
    fg_map_free(&seen);
    return status;
}

/* ---- which source tensor is which ---- */

/* The expected name of a source tensor, in `name`, or NONE. */
static fg_status identify(planner *p, const fg_tensor *tensor, int64_t *name) {
    fg_status status = FG_OK;
    bool matched;
    *name = NONE;
    if (p->direction == FG_IMPORT)
        return fg_hf_names_find(&p->hf_names, &p->names.by_name, tensor->name, name, p->err);
    FG_TRY(fg_name_rules_apply(fg_converter_rules(p->converter, FG_EXPORT), tensor->name, &p->scratch,
                               &matched, p->err));
    if (matched) *name = fg_map_get(&p->names.by_name, p->scratch.data);
done:
    return status;
}

static fg_status match_sources(planner *p) {
    fg_status status = FG_OK;
    fg_error *err = p->err;
    const fg_tensors *source = &p->plan->source;
    int64_t name;
    FG_TRY(fg_hf_names_init(&p->hf_names, p->converter, p->direction, source, err));
    FG_NEW(p->source_of, p->names.count);
    FG_NEW(p->claimed, source->count);
    for (size_t i = 0; i < p->names.count; i++) p->source_of[i] = NONE;
    for (size_t i = 0; i < source->count; i++) {
        FG_TRY(identify(p, &source->items[i], &name));
        if (name == NONE) continue;
        if (p->source_of[name] != NONE) {
            FG_FAIL(err, FG_ERR_INPUT, "the tensors \"%s\" and \"%s\" both become \"%s\"",
                    source->items[p->source_of[name]].name, source->items[i].name, p->names.items[name].hf);
        }
        p->source_of[name] = (int64_t)i;
        p->claimed[i] = 1;
    }
done:
    return status;
}

/* ---- what is missing, what is unexpected ---- */

/* Why no rule covers a source tensor, as a hint. */
static fg_status explain(planner *p, const char *source) {
    uint64_t block = 0;
    char brief[120];
    const char *hf = source;
    bool matched = true;
    if (p->direction == FG_EXPORT) {
        fg_status status = fg_name_rules_apply(fg_converter_rules(p->converter, FG_EXPORT), source,
                                               &p->scratch, &matched, NULL);
        if (status == FG_OK && matched) hf = p->scratch.data;
    }
    const fg_tensor_template *t = fg_tensor_names_template(&p->names, hf, &block);
    if (t && !t->present)
        return fg_hint(p->err, "\"%s\" belongs to models with %s, which config.json does not have", source,
                       fg_json_brief(json_object_get(t->rule, "if"), brief, sizeof brief));
    if (t)
        return fg_hint(p->err, "\"%s\" has the index %" PRIu64 ", but config.json gives %" PRIu64 " (%s)",
                       source, block, t->count,
                       fg_json_brief(json_object_get(t->rule, "repeat"), brief, sizeof brief));
    return fg_hint(p->err,
                   "%s says which tensors this configuration has; a \"drop\" pattern of a converter "
                   "(--converter-path) leaves tensors out",
                   fg_converter_file(p->converter));
}

static fg_status add_gap(planner *p, json_t *gaps, const char *name) {
    return gaps ? fg_json_push(gaps, json_string(name), p->err) : FG_OK;
}

static fg_status collect_missing(planner *p, fg_unmatched *unmatched) {
    fg_status status = FG_OK;
    for (size_t i = 0; i < p->names.count; i++) {
        if (p->source_of[i] != NONE) continue;
        if (p->gaps)
            FG_TRY(add_gap(p, p->gaps->missing, source_name(p, i)));
        else if (!template_of(p, i)->tied)
            FG_TRY(fg_unmatched_add_missing(unmatched, source_name(p, i), p->err));
    }
done:
    return status;
}

/* Drops what a rule drops, or gaps allow; collects the rest of what is not claimed. */
static fg_status drop_or_collect(planner *p, fg_unmatched *unmatched) {
    fg_status status = FG_OK;
    const fg_tensors *source = &p->plan->source;
    bool matched;
    for (size_t i = 0; i < source->count; i++) {
        if (p->claimed[i]) continue;
        const char *name = source->items[i].name;
        FG_TRY(fg_hf_names_apply(&p->hf_names, p->drop, name, &p->scratch, &matched, p->err));
        if (matched) {
            FG_TRY(fg_plan_drop(p->plan, (uint32_t)i, p->scratch.data, p->err));
        } else if (p->gaps) {
            FG_TRY(add_gap(p, p->gaps->unexpected, name));
            FG_TRY(fg_plan_drop(p->plan, (uint32_t)i, "no rule covers it (--no-strict)", p->err));
        } else {
            FG_TRY(fg_unmatched_add_unexpected(unmatched, (uint32_t)i, p->err));
        }
    }
done:
    return status;
}

static fg_status check_matches(planner *p) {
    fg_status status = FG_OK;
    fg_unmatched unmatched = {.source = &p->plan->source,
                              .prefix = p->hf_names.prefix,
                              .lacking = p->hf_names.lacking,
                              .expected = p->names.count};
    FG_TRY(collect_missing(p, &unmatched));
    FG_TRY(drop_or_collect(p, &unmatched));
    status = fg_unmatched_check(&unmatched, p->err);
    if (status != FG_OK && unmatched.unexpected_count)
        explain(p, p->plan->source.items[unmatched.unexpected[0]].name);
done:
    fg_unmatched_free(&unmatched);
    return status;
}

/* ---- tied tensors ---- */

/* Index in `names` of what the tied tensor `name` is tied to; it may be absent from this configuration: NONE.
 */
static fg_status partner_of(const planner *p, size_t name, int64_t *partner) {
    fg_status status = FG_OK;
    fg_error *err = p->err;
    char *hf = NULL;
    FG_TRY_NEW(hf, fg_tensor_name_of(template_of(p, name)->tied_to, p->names.items[name].block, err));
    *partner = fg_map_get(&p->names.by_name, hf);
    if (*partner == FG_MAP_NONE || template_of(p, (size_t)*partner)->tied)
        FG_FAIL(err, FG_ERR_INPUT, "%s: \"%s\" is tied to \"%s\", which is not there or tied itself",
                fg_converter_file(p->converter), p->names.items[name].hf, hf);
done:
    fg_free(hf);
    return status;
}

static fg_status join_pair(planner *p, size_t name, size_t partner) {
    fg_status status = FG_OK;
    const fg_tensors *source = &p->plan->source;
    int64_t *mine = &p->source_of[name], *other = &p->source_of[partner];
    if (*mine != NONE && *other != NONE) {
        FG_TRY(fg_tied_compare(source, &source->items[*mine], &source->items[*other], p->err));
        if (p->direction == FG_IMPORT) goto done;
        fg_buffer_clear(&p->scratch);
        FG_TRY(fg_buffer_printf(&p->scratch, p->err, "tied: the same bytes as \"%s\"",
                                source->items[*other].name));
        FG_TRY(fg_plan_drop(p->plan, (uint32_t)*mine, p->scratch.data, p->err));
    } else if (*other == NONE) {
        *other = *mine; /* some programs keep the other name of the pair */
    } else {
        *mine = *other;
    }
done:
    return status;
}

static fg_status join_tied(planner *p) {
    fg_status status = FG_OK;
    int64_t partner;
    for (size_t i = 0; i < p->names.count; i++) {
        if (!template_of(p, i)->tied) continue;
        FG_TRY(partner_of(p, i, &partner));
        FG_TRY(join_pair(p, i, (size_t)partner));
    }
done:
    return status;
}

/* ---- outputs ---- */

static fg_status add_output(planner *p, size_t name) {
    fg_status status = FG_OK;
    const fg_tensor_template *t = template_of(p, name);
    if (p->source_of[name] == NONE) return FG_OK; /* a gap */
    uint32_t index = (uint32_t)p->source_of[name];
    const fg_tensor *tensor = &p->plan->source.items[index];
    fg_dtype dtype = p->cast == FG_DTYPE_NONE ? tensor->dtype : p->cast;
    uint64_t shape[FG_MAX_DIMS];
    char meaning[SHAPE_TEXT];
    FG_TRY(fg_tensor_check_dtype(&p->plan->source, tensor, dtype, p->err));
    FG_TRY(fg_tensor_check_shape(&p->plan->source, tensor, t->rank, t->shape,
                                 fg_tensor_template_shape(t, meaning, sizeof meaning), p->err));
    if (p->direction == FG_EXPORT && t->tied) goto done;
    const char *output = p->direction == FG_IMPORT ? p->targets[name] : p->names.items[name].hf;
    bool edited = t->vocabulary && p->rows;
    memcpy(shape, t->shape, sizeof shape);
    if (edited) shape[0] = p->rows->rows;
    FG_TRY(fg_plan_add_output(p->plan, output, dtype, t->rank, shape, p->err));
    FG_TRY(edited ? fg_plan_add_rows(p->plan, index, p->rows, p->err)
                  : fg_plan_add_whole(p->plan, index, p->err));
done:
    return status;
}

static fg_status make_plan(planner *p, const json_t *hf) {
    fg_status status = FG_OK;
    FG_TRY(fg_tensor_names_new(&p->names, p->converter, hf, p->err));
    FG_TRY(make_targets(p));
    FG_TRY(match_sources(p));
    FG_TRY(fg_drop_rules_compile(p->converter, &p->drop, p->err));
    FG_TRY(join_tied(p));
    FG_TRY(check_matches(p));
    for (size_t i = 0; i < p->names.count; i++) FG_TRY(add_output(p, i));
    FG_TRY(fg_plan_check(p->plan, p->err));
    fg_hf_names_warn(&p->hf_names, &p->plan->source);
done:
    return status;
}

fg_status fg_tensor_plan(const fg_converter *converter, fg_direction direction, fg_tensors *source,
                         const json_t *hf, fg_dtype cast, const fg_row_edits *rows,
                         const fg_tensor_gaps *gaps, fg_plan *plan, fg_error *err) {
    planner p = {.converter = converter,
                 .direction = direction,
                 .cast = cast,
                 .rows = rows && rows->rows ? rows : NULL,
                 .gaps = gaps,
                 .plan = plan,
                 .err = err};
    *plan = (fg_plan){.source = *source};
    *source = (fg_tensors){0};
    fg_status status = make_plan(&p, hf);
    for (size_t i = 0; p.targets && i < p.names.count; i++) fg_free(p.targets[i]);
    fg_free(p.targets);
    fg_free(p.source_of);
    fg_free(p.claimed);
    fg_tensor_names_free(&p.names);
    fg_name_rules_free(&p.drop);
    fg_buffer_free(&p.scratch);
    fg_hf_names_free(&p.hf_names);
    fg_buffer_free(&p.second);
    if (status != FG_OK) fg_plan_free(plan);
    return status;
}

const char *fg_plan_main_dtype(const fg_plan *plan) {
    uint64_t bytes[FG_DTYPE_COUNT] = {0};
    fg_dtype best = FG_DTYPE_NONE;
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *output = &plan->outputs[i];
        uint64_t *sum = &bytes[output->dtype];
        if (fg_dtype_is_float(output->dtype) && !fg_add(*sum, fg_output_bytes(output), sum))
            *sum = UINT64_MAX;
        if (fg_dtype_is_float(output->dtype) && best == FG_DTYPE_NONE) best = output->dtype;
    }
    for (int d = 0; d < FG_DTYPE_COUNT; d++) {
        if (bytes[d] > bytes[best]) best = (fg_dtype)d;
    }
    return best == FG_DTYPE_NONE ? NULL : fg_dtype_name(best);
}
