#include "language/primitive.h"

#include <stdio.h>
#include <string.h>

#include "base/named_row.h"

#define CARRIED " field maybe absent omit option type through keys "

static const fg_primitive primitives[FG_PRIMITIVES] = {
    {"rename", FG_PRIMITIVE_RENAME, FG_CLAIM_VALUE, 's', CARRIED, false},
    {"default", FG_PRIMITIVE_DEFAULT, FG_CLAIM_RENAME, 'v', CARRIED "rename default_for null_if together ",
     false},
    {"optional", FG_PRIMITIVE_OPTIONAL, FG_CLAIM_RENAME, 'v', CARRIED "rename ", false},
    {"import_only", FG_PRIMITIVE_IMPORT_ONLY, FG_CLAIM_VALUE, 's', " field type keys exported ", true},
    {"constant_export", FG_PRIMITIVE_CONSTANT_EXPORT, FG_CLAIM_LABEL, 'v', " hf maybe neutral ", true},
    {"constant_import", FG_PRIMITIVE_CONSTANT_IMPORT, FG_CLAIM_FIELD, 'v', " field keys ", true},
    {"ignored", FG_PRIMITIVE_IGNORED, FG_CLAIM_EITHER, 's', " field hf import_as export_as neutral keys ",
     false},
    {"nested", FG_PRIMITIVE_NESTED, FG_CLAIM_SECTION, 's', " field hf keys ", false},
    {"dispatch", FG_PRIMITIVE_DISPATCH, FG_CLAIM_SECTION, 'D', " field hf keys hf_type ", false},
    {"typed_dict", FG_PRIMITIVE_TYPED_DICT, FG_CLAIM_SECTION, 'c', " field hf keys hf_type ", false},
    {"list_dispatch", FG_PRIMITIVE_LIST_DISPATCH, FG_CLAIM_SECTION, 'r',
     " field hf keys count at every_layer last derived may_lack may_exceed ", false},
    {"custom", FG_PRIMITIVE_CUSTOM, FG_CLAIM_NOTHING, 's', " type_key types outside layers ", false},
};

const fg_primitive *fg_primitive_find(const char *name) {
    return FG_NAMED_ROW(primitives, name);
}

const char *fg_primitive_name_at(size_t index) {
    return index < FG_PRIMITIVES ? primitives[index].name : NULL;
}

static bool holds_word(const char *words, const char *wanted) {
    char word[32];
    int length = snprintf(word, sizeof word, " %s ", wanted);
    return length < (int)sizeof word && strstr(words, word) != NULL;
}

bool fg_primitive_takes(const fg_primitive *primitive, const char *modifier) {
    return holds_word(primitive->modifiers, modifier);
}

static const struct modifier_row {
    const char *name;
    char kind;
} modifiers[] = {
    {"field", 'm'},       {"hf", 'm'},      {"import_as", 'v'},   {"maybe", 't'},      {"export_as", 'v'},
    {"absent", 'v'},      {"omit", 'v'},    {"neutral", 'l'},     {"keys", 'n'},       {"together", 'n'},
    {"option", 's'},      {"type", 's'},    {"rename", 's'},      {"through", 's'},    {"count", 's'},
    {"hf_type", 's'},     {"at", 's'},      {"default_for", 'l'}, {"null_if", 'v'},    {"last", 's'},
    {"every_layer", 't'}, {"derived", 'l'}, {"may_lack", 't'},    {"may_exceed", 't'}, {"type_key", 's'},
    {"outside", 'n'},     {"layers", 'o'},  {"exported", 't'},    {"types", 'o'},
};

const char *fg_modifier_name_at(size_t index) {
    return index < sizeof modifiers / sizeof *modifiers ? modifiers[index].name : NULL;
}

char fg_modifier_kind(const char *name) {
    const struct modifier_row *row = FG_NAMED_ROW(modifiers, name);
    return row ? row->kind : '\0';
}

static size_t find(const char *const *names, size_t count, const char *name) {
    size_t i = 0;
    while (i < count && (!name || strcmp(names[i], name) != 0)) i++;
    return i;
}

/* The custom functions, and which modifiers each knows. */
static const char *const customs[FG_CUSTOMS] = {[FG_CUSTOM_ROTARY_OLDER] = "rotary_older",
                                                [FG_CUSTOM_ROTARY_NEWER] = "rotary_newer",
                                                [FG_CUSTOM_ROTARY_PARAMETERS] = "rotary_parameters",
                                                [FG_CUSTOM_ROTARY_BY_LAYER] = "rotary_by_layer"};
static const char *const custom_modifiers[FG_CUSTOMS] = {
    [FG_CUSTOM_ROTARY_OLDER] = " type_key types outside ",
    [FG_CUSTOM_ROTARY_NEWER] = " ",
    [FG_CUSTOM_ROTARY_PARAMETERS] = " ",
    [FG_CUSTOM_ROTARY_BY_LAYER] = " layers ",
};

fg_custom_id fg_custom_find(const char *name) {
    return (fg_custom_id)find(customs, FG_CUSTOMS, name);
}

bool fg_custom_takes(fg_custom_id custom, const char *modifier) {
    return holds_word(custom_modifiers[custom], modifier);
}

fg_option_id fg_option_find(const char *name) {
    static const char *const names[FG_OPTIONS] = {
        [FG_OPTION_MAX_LENGTH] = "max_length", [FG_OPTION_VOCAB_SIZE] = "vocab_size"};
    return (fg_option_id)find(names, FG_OPTIONS, name);
}
