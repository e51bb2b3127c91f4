/* The index file of a destination. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/format.h"

static void the_index_is_written_as_hf_does(void **state) {
    (void)state;
    fg_error err = {0};
    fg_buffer text = {0};
    json_t *more = json_pack("{s:[[s,s]]}", "param_sharing", "b", "a");
    json_t *map = json_pack("{s:s, s:s}", "b", "model-00001-of-00002.safetensors", "a",
                            "model-00002-of-00002.safetensors");
    const fg_format_contents contents = {
        .weight_map = map, .elements = 20, .bytes = 60, .index_metadata = more};
    assert_int_equal(fg_format_forgather.write_index(&contents, &text, &err), FG_OK);
    assert_string_equal(text.data, "{\n"
                                   "  \"metadata\": {\n"
                                   "    \"param_sharing\": [\n"
                                   "      [\n"
                                   "        \"b\",\n"
                                   "        \"a\"\n"
                                   "      ]\n"
                                   "    ],\n"
                                   "    \"total_parameters\": 20,\n"
                                   "    \"total_size\": 60\n"
                                   "  },\n"
                                   "  \"weight_map\": {\n"
                                   "    \"a\": \"model-00002-of-00002.safetensors\",\n"
                                   "    \"b\": \"model-00001-of-00002.safetensors\"\n"
                                   "  }\n"
                                   "}\n");
    json_decref(more);
    json_decref(map);
    fg_buffer_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_index_is_written_as_hf_does)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
