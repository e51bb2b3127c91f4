#include "mapping/tensor_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "language/block_sequence.h"
#include "language/choice.h"
#include "mapping/tensor_names.h"

enum { WHERE = 800, PARENT = 300, DEPTH = 16 };

typedef struct map_builder {
    fg_tensor_map *weights;
    const fg_converter *converter;
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
    snprintf(where, WHERE, "%s: sections/%s/weights at \"%s\"", fg_converter_file(m->converter),
             at->section->name, at->path);
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
    fg_status status = FG_OK;
    size_t count = json_array_size(given);
    if (count > FG_MAX_DIMS)
        return fg_fail(m->err, FG_ERR_INPUT, "%s: sections/%s/weights: more than %d dimensions",
                       fg_converter_file(m->converter), at->section->name, FG_MAX_DIMS);
    *rank = (uint32_t)count;
    for (size_t d = 0; d < count; d++) FG_TRY(evaluate_size(m, at, json_array_get(given, d), &shape[d]));
done:
    return status;
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

/* `text` with its {i} replaced by a number and its {name} by a name. Newly allocated. */
static char *fill_in(const char *text, uint64_t index, const char *name, fg_error *err) {
    fg_buffer filled = {0};
    fg_status status = fg_buffer_add(&filled, "", 0, err);
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

/* A name of hf, with the prefix of its place; two rules for one name are refused. Newly allocated. */
static fg_status full_hf_name(const map_builder *m, const section_instance *at, const char *name,
                              uint64_t index, char **full) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    char *filled = NULL;
    *full = NULL;
    if (m->weights->part_count + m->weights->packed_count >= FG_TENSORS_MAX)
        FG_FAIL(err, FG_ERR_INPUT, "the configuration asks for more than %d tensors", FG_TENSORS_MAX);
    FG_TRY_NEW(filled, fill_in(name, index, NULL, err));
    FG_TRY_NEW(*full, fg_strformat(err, "%s%s", at->hf, filled));
    if (fg_map_get(&m->weights->by_hf, *full) != FG_MAP_NONE ||
        fg_map_get(&m->weights->by_packed, *full) != FG_MAP_NONE)
        FG_FAIL(err, FG_ERR_INPUT, "%s: two rules of \"weights\" are for \"%s\"",
                fg_converter_file(m->converter), *full);
done:
    fg_free(filled);
    if (status != FG_OK) {
        fg_free(*full);
        *full = NULL;
    }
    return status;
}

static fg_status add_part(const map_builder *m, const section_instance *at, const char *name, uint64_t index,
                          uint64_t offset) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_tensor_map *w = m->weights;
    char *full = NULL;
    FG_TRY(full_hf_name(m, at, name, index, &full));
    FG_TRY(fg_grow(&w->parts, w->part_count, &w->part_capacity, sizeof *w->parts, err));
    w->parts[w->part_count] =
        (fg_weight_part){.hf = full, .link = (uint32_t)(w->count - 1), .offset = offset};
    full = NULL;
    FG_TRY(fg_map_set(&w->by_hf, w->parts[w->part_count].hf, (int64_t)w->part_count, err));
    w->part_count++;
    w->links[w->count - 1].part_count++;
done:
    fg_free(full);
    return status;
}

static fg_status begin_link(const map_builder *m, const section_instance *at, const char *name,
                            const json_t *rule) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_tensor_map *w = m->weights;
    FG_TRY(fg_grow(&w->links, w->count, &w->capacity, sizeof *w->links, err));
    fg_weight_link *link = &w->links[w->count];
    *link = (fg_weight_link){.rule = rule, .first_part = w->part_count};
    FG_TRY_NEW(link->target, fg_strformat(err, "%s%s", at->target, name));
    if (fg_map_get(&w->by_target, link->target) != FG_MAP_NONE) {
        fg_fail(err, FG_ERR_INPUT, "%s: two rules of \"weights\" are for \"%s\"",
                fg_converter_file(m->converter), link->target);
        fg_free(link->target);
        FG_TRY(FG_ERR_INPUT);
    }
    FG_TRY(fg_map_set(&w->by_target, link->target, (int64_t)w->count, err));
    w->count++;
done:
    return status;
}

static void read_order(const json_t *rule, fg_weight_link *link) {
    const json_t *order = json_object_get(rule, "permute");
    for (uint32_t d = 0; d < link->part_rank; d++)
        link->order[d] = (uint8_t)(order ? json_integer_value(json_array_get(order, d)) : d);
}

/* The target's shape: given, or that of the permuted parts, one below another. */
static fg_status set_shape(const map_builder *m, const section_instance *at, fg_weight_link *link,
                           uint64_t parts) {
    const json_t *given = json_object_get(link->rule, "fast_llm_shape");
    if (given) return evaluate_shape(m, at, given, &link->rank, link->shape);
    link->rank = link->part_rank;
    for (uint32_t d = 0; d < link->rank; d++) link->shape[d] = link->part_shape[link->order[d]];
    if (link->rank && !fg_mul(link->shape[0], parts, &link->shape[0]))
        return fg_fail(m->err, FG_ERR_INPUT, "\"%s\" would have more than 2^64 rows", link->target);
    return FG_OK;
}

static bool count_elements(uint32_t rank, const uint64_t *shape, uint64_t *elements) {
    *elements = 1;
    for (uint32_t d = 0; d < rank; d++) {
        if (!fg_mul(*elements, shape[d], elements)) return false;
    }
    return true;
}

/* {i} counts the rounds of "each"; without it, it is `index`. */
static fg_status fill_link(const map_builder *m, const section_instance *at, const json_t *names,
                           uint64_t rounds, uint64_t index) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_weight_link *link = &m->weights->links[m->weights->count - 1];
    size_t per_round = json_is_array(names) ? json_array_size(names) : 1;
    uint64_t part, all, covered;
    FG_TRY(evaluate_shape(m, at, json_object_get(link->rule, "shape"), &link->part_rank, link->part_shape));
    read_order(link->rule, link);
    FG_TRY(set_shape(m, at, link, rounds * per_round));
    if (!count_elements(link->part_rank, link->part_shape, &part) ||
        !count_elements(link->rank, link->shape, &all) || !fg_mul(part, rounds * per_round, &covered) ||
        covered != all)
        FG_FAIL(err, FG_ERR_INPUT, "%s: sections/%s/weights: \"%s\" is not as large as its parts together",
                fg_converter_file(m->converter), at->section->name, link->target);
    for (uint64_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < per_round; i++) {
            const char *name = json_string_value(json_is_array(names) ? json_array_get(names, i) : names);
            FG_TRY(add_part(m, at, name, json_object_get(link->rule, "each") ? round : index,
                            part * (round * per_round + i)));
        }
    }
done:
    return status;
}

/* ---- other layouts of the same tensor ---- */

/* Tensors of hf, all of one shape. */
typedef struct layout {
    const json_t *names, *shape, *each; /* each: NULL without */
    fg_packed_tensor tensor;            /* its shape, and how many parts one holds */
    uint64_t rounds;
    size_t per_round;
} layout;

static fg_status bad_layout(const map_builder *m, const section_instance *at, const char *what) {
    return fg_fail(m->err, FG_ERR_INPUT, "%s: sections/%s/weights: \"%s\": \"other\": %s",
                   fg_converter_file(m->converter), at->section->name,
                   m->weights->links[m->weights->count - 1].target, what);
}

/* A name alone is another name of a link's only part. */
static fg_status read_layout(const map_builder *m, const section_instance *at, const json_t *other,
                             layout *l) {
    fg_status status = FG_OK;
    const fg_weight_link *link = &m->weights->links[m->weights->count - 1];
    uint64_t part = 0, packed = 0, tensors = 0;
    bool plain = json_is_string(other);
    *l = (layout){.names = plain ? other : json_object_get(other, "hf"),
                  .shape = json_object_get(plain ? link->rule : other, "shape"),
                  .each = plain ? NULL : json_object_get(other, "each"),
                  .rounds = 1};
    l->per_round = json_is_array(l->names) ? json_array_size(l->names) : 1;
    l->tensor.shape_rule = l->shape;
    if (l->each) FG_TRY(evaluate_size(m, at, l->each, &l->rounds));
    FG_TRY(evaluate_shape(m, at, l->shape, &l->tensor.rank, l->tensor.shape));
    if (!count_elements(link->part_rank, link->part_shape, &part) ||
        !count_elements(l->tensor.rank, l->tensor.shape, &packed) ||
        !fg_mul(l->rounds, l->per_round, &tensors) || !part || packed % part || !tensors)
        FG_TRY(bad_layout(m, at, "a tensor must hold whole tensors of the first layout"));
    l->tensor.part_count = packed / part;
    if (l->tensor.part_count > link->part_count || l->tensor.part_count * tensors != link->part_count)
        FG_TRY(bad_layout(m, at, "it is not as large as the first layout"));
done:
    return status;
}

static fg_status add_packed(const map_builder *m, const section_instance *at, const layout *l,
                            const char *name, uint64_t index, size_t first_part) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    fg_tensor_map *w = m->weights;
    char *full = NULL;
    FG_TRY(full_hf_name(m, at, name, index, &full));
    FG_TRY(fg_grow(&w->packed, w->packed_count, &w->packed_capacity, sizeof *w->packed, err));
    fg_packed_tensor *packed = &w->packed[w->packed_count];
    *packed = l->tensor;
    packed->hf = full;
    packed->first_part = first_part;
    w->packed_count++;
    full = NULL;
    FG_TRY(fg_map_set(&w->by_packed, packed->hf, (int64_t)w->packed_count - 1, err));
done:
    fg_free(full);
    return status;
}

static fg_status add_layouts(const map_builder *m, const section_instance *at, uint64_t index) {
    fg_status status = FG_OK;
    const fg_weight_link *link = &m->weights->links[m->weights->count - 1];
    size_t i;
    json_t *other;
    layout l;
    json_array_foreach(json_object_get(link->rule, "other"), i, other) {
        FG_TRY(read_layout(m, at, other, &l));
        size_t part = link->first_part;
        for (uint64_t n = 0; n < l.rounds * l.per_round; n++, part += l.tensor.part_count) {
            const json_t *name = json_is_array(l.names) ? json_array_get(l.names, n % l.per_round) : l.names;
            FG_TRY(add_packed(m, at, &l, json_string_value(name), l.each ? n / l.per_round : index, part));
        }
    }
done:
    return status;
}

/* ---- one tensor of the target, or several ---- */

static fg_status add_link(const map_builder *m, const section_instance *at, const char *name,
                          const json_t *rule, uint64_t index) {
    fg_status status = FG_OK;
    uint64_t rounds = 1;
    bool tied = false;
    const json_t *each = json_object_get(rule, "each");
    if (each) FG_TRY(evaluate_size(m, at, each, &rounds));
    if (rounds > FG_TENSORS_MAX)
        FG_FAIL(m->err, FG_ERR_INPUT, "\"%s%s\" would have more than %d parts", at->target, name,
                FG_TENSORS_MAX);
    FG_TRY(begin_link(m, at, name, rule));
    FG_TRY(fill_link(m, at, json_object_get(rule, "hf"), rounds, index));
    FG_TRY(add_layouts(m, at, index));
    fg_weight_link *link = &m->weights->links[m->weights->count - 1];
    FG_TRY(evaluate_truth(m, at, json_object_get(rule, "tied_if"), &tied));
    if (tied) link->tied_to = json_string_value(json_object_get(rule, "tied_to"));
    link->vocabulary = json_is_true(json_object_get(rule, "vocabulary"));
done:
    return status;
}

/* One tensor, or with "repeat" one for each {i}. */
static fg_status add_links(const map_builder *m, const section_instance *at, const char *name,
                           const json_t *rule) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    uint64_t count = 1;
    char *filled = NULL;
    const json_t *repeat = json_object_get(rule, "repeat");
    if (repeat) FG_TRY(evaluate_size(m, at, repeat, &count));
    for (uint64_t i = 0; i < count; i++) {
        FG_TRY_NEW(filled, fill_in(name, i, NULL, err));
        FG_TRY(add_link(m, at, filled, rule, i));
        fg_free(filled);
        filled = NULL;
    }
done:
    fg_free(filled);
    return status;
}

/* ---- rules that lead to sections ---- */

/* One instance: the section at `path`. */
static fg_status expand_instance(const map_builder *m, const section_instance *at, const fg_declaration *d,
                                 const char *path, const char *name, const json_t *rule, uint64_t index,
                                 const char *entry) {
    fg_status status = FG_OK;
    fg_error *err = m->err;
    const fg_choice *choice;
    char *target = NULL, *hf = NULL, *target_full = NULL, *hf_full = NULL;
    const char *hf_prefix = json_string_value(json_object_get(rule, "hf"));
    FG_TRY(fg_choice_by_class(m->classes, m->root, m->target, d, path, &choice, err));
    if (!choice)
        FG_FAIL(err, FG_ERR_INPUT, "%s: no section is for the configuration at \"%s\"",
                fg_converter_file(m->converter), path);
    FG_TRY_NEW(target, fill_in(name, index, entry, err));
    FG_TRY_NEW(hf, fill_in(hf_prefix ? hf_prefix : "", index, entry, err));
    FG_TRY_NEW(target_full, fg_strformat(err, "%s%s", at->target, target));
    FG_TRY_NEW(hf_full, fg_strformat(err, "%s%s", at->hf, hf));
    FG_TRY(expand(m, choice->section, at, path, target_full, hf_full, json_object_get(rule, "with"), index));
done:
    fg_free(target);
    fg_free(hf);
    fg_free(target_full);
    fg_free(hf_full);
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
        return fg_fail(m->err, FG_ERR_INPUT, "%s: no section is for the blocks of \"%s\"",
                       fg_converter_file(m->converter), path);
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
    const char *key;
    json_t *entry;
    json_object_foreach(fg_json_at(m->target, path), key, entry) {
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
    fg_status status = FG_OK;
    const char *name;
    json_t *given, *value;
    json_object_foreach((json_t *)(uintptr_t)definitions, name, given) {
        FG_TRY(evaluate(m, at, given, &value));
        FG_TRY(fg_json_put(into, name, value, m->err));
    }
done:
    return status;
}

static fg_status expand_rules(const map_builder *m, const section_instance *at) {
    fg_status status = FG_OK;
    const char *label;
    json_t *rule;
    json_object_foreach((json_t *)(uintptr_t)at->section->weights, label, rule) {
        bool present = true;
        FG_TRY(evaluate_truth(m, at, json_object_get(rule, "if"), &present));
        if (!present) continue;
        FG_TRY(json_object_get(rule, "of") ? expand_reference(m, at, target_name(rule, label), rule)
                                           : add_links(m, at, target_name(rule, label), rule));
    }
done:
    return status;
}

/* `with` is evaluated outside, the section's own "let" inside. $i is the number of the instance. */
static fg_status expand(const map_builder *m, const fg_section *section, const section_instance *outer,
                        const char *path, const char *target, const char *hf, const json_t *with,
                        uint64_t index) {
    fg_status status = FG_OK;
    section_instance at = {.section = section, .target = target, .hf = hf, .path = path};
    at.depth = outer ? outer->depth + 1 : 0;
    at.variables = outer ? fg_json_copy(outer->variables, m->err) : json_object();
    if (!at.variables) FG_FAIL(m->err, FG_ERR_MEMORY, "out of memory while listing tensors");
    if (at.depth == DEPTH) FG_FAIL(m->err, FG_ERR_INPUT, "\"%s\": sections are nested too deeply", path);
    FG_TRY(fg_json_put(at.variables, "i", json_integer((json_int_t)index), m->err));
    if (outer) FG_TRY(define_variables(m, outer, with, at.variables));
    at.scope = (fg_scope){.here = fg_json_at(m->target, path), .root = m->target, .variables = at.variables};
    if (!*path) at.scope.here = m->target;
    FG_TRY(define_variables(m, &at, section->let, at.variables));
    FG_TRY(expand_rules(m, &at));
done:
    json_decref(at.variables);
    return status;
}

fg_status fg_tensor_map_new(fg_tensor_map *weights, const fg_converter *converter, const json_t *target,
                            fg_error *err) {
    fg_status status = FG_OK;
    map_builder m = {.weights = weights, .converter = converter, .target = target, .err = err};
    *weights = (fg_tensor_map){0};
    m.root = fg_converter_declarations(converter)->root;
    FG_TRY(
        fg_classes_load(&m.classes, fg_converter_catalogue(converter), fg_converter_format(converter), err));
    FG_TRY(expand(&m, m.root, NULL, "", "", "", NULL, 0));
done:
    if (status != FG_OK) fg_tensor_map_free(weights);
    return status;
}

void fg_tensor_map_free(fg_tensor_map *weights) {
    for (size_t i = 0; i < weights->count; i++) fg_free(weights->links[i].target);
    for (size_t i = 0; i < weights->part_count; i++) fg_free(weights->parts[i].hf);
    for (size_t i = 0; i < weights->packed_count; i++) fg_free(weights->packed[i].hf);
    fg_free(weights->links);
    fg_free(weights->parts);
    fg_free(weights->packed);
    fg_map_free(&weights->by_target);
    fg_map_free(&weights->by_hf);
    fg_map_free(&weights->by_packed);
    *weights = (fg_tensor_map){0};
}

fg_status fg_tensor_map_vocabulary_rows(const fg_converter *converter, const json_t *target, uint64_t *rows,
                                        fg_error *err) {
    fg_tensor_map weights;
    fg_status status = fg_tensor_map_new(&weights, converter, target, err);
    *rows = 0;
    if (status != FG_OK) return status;
    for (size_t i = 0; i < weights.count && !*rows; i++) {
        if (weights.links[i].vocabulary) *rows = weights.links[i].shape[0];
    }
    fg_tensor_map_free(&weights);
    return FG_OK;
}

bool fg_tensor_map_used(const fg_converter *converter) {
    const fg_section *root = fg_converter_declarations(converter)->root;
    return root && root->weights;
}
