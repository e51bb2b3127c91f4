/* Split, a pre-tokenizer: cuts at the matches of a pattern; and Digits, whose pattern is a digit: each of
 * them, or each run, is a piece. */
#include "tokenizer/component.h"

typedef struct split_settings {
    fg_pattern *pattern; /* owned */
    fg_split_behavior behavior;
    bool invert;
} split_settings;

static fg_status read_split(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    static const char *const behaviors[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious",
                                            "MergedWithNext"};
    split_settings *s = settings;
    size_t choice = 0;
    FG_CALL(fg_tokenizer_json_choice(c, "behavior", behaviors, sizeof behaviors / sizeof *behaviors, &choice,
                                     err));
    s->behavior = (fg_split_behavior)choice;
    FG_CALL(fg_tokenizer_json_flag(c, "invert", false, &s->invert, err));
    return fg_pattern_read(&s->pattern, c, err);
}

static fg_status read_digits(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    split_settings *s = settings;
    bool individual;
    FG_CALL(fg_tokenizer_json_flag(c, "individual_digits", false, &individual, err));
    s->behavior = individual ? FG_SPLIT_ISOLATED : FG_SPLIT_CONTIGUOUS;
    return fg_pattern_class(&s->pattern, "0-9\\p{N}", "digit", err);
}

static void free_split(void *settings) {
    fg_pattern_free(&((split_settings *)settings)->pattern);
}

static fg_status split(const void *settings, fg_pre_tokenized *text, fg_error *err) {
    const split_settings *s = settings;
    return fg_pre_tokenized_cut(text, s->pattern, s->behavior, s->invert, err);
}

const fg_component_kind fg_split = {.family = FG_PRE_TOKENIZER,
                                    .type = "Split",
                                    .keys = "type pattern behavior invert",
                                    .size = sizeof(split_settings),
                                    .read = read_split,
                                    .free = free_split,
                                    .pre_tokenize = split};
const fg_component_kind fg_digits = {.family = FG_PRE_TOKENIZER,
                                     .type = "Digits",
                                     .keys = "type individual_digits",
                                     .size = sizeof(split_settings),
                                     .read = read_digits,
                                     .free = free_split,
                                     .pre_tokenize = split};
