#include "mapping/section_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "language/block_sequence.h"
#include "language/choice.h"

enum { WHERE = 800, DEPTH = 16 };

typedef struct map_builder {
    fg_tensor_map *map;
    const fg_section *root;
    const fg_classes *classes;
    const json_t *target;
    fg_error *err;
} map_builder;

/* A section at one place: prefixes of names, and the configuration. */
typedef struct section_instance {
    const fg_section *section;
    const char *target, *hf; /* prefixes of names */
    const char *path;        /* of the configuration */
    fg_scope scope;
    json_t *variables; /* owned */
    unsigned depth;
} section_instance;

static fg_status expand(const map_builder *m, const fg_section *section, const section_instance *outer,
                        const char *path, const char *target, const char *hf, const json_t *with,
                        uint64_t index);

/* ---- expressions ---- */

static const char *describe_place(const map_builder *m, const section_instance *at, char *where) {
    snprintf(where, WHERE, "%s: sections/%s/weights at \"%s\"", m->map->file, at->section->name, at->path);
    return where;
}

static fg_status evaluate(const map_builder *m, const section_instance *at, const json_t *given,
                          json_t **value) {
    char where[WHERE];
    return fg_expression_given(given, &at->scope, describe_place(m, at, where), value, m->err);
}

/* `truth` keeps what it holds if there is no expression. */
static fg_status evaluate_truth(const map_builder *m, const section_instance *at, const json_t *given,
                                bool *truth) {
    json_t *value = NULL;
    if (!given) return FG_OK;
    fg_status status = evaluate(m, at, given, &value);
    if (status == FG_OK) *truth = fg_expression_truth(value);
    json_decref(value);
    return status;
}

static fg_status evaluate_size(const map_builder *m, const section_instance *at, const json_t *given,
                               uint64_t *size) {
    char where[WHERE];
    return fg_expression_size(given, &at->scope, describe_place(m, at, where), size, m->err);
}

static fg_status evaluate_shape(const map_builder *m, const section_instance *at, const json_t *given,
                                uint32_t *rank, uint64_t *shape) {
    fg_error *err = m->err;
    size_t count = json_array_size(given);
    if (count > FG_MAX_DIMS)
        return fg_fail(err, FG_ERR_INPUT, "%s: sections/%s/weights: more than %d dimensions", m->map->file,
                       at->section->name, FG_MAX_DIMS);
    *rank = (uint32_t)count;
    for (size_t d = 0; d < count; d++) FG_CALL(evaluate_size(m, at, json_array_get(given, d), &shape[d]));
    return FG_OK;
}

/* ---- names ---- */

/* The number that a placeholder such as {i} or {i+1} at `at` means; `length` is 0 if there is no
 * placeholder. */
static uint64_t count_in(const char *at, uint64_t index, size_t *length) {
    char *end;
    *length = fg_starts_with(at, "{i}") ? 3 : 0;
    if (*length || !fg_starts_with(at, "{i+")) return index;
    uint64_t more = strtoull(at + 3, &end, 10);
    if (*end == '}') *length = (size_t)(end + 1 - at);
    return index + more;
}

/* `prefix` and `text`, its {i} replaced by a number and its {name} by a name. Newly allocated. */
static char *fill_in(const char *prefix, const char *text, uint64_t index, const char *name, fg_error *err) {
    fg_buffer filled = {0};
    fg_status status = fg_buffer_put(&filled, prefix, err);
    for (const char *at = text; *at && status == FG_OK;) {
        size_t length;
        uint64_t number = count_in(at, index, &length);
        if (length) {
            status = fg_buffer_put_u64(&filled, number, err);
        } else if (fg_starts_with(at, "{name}")) {
            length = strlen("{name}");
            status = fg_buffer_put(&filled, name ? name : "", err);
        } else {
            length = 1 + strcspn(at + 1, "{");
            status = fg_buffer_add(&filled, at, length, err);
        }
        at += length;
    }
    if (status != FG_OK) fg_buffer_free(&filled);
    return filled.data;
}

static const char *target_name(const json_t *rule, const char *label) {
    const char *name = json_string_value(json_object_get(rule, "fast_llm"));
    return name ? name : label;
}

/* ---- one tensor ---- */

static bool count_elements(uint32_t rank, const uint64_t *shape, uint64_t *elements) {
    *elements = 1;
    for (uint32_t d = 0; d < rank; d++) {
        if (!fg_mul(*elements, shape[d], elements)) return false;
    }
    return true;
}

/* One name or several, of which {i} counts the rounds of "each"; without it, it is `index`. */
typedef struct name_list {
    const json_t *names, *each; /* each: NULL without */
    uint64_t rounds, index;
    size_t per_round;
} name_list;

static fg_status read_names(const map_builder *m, const section_instance *at, const json_t *names,
                            const json_t *each, uint64_t index, name_list *list) {
    *list = (name_list){.names = names, .each = each, .rounds = 1, .index = index};
    list->per_round = json_is_array(names) ? json_array_size(names) : 1;
    return each ? evaluate_size(m, at, each, &list->rounds) : FG_OK;
}

/* The n-th name, with the prefix of its place. Newly allocated. */
static char *nth_name(const section_instance *at, const name_list *list, uint64_t n, fg_error *err) {
    const json_t *name =
        json_is_array(list->names) ? json_array_get(list->names, n % list->per_round) : list->names;
    uint64_t index = list->each ? n / list->per_round : list->index;
    return fill_in(at->hf, json_string_value(name), index, NULL, err);
}

static void read_order(const json_t *rule, fg_tensor_form *form) {
    const json_t *order = json_object_get(rule, "permute");
    for (uint32_t d = 0; d < form->part_rank; d++)
        form->order[d] = (uint8_t)(order ? json_integer_value(json_array_get(order, d)) : d);
}

/* The target's shape: given, or that of the permuted parts, one below another. */
static fg_status set_shape(const map_builder *m, const section_instance *at, const json_t *given,
                           const char *target, uint64_t parts, fg_tensor_form *form) {
    if (given) return evaluate_shape(m, at, given, &form->rank, form->shape);
    form->rank = form->part_rank;
    for (uint32_t d = 0; d < form->rank; d++) form->shape[d] = form->part_shape[form->order[d]];
    if (form->rank && !fg_mul(form->shape[0], parts, &form->shape[0]))
        return fg_fail(m->err, FG_ERR_INPUT, "\"%s\" would have more than 2^64 rows", target);
    return FG_OK;
}

static fg_status make_form(const map_builder *m, const section_instance *at, const json_t *rule,
                           const char *target, uint64_t parts, fg_tensor_form *form) {
    fg_error *err = m->err;
    bool tied = false;
    uint64_t part, all, covered;
    *form = (fg_tensor_form){.shape_rule = json_object_get(rule, "shape"),
                             .vocabulary = json_is_true(json_object_get(rule, "vocabulary"))};
    FG_CALL(evaluate_shape(m, at, form->shape_rule, &form->part_rank, form->part_shape));
    read_order(rule, form);
    FG_CALL(set_shape(m, at, json_object_get(rule, "fast_llm_shape"), target, parts, form));
    if (!count_elements(form->part_rank, form->part_shape, &part) ||
        !count_elements(form->rank, form->shape, &all) || !fg_mul(part, parts, &covered) || covered != all)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: sections/%s/weights: \"%s\" is not as large as its parts together", m->map->file,
                       at->section->name, target);
    FG_CALL(evaluate_truth(m, at, json_object_get(rule, "tied_if"), &tied));
    if (tied) form->tied_to = json_string_value(json_object_get(rule, "tied_to"));
    return FG_OK;
}

/* ---- other layouts of the same tensor ---- */

static fg_status bad_layout(const map_builder *m, const section_instance *at, const char *what) {
    return fg_fail(m->err, FG_ERR_INPUT, "%s: sections/%s/weights: \"%s\": \"other\": %s", m->map->file,
                   at->section->name, m->map->links[m->map->count - 1].target, what);
}

/* Tensors of hf, all of one shape. A name alone is another name of a link's only part. */
static fg_status read_layout(const map_builder *m, const section_instance *at, const json_t *other,
                             uint64_t index, name_list *names, fg_packed_tensor *tensor) {
    fg_error *err = m->err;
    const fg_tensor_link *link = &m->map->links[m->map->count - 1];
    const fg_tensor_form *form = &m->map->forms[link->form];
    uint64_t part = 0, packed = 0, tensors = 0;
    bool plain = json_is_string(other);
    *tensor = (fg_packed_tensor){.shape_rule = plain ? form->shape_rule : json_object_get(other, "shape")};
    FG_CALL(read_names(m, at, plain ? other : json_object_get(other, "hf"),
                       plain ? NULL : json_object_get(other, "each"), index, names));
    FG_CALL(evaluate_shape(m, at, tensor->shape_rule, &tensor->rank, tensor->shape));
    if (!count_elements(form->part_rank, form->part_shape, &part) ||
        !count_elements(tensor->rank, tensor->shape, &packed) ||
        !fg_mul(names->rounds, names->per_round, &tensors) || !part || packed % part || !tensors)
        FG_CALL(bad_layout(m, at, "a tensor must hold whole tensors of the first layout"));
    uint64_t parts = fg_tensor_map_part_count(m->map, link);
    if (packed / part > parts || packed / part * tensors != parts)
        FG_CALL(bad_layout(m, at, "it is not as large as the first layout"));
    tensor->part_count = (uint32_t)(packed / part);
    return FG_OK;
}

static fg_status add_layouts(const map_builder *m, const section_instance *at, const json_t *layouts,
                             uint64_t index) {
    fg_error *err = m->err;
    json_t *other;
    name_list names;
    fg_packed_tensor tensor;
    FG_JSON_EACH(layouts, i, other) {
        FG_CALL(read_layout(m, at, other, index, &names, &tensor));
        tensor.first_part = m->map->links[m->map->count - 1].first_part;
        for (uint64_t n = 0; n < names.rounds * names.per_round;
             n++, tensor.first_part += tensor.part_count) {
            FG_CALL_NEW(tensor.hf, nth_name(at, &names, n, err));
            FG_CALL(fg_tensor_map_add_packed(m->map, &tensor, err));
        }
    }
    return FG_OK;
}

/* ---- one tensor of the target, or several ---- */

static fg_status add_link(const map_builder *m, const section_instance *at, const char *name,
                          const json_t *rule, uint64_t index) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    name_list names;
    fg_tensor_form form;
    uint32_t form_index;
    char *target = NULL, *hf = NULL;
    FG_TRY_NEW(target, fill_in(at->target, name, index, NULL, err));
    FG_TRY(read_names(m, at, json_object_get(rule, "hf"), json_object_get(rule, "each"), index, &names));
    if (names.rounds > FG_TENSORS_MAX)
        FG_FAIL(err, FG_ERR_INPUT, "\"%s\" would have more than %d parts", target, FG_TENSORS_MAX);
    FG_TRY(make_form(m, at, rule, target, names.rounds * names.per_round, &form));
    FG_TRY(fg_tensor_map_add_form(m->map, &form, &form_index, err));
    FG_TRY(fg_tensor_map_add_link(m->map, target, form_index, NULL, err));
    for (uint64_t n = 0; n < names.rounds * names.per_round; n++) {
        FG_TRY_RENEW(hf, nth_name(at, &names, n, err));
        FG_TRY(fg_tensor_map_add_part(m->map, hf, err));
    }
    FG_TRY(add_layouts(m, at, json_object_get(rule, "other"), index));
done:
    fg_free(target);
    fg_free(hf);
    return status;
}

/* One tensor, or with "repeat" one for each {i}. */
static fg_status add_links(const map_builder *m, const section_instance *at, const char *name,
                           const json_t *rule) {
    fg_error *err = m->err;
    uint64_t count = 1;
    const json_t *repeat = json_object_get(rule, "repeat");
    if (repeat) FG_CALL(evaluate_size(m, at, repeat, &count));
    for (uint64_t i = 0; i < count; i++) FG_CALL(add_link(m, at, name, rule, i));
    return FG_OK;
}

/* ---- rules that lead to sections ---- */

/* One instance: the section at `path`. */
static fg_status expand_instance(const map_builder *m, const section_instance *at, const fg_declaration *d,
                                 const char *path, const char *name, const json_t *rule, uint64_t index,
                                 const char *entry) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    const fg_choice *choice;
    char *target = NULL, *hf = NULL;
    const char *hf_prefix = json_string_value(json_object_get(rule, "hf"));
    FG_TRY(fg_choice_by_class(m->classes, m->root, m->target, d, path, &choice, err));
    if (!choice)
        FG_FAIL(err, FG_ERR_INPUT, "%s: no section is for the configuration at \"%s\"", m->map->file, path);
    FG_TRY_NEW(target, fill_in(at->target, name, index, entry, err));
    FG_TRY_NEW(hf, fill_in(at->hf, hf_prefix ? hf_prefix : "", index, entry, err));
    FG_TRY(expand(m, choice->section, at, path, target, hf, json_object_get(rule, "with"), index));
done:
    fg_free(target);
    fg_free(hf);
    return status;
}

/* The declaration that leads to a sequence's blocks: `d` itself, or where it chooses a section for the
 * sequence, that section's for the field "block" or "blocks". */
static fg_status find_blocks(const map_builder *m, const fg_declaration **d, const char *path, bool pattern) {
    const fg_choice *choice;
    if ((*d)->primitive->id == FG_PRIMITIVE_LIST_DISPATCH) return FG_OK;
    fg_status status = fg_choice_by_class(m->classes, m->root, m->target, *d, path, &choice, m->err);
    if (status != FG_OK) return status;
    const fg_claim *claim =
        choice ? fg_claims_find(&choice->section->claims[FG_SIDE_TARGET], pattern ? "blocks" : "block")
               : NULL;
    if (!claim || !claim->declaration->choice_count)
        return fg_fail(m->err, FG_ERR_INPUT, "%s: no section is for the blocks of \"%s\"", m->map->file,
                       path);
    *d = claim->declaration;
    return FG_OK;
}

static fg_status enter_blocks(const map_builder *m, const section_instance *at, const fg_declaration *d,
                              const char *path, const char *name, const json_t *rule, uint64_t count) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_block_sequence sequence;
    char buffer[FG_BLOCK_PATH], *block = NULL;
    const char *wrong = fg_block_sequence_read(fg_json_at(m->target, path), &sequence);
    if (wrong) FG_FAIL(err, FG_ERR_INPUT, "\"%s\": %s", path, wrong);
    FG_TRY(find_blocks(m, &d, path, sequence.pattern != NULL));
    if (count == UINT64_MAX) count = sequence.count;
    for (uint64_t i = 0; i < count; i++) {
        const char *entry = fg_block_sequence_name(&sequence, i);
        FG_TRY_NEW(block, fg_strformat(err, "%s/%s", path, fg_block_sequence_path(entry, buffer)));
        FG_TRY(expand_instance(m, at, d, block, name, rule, i, entry));
        fg_free(block);
        block = NULL;
    }
done:
    fg_free(block);
    return status;
}

static fg_status enter_entries(const map_builder *m, const section_instance *at, const fg_declaration *d,
                               const char *path, const char *name, const json_t *rule) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    char *below = NULL;
    json_t *entry;
    FG_JSON_MEMBERS(fg_json_at(m->target, path), key, entry) {
        FG_TRY_NEW(below, fg_strformat(err, "%s/%s", path, key));
        FG_TRY(expand_instance(m, at, d, below, name, rule, 0, key));
        fg_free(below);
        below = NULL;
    }
done:
    fg_free(below);
    return status;
}

static bool is_sequence(const map_builder *m, const char *path) {
    const char *class_name = fg_class_at(m->classes, m->root->class_name, m->target, path);
    fg_field field;
    return class_name && fg_class_field(m->classes, class_name, "num_blocks", &field);
}

static fg_status expand_reference(const map_builder *m, const section_instance *at, const char *name,
                                  const json_t *rule) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    const fg_declaration *d = fg_section_find(at->section, json_string_value(json_object_get(rule, "of")));
    const json_t *repeat = json_object_get(rule, "repeat");
    uint64_t count = UINT64_MAX;
    char *path = NULL;
    FG_TRY_NEW(path, fg_path_resolve(at->path, d->fields[0], err));
    if (repeat) FG_TRY(evaluate_size(m, at, repeat, &count));
    if (is_sequence(m, path))
        FG_TRY(enter_blocks(m, at, d, path, name, rule, count));
    else if (d->primitive->id == FG_PRIMITIVE_TYPED_DICT)
        FG_TRY(enter_entries(m, at, d, path, name, rule));
    else
        for (uint64_t i = 0; i < (repeat ? count : 1); i++)
            FG_TRY(expand_instance(m, at, d, path, name, rule, i, NULL));
done:
    fg_free(path);
    return status;
}

/* ---- sections ---- */

static fg_status define_variables(const map_builder *m, const section_instance *at, const json_t *definitions,
                                  json_t *into) {
    fg_error *err = m->err;
    json_t *given, *value;
    FG_JSON_MEMBERS(definitions, name, given) {
        FG_CALL(evaluate(m, at, given, &value));
        FG_CALL(fg_json_put(into, name, value, err));
    }
    return FG_OK;
}

static fg_status expand_rules(const map_builder *m, const section_instance *at) {
    fg_error *err = m->err;
    json_t *rule;
    FG_JSON_MEMBERS(at->section->weights, label, rule) {
        bool present = true;
        FG_CALL(evaluate_truth(m, at, json_object_get(rule, "if"), &present));
        if (!present) continue;
        FG_CALL(json_object_get(rule, "of") ? expand_reference(m, at, target_name(rule, label), rule)
                                            : add_links(m, at, target_name(rule, label), rule));
    }
    return FG_OK;
}

/* `with` is evaluated outside, the section's own "let" inside. $i is the number of the instance. */
static fg_status expand(const map_builder *m, const fg_section *section, const section_instance *outer,
                        const char *path, const char *target, const char *hf, const json_t *with,
                        uint64_t index) {
    fg_error *err = m->err;
    fg_status status = FG_OK;
    section_instance at = {.section = section, .target = target, .hf = hf, .path = path};
    at.depth = outer ? outer->depth + 1 : 0;
    at.variables = outer ? fg_json_copy(outer->variables, err) : json_object();
    if (!at.variables) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while listing tensors");
    if (at.depth == DEPTH) FG_FAIL(err, FG_ERR_INPUT, "\"%s\": sections are nested too deeply", path);
    FG_TRY(fg_json_put(at.variables, "i", json_integer((json_int_t)index), err));
    if (outer) FG_TRY(define_variables(m, outer, with, at.variables));
    at.scope = (fg_scope){.here = fg_json_at(m->target, path), .root = m->target, .variables = at.variables};
    if (!*path) at.scope.here = m->target;
    FG_TRY(define_variables(m, &at, section->let, at.variables));
    FG_TRY(expand_rules(m, &at));
done:
    json_decref(at.variables);
    return status;
}

static fg_status tie_links(fg_tensor_map *map, fg_error *err) {
    for (size_t i = 0; i < map->count; i++) {
        const char *to = map->forms[map->links[i].form].tied_to;
        if (to)
            FG_CALL(fg_tensor_map_tie(map, (uint32_t)i, map->links[i].target, fg_map_get(&map->by_target, to),
                                      to, err));
    }
    return FG_OK;
}

fg_status fg_section_map_new(fg_tensor_map *map, const fg_converter *converter, const json_t *target,
                             fg_error *err) {
    fg_status status = FG_OK;
    map_builder m = {.map = map, .target = target, .err = err};
    *map = (fg_tensor_map){
        .converter = converter, .config = target, .file = fg_converter_file(converter), .key = "weights"};
    m.root = fg_converter_declarations(converter)->root;
    FG_TRY(
        fg_classes_load(&m.classes, fg_converter_catalogue(converter), fg_converter_format(converter), err));
    FG_TRY(expand(&m, m.root, NULL, "", "", "", NULL, 0));
    FG_TRY(tie_links(map, err));
done:
    if (status != FG_OK) fg_tensor_map_free(map);
    return status;
}

fg_status fg_section_map_vocabulary_rows(const fg_converter *converter, const json_t *target, uint64_t *rows,
                                         fg_error *err) {
    fg_tensor_map map;
    fg_status status = fg_section_map_new(&map, converter, target, err);
    *rows = 0;
    for (size_t i = 0; i < map.count && !*rows; i++) {
        const fg_tensor_form *form = &map.forms[map.links[i].form];
        if (form->vocabulary) *rows = form->shape[0];
    }
    fg_tensor_map_free(&map);
    return status;
}

bool fg_section_map_used(const fg_converter *converter) {
    const fg_section *root = fg_converter_declarations(converter)->root;
    return root && root->weights;
}
