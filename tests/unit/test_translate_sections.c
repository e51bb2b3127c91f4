/* translate/ for targets with classes: the words that lead to other sections, both coverage walkers,
 * defaults of classes. Converters and classes are small ones of the test's own. */

#include "base/log.h"
#include "sections_fixture.h"
#include "translate/translate.h"

typedef struct row {
    const char *config, *sections, *more;
    fg_direction direction;
    const char *source;
    const char *result; /* compact JSON; or what a refusal says */
    bool refused;
} row;

static void check(const row *r, size_t number) {
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation out = {0};
    json_t *source = parse(r->source);
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    if (load(&converter, r->config, r->sections, r->more ? r->more : "", &err) != FG_OK)
        fail_msg("row %zu: %s", number, err.text);
    fg_status status = fg_translate(converter, r->direction, source, &options, &out, &err);
    if (r->refused) {
        if (status != FG_ERR_INPUT || !strstr(err.text, r->result))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", number, err.text, r->result);
    } else {
        if (status != FG_OK) fail_msg("row %zu: %s", number, err.text);
        json_t *want = parse(r->result);
        char found[600];
        if (!fg_json_equal(want, out.result))
            fail_msg("row %zu: %s", number, fg_json_brief(out.result, found, sizeof found));
        json_decref(want);
    }
    fg_translation_free(&out);
    json_decref(source);
}

#define CHECK(rows)                                                                                          \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++) check(&(rows)[i], i)

static void sections_stand_under_fields(void **state) {
    (void)state;
    static const char nested[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS ", \"mixer\": {\"nested\": \"a\", \"hf\": \"mix\"}";
    static const char chosen[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS ", \"mixer\": {\"dispatch\": {\"A\": \"a\", \"old\": \"a\", "
             "\"B\": \"b\"}, \"hf\": \"mix\", \"hf_type\": \"kind\"}";
    static const char flags[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS
             ", \"mixer\": {\"dispatch\": {\"false\": \"a\", \"true\": \"b\"}, \"hf_type\": \"moe\"}";
    static const row rows[] = {
        {nested, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"mix\": {\"heads\": 3}}",
         "{\"size\": 2, \"colour\": \"red\", \"mixer\": {\"type\": \"a\", \"heads\": 3}}", false},
        {nested, SECTIONS, NULL, FG_EXPORT, "{\"mixer\": {}}", "{\"size\": 4, \"mix\": {\"heads\": 8}}",
         false},
        {nested, SECTIONS, NULL, FG_EXPORT, "{\"mixer\": {\"type\": \"b\"}}",
         "\"mixer\" is a MixB: this format holds only MixA", true},
        {nested, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"mix\": {\"heads\": \"3\"}}",
         "\"mixer/heads\": found \"3\", expected int", true},
        {chosen, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"mix\": {\"kind\": \"B\", \"states\": 5}}",
         "{\"size\": 2, \"colour\": \"red\", \"mixer\": {\"type\": \"b\", \"states\": 5}}", false},
        {chosen, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"mix\": {\"kind\": \"old\", \"heads\": 5}}",
         "{\"size\": 2, \"colour\": \"red\", \"mixer\": {\"type\": \"a\", \"heads\": 5}}", false},
        {chosen, SECTIONS, NULL, FG_EXPORT, "{\"mixer\": {\"type\": \"a\"}}",
         "{\"size\": 4, \"mix\": {\"kind\": \"A\", \"heads\": 8}}", false},
        {chosen, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"mix\": {\"kind\": \"C\"}}",
         "key \"mix/kind\" = \"C\": known here: \"A\", \"old\", \"B\"", true},
        {chosen, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"mix\": {\"heads\": 1}}",
         "key \"mix/kind\" = (absent)", true},
        {flags, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"moe\": true, \"states\": 5}",
         "{\"size\": 2, \"colour\": \"red\", \"mixer\": {\"type\": \"b\", \"states\": 5}}", false},
        {flags, SECTIONS, NULL, FG_EXPORT, "{}", "{\"size\": 4, \"moe\": false, \"heads\": 8}", false},
        {nested,
         "\"a\": {\"like\": \"c\", \"config\": {\"heads\": {\"rename\": \"h\"}}}, \"c\": {\"class\": "
         "\"MixA\", \"config\": "
         "{\"heads\": {\"rename\": \"heads\"}, \"weight\": {\"ignored\": \"r\"}}}",
         NULL, FG_EXPORT, "{}", "{\"size\": 4, \"mix\": {\"h\": 8}}", false},
    };
    CHECK(rows);
}

/* Not one for each key that the section would read. */
static void a_missing_object_is_one_refusal(void **state) {
    (void)state;
    static const char config[] =
        SIZE ", " COLOUR ", " BLOCKS ", \"mixer\": {\"nested\": \"a\", \"hf\": \"mix\"}, " PARTS;
    static const char chosen[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS
             ", \"mixer\": {\"dispatch\": {\"A\": \"a\", \"B\": \"b\"}, \"hf\": \"mix\"}";
    static const char *const rows[][2] = {
        {"{\"size\": 2, \"mix\": null}", "f.json: key \"mix\" = null: expected an object (rule \"mixer\", "},
        {"{\"size\": 2, \"mix\": 7}", "f.json: key \"mix\" = 7: expected an object"},
        {"{\"size\": 2, \"mix\": [1]}", "f.json: key \"mix\" = [1]: expected an object"},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        fg_error err = {0};
        const fg_converter *converter;
        fg_translation out = {0};
        fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
        json_t *source = parse(rows[i / 2][0]);
        if (load(&converter, i % 2 ? chosen : config, SECTIONS, "", &err) != FG_OK) fail_msg("%s", err.text);
        assert_int_equal(fg_translate(converter, FG_IMPORT, source, &options, &out, &err), FG_ERR_INPUT);
        if (strncmp(err.text, rows[i / 2][1], strlen(rows[i / 2][1])) != 0 || strchr(err.text, '\n'))
            fail_msg("row %zu: %s", i, err.text);
        json_decref(source);
    }
}

static void dictionaries_go_entry_by_entry(void **state) {
    (void)state;
    static const char typed[] =
        SIZE ", " COLOUR ", " BLOCKS ", " MIXER
             ", \"parts\": {\"typed_dict\": {\"A\": \"a\", \"B\": \"b\"}, \"hf\": \"ps\"}";
    static const char same[] =
        SIZE ", " COLOUR ", " BLOCKS ", " MIXER ", \"parts\": {\"typed_dict\": \"a\", \"hf\": \"ps\"}";
    static const row rows[] = {
        {typed, SECTIONS, NULL, FG_IMPORT,
         "{\"size\": 2, \"ps\": {\"x\": {\"type\": \"A\", \"heads\": 1}, \"y\": {\"type\": \"B\", "
         "\"states\": 2}}}",
         "{\"size\": 2, \"colour\": \"red\", \"parts\": {\"x\": {\"type\": \"a\", \"heads\": 1}, \"y\": "
         "{\"type\": \"b\", \"states\": 2}}}",
         false},
        {typed, SECTIONS, NULL, FG_EXPORT, "{\"parts\": {\"x\": {\"type\": \"b\"}}}",
         "{\"size\": 4, \"ps\": {\"x\": {\"type\": \"B\", \"states\": 2}}}", false},
        {same, SECTIONS, NULL, FG_EXPORT, "{\"parts\": {\"x\": {\"heads\": 1}}}",
         "{\"size\": 4, \"ps\": {\"x\": {\"heads\": 1}}}", false},
        {same, SECTIONS, NULL, FG_EXPORT, "{\"parts\": {\"x\": {\"type\": \"b\"}}}", "\"parts/x\" is a MixB",
         true},
        {same, SECTIONS, NULL, FG_EXPORT, "{\"parts\": {}}", "expected an object with at least one entry",
         true},
        {same, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"ps\": {\"x\": {\"heads\": 1, \"more\": 1}}}",
         "key \"ps/x/more\" = 1: no rule of", true},
    };
    CHECK(rows);
}

static void blocks_share_their_keys(void **state) {
    (void)state;
    static const char blocks[] =
        SIZE ", " COLOUR ", " MIXER ", " PARTS
             ", \"blocks\": {\"list_dispatch\": \"a\", \"at\": \"text\", \"count\": \"n\"}";
    static const row rows[] = {
        {blocks, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"text\": {\"n\": 3, \"heads\": 5}}",
         "{\"size\": 2, \"colour\": \"red\", \"blocks\": {\"type\": \"fixed\", \"num_blocks\": 3, \"block\": "
         "{\"type\": \"a\", \"heads\": 5}}}",
         false},
        {blocks, SECTIONS, NULL, FG_EXPORT, "{\"blocks\": {\"num_blocks\": 2, \"block\": {\"heads\": 5}}}",
         "{\"size\": 4, \"text\": {\"n\": 2, \"heads\": 5}}", false},
        {blocks, SECTIONS, NULL, FG_EXPORT,
         "{\"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, \"pattern\": [\"x\", \"y\"], \"blocks\": "
         "{\"x\": {\"heads\": 5}, \"y\": {\"heads\": 5}}}}",
         "{\"size\": 4, \"text\": {\"n\": 3, \"heads\": 5}}", false},
        {blocks, SECTIONS, NULL, FG_EXPORT,
         "{\"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, \"pattern\": [\"x\", \"y\"], \"blocks\": "
         "{\"x\": {\"heads\": 5}, \"y\": {\"heads\": 6}}}}",
         "\"blocks/blocks/y\" differs from another block", true},
        {blocks, SECTIONS, NULL, FG_EXPORT,
         "{\"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, \"pattern\": [\"x\"], \"blocks\": "
         "{\"x\": {\"heads\": 5}, \"y\": {\"heads\": 6}}}}",
         "\"blocks/blocks/y\" differs from another block", true},
        {blocks, SECTIONS, NULL, FG_EXPORT,
         "{\"blocks\": {\"type\": \"pattern\", \"pattern\": [\"x\", \"z\"], \"blocks\": {\"x\": {\"heads\": "
         "5}}}}",
         "\"pattern\" names a block that \"blocks\" does not have", true},
        {blocks, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"text\": {\"n\": -1, \"heads\": 5}}",
         "expected a whole number of 0 or more", true},
        {blocks, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"text\": {\"n\": 9000000000000, \"heads\": 5}}",
         "\"num_blocks\" is above a million", true},
    };
    CHECK(rows);
}

static void a_list_names_the_blocks(void **state) {
    (void)state;
#define LIST(more)                                                                                           \
    SIZE ", " COLOUR ", " MIXER ", " PARTS                                                                   \
         ", \"blocks\": {\"list_dispatch\": [[\"A\", \"a\"], [\"B\", \"b\"]], " more                         \
         "\"hf\": \"layout\", \"count\": \"n\"}"
    static const char list[] = LIST(""), every[] = LIST("\"every_layer\": true, "),
                      last[] = LIST("\"every_layer\": true, \"last\": \"B\", ");
    static const char pattern[] =
        "{\"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, \"pattern\": [\"x\", \"y\"], \"blocks\": "
        "{\"x\": {\"type\": \"a\"}, \"y\": {\"type\": \"b\"}}}}";
    static const row rows[] = {
        {list, SECTIONS, NULL, FG_IMPORT,
         "{\"size\": 2, \"n\": 3, \"layout\": [\"A\", \"B\"], \"heads\": 1, \"states\": 2}",
         "{\"size\": 2, \"colour\": \"red\", \"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, "
         "\"pattern\": [\"A\", \"B\"], "
         "\"blocks\": {\"A\": {\"type\": \"a\", \"heads\": 1}, \"B\": {\"type\": \"b\", \"states\": 2}}}}",
         false},
        {list, SECTIONS, NULL, FG_IMPORT,
         "{\"size\": 2, \"n\": 3, \"layout\": [\"B\"], \"heads\": 1, \"states\": 2}",
         "{\"size\": 2, \"colour\": \"red\", \"blocks\": {\"type\": \"fixed\", \"num_blocks\": 3, \"block\": "
         "{\"type\": \"b\", \"states\": 2}}}",
         false},
        {list, SECTIONS, NULL, FG_EXPORT, pattern,
         "{\"size\": 4, \"n\": 3, \"layout\": [\"A\", \"B\"], \"heads\": 8, \"states\": 2}", false},
        {list, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"n\": 3, \"layout\": [\"C\"]}",
         "key \"layout\" = \"C\": known here: \"A\", \"B\"", true},
        {list, SECTIONS, NULL, FG_IMPORT, "{\"size\": 2, \"n\": 3, \"layout\": []}",
         "expected a list of block names", true},
        {every, SECTIONS, NULL, FG_EXPORT, pattern,
         "{\"size\": 4, \"n\": 3, \"layout\": [\"A\", \"B\", \"A\"], \"heads\": 8, \"states\": 2}", false},
        {every, SECTIONS, NULL, FG_IMPORT,
         "{\"size\": 2, \"n\": 3, \"layout\": [\"A\", \"B\"], \"heads\": 1, \"states\": 2}",
         "has 2 entries, expected one for each of 3 layers", true},
        {every, SECTIONS, NULL, FG_EXPORT, "{\"blocks\": {\"block\": {\"type\": \"a\"}}}",
         "no block is a \"B\"", true},
        {every, SECTIONS, NULL, FG_EXPORT,
         "{\"blocks\": {\"type\": \"pattern\", \"num_blocks\": 2, \"pattern\": [\"x\"], \"blocks\": "
         "{\"x\": {\"type\": \"a\"}, \"y\": {\"type\": \"b\"}}}}",
         "{\"size\": 4, \"n\": 2, \"layout\": [\"A\", \"A\"], \"heads\": 8, \"states\": 2}", false},
        {last, SECTIONS, NULL, FG_IMPORT,
         "{\"size\": 2, \"n\": 3, \"layout\": [\"A\", \"A\", \"A\"], \"heads\": 1, \"states\": 2}",
         "{\"size\": 2, \"colour\": \"red\", \"blocks\": {\"type\": \"pattern\", \"num_blocks\": 3, "
         "\"pattern\": [\"A\", \"A\", \"B\"], "
         "\"blocks\": {\"A\": {\"type\": \"a\", \"heads\": 1}, \"B\": {\"type\": \"b\", \"states\": 2}}}}",
         false},
        {last, SECTIONS, NULL, FG_EXPORT, pattern,
         "{\"size\": 4, \"n\": 3, \"layout\": [\"A\", \"B\", \"A\"], \"heads\": 8, \"states\": 2}", false},
    };
    CHECK(rows);
}

static void values_change_on_the_way(void **state) {
    (void)state;
#define AROUND MIXER ", " BLOCKS ", " PARTS ", "
    static const char table[] =
        "\"tables\": {\"t\": [[\"red\", \"rouge\"], [\"red\", \"rot\"], [\"green\", \"vert\"]]},";
    static const char through[] = AROUND SIZE ", \"colour\": {\"rename\": \"c\", \"through\": \"t\"}";
    static const char means[] = AROUND COLOUR ", \"size\": {\"rename\": \"size\", \"default\": \"= "
                                              "ceil_div(w, 16)\", \"default_for\": [\"auto\"]}, "
                                              "\"w\": {\"ignored\": \"r\", \"hf\": [\"w\"]}";
    static const char null_if[] =
        AROUND COLOUR ", \"size\": {\"rename\": \"size\", \"default\": 4, \"null_if\": 4}";
    static const char twice[] = AROUND COLOUR
        ", \"size\": {\"rename\": \"size\"}, \"copy\": {\"constant_export\": 4, \"hf\": \"/size\"}";
    static const row rows[] = {
        {through, SECTIONS, table, FG_IMPORT, "{\"size\": 1, \"c\": \"rot\"}",
         "{\"size\": 1, \"colour\": \"red\"}", false},
        {through, SECTIONS, table, FG_EXPORT, "{}", "{\"size\": 4, \"c\": \"rouge\"}", false},
        {through, SECTIONS, table, FG_IMPORT, "{\"size\": 1, \"c\": \"blau\"}",
         "key \"c\" = \"blau\": the other format has no such value", true},
        {means, SECTIONS, NULL, FG_IMPORT, "{\"size\": \"auto\", \"w\": 33}",
         "{\"size\": 3, \"colour\": \"red\"}", false},
        {means, SECTIONS, NULL, FG_IMPORT, "{\"size\": 7, \"w\": 33}", "{\"size\": 7, \"colour\": \"red\"}",
         false},
        {null_if, SECTIONS, NULL, FG_EXPORT, "{\"size\": 4}", "{\"size\": null}", false},
        {null_if, SECTIONS, NULL, FG_EXPORT, "{\"size\": 5}", "{\"size\": 5}", false},
        {twice, SECTIONS, NULL, FG_EXPORT, "{\"size\": 4}", "{\"size\": 4}", false},
        {twice, SECTIONS, NULL, FG_EXPORT, "{\"size\": 5}", "\"size\" would be 5 and 4", true},
    };
    CHECK(rows);
}

static void both_sides_are_covered(void **state) {
    (void)state;
    static const char all[] = AROUND SIZE ", " COLOUR, hole[] = AROUND SIZE,
                      open[] = SIZE ", " COLOUR ", " BLOCKS ", " PARTS
                                    ", \"mixer\": {\"nested\": \"a\", \"hf\": \"mix\", \"keys\": [\"*\"]}",
                      closed[] = SIZE ", " COLOUR ", " BLOCKS ", " PARTS
                                      ", \"mixer\": {\"nested\": \"a\", \"hf\": \"mix\"}",
                      leaves[] = SIZE ", " COLOUR ", " BLOCKS ", " PARTS ", \"mixer\": {\"nested\": \"a\"}";
    static const char incomplete[] =
        "\"a\": {\"class\": \"MixA\", \"config\": {\"heads\": {\"rename\": \"heads\"}}}";
    static const row rows[] = {
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"x\": null}", "key \"x\" = null: no rule of", true},
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"x\": {\"y\": {\"z\": 1}}}",
         "key \"x/y/z\" = 1: no rule of", true},
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"x\": {}, \"y\": {\"about\": 1}, \"about\": 2}",
         "{\"size\": 1, \"colour\": \"red\"}", false},
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"y\": {\"setting\": 1}}",
         "key \"y/setting\" = 1: no rule of", true},
        {all, SECTIONS, NULL, FG_IMPORT,
         "{\"size\": 1, \"text_config\": {\"setting\": 1}, \"setting\": 2, \"paired\": false}",
         "{\"size\": 1, \"colour\": \"red\"}", false},
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"paired\": true}",
         "key \"paired\" = true: no rule of", true},
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"packed\": {\"bits\": 4}}", "the numbers are packed",
         true},
        {all, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"packed\": {}}",
         "{\"size\": 1, \"colour\": \"red\"}", false},
        {closed, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"mix\": {\"heads\": 2, \"x\": 1}}",
         "key \"mix/x\" = 1: no rule of", true},
        {open, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"mix\": {\"heads\": 2, \"truncate\": 1}}",
         "key \"mix/truncate\" = 1: a rule covers the object", true},
        {open, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1, \"mix\": {\"heads\": 2, \"x\": 1}}",
         "{\"size\": 1, \"colour\": \"red\", \"mixer\": {\"type\": \"a\", \"heads\": 2}}", false},
        {hole, SECTIONS, NULL, FG_IMPORT, "{\"size\": 1}",
         "architecture field \"colour\" = \"red\": no rule of", true},
        {hole, SECTIONS, NULL, FG_EXPORT, "{}", "architecture field \"colour\" = \"red\": no rule of", true},
        {leaves, incomplete, NULL, FG_IMPORT, "{\"size\": 1, \"heads\": 2}",
         "architecture field \"mixer/weight\"", true},
        {all, SECTIONS, NULL, FG_EXPORT, "{\"x\": 1}", "\"x\": unknown field of a Model (value 1)", true},
        {all, SECTIONS, NULL, FG_EXPORT, "{\"mixer\": {\"type\": \"c\"}}",
         "\"mixer\": type \"c\" is not that of a Mixer", true},
        {all, SECTIONS, NULL, FG_EXPORT, "{\"colour\": \"blue\"}",
         "\"colour\": found \"blue\", expected Colour", true},
        {all, SECTIONS, NULL, FG_EXPORT, "{\"size\": null}", "\"size\": found null, expected int", true},
        {all, SECTIONS, NULL, FG_EXPORT, "{\"note\": \"n\"}", "{\"size\": 4}", false},
    };
    CHECK(rows);
}

/* What an import leaves out comes back on export, unless the model says something else by then. */
static void what_was_left_out_comes_back(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation there = {0}, back = {0};
    json_t *source = parse("{\"size\": 1, \"c\": \"rot\", \"about\": {\"x\": 1}}");
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    assert_int_equal(
        load(&converter, AROUND SIZE ", \"colour\": {\"rename\": \"c\", \"through\": \"t\"}", SECTIONS,
             "\"tables\": {\"t\": [[\"red\", \"rouge\"], [\"red\", \"rot\"], [\"green\", \"vert\"]]},", &err),
        FG_OK);
    if (fg_translate(converter, FG_IMPORT, source, &options, &there, &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(json_array_size(there.left_out), 2);
    options.carried = there.left_out;
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_true(fg_json_equal(back.result, source));
    fg_translation_free(&back);
    json_object_set_new(there.result, "colour", json_string("green"));
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_string_equal(json_string_value(json_object_get(back.result, "c")), "vert");
    fg_translation_free(&back);
    fg_translation_free(&there);
    json_decref(source);
}

/* A key that says what its absence says comes back, while its section does, and says the same. */
static void an_explicit_default_comes_back(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation there = {0}, back = {0};
    json_t *source = parse("{\"size\": 4, \"mix\": {\"type\": \"a\", \"heads\": 8}}");
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    static const char optional[] =
        "\"a\": {\"class\": \"MixA\", \"config\": {\"heads\": {\"optional\": 8, \"rename\": \"heads\"}, "
        "\"weight\": {\"ignored\": \"r\"}}}, "
        "\"b\": {\"class\": \"MixB\", \"config\": {\"states\": {\"rename\": \"states\"}}}";
    static const char config[] =
        SIZE ", " COLOUR ", " BLOCKS ", " PARTS
             ", \"mixer\": {\"dispatch\": {\"a\": \"a\", \"b\": \"b\"}, \"hf\": \"mix\"}";
    static const struct {
        const char *mixer, *mix; /* what Fast-LLM's becomes; what hf's is then */
    } rows[] = {
        {"{\"type\": \"a\", \"heads\": 8}", "{\"type\": \"a\", \"heads\": 8}"},
        {"{\"type\": \"a\"}", "{\"type\": \"a\", \"heads\": 8}"},
        {"{\"type\": \"a\", \"heads\": 5}", "{\"type\": \"a\", \"heads\": 5}"},
        {"{\"type\": \"b\", \"states\": 3}", "{\"type\": \"b\", \"states\": 3}"},
    };
    if (load(&converter, config, optional, "", &err) != FG_OK ||
        fg_translate(converter, FG_IMPORT, source, &options, &there, &err) != FG_OK)
        fail_msg("%s", err.text);
    options.carried = there.left_out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_object_set_new(there.result, "mixer", parse(rows[i].mixer));
        if (fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err) != FG_OK)
            fail_msg("%s", err.text);
        json_t *wanted = parse(rows[i].mix);
        assert_true(fg_json_equal(json_object_get(back.result, "mix"), wanted));
        json_decref(wanted);
        fg_translation_free(&back);
    }
    fg_translation_free(&there);
    json_decref(source);
}

/* A null that stands for a default is a null again. */
static void a_null_comes_back(void **state) {
    (void)state;
    fg_error err = {0};
    const fg_converter *converter;
    fg_translation there = {0}, back = {0};
    json_t *source = parse("{\"size\": null}");
    fg_translate_options options = {.version = "1", .file = "f.json", .hf_version = 4};
    assert_int_equal(load(&converter, AROUND COLOUR ", \"size\": {\"rename\": \"size\", \"default\": 7}",
                          SECTIONS, "", &err),
                     FG_OK);
    assert_int_equal(fg_translate(converter, FG_IMPORT, source, &options, &there, &err), FG_OK);
    options.carried = there.left_out;
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_true(fg_json_equal(back.result, source));
    fg_translation_free(&back);
    json_object_set_new(there.result, "size", json_integer(8));
    assert_int_equal(fg_translate(converter, FG_EXPORT, there.result, &options, &back, &err), FG_OK);
    assert_int_equal(json_integer_value(json_object_get(back.result, "size")), 8);
    fg_translation_free(&back);
    fg_translation_free(&there);
    json_decref(source);
}

/* A wrong type in any place of a list or an object of sections is a message with the row. */
static void wrong_types_in_sections_are_refused(void **state) {
    (void)state;
    static const char shape[] = "expected [name, section] or [name, section, condition]";
    static const char *const cases[][2] = {
        {"{\"list_dispatch\": [[1, \"a\", \"true\"]], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": [[\"A\", null, 7]], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": [[\"A\", \"a\", null]], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": [[\"A\", \"a\"], [true, \"b\"]], \"hf\": \"x\", \"count\": \"n\"}",
         "row 1 of \"list_dispatch\""},
        {"{\"list_dispatch\": [[\"A\"]], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": [\"A\"], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": [{\"A\": \"a\"}], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": [[\"A\", \"a\", \"true\", \"more\"]], \"hf\": \"x\", \"count\": \"n\"}", shape},
        {"{\"list_dispatch\": {\"A\": \"a\"}, \"hf\": \"x\", \"count\": \"n\"}", "a list of [name, section]"},
        {"{\"list_dispatch\": \"a\", \"hf\": \"x\", \"count\": \"n\"}", "a list of [name, section]"},
        {"{\"list_dispatch\": [[\"A\", \"a\", \"heads >\"]], \"hf\": \"x\", \"count\": \"n\"}",
         "probe.json:1: sections/model/config/mixer"},
        {"{\"dispatch\": [[\"A\", \"a\"]]}", "expected sections by name"},
        {"{\"dispatch\": \"a\"}", "expected sections by name"},
        {"{\"dispatch\": {\"A\": 1}}", "unknown section"},
        {"{\"typed_dict\": [[null, \"a\"]]}", "expected a section, or sections by name"},
        {"{\"typed_dict\": {\"A\": null}}", "unknown section"},
        {"{\"nested\": [\"a\"]}", "expected a string"},
        {"{\"nested\": \"z\"}", "unknown section"},
        {"{\"list_dispatch\": \"z\", \"count\": \"n\"}", "unknown section"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error err = {0};
        const fg_converter *converter = NULL;
        char *config = fg_strformat(NULL, "\"mixer\": %s", cases[i][0]);
        if (load(&converter, config, SECTIONS, "", &err) != FG_ERR_INPUT || !strstr(err.text, cases[i][1]))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.text, cases[i][1]);
        if (!strstr(err.text, "probe.json:1")) fail_msg("row %zu: \"%s\" does not say where", i, err.text);
        fg_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_object_is_one_refusal),
        cmocka_unit_test(sections_stand_under_fields),
        cmocka_unit_test(dictionaries_go_entry_by_entry),
        cmocka_unit_test(blocks_share_their_keys),
        cmocka_unit_test(a_list_names_the_blocks),
        cmocka_unit_test(values_change_on_the_way),
        cmocka_unit_test(both_sides_are_covered),
        cmocka_unit_test(what_was_left_out_comes_back),
        cmocka_unit_test(an_explicit_default_comes_back),
        cmocka_unit_test(a_null_comes_back),
        cmocka_unit_test(wrong_types_in_sections_are_refused),
    };
    fg_alloc_init();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
