#include "model/block_kinds.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "language/expression.h"

enum { NAME_TEXT = 160 };

/* ---- one kind ---- */

#define SUBLAYER_ROW(row, which, finder)                                                                     \
    {                                                                                                        \
        .name = row, .type = FG_HYPERPARAMETER_KIND,                                                         \
        .offset = offsetof(fg_block_kind, halves[which].sublayer), .required = true, .find = finder          \
    }
/* A norm whose kind and epsilon are those of the rows LIKE_NORM (NULL: there is none) and "epsilon". */
#define HALF_NORM_ROWS(row, epsilon_row, like_norm, which, place)                                            \
    {.name = row,                                                                                            \
     .type = FG_HYPERPARAMETER_KIND,                                                                         \
     .offset = offsetof(fg_block_kind, halves[which].place.kind),                                            \
     .like = like_norm,                                                                                      \
     .find = fg_norm_find},                                                                                  \
    {                                                                                                        \
        .name = epsilon_row, .type = FG_HYPERPARAMETER_NUMBER,                                               \
        .offset = offsetof(fg_block_kind, halves[which].place.epsilon), .like = "epsilon"                    \
    }

/* What a description says of any block. */
static const fg_hyperparameter rows[] = {
    FG_NORM_ROWS(fg_block_kind, "norm", "epsilon", norm, true),
    HALF_NORM_ROWS("mixer_norm", "mixer_epsilon", "norm", FG_SUB_MIXER, before),
    HALF_NORM_ROWS("mlp_norm", "mlp_epsilon", "norm", FG_SUB_MLP, before),
    HALF_NORM_ROWS("post_mixer_norm", "post_mixer_epsilon", NULL, FG_SUB_MIXER, behind),
    HALF_NORM_ROWS("post_mlp_norm", "post_mlp_epsilon", NULL, FG_SUB_MLP, behind),
    SUBLAYER_ROW("mixer", FG_SUB_MIXER, fg_mixer_find),
    SUBLAYER_ROW("mlp", FG_SUB_MLP, fg_mlp_find),
    FG_NUMBER_ROW(fg_block_kind, residual_multiplier, false, 1),
    FG_FLAG_ROW(fg_block_kind, output_scale, false, 0),
};

fg_hyperparameters fg_block_kind_table(const fg_block_kind *kind, const fg_hyperparameters *model) {
    return (fg_hyperparameters){
        .rows = rows, .count = sizeof rows / sizeof *rows, .values = (void *)(uintptr_t)kind, .outer = model};
}

static fg_status read_half(fg_half *half, const fg_hyperparameters *outer,
                           const fg_hyperparameters_source *source, fg_error *err) {
    fg_hyperparameters_source own = *source;
    own.outer = outer;
    FG_CALL(fg_hyperparameters_check_epsilon(half->before.epsilon, err));
    FG_CALL(fg_hyperparameters_check_epsilon(half->behind.epsilon, err));
    return fg_sublayer_settings_read(half->sublayer, &own, &half->settings, err);
}

static fg_status make_kind(fg_block_kind *kind, const fg_hyperparameters_source *source, bool demands,
                           const fg_hyperparameters *outer, fg_error *err) {
    const fg_hyperparameters table = fg_block_kind_table(kind, outer);
    if (!json_is_object(source->config))
        return fg_fail(err, FG_ERR_INPUT, "config: a description of blocks: found %s, expected an object",
                       fg_json_kind(source->config));
    if (demands) FG_CALL(fg_hyperparameters_check_demands(source, err));
    FG_CALL(fg_hyperparameters_read(&table, source, err));
    kind->config = json_incref((json_t *)(uintptr_t)source->config);
    for (int s = 0; s < FG_SUB_COUNT; s++) FG_CALL(read_half(&kind->halves[s], outer, source, err));
    return FG_OK;
}

void fg_block_kinds_free(fg_block_kinds *kinds) {
    for (size_t i = 0; kinds->items && i < kinds->count; i++) {
        fg_block_kind *kind = &kinds->items[i];
        for (int s = 0; s < FG_SUB_COUNT; s++) {
            fg_half *half = &kind->halves[s];
            if (half->sublayer) fg_sublayer_settings_free(half->sublayer, &half->settings);
        }
        json_decref(kind->config);
        json_decref(kind->side);
    }
    fg_free(kinds->items);
    *kinds = (fg_block_kinds){0};
}

/* ---- which block is of which ---- */

typedef struct reading {
    fg_block_kinds *kinds;
    const fg_hyperparameters *outer;
    uint64_t blocks;
    uint32_t *kind_of; /* [blocks] */
} reading;

/* A further kind, of zeros. */
static fg_status add_kind(const reading *r, fg_block_kind **kind, fg_error *err) {
    fg_block_kinds *kinds = r->kinds;
    FG_CALL(fg_grow(&kinds->items, kinds->count, &kinds->capacity, sizeof *kinds->items, err));
    *kind = &kinds->items[kinds->count++];
    **kind = (fg_block_kind){0};
    return FG_OK;
}

/* One description for all. */
static fg_status read_one(const reading *r, const fg_hyperparameters_source *source, bool demands,
                          fg_error *err) {
    fg_block_kind *kind;
    FG_CALL(add_kind(r, &kind, err));
    return make_kind(kind, source, demands, r->outer, err);
}

/* ---- descriptions with names, and a pattern ---- */

static fg_status read_named(const reading *r, const fg_hyperparameters_source *source, const json_t *named,
                            fg_error *err) {
    fg_status status = FG_OK;
    const char *name = "";
    json_t *config;
    fg_hyperparameters_source own = *source;
    FG_JSON_MEMBERS(named, key, config) {
        name = key;
        own.config = config;
        FG_TRY(read_one(r, &own, true, err));
    }
done:
    if (status != FG_OK && *name) fg_where(err, "reading the description of blocks \"%s\"", name);
    return status;
}

/* The place of a name among the members of an object, in their order; their number if it is not there. */
static uint32_t place_of(const json_t *object, const char *name) {
    uint32_t place = 0;
    json_t *unused;
    FG_JSON_MEMBERS(object, key, unused) {
        if (name && strcmp(key, name) == 0) break;
        place++;
    }
    return place;
}

static fg_status follow_pattern(const reading *r, const char *path, const json_t *pattern,
                                const json_t *named, fg_error *err) {
    size_t period = json_array_size(pattern);
    char brief[NAME_TEXT];
    uint32_t *kind_of = r->kind_of;
    for (size_t b = 0; b < r->blocks && period; b++) {
        const json_t *name = json_array_get(pattern, b % period);
        kind_of[b] = b < period ? place_of(named, json_string_value(name)) : kind_of[b - period];
        if (kind_of[b] >= r->kinds->count)
            return fg_fail(err, FG_ERR_INPUT,
                           "config key \"%s\": found %s, but no block is described under that name", path,
                           fg_json_brief(name, brief, sizeof brief));
    }
    if (period) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected a list of names", path,
                   fg_json_brief(pattern, brief, sizeof brief));
}

static fg_status read_pattern(const reading *r, const json_t *blocks, const fg_hyperparameters_source *source,
                              fg_error *err) {
    const char *names = json_string_value(json_object_get(blocks, "named")),
               *path = json_string_value(json_object_get(blocks, "pattern"));
    const json_t *named = names ? fg_json_at(source->config, names) : NULL,
                 *pattern = path ? fg_json_at(source->config, path) : NULL;
    if (!json_object_size(named))
        return fg_fail(err, FG_ERR_INPUT, "config key \"%s\": found %s, expected descriptions of blocks",
                       names ? names : "named", fg_json_kind(named));
    FG_CALL(read_named(r, source, named, err));
    return follow_pattern(r, path ? path : "pattern", pattern, named, err);
}

/* Blocks have objects of their own in the configuration. */
static fg_status read_objects(const reading *r, const json_t *blocks, fg_hyperparameters_source *source,
                              fg_error *err) {
    fg_status status = FG_OK;
    const char *by, *path = json_string_value(json_object_get(blocks, "one"));
    json_t *empty = NULL;
    FG_TRY(fg_hyperparameters_kind_name(json_object_get(blocks, "by"), "by", source, &by, err));
    source->declared = blocks;
    if (strcmp(by, "pattern") == 0) {
        FG_TRY(read_pattern(r, blocks, source, err));
        goto done;
    }
    if (path) source->config = fg_json_at(source->config, path);
    if (!source->config) source->config = empty = json_object(); /* all defaults */
    FG_TRY(read_one(r, source, true, err));
done:
    json_decref(empty);
    return status;
}

/* ---- variants: lists and intervals say which a layer is of ---- */

/* A block's description: the model's, with what its variants and the layer itself lay over it. All owned. */
typedef struct described_block {
    json_t *variants; /* a list of their names */
    json_t *changes;  /* an object of configuration keys, or null */
    json_t *side, *config;
} described_block;

static void free_described(described_block *d) {
    json_decref(d->variants);
    json_decref(d->changes);
    json_decref(d->side);
    json_decref(d->config);
    *d = (described_block){0};
}

/* Adds a name to the list; numbers, true and false are names, too. */
static fg_status add_variant(json_t *list, const json_t *value, const json_t *all, uint64_t block,
                             fg_error *err) {
    char text[NAME_TEXT], expected[NAME_TEXT];
    const char *name = json_string_value(value);
    if (!name) name = fg_json_brief(value, text, sizeof text);
    if (json_object_get(all, name)) return fg_json_push(list, fg_json_string(name), err);
    fg_fail(err, FG_ERR_INPUT, "config: block %llu is of the kind \"%s\", expected %s",
            (unsigned long long)block, name, fg_hyperparameters_list_names(all, expected, sizeof expected));
    return fg_hyperparameters_hint_at_none(err);
}

static fg_status list_variants(described_block *d, const json_t *value, const json_t *all, uint64_t block,
                               fg_error *err) {
    json_t *item;
    FG_CALL_NEW(d->variants, json_array());
    if (!json_is_array(value)) return add_variant(d->variants, value, all, block, err);
    FG_JSON_EACH(value, i, item) FG_CALL(add_variant(d->variants, item, all, block, err));
    return FG_OK;
}

/* The variants of a block, and its own changes. */
static fg_status find_variants(const json_t *blocks, const fg_hyperparameters_source *source, uint64_t block,
                               described_block *d, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *changes = json_object_get(blocks, "changes"), *all = json_object_get(blocks, "variants");
    json_t *variables = NULL, *found = NULL;
    FG_TRY_NEW(variables, json_pack("{s:I}", "block", (json_int_t)block));
    const fg_scope scope = {.here = source->config, .variables = variables};
    FG_TRY(fg_expression_value(json_object_get(blocks, "variant"), &scope, "models/: variant", &found, err));
    FG_TRY(list_variants(d, found, all, block, err));
    if (changes) FG_TRY(fg_expression_value(changes, &scope, "models/: changes", &d->changes, err));
done:
    json_decref(variables);
    json_decref(found);
    return status;
}

static bool are_same(const described_block *a, const described_block *b) {
    bool changes = a->changes == b->changes || json_equal(a->changes, b->changes);
    return changes && json_equal(a->variants, b->variants);
}

static fg_status describe_block(const json_t *blocks, const fg_hyperparameters_source *source,
                                described_block *d, fg_error *err) {
    const json_t *all = json_object_get(blocks, "variants");
    json_t *name, *value;
    FG_CALL_NEW(d->side, fg_json_deep_copy(source->declared, err));
    FG_JSON_EACH(d->variants, i, name)
        FG_CALL(fg_json_merge_patch(d->side, json_object_get(all, json_string_value(name)), err));
    if (!json_object_size(d->changes)) {
        d->config = json_incref((json_t *)(uintptr_t)source->config);
        return FG_OK;
    }
    FG_CALL_NEW(d->config, fg_json_copy(source->config, err));
    FG_JSON_MEMBERS(d->changes, key, value) FG_CALL(fg_json_put(d->config, key, json_incref(value), err));
    return FG_OK;
}

static fg_status read_described(const reading *r, const fg_hyperparameters_source *source, described_block *d,
                                fg_error *err) {
    fg_hyperparameters_source own = *source;
    own.declared = d->side;
    own.config = d->config;
    fg_block_kind *kind;
    FG_CALL(add_kind(r, &kind, err));
    kind->side = json_incref(d->side);
    return make_kind(kind, &own, true, r->outer, err);
}

/* A kind for each description that there is. */
static fg_status read_variants(const reading *r, const json_t *blocks,
                               const fg_hyperparameters_source *source, fg_error *err) {
    fg_status status = FG_OK;
    described_block *seen = NULL, own = {0};
    uint64_t b = 0;
    FG_NEW(seen, r->blocks);
    for (; b < r->blocks; b++) {
        uint32_t k = 0;
        FG_TRY(find_variants(blocks, source, b, &own, err));
        while (k < r->kinds->count && !are_same(&seen[k], &own)) k++;
        r->kind_of[b] = k;
        if (k == r->kinds->count) {
            FG_TRY(describe_block(blocks, source, &own, err));
            FG_TRY(read_described(r, source, &own, err));
            seen[k] = own;
            own = (described_block){0};
        }
        free_described(&own);
    }
done:
    if (status != FG_OK && b < r->blocks)
        fg_where(err, "reading the settings of block %llu", (unsigned long long)b);
    for (uint64_t i = 0; seen && i < r->kinds->count; i++) free_described(&seen[i]);
    free_described(&own);
    fg_free(seen);
    return status;
}

fg_status fg_block_kinds_read(fg_block_kinds *kinds, const fg_hyperparameters *outer, uint64_t blocks,
                              fg_hyperparameters_source source, uint32_t **kind_of, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *declared = json_object_get(source.declared, "blocks");
    FG_NEW(*kind_of, blocks);
    const reading r = {.kinds = kinds, .outer = outer, .blocks = blocks, .kind_of = *kind_of};
    if (json_object_get(declared, "variants"))
        FG_TRY(read_variants(&r, declared, &source, err));
    else if (declared)
        FG_TRY(read_objects(&r, declared, &source, err));
    else
        FG_TRY(read_one(&r, &source, false, err));
done:
    return status;
}
