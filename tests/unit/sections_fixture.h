/* Small classes and converters with sections, in a temporary directory: for tests of translate/ and mapping/.
 */
#ifndef FG_TESTS_SECTIONS_FIXTURE_H
#define FG_TESTS_SECTIONS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "language/converter.h"

static char folder[] = "/tmp/fgconv-sections-XXXXXX";
static fg_catalogue catalogue;

static const char classes[] =
    "{\"registries\": {\"Mixer\": {\"types\": {\"a\": \"MixA\", \"b\": \"MixB\"}, \"default\": \"MixA\"},"
    " \"Blocks\": {\"types\": {\"fixed\": \"Fixed\", \"pattern\": \"Pattern\"}, \"default\": \"Fixed\"}},"
    " \"enums\": {\"Colour\": [\"red\", \"green\"]}, \"classes\": {"
    "\"Model\": {\"type\": null, \"fields\": {\"size\": {\"architecture\": \"int\", \"default\": 4},"
    "  \"colour\": {\"architecture\": \"Colour\", \"default\": \"red\"}, \"note\": {\"other\": \"str | "
    "null\", \"default\": null},"
    "  \"mixer\": {\"architecture\": \"Mixer\", \"class\": \"MixA\"}, \"blocks\": {\"architecture\": "
    "\"Blocks\", \"class\": \"Fixed\"},"
    "  \"parts\": {\"architecture\": \"dict[str, Mixer]\", \"default\": {}}}},"
    "\"MixA\": {\"type\": \"a\", \"fields\": {\"heads\": {\"architecture\": \"int\", \"default\": 8},"
    "  \"weight\": {\"architecture\": \"Parameter\", \"class\": \"Parameter\"}}},"
    "\"MixB\": {\"type\": \"b\", \"fields\": {\"states\": {\"architecture\": \"int\", \"default\": 2}}},"
    "\"Parameter\": {\"type\": null, \"fields\": {\"scale\": {\"other\": \"float | null\", \"default\": "
    "null}}},"
    "\"Fixed\": {\"type\": \"fixed\", \"fields\": {\"block\": {\"architecture\": \"Mixer\", \"class\": "
    "\"MixA\"},"
    "  \"num_blocks\": {\"architecture\": \"int\", \"default\": 1}}},"
    "\"Pattern\": {\"type\": \"pattern\", \"fields\": {\"blocks\": {\"architecture\": \"dict[str, Mixer]\"},"
    "  \"pattern\": {\"architecture\": \"list[str]\"}, \"num_blocks\": {\"architecture\": \"int\", "
    "\"default\": 1}}}}}";

/* Keys of hf that no family has. */
static const char hf_keys[] =
    "{\"models\": [\"text_config\"], \"unread\": {"
    "\"notes\": {\"reason\": \"r\", \"source\": \"s\", \"depth\": \"any\", \"keys\": [\"about\"]},"
    "\"settings\": {\"reason\": \"r\", \"source\": \"s\", \"keys\": [\"setting\"]},"
    "\"pairs\": {\"reason\": \"r\", \"source\": \"s\", \"keys\": [\"paired\"], \"neutral\": [false]}},"
    " \"refused\": {\"packed\": {\"message\": \"the numbers are packed\", \"hint\": \"h\", \"neutral\": "
    "[{}], \"keys\": [\"packed\"]}},"
    " \"computation\": [\"truncate\"]}";

/* What most tests leave as it is: every field of the model that they are not about. */
#define SIZE "\"size\": {\"rename\": \"size\", \"type\": \"count\"}"
#define COLOUR "\"colour\": {\"constant_import\": \"red\"}"
#define MIXER "\"mixer\": {\"ignored\": \"r\"}"
#define BLOCKS "\"blocks\": {\"ignored\": \"r\"}"
#define PARTS "\"parts\": {\"ignored\": \"r\"}"
#define SECTIONS                                                                                             \
    "\"a\": {\"class\": \"MixA\", \"config\": {\"heads\": {\"rename\": \"heads\"}, \"weight\": "             \
    "{\"ignored\": \"r\"}}}, "                                                                               \
    "\"b\": {\"class\": \"MixB\", \"config\": {\"states\": {\"rename\": \"states\"}}}"

static void put(const char *name, const char *text) {
    fg_error err = {0};
    char *path = fg_path_join(folder, name, NULL);
    fg_catalogue_forget(&catalogue);
    remove(path);
    if (fg_file_write_all(path, text, strlen(text), &err) != FG_OK) fail_msg("%s", err.text);
    fg_free(path);
}

static inline fg_status load(const fg_converter **converter, const char *config, const char *sections,
                             const char *more, fg_error *err) {
    char *text = fg_strformat(NULL,
                              "{\"format\": \"fast_llm\", \"model_type\": \"probe\", \"root\": \"model\", "
                              "%s \"sections\": {\"model\": {\"class\": "
                              "\"Model\", \"config\": {%s}}, %s}}",
                              more, config, sections);
    char *path = fg_path_join(folder, "probe.json", NULL);
    put("probe.json", text);
    fg_status status = fg_converter_load_file(converter, &catalogue, path, err);
    fg_free(path);
    fg_free(text);
    return status;
}

static inline json_t *parse(const char *text) {
    json_t *value;
    if (fg_json_parse(text, text, strlen(text), &value, NULL) != FG_OK) fail_msg("%s", text);
    return value;
}

static int set_up(void **state) {
    (void)state;
    fg_error err = {0};
    char *below = NULL;
    if (!mkdtemp(folder)) return 1;
    below = fg_path_join(folder, "defaults", &err);
    fg_status status = fg_directory_create(below, &err);
    fg_free(below);
    if (status != FG_OK) return 1;
    put("defaults/fast_llm.json", classes);
    put("defaults/hf_keys.json", hf_keys);
    return fg_catalogue_add(&catalogue, folder, &err) != FG_OK;
}

static int tear_down(void **state) {
    (void)state;
    fg_catalogue_free(&catalogue);
    fg_directory_remove(folder, NULL);
    return 0;
}

#endif
