#include "format/distributed_parameters.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/distributed_dims.h"

enum { BRIEF = 80, KEY = 64, WHERE = 512, TEXT_LAYER_WEIGHT = 1000 };

/* A configuration on the way from base_model to a parameter. */
typedef struct place {
    const struct place *up; /* NULL: this is base_model */
    const char *key;
    const json_t *config;
    double scale; /* the product of the learning rate scales down to here */
} place;

typedef struct lister {
    fg_parameters *out;
    const char *file;
    fg_module_surroundings around;
    fg_error *err;
} lister;

/* ---- places ---- */

/* Appends "base_model/decoder/block"; what does not fit is cut. */
static void add_path(const place *at, char *path, size_t size) {
    if (at->up) {
        add_path(at->up, path, size);
        strncat(path, "/", size - strlen(path) - 1);
    }
    strncat(path, at->key, size - strlen(path) - 1);
}

static const char *where(const lister *l, const place *at, char text[WHERE]) {
    snprintf(text, WHERE, "%s: config/", l->file);
    add_path(at, text, WHERE);
    return text;
}

static fg_status unexpected(const lister *l, const place *at, const char *key, const char *expected) {
    char text[WHERE], brief[BRIEF];
    return fg_fail(l->err, FG_ERR_INPUT, "%s/%s: found %s, expected %s", where(l, at, text), key,
                   fg_json_brief(fg_json_at(at->config, key), brief, sizeof brief), expected);
}

/* A list of scales, one for each of several equal parts of a parameter, freezes it if all are 0. */
static double scale_of(const json_t *config) {
    const json_t *scale = json_object_get(config, "lr_scale"), *item;
    double largest = 0;
    if (json_is_number(scale)) return json_number_value(scale);
    if (!json_is_array(scale) || !json_array_size(scale)) return 1;
    FG_JSON_EACH(scale, i, item) {
        if (!json_is_number(item) || json_number_value(item) != 0) largest = 1;
    }
    return largest;
}

static place inside(const place *up, const char *key, const json_t *config) {
    return (place){.up = up, .key = key, .config = config, .scale = up->scale * scale_of(config)};
}

/* The place of the object at `key`; FG_ERR_INPUT: there is none. */
static fg_status enter(const lister *l, const place *at, const char *key, place *to) {
    const json_t *config = json_object_get(at->config, key);
    if (!json_is_object(config)) return unexpected(l, at, key, "an object");
    *to = inside(at, key, config);
    return FG_OK;
}

/* ---- parameters ---- */

static fg_status add(lister *l, fg_parameter *parameter) {
    fg_parameters *out = l->out;
    fg_status status = fg_grow(&out->items, out->count, &out->capacity, sizeof *out->items, l->err);
    if (status == FG_OK && out->count == FG_PARAMETERS_MAX)
        status = fg_fail(l->err, FG_ERR_INPUT, "%s: a model of more than %d parameters", l->file,
                         FG_PARAMETERS_MAX);
    if (status == FG_OK) {
        out->items[out->count++] = *parameter;
    } else {
        fg_free(parameter->name);
    }
    return status;
}

static bool sets_decay(const json_t *config) {
    const json_t *decay = json_object_get(config, "weight_decay");
    return json_is_boolean(decay) || json_is_number(decay);
}

static bool decays(const json_t *config, bool otherwise) {
    const json_t *decay = json_object_get(config, "weight_decay");
    if (!sets_decay(config)) return otherwise;
    return json_is_number(decay) ? json_number_value(decay) != 0 : json_is_true(decay);
}

typedef struct wanted {
    const place *at; /* of its configuration */
    const char *dims;
    bool first_alone, transposed; /* the first dimension alone; the first two exchanged */
    fg_decay decay;
    bool beside_vocab;
} wanted;

/* Adds the parameter "prefix.name", or "prefix" for an empty name. `dims` reads the module's sizes. */
static fg_status add_parameter(lister *l, const fg_dims_reader *dims, const wanted *w, const char *prefix,
                               const char *name, fg_parameter **added) {
    fg_error *err = l->err;
    fg_parameter p = {0};
    FG_CALL_NEW(p.name, fg_strformat(err, "%s.%s", prefix, name));
    fg_status status =
        w->first_alone ? fg_dims_read_first(dims, w->dims, &p, err) : fg_dims_read(dims, w->dims, &p, err);
    if (status != FG_OK) {
        fg_free(p.name);
        return status;
    }
    if (w->transposed) fg_dims_transpose(&p);
    p.frozen = w->at->scale == 0;
    p.decay = decays(w->at->config, w->decay == FG_DECAY_ALWAYS);
    p.decay_older = w->decay != FG_DECAY_NEVER; /* programs without such a setting */
    l->out->sets_decay = l->out->sets_decay || sets_decay(w->at->config);
    p.sequence = !p.divided && !(w->beside_vocab && l->around.vocab_divided);
    FG_CALL(add(l, &p));
    if (added) *added = &l->out->items[l->out->count - 1];
    return FG_OK;
}

/* ---- rows ---- */

typedef struct row_place {
    const fg_module_row *row;
    const place *at; /* the module's */
    const char *prefix;
    fg_dims_reader dims;
} row_place;

/* The configuration of a row, of "a|b" the first that is not null; `key` gets its name. NULL: null. */
static const json_t *row_config(const row_place *r, char key[KEY]) {
    const char *bar = strchr(r->row->config, '|');
    snprintf(key, KEY, "%s", r->row->config);
    key[strcspn(key, "|")] = '\0';
    const json_t *config = json_object_get(r->at->config, key);
    if (bar && !json_is_object(config)) {
        snprintf(key, KEY, "%s", bar + 1);
        config = json_object_get(r->at->config, key);
    }
    return json_is_object(config) ? config : NULL;
}

static fg_status add_own(lister *l, const row_place *r, const place *at) {
    fg_error *err = l->err;
    const fg_module_row *row = r->row;
    const wanted w = {.at = at, .dims = row->dims, .decay = row->decay, .beside_vocab = row->beside_vocab};
    fg_parameter *added;
    if (row->kind == FG_ROW_OPTIONAL && !json_is_true(json_object_get(at->config, "enabled"))) return FG_OK;
    FG_CALL(add_parameter(l, &r->dims, &w, r->prefix, row->name, &added));
    added->vocabulary = strncmp(row->dims, "vocab", 5) == 0;
    return FG_OK;
}

static bool has_bias(const row_place *r, const json_t *bias) {
    const json_t *enabled = json_object_get(bias, "enabled");
    if (r->row->kind == FG_ROW_WEIGHT_ONLY) return false;
    if (json_is_boolean(enabled)) return json_is_true(enabled);
    return r->row->bias && json_is_true(json_object_get(r->at->config, r->row->bias));
}

static fg_status add_linear(lister *l, const row_place *r, const place *at, const char *prefix) {
    fg_error *err = l->err;
    place weight, bias;
    FG_CALL(enter(l, at, "weight", &weight));
    const wanted w = {.at = &weight,
                      .dims = r->row->dims,
                      .transposed = r->row->kind == FG_ROW_TRANSPOSED,
                      .decay = FG_DECAY_ALWAYS};
    FG_CALL(add_parameter(l, &r->dims, &w, prefix, "weight", NULL));
    if (r->row->kind == FG_ROW_WEIGHT_ONLY) return FG_OK;
    FG_CALL(enter(l, at, "bias", &bias));
    const wanted b = {.at = &bias, .dims = r->row->dims, .first_alone = true};
    return has_bias(r, bias.config) ? add_parameter(l, &r->dims, &b, prefix, "bias", NULL) : FG_OK;
}

static fg_status add_norm(lister *l, const row_place *r, const place *at, const char *prefix) {
    fg_error *err = l->err;
    const char *type = json_string_value(json_object_get(at->config, "type"));
    const fg_norm_type *norm = type ? fg_norm_type_find(type) : NULL;
    fg_parameter *added;
    place weight, bias;
    if (!norm) return unexpected(l, at, "type", "the type of a norm");
    if (norm->weight) {
        FG_CALL(enter(l, at, "weight", &weight));
        const wanted w = {.at = &weight, .dims = r->row->dims};
        FG_CALL(add_parameter(l, &r->dims, &w, prefix, "weight", &added));
        added->norm = true;
        added->zero_centered = json_is_true(json_object_get(at->config, "zero_centered"));
    }
    if (!norm->bias) return FG_OK;
    FG_CALL(enter(l, at, "bias", &bias));
    const wanted b = {.at = &bias, .dims = r->row->dims};
    return add_parameter(l, &r->dims, &b, prefix, "bias", NULL);
}

static fg_status add_module(lister *l, const fg_module *module, const place *at, const char *prefix);

/* A child whose configuration says by its type which module it is. */
static fg_status add_child(lister *l, const place *at, const char *prefix) {
    const char *type = json_string_value(json_object_get(at->config, "type"));
    const fg_module *module = type ? fg_module_find(type) : NULL;
    if (!module) return unexpected(l, at, "type", "the type of a mixer, an MLP or a block");
    return add_module(l, module, at, prefix);
}

static int by_key(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Python's order of texts is by code point, which is that of their bytes in UTF-8. */
static fg_status add_children(lister *l, const place *at, const char *prefix) {
    fg_status status = FG_OK;
    fg_error *err = l->err;
    const char **keys = NULL;
    char *child = NULL;
    const json_t *value;
    size_t count = 0;
    FG_NEW(keys, json_object_size(at->config));
    FG_JSON_MEMBERS(at->config, key, value) keys[count++] = key;
    if (count) qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 0; i < count; i++) {
        place to;
        FG_TRY(enter(l, at, keys[i], &to));
        FG_TRY_RENEW(child, fg_strformat(err, "%s.%s", prefix, keys[i]));
        FG_TRY(add_child(l, &to, child));
    }
done:
    fg_free(keys);
    fg_free(child);
    return status;
}

static fg_status add_row_at(lister *l, const row_place *r, const place *at, const char *prefix) {
    switch (r->row->kind) {
    case FG_ROW_PARAMETER:
    case FG_ROW_OPTIONAL:
        return add_own(l, r, at);
    case FG_ROW_NORM:
        return add_norm(l, r, at, prefix);
    case FG_ROW_MODULE:
        return add_child(l, at, prefix);
    case FG_ROW_MODULES:
        return add_children(l, at, prefix);
    default:
        return add_linear(l, r, at, prefix);
    }
}

static bool applies(const fg_module_row *row, const json_t *config) {
    if (!row->when) return true;
    bool negated = *row->when == '!';
    return json_is_true(json_object_get(config, row->when + negated)) != negated;
}

static fg_status add_row(lister *l, const row_place *r) {
    char key[KEY];
    if (!applies(r->row, r->at->config)) return FG_OK;
    const json_t *config = row_config(r, key);
    if (!config && r->row->kind == FG_ROW_NORM) return FG_OK; /* there is none */
    if (!config) return unexpected(l, r->at, key, "an object");
    const place at = inside(r->at, key, config);
    char *prefix = fg_strformat(l->err, "%s.%s", r->prefix, r->row->name);
    if (!prefix) return FG_ERR_MEMORY;
    fg_status status = add_row_at(l, r, &at, prefix);
    fg_free(prefix);
    return status;
}

static fg_status add_module(lister *l, const fg_module *module, const place *at, const char *prefix) {
    fg_error *err = l->err;
    char text[WHERE];
    row_place r = {.at = at, .prefix = prefix};
    r.dims = (fg_dims_reader){
        .module = module, .config = at->config, .around = &l->around, .where = where(l, at, text)};
    for (size_t i = 0; i < module->row_count; i++) {
        r.row = &module->rows[i];
        FG_CALL(add_row(l, &r));
    }
    return FG_OK;
}

/* ---- layers ---- */

static fg_status begin_layer(lister *l, double weight) {
    fg_error *err = l->err;
    fg_parameters *out = l->out;
    FG_CALL(fg_grow(&out->layers, out->layer_count, &out->layer_capacity, sizeof *out->layers, err));
    out->layers[out->layer_count++] = (fg_layer_span){.first = out->count, .weight = weight};
    return FG_OK;
}

/* Adds a layer of a module that its type names (`module` NULL), or of this one. */
static fg_status add_layer(lister *l, const char *module, const place *at, const char *prefix,
                           double weight) {
    fg_error *err = l->err;
    FG_CALL(begin_layer(l, weight));
    FG_CALL(module ? add_module(l, fg_module_find(module), at, prefix) : add_child(l, at, prefix));
    fg_layer_span *layer = &l->out->layers[l->out->layer_count - 1];
    layer->count = l->out->count - layer->first;
    if (layer->count) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: the layer %s has no parameters", l->file, prefix);
}

static fg_status positive(const lister *l, const place *at, const char *key, uint64_t *number) {
    const json_t *value = fg_json_at(at->config, key);
    if (!json_is_integer(value) || json_integer_value(value) < 1)
        return unexpected(l, at, key, "a positive integer");
    *number = (uint64_t)json_integer_value(value);
    return FG_OK;
}

/* The place of a block of a sequence: the only one, or the one that the pattern names. */
static fg_status block_at(const lister *l, const place *sequence, uint64_t index, place *between,
                          place *block) {
    fg_error *err = l->err;
    const json_t *pattern = json_object_get(sequence->config, "pattern");
    const char *type = json_string_value(json_object_get(sequence->config, "type"));
    if (!type || strcmp(type, "pattern") != 0) return enter(l, sequence, "block", block);
    if (!json_array_size(pattern)) return unexpected(l, sequence, "pattern", "a list of names of blocks");
    const char *name = json_string_value(json_array_get(pattern, index % json_array_size(pattern)));
    if (!name) return unexpected(l, sequence, "pattern", "a list of names of blocks");
    FG_CALL(enter(l, sequence, "blocks", between));
    return enter(l, between, name, block);
}

static fg_status add_sequence(lister *l, const place *at, const char *prefix) {
    fg_status status = FG_OK;
    fg_error *err = l->err;
    uint64_t count;
    char *name = NULL;
    FG_TRY(positive(l, at, "num_blocks", &count));
    for (uint64_t i = 0; i < count; i++) {
        place between, block;
        FG_TRY(block_at(l, at, i, &between, &block));
        FG_TRY_RENEW(name, fg_strformat(err, "%s.%llu", prefix, (unsigned long long)i));
        FG_TRY(add_layer(l, NULL, &block, name, 1));
    }
done:
    fg_free(name);
    return status;
}

static fg_status add_vision(lister *l, const place *base) {
    fg_error *err = l->err;
    const uint64_t hidden = l->around.hidden;
    place encoder, part;
    FG_CALL(enter(l, base, "vision_encoder", &encoder));
    FG_CALL(positive(l, &encoder, "hidden_size", &l->around.hidden));
    l->around.output = l->around.hidden;
    FG_CALL(enter(l, &encoder, "embeddings", &part));
    FG_CALL(add_layer(l, "patch_embeddings", &part, "vision_encoder.embeddings", 1));
    FG_CALL(enter(l, &encoder, "encoder", &part));
    FG_CALL(add_sequence(l, &part, "vision_encoder.encoder"));
    FG_CALL(enter(l, &encoder, "adapter", &part));
    l->around.output = hidden;
    FG_CALL(add_layer(l, NULL, &part, "vision_encoder.adapter", 1));
    l->around.hidden = hidden;
    return FG_OK;
}

/* Further heads: a block, configured as the decoder's last one but below the head, and a head each. */
static fg_status add_predictions(lister *l, const place *decoder, const place *head) {
    fg_status status = FG_OK;
    fg_error *err = l->err;
    place between, last, block;
    uint64_t heads, blocks;
    char *name = NULL;
    FG_TRY(positive(l, head, "prediction_heads", &heads));
    FG_TRY(positive(l, decoder, "num_blocks", &blocks));
    FG_TRY(block_at(l, decoder, blocks - 1, &between, &last));
    block = inside(head, last.key, last.config);
    for (uint64_t k = 0; k + 1 < heads; k++) {
        const unsigned long long number = k;
        FG_TRY_RENEW(name, fg_strformat(err, "multi_token_prediction.blocks.%llu", number));
        FG_TRY(add_layer(l, NULL, &block, name, 1));
        FG_TRY_RENEW(name, fg_strformat(err, "multi_token_prediction.heads.%llu", number));
        FG_TRY(add_layer(l, "head", head, name, 1));
    }
done:
    fg_free(name);
    return status;
}

static fg_status add_text(lister *l, const place *base) {
    fg_error *err = l->err;
    place embeddings, decoder, head;
    FG_CALL(enter(l, base, "embeddings", &embeddings));
    FG_CALL(enter(l, base, "decoder", &decoder));
    FG_CALL(enter(l, base, "head", &head));
    FG_CALL(positive(l, &embeddings, "vocab_size", &l->around.vocab));
    l->around.vocab_divided =
        l->around.tensor_parallel > 1 && json_is_true(json_object_get(embeddings.config, "vocab_parallel"));
    FG_CALL(add_layer(l, "embeddings", &embeddings, "embeddings", TEXT_LAYER_WEIGHT));
    FG_CALL(add_sequence(l, &decoder, "decoder"));
    FG_CALL(add_layer(l, "head", &head, "head", 1));
    return add_predictions(l, &decoder, &head);
}

/* Of the vocabulary's matrices that are one, the first is stored: the word embeddings if they are tied, and
 * the output weights of the heads. */
static void mark_tied(fg_parameters *parameters, bool embeddings_too) {
    bool stored = false;
    for (size_t i = 0; i < parameters->count; i++) {
        fg_parameter *p = &parameters->items[i];
        bool is_head = strcmp(p->name, "embeddings.word_embeddings_weight") != 0;
        p->vocabulary = p->vocabulary && (is_head || embeddings_too);
        p->tied = p->vocabulary && stored;
        stored = stored || p->vocabulary;
    }
}

fg_status fg_parameters_list(const json_t *model, uint64_t tensor_parallel, const char *file,
                             fg_parameters *parameters, fg_error *err) {
    lister l = {.out = parameters, .file = file, .err = err};
    const place base = {.key = "base_model", .config = model, .scale = scale_of(model)};
    l.around.tensor_parallel = tensor_parallel;
    FG_CALL(positive(&l, &base, "hidden_size", &l.around.hidden));
    l.around.output = l.around.hidden;
    if (json_is_object(json_object_get(model, "vision_encoder"))) FG_CALL(add_vision(&l, &base));
    l.around.output = l.around.hidden;
    FG_CALL(add_text(&l, &base));
    mark_tied(parameters, json_is_true(json_object_get(model, "tied_embedding_weight")));
    return FG_OK;
}

void fg_parameters_free(fg_parameters *parameters) {
    for (size_t i = 0; i < parameters->count; i++) fg_free(parameters->items[i].name);
    fg_free(parameters->items);
    fg_free(parameters->layers);
    *parameters = (fg_parameters){0};
}
