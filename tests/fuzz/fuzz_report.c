/* libFuzzer: any bytes as fgconv_report.json, of which `fgconv verify` takes what was asked for. What is accepted
 * is what a command line could ask for, and comes back the same when it is put and recalled.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "conversion/recipe.h"
#include "fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_values(const fg_recipe *recipe) {
    bool dtype = recipe->dtype == FG_DTYPE_NONE || recipe->dtype == FG_BF16 || recipe->dtype == FG_F32 ||
                 recipe->dtype == FG_F16;
    if (!dtype || (recipe->hf_version != 4 && recipe->hf_version != 5) || !recipe->max_shard_size) abort();
    for (size_t i = 0; i < recipe->ignore_key_count; i++)
        if (!recipe->ignore_keys[i]) abort();
}

static void check_round_trip(const fg_recipe *recipe) {
    fg_error err = {0};
    fg_recipe again = {.hf_version = 4, .max_shard_size = 1};
    json_t *held = json_object(), *second = json_object();
    if (fg_recipe_put(recipe, true, held, &err) != FG_OK) abort();
    if (fg_recipe_recall(&again, held, "held", &err) != FG_OK) abort();
    if (fg_recipe_put(&again, true, second, &err) != FG_OK || !json_equal(held, second)) abort();
    fg_recipe_free(&again);
    json_decref(held);
    json_decref(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[FUZZ_PATH];
    fg_error err = {0};
    json_t *report = NULL;
    fg_recipe recipe = {.hf_version = 4, .max_shard_size = 1};
    fg_log_silence();
    fg_log_end();
    fuzz_put("fgconv_report.json", bytes, size);
    fg_status status = fg_json_read(fuzz_path("fgconv_report.json", path), &report, &err);
    if (status == FG_OK) status = fg_recipe_recall(&recipe, json_object_get(report, "options"), path, &err);
    fuzz_expect(status, &err);
    if (status == FG_OK) {
        check_values(&recipe);
        check_round_trip(&recipe);
    }
    fg_recipe_free(&recipe);
    json_decref(report);
    return 0;
}
