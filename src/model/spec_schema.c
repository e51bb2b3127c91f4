#include "model/spec_schema.h"

#include "format/format.h"
#include "language/schema.h"
#include "model/block_kinds.h"
#include "model/rotary.h"
#include "model/vision_encoder.h"

/* ---- names ---- */

/* The name of a row, counted on through several tables; NULL: `index` is behind the table, and lowered. */
static const char *row_at(const fg_hyperparameter *rows, size_t count, size_t *index) {
    if (*index < count) return rows[*index].name;
    *index -= count;
    return NULL;
}

/* Roles of the model, of blocks, and of every kind of mixer and MLP. */
static const char *role_at(size_t index) {
    const fg_hyperparameters model = fg_model_settings_table(NULL), block = fg_block_kind_table(NULL, NULL),
                             vision = fg_vision_settings_table(NULL);
    const fg_sublayer_kind *kind;
    const char *name = row_at(model.rows, model.count, &index);
    if (!name) name = row_at(block.rows, block.count, &index);
    if (!name) name = row_at(vision.rows, vision.count, &index);
    for (size_t i = 0; !name && (kind = fg_sublayer_kind_at(i)) != NULL; i++)
        name = row_at(kind->rows, kind->row_count, &index);
    return name;
}

static const char *format_at(size_t index) {
    return index < fg_format_count ? fg_formats[index]->schema : NULL;
}

/* ---- members ---- */

static const fg_member_row file_rows[] = {
    {"about", 's', false},  {"extends", 'm', false}, {"model_type", 's', false},
    {"config", 'o', false}, {"formats", 'o', false}, {"words", 'o', false},
};
static const fg_member_row side_rows[] = {
    {"config", 'o', false},
    {"rotary", 'o', false},
    {"only", 'o', false},
    {"only_if", 'o', false},
    {"blocks", 'o', false},
    {"block", 's', false},
    {"mtp_block", 's', false},
    {"mixer", 's', false},
    {"named_mixer", 's', false},
    {"base_model_prefix", 's', false},
    {"weights", 'o', false},
    {"unread", 'n', false},
    {"at", 's', false},
    {"vision", 'o', false},
    {"other_prefixes", 'o', false},
};
static const fg_member_row vision_rows[] = {
    {"if", 'e', false},
    {"extends_text", 't', false},
    {"config", 'o', false},
    {"rotary", 'o', false},
    {"only", 'o', false},
    {"only_if", 'o', false},
    {"blocks", 'o', false},
    {"block", 's', false},
    {"weights", 'o', false},
    {"mixer", 's', false},
    {"named_mixer", 's', false},
    {"adapter", 'o', false},
    {"other_prefixes", 'o', false},
};
static const fg_member_row adapter_rows[] = {
    {"config", 'o', false}, {"only", 'o', false}, {"only_if", 'o', false}};
static const fg_member_row blocks_rows[] = {
    {"by", 'o', false},      {"one", 's', false},      {"named", 's', false},   {"pattern", 's', false},
    {"config", 'o', false},  {"rotary", 'o', false},   {"only", 'o', false},    {"only_if", 'o', false},
    {"variant", 'v', false}, {"variants", 'o', false}, {"changes", 'v', false}, {"mixers", 'o', false},
};
static const fg_member_row variant_rows[] = {
    {"config", 'o', false},  {"rotary", 'o', false},  {"only", 'o', false},
    {"only_if", 'o', false}, {"weights", 'o', false},
};
static const fg_member_row mixers_rows[] = {{"named", 's', true}, {"main", 'o', true}, {"as", 's', true}};
static const fg_member_row rotary_rows[] = {
    {"objects", 'n', false}, {"type", 'o', false}, {"numbers", 'o', false}};
static const fg_member_row number_rows[] = {
    {"key", 's', false},     {"absent", 'v', false}, {"null", 'v', false},
    {"outside", 's', false}, {"yields", 'b', false},
};
static const fg_member_row entry_rows[] = {
    {"key", 'm', false},  {"value", 'v', false}, {"absent", 'v', false},
    {"null", 'v', false}, {"words", 'y', false},
};
static const fg_member_row weight_rows[] = {
    {"name", 's', true},     {"part", 'i', false},       {"of", 'i', false},      {"rows", 'x', false},
    {"dim", 'i', false},     {"unsqueezed", 'i', false}, {"experts", 'u', false}, {"transposed", 't', false},
    {"columns", 'x', false}, {"optional", 't', false},
};
static const fg_member_row object_row[] = {{"*", 'o', false}};
static const fg_member_row values_row[] = {{"*", 'a', false}};
static const fg_member_row reason_row[] = {{"*", 'k', false}};
static const fg_member_row weight_row[] = {{"*", 'w', false}};
static const fg_member_row text_row[] = {{"*", 's', false}};

/* ---- levels ---- */

/* What a side and its "blocks" have alike. */
#define DESCRIPTION_LEVELS(path)                                                                             \
    {path "/config", FG_ROWS(object_row), role_at}, {path "/config/*", FG_ROWS(entry_rows), NULL},           \
        {path "/rotary", FG_ROWS(rotary_rows), NULL}, {path "/rotary/type", FG_ROWS(entry_rows), NULL},      \
        {path "/rotary/numbers", FG_ROWS(object_row), fg_rotary_number_at},                                  \
        {path "/rotary/numbers/*", FG_ROWS(number_rows), NULL}, {path "/only", FG_ROWS(values_row), NULL}, { \
        path "/only_if", FG_ROWS(reason_row), NULL                                                           \
    }

#define WEIGHTS_LEVELS(path)                                                                                 \
    {path "/weights", FG_ROWS(weight_row), NULL}, {                                                          \
        path "/weights/*", FG_ROWS(weight_rows), NULL                                                        \
    }

#define VARIANTS "formats/*/blocks/variants"
#define SIDE_LEVELS                                                                                          \
    {"formats/*", FG_ROWS(side_rows), NULL}, {"formats/*/other_prefixes", FG_ROWS(text_row), NULL},          \
        DESCRIPTION_LEVELS("formats/*"), {"formats/*/blocks", FG_ROWS(blocks_rows), NULL},                   \
        {"formats/*/blocks/by", FG_ROWS(entry_rows), NULL}, DESCRIPTION_LEVELS("formats/*/blocks"),          \
        {"formats/*/blocks/mixers", FG_ROWS(mixers_rows), NULL},                                             \
        {"formats/*/blocks/mixers/main", FG_ROWS(entry_rows), NULL}, {VARIANTS, FG_ROWS(object_row), NULL},  \
        {VARIANTS "/*", FG_ROWS(variant_rows), NULL}, DESCRIPTION_LEVELS(VARIANTS "/*"),                     \
        WEIGHTS_LEVELS(VARIANTS "/*"), WEIGHTS_LEVELS("formats/*")

#define VISION "formats/*/vision"
#define VISION_LEVELS                                                                                        \
    {VISION, FG_ROWS(vision_rows), NULL}, {VISION "/other_prefixes", FG_ROWS(text_row), NULL},               \
        DESCRIPTION_LEVELS(VISION), {VISION "/blocks", FG_ROWS(blocks_rows), NULL},                          \
        {VISION "/blocks/by", FG_ROWS(entry_rows), NULL}, DESCRIPTION_LEVELS(VISION "/blocks"),              \
        WEIGHTS_LEVELS(VISION), {VISION "/adapter", FG_ROWS(adapter_rows), NULL},                            \
        DESCRIPTION_LEVELS(VISION "/adapter")

static const fg_schema_level file_levels[] = {
    {"", FG_ROWS(file_rows), NULL},
    {"config", FG_ROWS(object_row), role_at},
    {"config/*", FG_ROWS(entry_rows), NULL},
    {"words", FG_ROWS(object_row), NULL},
    {"formats", FG_ROWS(object_row), format_at},
    SIDE_LEVELS,
    VISION_LEVELS,
};
static const fg_schema_level side_levels[] = {SIDE_LEVELS, VISION_LEVELS};

fg_status fg_spec_schema_check(const fg_source_file *file, fg_error *err) {
    const fg_layers layers = {.items = &file, .count = 1};
    const bool extends = json_object_get(file->document, "extends");
    const fg_schema_place at = {.layers = &layers, .parent = "", .removes = extends};
    return fg_schema_check_levels(file->document, FG_ROWS(file_levels), &at, err);
}

fg_status fg_spec_schema_check_side(const json_t *side, const fg_source_file *file, const char *place,
                                    fg_error *err) {
    const fg_layers layers = {.items = &file, .count = 1};
    const fg_schema_place at = {.layers = &layers, .parent = place, .removes = true};
    return fg_schema_check_levels(side, FG_ROWS(side_levels), &at, err);
}
