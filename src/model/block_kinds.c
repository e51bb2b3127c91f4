#include "model/block_kinds.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

enum { NAME_TEXT = 160 };

/* ---- one kind ---- */

#define SUBLAYER_ROW(name, which, find)                                                                      \
    { name, FG_HYPERPARAMETER_KIND, offsetof(fg_block_kind, sublayers[which]), 0, true, 0, find }

/* What a description says of any block. */
static const fg_hyperparameter rows[] = {
    FG_NUMBER_ROW(fg_block_kind, epsilon, true, 0),
    FG_KIND_ROW(fg_block_kind, norm, true, fg_norm_find),
    SUBLAYER_ROW("mixer", FG_SUB_MIXER, fg_mixer_find),
    SUBLAYER_ROW("mlp", FG_SUB_MLP, fg_mlp_find),
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool has_row(const fg_hyperparameter *table, size_t count, const char *name) {
    size_t i = 0;
    while (i < count && strcmp(table[i].name, name) != 0) i++;
    return i < count;
}

bool fg_hyperparameters_is_role(const char *name) {
    const fg_hyperparameters model = fg_model_settings_table(NULL);
    const fg_sublayer_kind *kind;
    bool has = has_row(model.rows, model.count, name) || has_row(rows, ROWS, name);
    for (size_t i = 0; !has && (kind = fg_sublayer_kind_at(i)) != NULL; i++)
        has = has_row(kind->rows, kind->row_count, name);
    return has;
}

static fg_status read_sublayer(fg_block_kind *block, fg_sublayer which, const fg_hyperparameters *model,
                               const fg_hyperparameters_source *source, fg_error *err) {
    const fg_sublayer_kind *kind = block->sublayers[which];
    void **values = &block->settings[which];
    FG_CALL_NEW(*values, fg_alloc(1, kind->settings_size, err));
    const fg_hyperparameters table = {
        .rows = kind->rows, .count = kind->row_count, .values = *values, .outer = model};
    FG_CALL(fg_hyperparameters_read(&table, source, err));
    return kind->read ? kind->read(*values, source, err) : FG_OK;
}

static fg_status make_kind(fg_block_kind *kind, const fg_hyperparameters_source *source, bool demands,
                           const fg_model_settings *model, fg_error *err) {
    const fg_hyperparameters outer = fg_model_settings_table(model),
                             table = {.rows = rows, .count = ROWS, .values = kind, .outer = &outer};
    if (!json_is_object(source->config))
        return fg_fail(err, FG_ERR_INPUT, "config: a description of blocks: found %s, expected an object",
                       fg_json_kind(source->config));
    if (demands) FG_CALL(fg_hyperparameters_check_demands(source, err));
    FG_CALL(fg_hyperparameters_read(&table, source, err));
    FG_CALL(fg_hyperparameters_check_epsilon(kind->epsilon, err));
    kind->config = json_incref((json_t *)(uintptr_t)source->config);
    FG_CALL(read_sublayer(kind, FG_SUB_MIXER, &outer, source, err));
    return read_sublayer(kind, FG_SUB_MLP, &outer, source, err);
}

void fg_block_kinds_free(fg_block_kinds *kinds) {
    for (size_t i = 0; kinds->items && i < kinds->count; i++) {
        fg_block_kind *kind = &kinds->items[i];
        for (int s = 0; s < FG_SUB_COUNT; s++) {
            if (kind->settings[s] && kind->sublayers[s]->release)
                kind->sublayers[s]->release(kind->settings[s]);
            fg_free(kind->settings[s]);
        }
        json_decref(kind->config);
    }
    fg_free(kinds->items);
    *kinds = (fg_block_kinds){0};
}

/* ---- which block is of which ---- */

typedef struct reading {
    fg_block_kinds *kinds;
    const fg_model_settings *model;
    uint32_t *kind_of; /* [model->blocks] */
} reading;

/* One description for all. */
static fg_status read_one(const reading *r, const fg_hyperparameters_source *source, bool demands,
                          fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(r->kinds->items, 1);
    r->kinds->count = 1;
    FG_TRY(make_kind(r->kinds->items, source, demands, r->model, err));
done:
    return status;
}

static fg_status read_named(const reading *r, const fg_hyperparameters_source *source, const json_t *named,
                            fg_error *err) {
    fg_status status = FG_OK;
    const char *name = "";
    json_t *config;
    fg_hyperparameters_source own = *source;
    FG_NEW(r->kinds->items, json_object_size(named));
    r->kinds->count = json_object_size(named);
    fg_block_kind *kind = r->kinds->items;
    FG_JSON_MEMBERS(named, key, config) {
        name = key;
        own.config = config;
        FG_TRY(make_kind(kind++, &own, true, r->model, err));
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
    for (size_t b = 0; b < r->model->blocks && period; b++) {
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
    FG_TRY(fg_hyperparameters_kind_name(json_object_get(blocks, "by"), "by", source->config, &by, err));
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

fg_status fg_block_kinds_read(fg_block_kinds *kinds, const fg_model_settings *model,
                              fg_hyperparameters_source source, uint32_t **kind_of, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *blocks = json_object_get(source.declared, "blocks");
    FG_NEW(*kind_of, model->blocks);
    const reading r = {.kinds = kinds, .model = model, .kind_of = *kind_of};
    if (json_is_object(blocks))
        FG_TRY(read_objects(&r, blocks, &source, err));
    else
        FG_TRY(read_one(&r, &source, false, err));
done:
    return status;
}
