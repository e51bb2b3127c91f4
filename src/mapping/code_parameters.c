#include "mapping/code_parameters.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "mapping/tensor_check.h"
#include "mapping/tensor_template.h"

enum { LISTED = 3, SHAPE_TEXT = 300, BRIEF = 120 };

typedef struct checker {
    const fg_code_declaration *declaration;
    const fg_code_written *written;
    const char *file; /* borrowed: the converter's */
    fg_tensor_templates parameters;
    uint64_t *found; /* owned; by template: how many of its names are written */
    size_t last;     /* template of the last output: outputs and templates mostly have one order */
    fg_error *err;
} checker;

/* ---- names and templates ---- */

/* The template that has the name for some block, or NULL. */
static const fg_tensor_template *find_template(checker *c, const char *name, uint64_t *block) {
    size_t count = c->parameters.count;
    *block = 0;
    for (size_t k = 0; k < count; k++) {
        size_t index = (c->last + 1 + k) % count;
        if (!fg_tensor_template_matches(c->parameters.items[index].name, name, block)) continue;
        c->last = index;
        return &c->parameters.items[index];
    }
    return NULL;
}

static fg_status read_templates(checker *c, const json_t *complete) {
    const fg_tensor_table table = {.entries = json_object_get(c->declaration->document, "parameters"),
                                   .file = c->declaration->file,
                                   .key = "parameters"};
    return fg_tensor_templates_new(&c->parameters, &table, complete, c->err);
}

/* Appends a name of the destination, and what hf calls it, while few are listed; counts always. */
static fg_status list_name(const fg_code_declaration *declaration, const char *name, fg_buffer *list,
                           size_t *count, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer hf = {0};
    bool matched = false;
    FG_TRY(fg_name_list_add(list, count, LISTED, name, err));
    if (*count > LISTED) goto done;
    FG_TRY(
        fg_name_rules_apply(fg_converter_rules(declaration->converter, FG_EXPORT), name, &hf, &matched, err));
    if (matched && strcmp(hf.data, name) != 0)
        FG_TRY(fg_buffer_printf(list, err, " (hf: \"%.150s\")", hf.data));
done:
    fg_buffer_free(&hf);
    return status;
}

/* ---- tensors that are written ---- */

/* What the declaration says of a name that the code makes no parameter for. */
static fg_status explain(checker *c, const char *name) {
    uint64_t block;
    char brief[BRIEF];
    const char *code = c->declaration->code;
    const fg_tensor_template *t = find_template(c, name, &block);
    if (t && !t->present)
        return fg_hint(c->err,
                       "%s makes \"%s\" if %s, which does not hold for the config.json that %s writes", code,
                       t->name, fg_json_brief(json_object_get(t->rule, "if"), brief, sizeof brief), c->file);
    if (t)
        return fg_hint(c->err, "%s makes \"%s\" %" PRIu64 " times (%s)", code, t->name, t->count,
                       fg_json_brief(json_object_get(t->rule, "repeat"), brief, sizeof brief));
    return fg_hint(c->err,
                   "%s declares what the code makes; a family with other weights needs code of its own "
                   "(\"code\" of the converter), or --no-code",
                   c->declaration->file);
}

static fg_status check_shape(const checker *c, const fg_output *output, const fg_tensor_template *t) {
    char found[SHAPE_TEXT], expected[SHAPE_TEXT], meaning[SHAPE_TEXT];
    if (output->rank == t->rank && memcmp(output->shape, t->shape, t->rank * sizeof *t->shape) == 0)
        return FG_OK;
    fg_shape_text(output->rank, output->shape, found, sizeof found);
    fg_shape_text(t->rank, t->shape, expected, sizeof expected);
    fg_fail(c->err, FG_ERR_INPUT, "%s: tensor \"%s\" has the shape %s, and the parameter of %s has %s (%s)",
            c->file, output->name, found, c->declaration->code, expected,
            fg_shape_rule_text(json_object_get(t->rule, "shape"), meaning, sizeof meaning));
    fg_about_found(c->err, "%s", found);
    return fg_about_expected(c->err, "%s", expected);
}

static fg_status check_outputs(checker *c) {
    fg_error *err = c->err;
    fg_status status = FG_OK;
    const fg_plan *plan = c->written->plan;
    fg_buffer list = {0};
    const char *first = NULL;
    size_t count = 0;
    uint64_t block;
    for (size_t i = 0; i < plan->output_count; i++) {
        const fg_output *output = &plan->outputs[i];
        const fg_tensor_template *t = find_template(c, output->name, &block);
        if (t && t->present && block < t->count) {
            FG_TRY(check_shape(c, output, t));
            c->found[t - c->parameters.items]++;
            continue;
        }
        if (!first) first = output->name;
        FG_TRY(list_name(c->declaration, output->name, &list, &count, err));
    }
    if (!count) goto done;
    status =
        fg_fail(err, FG_ERR_INPUT, "%s: writes %zu tensor%s for which %s has no parameter: %s%s", c->file,
                count, count > 1 ? "s" : "", c->declaration->code, list.data, count > LISTED ? ", ..." : "");
    explain(c, first);
done:
    fg_buffer_free(&list);
    return status;
}

/* ---- parameters that nothing writes ---- */

static fg_status list_missing(const checker *c, const fg_tensor_template *t, const fg_map *written,
                              fg_buffer *list, size_t *count) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    char *name = NULL;
    for (uint64_t block = 0; block < t->count; block++) {
        fg_free(name);
        FG_TRY_NEW(name, fg_tensor_name_of(t->name, block, err));
        if (fg_map_get(written, name) == FG_MAP_NONE)
            FG_TRY(list_name(c->declaration, name, list, count, err));
    }
done:
    fg_free(name);
    return status;
}

static fg_status refuse_missing(const checker *c) {
    fg_error *err = c->err;
    fg_status status = FG_OK;
    const fg_plan *plan = c->written->plan;
    fg_map written = {0};
    fg_buffer list = {0};
    size_t count = 0;
    for (size_t i = 0; i < plan->output_count; i++)
        FG_TRY(fg_map_set(&written, plan->outputs[i].name, (uint32_t)i, err));
    for (size_t i = 0; i < c->parameters.count; i++) {
        const fg_tensor_template *t = &c->parameters.items[i];
        if (t->present && c->found[i] != t->count) FG_TRY(list_missing(c, t, &written, &list, &count));
    }
    fg_fail(err, FG_ERR_INPUT, "%s: writes no tensor for %zu parameter%s of %s: %s%s", c->file, count,
            count > 1 ? "s" : "", c->declaration->code, list.data ? list.data : "",
            count > LISTED ? ", ..." : "");
    status = fg_hint(err,
                     "%s declares what the code makes for this config.json; \"tensors\" of the converter "
                     "says what is written",
                     c->declaration->file);
done:
    fg_map_free(&written);
    fg_buffer_free(&list);
    return status;
}

static uint64_t count_missing(const checker *c) {
    uint64_t count = 0;
    for (size_t i = 0; i < c->parameters.count; i++) {
        const fg_tensor_template *t = &c->parameters.items[i];
        if (t->present) count += t->count - c->found[i];
    }
    return count;
}

/* ---- ties ---- */

static fg_status refuse_tie(const checker *c, const char *a, const char *b, bool by_code) {
    const char *code = c->declaration->code;
    if (by_code)
        fg_fail(c->err, FG_ERR_INPUT, "%s: writes \"%s\" and \"%s\" as two tensors, but %s ties them",
                c->file, a, b, code);
    else
        fg_fail(c->err, FG_ERR_INPUT, "%s: ties \"%s\" to \"%s\", but %s does not", c->file, a, b, code);
    return fg_hint(c->err, "\"tied_to\" and \"tied_if\" of the converter and of %s must say the same",
                   c->declaration->file);
}

/* Into an object of pairs of names, the smaller one first in its keys. */
static fg_status add_pair(void *pairs, const char *a, const char *b, fg_error *err) {
    bool ordered = strcmp(a, b) < 0;
    char *key = fg_strformat(err, "%s %s", ordered ? a : b, ordered ? b : a);
    if (!key) return FG_ERR_MEMORY;
    fg_status status = fg_json_put(pairs, key, json_pack("[s, s]", a, b), err);
    fg_free(key);
    return status;
}

/* The first pair of `pairs` that `others` lacks is refused. */
static fg_status check_pairs(const checker *c, json_t *pairs, const json_t *others, bool by_code) {
    json_t *pair;
    FG_JSON_MEMBERS(pairs, key, pair) {
        if (!json_object_get(others, key))
            return refuse_tie(c, json_string_value(json_array_get(pair, 0)),
                              json_string_value(json_array_get(pair, 1)), by_code);
    }
    return FG_OK;
}

static fg_status check_ties(const checker *c) {
    fg_error *err = c->err;
    fg_status status = FG_OK;
    json_t *of_code = json_object(), *of_converter = json_object(), *pair;
    FG_TRY(fg_tensor_templates_tied(&c->parameters, add_pair, of_code, err));
    FG_JSON_EACH(c->written->tied, i, pair)
        FG_TRY(add_pair(of_converter, json_string_value(json_array_get(pair, 0)),
                        json_string_value(json_array_get(pair, 1)), err));
    FG_TRY(check_pairs(c, of_code, of_converter, true));
    FG_TRY(check_pairs(c, of_converter, of_code, false));
done:
    json_decref(of_code);
    json_decref(of_converter);
    return status;
}

/* ---- the whole ---- */

fg_status fg_code_check_parameters(const fg_code_declaration *declaration, const fg_code_written *written,
                                   uint64_t *lacking, fg_error *err) {
    fg_status status = FG_OK;
    json_t *complete = NULL;
    checker c = {.declaration = declaration,
                 .written = written,
                 .file = fg_converter_file(declaration->converter),
                 .err = err};
    FG_TRY(fg_code_complete_config(declaration, written->config, &complete, err));
    FG_TRY(read_templates(&c, complete));
    FG_NEW(c.found, c.parameters.count);
    FG_TRY(check_outputs(&c));
    uint64_t missing = count_missing(&c);
    if (lacking) *lacking = missing;
    if (missing && !written->may_lack) FG_TRY(refuse_missing(&c));
    FG_TRY(check_ties(&c));
done:
    json_decref(complete);
    fg_free(c.found);
    fg_tensor_templates_free(&c.parameters);
    return status;
}

/* Whether some entry of "parameters" has the name for block 0. */
static bool is_declared(const fg_code_declaration *declaration, const char *name) {
    json_t *rule;
    uint64_t block;
    FG_JSON_MEMBERS(json_object_get(declaration->document, "parameters"), key, rule) {
        if (fg_tensor_template_matches(key, name, &block)) return true;
    }
    return false;
}

/* Lists the name that a template gives to the target's tensor of block 0, unless it is declared. */
static fg_status check_name(const fg_code_declaration *declaration, const char *template, fg_buffer *list,
                            size_t *count, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer target = {0};
    bool matched;
    char *name = NULL;
    FG_TRY_NEW(name, fg_tensor_name_of(template, 0, err));
    FG_TRY(fg_name_rules_apply(fg_converter_rules(declaration->converter, FG_IMPORT), name, &target, &matched,
                               err));
    if (matched && !is_declared(declaration, target.data))
        FG_TRY(list_name(declaration, target.data, list, count, err));
done:
    fg_free(name);
    fg_buffer_free(&target);
    return status;
}

fg_status fg_code_check_names(const fg_code_declaration *declaration, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *tensors = json_object_get(fg_converter_document(declaration->converter), "tensors");
    fg_buffer list = {0};
    size_t count = 0;
    json_t *rule, *rows;
    FG_JSON_MEMBERS(tensors, template, rule) {
        const json_t *split = json_object_get(rule, "split");
        if (!split) FG_TRY(check_name(declaration, template, &list, &count, err));
        FG_JSON_MEMBERS(split, part, rows) FG_TRY(check_name(declaration, part, &list, &count, err));
    }
    if (count) {
        fg_fail(err, FG_ERR_INPUT,
                "%s has no parameter for %zu of the tensors that the converter writes: %s%s",
                declaration->code, count, list.data, count > LISTED ? ", ..." : "");
        status = fg_hint(err, "%s declares what the code makes", declaration->file);
    }
done:
    fg_buffer_free(&list);
    return status;
}
