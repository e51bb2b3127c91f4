/* What a config may leave out, how it may say things, and what is refused. */
#include <sys/stat.h>
#include <unistd.h>

#include "model_fixture.h"
#include "tries.h"

static float logits[TOKENS * VOCAB], other[TOKENS * VOCAB];
static const run_options whole = {.batch = TOKENS};

static void expect_refused(fixture *f, const fg_format *format, const char *text) {
    fg_error err = {0};
    fg_model *model;
    const json_t *config = format == &fg_format_hf ? f->hf : f->forgather;
    assert_int_equal(
        fg_model_bind(&model, &fg_device_cpu, f->spec, format, config, fixture_weights(f, format), &err),
        FG_ERR_INPUT);
    assert_null(model);
    if (!strstr(err.text, text)) fail_msg("found \"%s\", expected \"%s\" in it", err.text, text);
    fixture_free(f);
}

static json_t *parse(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

/* The fixture with one key of a config replaced (text NULL: removed). */
static fixture *with(const char *family, bool forgather, const char *key, const char *text) {
    fixture *f = fixture_load(family);
    json_t *config = forgather ? f->forgather : f->hf;
    if (text)
        json_object_set_new(config, key, parse(text));
    else
        json_object_del(config, key);
    return f;
}

static void expect_reference(fixture *f, const fg_format *format) {
    fg_error err = {0};
    require_ok(fixture_run(f, format, &whole, logits, &err), &err);
    double found = distance(f->logits, logits, TOKENS * VOCAB);
    if (!(found <= 1e-5)) fail_msg("%s: differs by %g", f->family, found);
    fixture_free(f);
}

static void absent_keys_mean_what_the_family_says(void **state) {
    (void)state;
    expect_reference(with("llama", false, "head_dim", NULL), &fg_format_hf);
    expect_reference(with("llama", false, "head_dim", "null"), &fg_format_hf);
    expect_reference(with("llama", true, "head_dim", "16"), &fg_format_forgather);
    expect_reference(with("llama", false, "hidden_act", NULL), &fg_format_hf);
    expect_reference(with("qwen3", false, "head_dim", NULL), &fg_format_hf);
    expect_reference(with("qwen3", false, "rms_norm_eps", NULL), &fg_format_hf);
    expect_reference(with("qwen3", true, "num_key_value_heads", NULL), &fg_format_forgather);
    expect_reference(with("mistral", false, "rope_theta", NULL), &fg_format_hf);
    expect_reference(with("mistral", true, "rope_theta", NULL), &fg_format_forgather);
    expect_reference(with("mistral", false, "tie_word_embeddings", NULL), &fg_format_hf);
    expect_refused(with("mistral", false, "num_key_value_heads", NULL), &fg_format_hf,
                   "4 attention heads cannot share 8");
    expect_refused(with("mistral", false, "num_key_value_heads", "null"), &fg_format_hf,
                   "found shape [32, 64], expected [64, 64]");
    expect_refused(with("llama", false, "num_key_value_heads", NULL), &fg_format_hf,
                   "found shape [32, 64], expected [64, 64]");
    expect_refused(with("llama", false, "tie_word_embeddings", NULL), &fg_format_hf,
                   "no tensor lm_head.weight");
    expect_reference(with("llama", true, "tie_word_embeddings", NULL), &fg_format_forgather);
    expect_refused(with("llama", false, "hidden_size", NULL), &fg_format_hf,
                   "config key \"hidden_size\": found (absent), expected a value");
}

static void both_rotary_spellings_are_read(void **state) {
    (void)state;
    for (int forgather = 0; forgather < 2; forgather++) {
        fixture *f = fixture_load("llama");
        json_t *config = forgather ? f->forgather : f->hf,
               *scaling = json_deep_copy(json_object_get(config, "rope_scaling"));
        json_object_set(scaling, "rope_theta", json_object_get(config, "rope_theta"));
        json_object_set(config, "rope_parameters", scaling); /* both at once, equal */
        fg_error err = {0};
        const fg_format *format = forgather ? &fg_format_forgather : &fg_format_hf;
        require_ok(fixture_run(f, format, &whole, logits, &err), &err);
        json_object_del(config, "rope_scaling");
        json_object_del(config, "rope_theta");
        require_ok(fixture_run(f, format, &whole, other, &err), &err);
        assert_memory_equal(logits, other, sizeof logits);
        json_object_set_new(scaling, "type", json_string("llama3"));
        json_object_del(scaling, "rope_type");
        json_decref(scaling);
        expect_reference(f, format);
    }
    expect_reference(
        with("mistral", false, "rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 10000}"),
        &fg_format_hf);
    expect_refused(
        with("mistral", false, "rope_parameters", "{\"rope_type\": \"default\", \"rope_theta\": 20000}"),
        &fg_format_hf, "rope_theta");
    expect_refused(with("llama", false, "rope_parameters", "{\"rope_type\": \"default\"}"), &fg_format_hf,
                   "twice");
}

/* Keys that the emitted code reads, and takes for something else where they are absent. */
static void keys_of_the_code_must_be_there(void **state) {
    (void)state;
    static const struct {
        const char *family, *key, *value, *text;
    } absent[] = {
        {"glm4", "norm_position", "\"both\"", "\"rope_interleaved\" is absent"},
        {"gemma2", "norm_weight_offset", "1", "\"scale_embeddings\" is absent"},
        {"gemma2", "scale_embeddings", "true", "\"norm_weight_offset\" or"},
        {"gemma3_text", "norm_position", "\"both\"", "\"norm_position\" is given"},
    };
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        fixture *f = with("llama", true, absent[i].key, absent[i].value);
        json_object_del(f->forgather, "rope_scaling");
        json_decref(f->spec);
        f->spec = load_spec(absent[i].family);
        expect_refused(f, &fg_format_forgather, absent[i].text);
    }
}

static void what_is_not_computed_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *family, *key, *value, *text;
    } cases[] = {
        {"llama", "rope_scaling", "{\"type\": \"axial\", \"factor\": 4.0}", "\"axial\""},
        {"llama", "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 4.0}", "low_freq_factor"},
        {"llama", "rope_scaling", "[1]", "expected an object or null"},
        {"llama", "rope_theta", "0", "a number above 0"},
        {"llama", "rope_theta", "null", "a number above 0"},
        {"llama", "hidden_act", "\"tanh\"", "\"tanh\", expected one of \"silu\""},
        {"llama", "hidden_act", "7", "found 7, expected one of"},
        {"llama", "qk_norm", "true", "qk_norm"},
        {"qwen3", "qk_norm", "false", "qk_norm"},
        {"llama", "num_key_value_heads", "3", "cannot share"},
        {"llama", "num_attention_heads", "0", "num_attention_heads"},
        {"llama", "hidden_size", "-64", "hidden_size"},
        {"llama", "hidden_size", "64.0", "hidden_size"},
        {"llama", "vocab_size", "99999999999", "vocab_size"},
        {"llama", "vocab_size", "383", "found shape [384, 64], expected [383, 64]"},
        {"llama", "head_dim", "15", "odd"},
        {"llama", "num_hidden_layers", "4", "layers.3."},
        {"llama", "num_hidden_layers", "1000000", "65536"},
        {"mistral", "sliding_window", "0", "sliding_window"},
        {"mistral", "rms_norm_eps", "-1.0", "negative"},
        {"mistral", "tie_word_embeddings", "\"no\"", "tie_word_embeddings"},
        {"mistral", "partial_rotary_factor", "0.5", "partial_rotary_factor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int forgather = 0; forgather < 2; forgather++)
            expect_refused(with(cases[i].family, forgather, cases[i].key, cases[i].value),
                           forgather ? &fg_format_forgather : &fg_format_hf, cases[i].text);
    }
    static const char yarn[] =
        "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 9";
    char text[200];
    static const struct {
        const char *more, *text;
    } wrong[] = {
        {", \"beta_fast\": 0}", "beta_fast"},
        {", \"mscale\": -1}", "mscale"},
        {", \"mscale_all_dim\": \"1\"}", "mscale_all_dim"},
        {", \"truncate\": 0}", "truncate"},
        {", \"attention_factor\": -1}", "attention_factor"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, "%s%s", yarn, wrong[i].more);
        expect_refused(with("llama", false, "rope_scaling", text), &fg_format_hf, wrong[i].text);
    }
    snprintf(text, sizeof text, "%s}", yarn);
    expect_refused(with("llama", true, "rope_scaling", text), &fg_format_forgather, "\"yarn\"");
    fixture *nowhere = with("llama", false, "rope_scaling", "{\"rope_type\": \"yarn\", \"factor\": 4.0}");
    json_object_del(nowhere->hf, "max_position_embeddings"); /* which it is otherwise */
    expect_refused(nowhere, &fg_format_hf, "original_max_position_embeddings");
    expect_refused(with("llama", false, "attention_bias", "true"), &fg_format_hf,
                   "no tensor model.layers.0.self_attn.q_proj.bias among the weights (attention.query.bias "
                   "of a hf model)");
    expect_refused(with("llama", false, "mlp_bias", "true"), &fg_format_hf,
                   "no tensor model.layers.0.mlp.gate_proj.bias");
    expect_refused(with("mistral", false, "attention_bias", "true"), &fg_format_hf, "attention_bias");
    expect_refused(with("mistral", false, "mlp_bias", "true"), &fg_format_hf, "mlp_bias");
    expect_refused(with("llama", true, "attention_bias", "true"), &fg_format_forgather,
                   "no tensor causal_lm.layer_stack.layers.0.attention.query_linear.bias");
    expect_refused(with("llama", true, "mlp_bias", "true"), &fg_format_forgather,
                   "no tensor causal_lm.layer_stack.layers.0.feedforward.gate_proj.bias");
    fixture *sliding = with("qwen3", false, "use_sliding_window", "true");
    json_object_set_new(sliding->hf, "sliding_window", json_integer(8));
    json_object_set_new(sliding->hf, "max_window_layers", json_integer(0));
    expect_refused(sliding, &fg_format_hf, "use_sliding_window");
    expect_refused(with("qwen3", false, "layer_types", "[\"full_attention\", \"sliding_attention\"]"),
                   &fg_format_hf, "layer_types");
    expect_refused(with("qwen3", false, "head_dim", "64"), &fg_format_hf, "expected [64, 128]");
}

/* A mistral that has layer_types is loaded as another model, which goes by them and not by the window. */
static void layer_types_of_a_mistral_must_fit_its_window(void **state) {
    (void)state;
    static const struct {
        const char *window, *types; /* window NULL: the key is absent */
        bool refused;
    } cases[] = {
        {"4096", "null", false},
        {"null", "null", false},
        {"4096", "[\"sliding_attention\", \"sliding_attention\"]", false},
        {NULL, "[\"sliding_attention\", \"sliding_attention\"]", false},
        {"null", "[\"full_attention\", \"full_attention\"]", false},
        {"4096", "[\"full_attention\", \"full_attention\"]", true},
        {NULL, "[\"full_attention\", \"full_attention\"]", true},
        {"null", "[\"sliding_attention\", \"sliding_attention\"]", true},
        {"4096", "[\"sliding_attention\", \"full_attention\"]", true},
        {"null", "[\"full_attention\", \"sliding_attention\"]", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = with("mistral", false, "sliding_window", cases[i].window);
        json_object_set_new(f->hf, "layer_types", parse(cases[i].types));
        if (cases[i].refused) {
            expect_refused(f, &fg_format_hf, "config: all layer_types of a mistral are expected");
            continue;
        }
        fg_error err = {0};
        fg_model *model;
        require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                                 fixture_weights(f, &fg_format_hf), &err),
                   &err);
        fg_model_free(&model);
        fixture_free(f);
    }
    expect_refused(with("mistral", false, "layer_types", "\"full_attention\""), &fg_format_hf, "layer_types");
}

/* Of a tied pair the store may hold either name. */
static void a_tied_head_serves_as_the_embedding(void **state) {
    (void)state;
    fg_error err = {0};
    for (int forgather = 0; forgather < 2; forgather++) {
        const fg_format *format = forgather ? &fg_format_forgather : &fg_format_hf;
        fixture *f = with("llama", forgather, "tie_word_embeddings", "true");
        require_ok(fixture_run(f, format, &whole, logits, &err), &err);
        strcpy(fixture_array(f, "model.embed_tokens.weight")->name, "lm_head.weight");
        require_ok(fixture_run(f, format, &whole, other, &err), &err);
        assert_memory_equal(logits, other, sizeof logits);
        strcpy(fixture_array(f, "lm_head.weight")->name, "gone");
        expect_refused(f, format,
                       forgather ? "no tensor causal_lm.input_encoder.embedding.weight"
                                 : "no tensor model.embed_tokens.weight");
    }
    fixture *f = with("mistral", false, "tie_word_embeddings", "false");
    strcpy(fixture_array(f, "model.embed_tokens.weight")->name, "gone");
    expect_refused(f, &fg_format_hf, "no tensor model.embed_tokens.weight");
}

static void missing_and_misshapen_weights_are_named(void **state) {
    (void)state;
    fixture *f = fixture_load("qwen3");
    strcpy(fixture_array(f, "model.layers.1.self_attn.q_norm.weight")->name, "gone");
    expect_refused(f, &fg_format_hf,
                   "no tensor model.layers.1.self_attn.q_norm.weight among the weights (attention.query_norm "
                   "of a hf model)");
    f = fixture_load("qwen3");
    fixture_array(f, "model.norm.weight")->shape[0] = 127;
    expect_refused(f, &fg_format_forgather,
                   "tensor causal_lm.layer_stack.layer_norm.weight: found shape [127], expected [128]");
    f = fixture_load("mistral");
    expect_refused(f, &fg_format_fast_llm, "there is no entry for format fast_llm");
}

/* The published documentation of Forgather has another name for the final norm. */
static void either_name_of_the_final_norm_will_do(void **state) {
    (void)state;
    fg_error err = {0};
    fg_model *model;
    fixture *f = fixture_load("mistral");
    for (size_t i = 0; i < f->count; i++) { /* the fixture then answers to Forgather's names directly */
        char *name = f->arrays[i].name;
        if (strcmp(name, "model.norm.weight") == 0) strcpy(name, "causal_lm.layer_norm.weight");
    }
    json_t *names = fg_json_at(f->spec, "formats/hf/weights");
    json_object_set(names, "final_norm", fg_json_at(f->spec, "formats/forgather/weights/final_norm"));
    require_ok(fg_model_bind(&model, &fg_device_cpu, f->spec, &fg_format_hf, f->hf,
                             fixture_weights(f, &fg_format_hf), &err),
               &err);
    fg_model_free(&model);
    fixture_add(f, "causal_lm.layer_stack.layer_norm.weight", 1, 64, 0);
    expect_refused(f, &fg_format_hf, "two names of one tensor");
}

static void specs_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *path, *value, *text;
    } cases[] = {
        {"config/norm/value", "\"batch\"", "\"norm\": \"batch\" is not supported"},
        {"config/final_norm/value", "\"batch\"", "\"final_norm\": \"batch\" is not supported"},
        {"formats/hf/only_if", "{\"vocab_size >\": \"large\"}", "models/: only_if"},
        {"formats/hf/only_if", "{\"vocab_size > 1000000\": null}", "config: vocab_size > 1000000"},
        {"config/mixer/value", "\"mamba9\"", "\"mixer\": \"mamba9\" is not supported"},
        {"config/mlp/value", "7", "\"mlp\": found 7, expected a string"},
        {"config/query_norm", "{\"value\": \"l3\"}", "\"query_norm\": \"l3\" is not supported"},
        {"config/mlp", "null", "\"mlp\""},
        {"formats/hf/config/activation", "{\"key\": \"no\", \"absent\": \"= 'silu'\"}", "names for it"},
        {"formats/hf/rotary/numbers/theta", "null", "theta"},
        {"formats/hf/rotary/type/words/llama3", "\"spiral\"", "\"spiral\" is not supported"},
        {"formats/hf/weights/mlp.up", "{\"name\": \"x\", \"part\": 2, \"of\": 2}", "\"mlp.up\""},
        {"formats/hf/weights/mlp.up", "\"{x}\"", "unknown placeholder"},
        {"formats/hf/weights/head", "7", "\"head\""},
        {"formats/hf/config/hidden", "{}", "hidden"},
        {"formats/hf/config/head_size",
         "{\"key\": \"no\", \"absent\": {\"quotient\": [\"hidden\", \"inner\"]}}", "head_size"},
        {"formats/hf/config/head_size",
         "{\"key\": \"no\", \"absent\": {\"quotient\": [\"hidden\", \"blocks\"]}}", "64 / 3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture *f = fixture_load("llama");
        fg_error err = {0};
        json_object_set_new(f->hf, "tie_word_embeddings", json_false());
        require_ok(fg_json_set_at(f->spec, cases[i].path, parse(cases[i].value), &err), &err);
        fixture_add(f, "lm_head.weight", 2, VOCAB, 64);
        expect_refused(f, &fg_format_hf, cases[i].text);
    }
}

static void spec_names_do_not_leave_the_directory(void **state) {
    (void)state;
    static const char *const names[] = {"../llama", ".hidden", "a/b", ""};
    for (size_t i = 0; i < 4; i++) {
        fg_error err = {0};
        fg_catalogue catalogue = {0};
        json_t *spec;
        require_ok(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), &err);
        assert_int_equal(fg_model_spec_read(&spec, &catalogue, names[i], &err), FG_ERR_INPUT);
        assert_null(spec);
        fg_catalogue_free(&catalogue);
    }
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* A plug-in's directory: its converter has the name of the type, its spec lies in models/ and extends a
 * built-in one. */
static void plug_ins_come_first(void **state) {
    (void)state;
    char directory[] = "/tmp/fg_model_XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    json_t *spec;
    require_ok(fg_catalogue_add(&catalogue, directory, &err), &err);
    require_ok(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), &err);
    snprintf(path, sizeof path, "%s/llama.json", directory);
    write_text(path, "{\"format\": \"forgather\", \"model_type\": \"llama\"}");
    require_ok(fg_model_spec_read(&spec, &catalogue, "llama", &err), &err);
    assert_non_null(json_object_get(spec, "formats"));
    json_decref(spec);
    remove(path);
    snprintf(path, sizeof path, "%s/models", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/models/tapir.json", directory);
    write_text(
        path,
        "{\"extends\": \"qwen3.json\", \"config\": {\"query_norm\": null, \"mlp\": {\"value\": \"wide\"}}}");
    require_ok(fg_model_spec_read(&spec, &catalogue, "tapir", &err), &err);
    assert_string_equal(json_string_value(fg_json_at(spec, "config/mlp/value")), "wide");
    assert_null(fg_json_at(spec, "config/query_norm"));
    assert_non_null(fg_json_at(spec, "config/key_norm"));
    assert_non_null(fg_json_at(spec, "formats/hf/weights/embedding"));
    json_decref(spec);
    write_text(path, "{\"extends\": \"tapir.json\"}");
    fg_catalogue_forget(&catalogue);
    assert_int_equal(fg_model_spec_read(&spec, &catalogue, "tapir", &err), FG_ERR_INPUT);
    assert_non_null(strstr(err.text, "extend each other"));
    remove(path);
    snprintf(path, sizeof path, "%s/models", directory);
    rmdir(path);
    rmdir(directory);
    fg_catalogue_free(&catalogue);
}

static void every_allocation_of_a_spec_may_fail(void **state) {
    (void)state;
    fg_error err = {0};
    fg_catalogue catalogue = {0};
    fg_status status = FG_ERR_MEMORY;
    json_t *spec = NULL;
    require_ok(fg_catalogue_add(&catalogue, FG_CONVERTERS, &err), &err);
    for (uint64_t k = 1; status != FG_OK; k = next_try(k)) {
        err = (fg_error){0};
        fg_catalogue_forget(&catalogue);
        fg_alloc_fail_after(k);
        status = fg_model_spec_read(&spec, &catalogue, "qwen3", &err);
        fg_alloc_fail_after(0);
        assert_true(k < 100000);
        if (status != FG_OK) assert_null(spec);
    }
    assert_non_null(fg_json_at(spec, "formats/forgather/weights/attention.key_norm"));
    json_decref(spec);
    fg_catalogue_free(&catalogue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_mean_what_the_family_says),
        cmocka_unit_test(both_rotary_spellings_are_read),
        cmocka_unit_test(what_is_not_computed_is_refused),
        cmocka_unit_test(keys_of_the_code_must_be_there),
        cmocka_unit_test(layer_types_of_a_mistral_must_fit_its_window),
        cmocka_unit_test(a_tied_head_serves_as_the_embedding),
        cmocka_unit_test(missing_and_misshapen_weights_are_named),
        cmocka_unit_test(either_name_of_the_final_norm_will_do),
        cmocka_unit_test(specs_that_make_no_sense_are_refused),
        cmocka_unit_test(spec_names_do_not_leave_the_directory),
        cmocka_unit_test(every_allocation_of_a_spec_may_fail),
        cmocka_unit_test(plug_ins_come_first),
    };
    fg_alloc_init();
    fg_device_cpu_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
