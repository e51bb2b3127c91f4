/* tokens/prompt and tokens/sampling: which tokens the models get, and how new ones are chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "tokenizer/tokenizer.h"
#include "tokens/prompt.h"
#include "tokens/sampling.h"

/* Every letter of the prompts is a token; `added` and `post` are parts of tokenizer.json. */
#define TOKENIZER(added, post)                                                                               \
    "{'added_tokens': [" added "], 'post_processor': " post ", 'model': {'type': 'BPE', 'unk_token': '?', "  \
    "'vocab': {'a': 0, 'b': 1, 'c': 2, '?': 3, '<s>': 4}, 'merges': []}}"
#define ADDED(id, text)                                                                                      \
    "{'id': " id ", 'content': '" text "', 'single_word': false, 'lstrip': false, 'rstrip': false, "         \
    "'normalized': false, 'special': true}"
#define BOS                                                                                                  \
    "{'type': 'TemplateProcessing', 'single': [{'SpecialToken': {'id': '<s>', 'type_id': 0}}, {'Sequence': " \
    "{'id': 'A', 'type_id': 0}}], 'pair': [], 'special_tokens': {'<s>': {'id': '<s>', 'ids': [4], "          \
    "'tokens': ['<s>']}}}"

static const char PLAIN[] = TOKENIZER("", "null"), WITH_BOS[] = TOKENIZER(ADDED("4", "<s>"), BOS),
                  WITH_ADDED[] = TOKENIZER(ADDED("5", "bc"), "null"),
                  OTHER_KIND[] = "{'model': {'type': 'Unigram', 'vocab': []}}";

static char *quoted(const char *text) {
    char *made = fg_strdup(text, NULL);
    for (char *at = made; (at = strchr(at, '\'')); at++) *at = '"';
    return made;
}

static json_t *json(const char *text) {
    json_t *value = NULL;
    char *made = quoted(text);
    assert_int_equal(fg_json_parse("here", made, strlen(made), &value, NULL), FG_OK);
    fg_free(made);
    return value;
}

/* What the models are: a vocabulary of `rows` each, and tokenizers (NULL: none). */
typedef struct scene {
    fg_tokenizer_files files[2];
    fg_prompt_side sides[2];
    json_t *configs[2];
    fg_prompt_request request;
    fg_prompt prompt;
    fg_error err;
} scene;

static void add_side(scene *s, size_t i, const char *name, const char *tokenizer, unsigned rows) {
    s->configs[i] = json("{'max_position_embeddings': 6}");
    s->files[i] = (fg_tokenizer_files){.directory = (char *)(uintptr_t)name};
    if (tokenizer) s->files[i].tokenizer.data = quoted(tokenizer);
    if (tokenizer) s->files[i].tokenizer.length = strlen(tokenizer);
    s->sides[i] =
        (fg_prompt_side){.name = name, .tokenizer = &s->files[i], .rows = rows, .config = s->configs[i]};
}

static void begin(scene *s, const char *source, const char *destination) {
    *s = (scene){0};
    fg_log_end();
    add_side(s, 0, "A", source, 5);
    add_side(s, 1, "B", destination, 6);
}

static void end(scene *s) {
    fg_prompt_free(&s->prompt);
    for (size_t i = 0; i < 2; i++) {
        fg_buffer_free(&s->files[i].tokenizer);
        json_decref(s->configs[i]);
    }
    fg_log_end();
}

static fg_status prepare_prompt(scene *s) {
    fg_prompt_free(&s->prompt);
    s->err = (fg_error){0};
    return fg_prompt_resolve(&s->prompt, &s->request, &s->sides[0], &s->sides[1], &s->err);
}

/* The ids, "1 2 3"; `warnings` in number, the last of which holds `warning`. */
static void gives(scene *s, const char *expected, size_t warnings, const char *warning) {
    char found[200] = "";
    if (prepare_prompt(s) != FG_OK) fail_msg("%s", s->err.text);
    for (size_t i = 0; i < s->prompt.ids.count && i < 30; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s%u", i ? " " : "",
                 s->prompt.ids.ids[i]);
    assert_string_equal(found, expected);
    assert_int_equal(fg_log_warning_count(), warnings);
    if (warnings && !strstr(fg_log_warning(warnings - 1), warning))
        fail_msg("warned \"%s\", expected \"%s\" in it", fg_log_warning(warnings - 1), warning);
}

static void refused(scene *s, const char *text, const char *hint) {
    assert_int_equal(prepare_prompt(s), FG_ERR_INPUT);
    if (!strstr(s->err.text, text)) fail_msg("found \"%s\", expected \"%s\" in it", s->err.text, text);
    if (!strstr(s->err.hint, hint)) fail_msg("found hint \"%s\", expected \"%s\" in it", s->err.hint, hint);
}

static void the_source_cuts_the_prompt(void **state) {
    (void)state;
    scene s;
    begin(&s, PLAIN, PLAIN);
    s.request.text = "abcx";
    gives(&s, "0 1 2 3", 0, NULL);
    assert_ptr_equal(s.prompt.tokenizer, s.sides[1].tokenizer);
    s.request.text = "abcabca";
    gives(&s, "0 1 2 0 1 2 0", 2, "the prompt has 7 tokens, more than max_position_embeddings of B (6)");
    end(&s);
    begin(&s, WITH_BOS, WITH_BOS);
    s.request.text = "ab";
    gives(&s, "4 0 1", 0, NULL);
    end(&s);
}

static void without_a_prompt_there_is_a_sentence(void **state) {
    (void)state;
    scene s;
    begin(&s, PLAIN, PLAIN);
    s.sides[0].config = s.sides[1].config = NULL; /* says nothing of a length */
    if (prepare_prompt(&s) != FG_OK) fail_msg("%s", s.err.text);
    assert_int_equal(s.prompt.ids.count,
                     strlen("The old bookstore at the corner of Elm Street had always held "
                            "secrets, but today, something unusual caught Emma's eye."));
    end(&s);
}

static void tokens_that_are_given_win(void **state) {
    (void)state;
    scene s;
    uint32_t ids[] = {2, 9};
    begin(&s, OTHER_KIND, PLAIN);
    s.request.ids = ids;
    s.request.id_count = 2;
    gives(&s, "2 9", 0, NULL);
    assert_null(s.prompt.tokenizer);
    s.request.generates = true;
    gives(&s, "2 9", 0, NULL);
    assert_ptr_equal(s.prompt.tokenizer, s.sides[1].tokenizer);
    end(&s);
    begin(&s, NULL, OTHER_KIND); /* there is no text then */
    s.request.ids = ids;
    s.request.id_count = 2;
    s.request.generates = true;
    gives(&s, "2 9", 1, "generated tokens are printed as ids");
    assert_null(s.prompt.tokenizer);
    end(&s);
}

static void a_default_that_cannot_be_used_is_drawn(void **state) {
    (void)state;
    scene s;
    static const char drawn[] = "the models run on random token ids instead of a prompt";
    static const char *const unusable[] = {NULL, OTHER_KIND, "{", TOKENIZER(ADDED("5", "T"), "null")};
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++) {
        begin(&s, unusable[i], unusable[i]);
        gives(&s, "", 1, drawn); /* the last: an id beyond A's rows */
        assert_null(s.prompt.tokenizer);
        s.request.generates = true;
        refused(&s, "", "give ids with --token-ids instead");
        s.request.generates = false;
        s.request.text = "T";
        refused(&s, i < 3 ? "" : "token 1 of the prompt has the id 5, but the vocabulary has 5 rows", "");
        end(&s);
    }
}

static void two_tokenizers_must_agree(void **state) {
    (void)state;
    scene s;
    begin(&s, PLAIN, WITH_ADDED);
    s.request.text = "abca";
    gives(&s, "0 1 2 0", 1,
          "the two tokenizers disagree about the prompt: token 2 is 1 for A and 5 (\"bc\") for B; both "
          "models run on the source's tokens");
    fg_log_end();
    s.request.compares = true;
    refused(&s, "the two tokenizers disagree about the prompt: token 2 is 1 for A and 5 (\"bc\") for B",
            "--token-ids");
    s.request.text = "acb";
    gives(&s, "0 2 1", 0, NULL);
    end(&s);
    begin(&s, PLAIN, WITH_BOS);
    s.request.compares = true; /* the default prompt makes no difference */
    refused(&s, "token 1 is 3 for A and 4 (\"<s>\") for B", "--token-ids");
    end(&s);
}

static void of_two_models_one_tokenizer_is_enough(void **state) {
    (void)state;
    scene s;
    begin(&s, NULL, PLAIN);
    s.request.compares = true;
    s.request.text = "ba";
    gives(&s, "1 0", 0, NULL);
    assert_ptr_equal(s.prompt.tokenizer, s.sides[1].tokenizer);
    s.request.compares = false; /* the source's it is */
    refused(&s, "A/tokenizer.json is missing or empty", "");
    end(&s);
    begin(&s, PLAIN, NULL);
    s.request.compares = true;
    s.request.text = "ba";
    gives(&s, "1 0", 0, NULL);
    assert_ptr_equal(s.prompt.tokenizer, s.sides[0].tokenizer);
    end(&s);
}

static void running_out_of_memory_is_no_reason_to_draw(void **state) {
    (void)state;
    fg_status status = FG_ERR_MEMORY;
    for (uint64_t n = 1; status != FG_OK; n++) {
        scene s;
        begin(&s, PLAIN, WITH_ADDED);
        assert_true(n < 2000);
        fg_alloc_fail_after(n);
        status = prepare_prompt(&s);
        fg_alloc_fail_after(0);
        if (status == FG_OK && !s.prompt.ids.count) fail_msg("allocation %d: drawn", (int)n);
        if (status != FG_OK) assert_int_equal(status, FG_ERR_MEMORY);
        end(&s);
    }
}

/* ---- sampling ---- */

static fg_sampling sampled(fg_sampling_request request, const char *config) {
    fg_sampling sampling;
    fg_error err = {0};
    json_t *held = config ? json(config) : NULL;
    if (fg_sampling_resolve(&sampling, &request, held, &err) != FG_OK) fail_msg("%s", err.text);
    json_decref(held);
    return sampling;
}

#define CONFIG "{'do_sample': true, 'temperature': 0.6, 'top_p': 0.9, 'top_k': 50}"

/* Negative: not given. */
static fg_sampling_request asked(bool sample, double temperature, double top_p, int64_t seed) {
    return (fg_sampling_request){sample, temperature, top_p, seed};
}

static void options_win_over_the_configuration(void **state) {
    (void)state;
    fg_sampling s = sampled(asked(false, -1, -1, -1), CONFIG);
    assert_true(s.greedy);
    s = sampled(asked(true, -1, -1, -1), CONFIG);
    assert_true(!s.greedy && s.temperature == 0.6 && s.top_p == 0.9 && s.top_k == 50 && s.seed == 0);
    s = sampled(asked(false, -1, -1, 0), NULL);
    assert_true(!s.greedy && s.temperature == 1 && s.top_p == 1 && s.top_k == 0 && s.seed == 0);
    s = sampled(asked(false, -1, 0.5, 7), "{'top_p': null, 'temperature': 2}");
    assert_true(!s.greedy && s.temperature == 2 && s.top_p == 0.5 && s.seed == 7);
    s = sampled(asked(true, 0, -1, -1), CONFIG);
    assert_true(s.greedy);
}

static void a_broken_configuration_is_refused(void **state) {
    (void)state;
    static const char *const broken[] = {"{'temperature': -1}", "{'temperature': 'hot'}", "{'top_p': 1.5}",
                                         "{'top_k': -3}", "{'top_k': true}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        fg_sampling sampling;
        fg_error err = {0};
        json_t *held = json(broken[i]);
        fg_sampling_request request = asked(true, -1, -1, -1);
        assert_int_equal(fg_sampling_resolve(&sampling, &request, held, &err), FG_ERR_INPUT);
        assert_non_null(strstr(err.text, "generation_config.json"));
        request.sample = false; /* it is not looked at */
        assert_int_equal(fg_sampling_resolve(&sampling, &request, held, NULL), FG_OK);
        json_decref(held);
    }
}

int main(void) {
    fg_alloc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_source_cuts_the_prompt),
        cmocka_unit_test(without_a_prompt_there_is_a_sentence),
        cmocka_unit_test(tokens_that_are_given_win),
        cmocka_unit_test(a_default_that_cannot_be_used_is_drawn),
        cmocka_unit_test(two_tokenizers_must_agree),
        cmocka_unit_test(of_two_models_one_tokenizer_is_enough),
        cmocka_unit_test(running_out_of_memory_is_no_reason_to_draw),
        cmocka_unit_test(options_win_over_the_configuration),
        cmocka_unit_test(a_broken_configuration_is_refused),
    };
    fg_log_level_set(FG_LOG_QUIET);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
