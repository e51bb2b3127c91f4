#include "tokenizer/pre_tokenizer_read.h"

#include <string.h>

#define GPT2_PATTERN "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* The place of a word in a list of words; FG_ERR_INPUT shows the words. */
static fg_status choose(const fg_tokenizer_json *c, const char *key, const char *const *words, size_t count,
                        size_t *choice, fg_error *err) {
    const char *text = NULL;
    size_t length;
    fg_status status = fg_tokenizer_json_string(c, key, &text, &length, err);
    if (status != FG_OK) return status;
    for (*choice = 0; *choice < count; (*choice)++) {
        if (strcmp(text, words[*choice]) == 0) return FG_OK;
    }
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"%s\": \"%.40s\" is not supported", c->file, c->name, key,
                   text);
}

fg_status fg_metaspace_read(const fg_tokenizer_json *c, char mark[FG_UTF8_MOST + 1],
                            fg_prepend_scheme *scheme, bool *split, fg_error *err) {
    static const char *const schemes[] = {"always", "first", "never"};
    fg_status status = FG_OK;
    const char *text = NULL;
    size_t length, choice = FG_PREPEND_ALWAYS;
    bool prefix, cuts;
    FG_TRY(fg_tokenizer_json_keys(c, "type replacement add_prefix_space prepend_scheme split str_rep", err));
    FG_TRY(fg_tokenizer_json_string(c, "replacement", &text, &length, err));
    if (!length || !*text || length != fg_utf8_size(*text))
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: \"replacement\": found \"%.40s\", expected one character",
                c->file, c->name, text);
    memcpy(mark, text, length);
    mark[length] = '\0';
    if (json_object_get(c->json, "prepend_scheme"))
        FG_TRY(choose(c, "prepend_scheme", schemes, sizeof schemes / sizeof *schemes, &choice, err));
    FG_TRY(fg_tokenizer_json_flag(c, "add_prefix_space", true, &prefix, err));
    FG_TRY(fg_tokenizer_json_flag(c, "split", true, &cuts, err));
    if (!prefix && json_object_get(c->json, "prepend_scheme") && choice != FG_PREPEND_NEVER)
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: add_prefix_space false contradicts prepend_scheme", c->file,
                c->name);
    *scheme = prefix ? (fg_prepend_scheme)choice : FG_PREPEND_NEVER;
    if (split) *split = cuts;
done:
    return status;
}

static fg_status read_metaspace(fg_pre_step *step, const fg_tokenizer_json *c, fg_error *err) {
    fg_prepend_scheme scheme;
    bool split;
    fg_status status = fg_metaspace_read(c, step->mark, &scheme, &split, err);
    if (status != FG_OK) return status;
    step->prepend = scheme != FG_PREPEND_NEVER;
    step->only_first = scheme == FG_PREPEND_FIRST;
    step->behavior = FG_SPLIT_NEXT;
    return split ? fg_pattern_literal(&step->pattern, step->mark, strlen(step->mark), err) : FG_OK;
}

static fg_status read_split(fg_pre_step *step, const fg_tokenizer_json *c, fg_error *err) {
    static const char *const behaviors[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious",
                                            "MergedWithNext"};
    fg_status status = FG_OK;
    size_t choice = 0;
    FG_TRY(fg_tokenizer_json_keys(c, "type pattern behavior invert", err));
    FG_TRY(choose(c, "behavior", behaviors, sizeof behaviors / sizeof *behaviors, &choice, err));
    step->behavior = (fg_split_behavior)choice;
    FG_TRY(fg_tokenizer_json_flag(c, "invert", false, &step->invert, err));
    FG_TRY(fg_pattern_read(&step->pattern, c, err));
done:
    return status;
}

static fg_status read_byte_level(fg_pre_step *step, const fg_tokenizer_json *c, fg_error *err) {
    fg_status status = FG_OK;
    bool use_regex, trim;
    FG_TRY(fg_tokenizer_json_keys(c, "type add_prefix_space trim_offsets use_regex", err));
    FG_TRY(fg_tokenizer_json_flag(c, "add_prefix_space", true, &step->prepend, err));
    FG_TRY(fg_tokenizer_json_flag(c, "trim_offsets", true, &trim, err)); /* of offsets, which are not used */
    FG_TRY(fg_tokenizer_json_flag(c, "use_regex", true, &use_regex, err));
    step->byte_level = true;
    if (use_regex)
        FG_TRY(
            fg_pattern_compile(&step->pattern, GPT2_PATTERN, strlen(GPT2_PATTERN), "the GPT-2 pattern", err));
done:
    return status;
}

static fg_status read_digits(fg_pre_step *step, const fg_tokenizer_json *c, fg_error *err) {
    fg_status status = FG_OK;
    bool individual;
    FG_TRY(fg_tokenizer_json_keys(c, "type individual_digits", err));
    FG_TRY(fg_tokenizer_json_flag(c, "individual_digits", false, &individual, err));
    step->behavior = individual ? FG_SPLIT_ISOLATED : FG_SPLIT_CONTIGUOUS;
    FG_TRY(fg_pattern_class(&step->pattern, "0-9\\p{N}", "digit", err));
done:
    return status;
}

static fg_status read_step(fg_pre_tokenizer *pre, const fg_tokenizer_json *c, const char *type,
                           fg_error *err) {
    if (pre->count == FG_COMPONENT_STEPS)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: more than %d steps", c->file, c->name, FG_COMPONENT_STEPS);
    fg_pre_step *step = &pre->steps[pre->count++];
    if (strcmp(type, "Split") == 0) return read_split(step, c, err);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(step, c, err);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(step, c, err);
    if (strcmp(type, "Digits") == 0) return read_digits(step, c, err);
    return fg_tokenizer_json_unknown(c, type, "Split, ByteLevel, Metaspace, Digits, Sequence", err);
}

static fg_status read_any(fg_pre_tokenizer *pre, const fg_tokenizer_json *c, unsigned depth, fg_error *err) {
    fg_status status = FG_OK;
    const char *type = NULL;
    const json_t *list = NULL;
    FG_TRY(fg_tokenizer_json_type(c, &type, err));
    if (strcmp(type, "Sequence") != 0) return read_step(pre, c, type, err);
    FG_TRY(fg_tokenizer_json_keys(c, "type pretokenizers", err));
    FG_TRY(fg_tokenizer_json_list(c, "pretokenizers", &list, err));
    if (depth == FG_COMPONENT_DEPTH)
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: sequences are nested too deeply", c->file, c->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fg_tokenizer_json part = {json_array_get(list, i), c->file, c->name};
        FG_TRY(read_any(pre, &part, depth + 1, err));
    }
done:
    return status;
}

fg_status fg_pre_tokenizer_read(fg_pre_tokenizer *pre, const json_t *json, const char *file, fg_error *err) {
    *pre = (fg_pre_tokenizer){0};
    if (!json || json_is_null(json)) return FG_OK;
    fg_tokenizer_json c = {json, file, "pre_tokenizer"};
    fg_status status = read_any(pre, &c, 0, err);
    if (status != FG_OK) fg_pre_tokenizer_free(pre);
    return status;
}
