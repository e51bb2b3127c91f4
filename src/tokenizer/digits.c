/* Digits, a pre-tokenizer: each digit, or each run of them, is a piece. */
#include "tokenizer/component.h"

typedef struct digits_settings {
    fg_pattern *digit; /* owned */
    fg_split_behavior behavior;
} digits_settings;

static fg_status read_digits(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    digits_settings *s = settings;
    bool individual;
    fg_status status = fg_tokenizer_json_flag(c, "individual_digits", false, &individual, err);
    if (status != FG_OK) return status;
    s->behavior = individual ? FG_SPLIT_ISOLATED : FG_SPLIT_CONTIGUOUS;
    return fg_pattern_class(&s->digit, "0-9\\p{N}", "digit", err);
}

static void free_digits(void *settings) {
    fg_pattern_free(&((digits_settings *)settings)->digit);
}

static fg_status cut_digits(const void *settings, fg_pre_tokenized *text, fg_error *err) {
    const digits_settings *s = settings;
    return fg_pre_tokenized_cut(text, s->digit, s->behavior, false, err);
}

const fg_component_kind fg_digits = {.family = FG_PRE_TOKENIZER,
                                     .type = "Digits",
                                     .keys = "type individual_digits",
                                     .size = sizeof(digits_settings),
                                     .read = read_digits,
                                     .free = free_digits,
                                     .pre_tokenize = cut_digits};
