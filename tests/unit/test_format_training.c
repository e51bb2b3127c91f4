/* Training checkpoints: which is the latest, and the manifest of what is kept of one. */
#include "store_fixture.h"

#include <fcntl.h>
#include <time.h>

#include "base/error_message.h"
#include "base/log.h"
#include "format/training_checkpoint.h"

static int set_up(void **state) {
    setenv("TZ", "UTC", 1);
    tzset();
    return fixture_set_up(state);
}

static int tear_down(void **state) {
    fg_log_end();
    return fixture_tear_down(state);
}

/* A checkpoint that was changed so many seconds after 2025-01-01; `manifest` may be NULL. */
static void put_checkpoint(const char *name, const char *manifest, time_t changed) {
    char path[PATH_SIZE];
    struct timespec times[2] = {{.tv_sec = 1735689600 + changed}, {.tv_sec = 1735689600 + changed}};
    put_directory(name);
    snprintf(path, sizeof path, "%s/model.safetensors", name);
    put_text(path, "");
    snprintf(path, sizeof path, "%s/" FG_TRAINING_MANIFEST, name);
    if (manifest) put_text(path, manifest);
    assert_int_equal(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

static void expect_latest(const char *name) {
    fg_error err = {0};
    char *path = NULL;
    if (fg_training_latest(at(""), &path, &err) != FG_OK) fail_msg("%s", err.text);
    assert_string_equal(path, at(name));
    fg_free(path);
}

static size_t warnings_of_times(void) {
    size_t count = 0;
    for (size_t i = 0; i < fg_log_warning_count(); i++)
        count += strstr(fg_log_warning(i), "the time of the directory is used") != NULL;
    return count;
}

static void the_manifest_s_time_counts_before_the_directory_s(void **state) {
    (void)state;
    put_checkpoint("checkpoint-300", NULL, 10);
    put_checkpoint("checkpoint-100", NULL, 20);
    expect_latest("checkpoint-100");
    put_checkpoint("checkpoint-50", "{\"timestamp\": \"2025-01-01T00:00:30\"}", 0);
    expect_latest("checkpoint-50");
    put_checkpoint("checkpoint-40", "{\"timestamp\": \"2025-01-01T00:00:30.5\"}", 0);
    expect_latest("checkpoint-40");
    put_checkpoint("checkpoint-30", "{\"timestamp\": \"2025-01-01T02:00:31+02:00\"}", 0);
    expect_latest("checkpoint-30");
    put_checkpoint("checkpoint-20", "{\"timestamp\": \"2024-12-31T23:00:32-01:00\"}", 0);
    expect_latest("checkpoint-20");
    put_checkpoint("checkpoint-10", "{\"timestamp\": \"2025-01-01T00:00:31Z\"}", 100);
    expect_latest("checkpoint-20");
    assert_int_equal(warnings_of_times(), 0);
}

static void equal_times_are_told_apart_by_directory_and_number(void **state) {
    (void)state;
    put_checkpoint("checkpoint-9", "{\"timestamp\": \"2025-01-01T00:00:00\"}", 5);
    put_checkpoint("checkpoint-10", "{\"timestamp\": \"2025-01-01T00:00:00\"}", 5);
    expect_latest("checkpoint-10");
    put_checkpoint("checkpoint-2", "{\"timestamp\": \"2025-01-01T00:00:00\"}", 6);
    expect_latest("checkpoint-2");
}

static void a_manifest_without_a_time_counts_as_none(void **state) {
    (void)state;
    static const char *const broken[] = {"{\"timestamp\": \"yesterday\"}",
                                         "{}",
                                         "[1]",
                                         "{",
                                         "{\"timestamp\": \"2025-13-01T00:00:00\"}",
                                         "{\"timestamp\": \"2025-01-01T00:00:00x\"}"};
    put_checkpoint("checkpoint-1", NULL, 10);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char name[32];
        snprintf(name, sizeof name, "checkpoint-%zu", 100 + i);
        put_checkpoint(name, broken[i], (time_t)i);
    }
    expect_latest("checkpoint-1");
    assert_int_equal(warnings_of_times(), sizeof broken / sizeof *broken);
}

static void names_tell_the_steps(void **state) {
    (void)state;
    assert_int_equal(fg_training_steps("run/checkpoints/checkpoint-300"), 300);
    assert_int_equal(fg_training_steps("checkpoint-300/"), 300);
    assert_int_equal(fg_training_steps("run/checkpoints/best"), 0);
    assert_int_equal(fg_training_steps("checkpoint-7/sub"), 0);
    assert_int_equal(fg_training_steps(""), 0);
}

static void expect_manifest(const char *directory, uint64_t optimizer, const char *expected) {
    fg_error err = {0};
    fg_buffer text = {0};
    json_t *manifest = NULL;
    char file[PATH_SIZE];
    char *files[] = {file};
    snprintf(file, sizeof file, "%s/model.safetensors", at(directory));
    fg_training_kept kept = {.directory = at(directory),
                             .name = "checkpoints/checkpoint-8",
                             .files = files,
                             .file_count = 1,
                             .weights = 1000,
                             .optimizer = optimizer};
    if (fg_training_manifest(&kept, &manifest, &err) != FG_OK) fail_msg("%s", err.text);
    assert_int_equal(fg_json_write(manifest, FG_JSON_COMPACT, &text, NULL), FG_OK);
    assert_string_equal(text.data, expected);
    fg_buffer_free(&text);
    json_decref(manifest);
}

#define HEAD "{\"checkpoint_path\": \"checkpoints/checkpoint-8\", \"world_size\": 1, \"timestamp\": "
#define COMPONENT(key, bytes, checksum, metadata)                                                            \
    "\"" key "\": {\"key\": \"" key "\", \"sharing_pattern\": \"replicated\", \"ranks\": [0], "              \
    "\"replicated_across\": [0], \"group_name\": null, \"size_bytes\": " bytes ", \"checksum\": " checksum   \
    ", \"metadata\": " metadata "}"

static void a_manifest_lists_only_what_is_kept(void **state) {
    (void)state;
    put_checkpoint("checkpoint-8",
                   "{\"checkpoint_path\": \"/home/me/run/checkpoints/checkpoint-8\", \"world_size\": 4, "
                   "\"timestamp\": \"2025-02-03T04:05:06.789\", \"components\": {"
                   "\"model\": {\"key\": \"model\", \"sharing_pattern\": \"per_rank\", \"ranks\": [0, 1], "
                   "\"size_bytes\": 7, \"checksum\": \"aa\", \"metadata\": {\"x\": 1}}, "
                   "\"optimizer\": {\"key\": \"optimizer\", \"checksum\": \"bb\"}, "
                   "\"scheduler\": {\"key\": \"scheduler\"}, \"rng\": {\"key\": \"rng\"}}, "
                   "\"training_args_hash\": \"cc\", \"pytorch_version\": \"2.9\", \"metadata\": {\"y\": 2}}",
                   0);
    expect_manifest("checkpoint-8", 0,
                    HEAD "\"2025-02-03T04:05:06.789\", \"components\": {" COMPONENT(
                        "model", "1000", "null", "{\"x\": 1}") "}, \"training_args_hash\": \"cc\", "
                                                               "\"forgather_version\": null, "
                                                               "\"pytorch_version\": \"2.9\", \"metadata\": "
                                                               "{\"y\": 2, \"finalized\": true}}");
    expect_manifest(
        "checkpoint-8", 33,
        HEAD "\"2025-02-03T04:05:06.789\", \"components\": {" COMPONENT(
            "model", "1000", "null",
            "{\"x\": 1}") ", " COMPONENT("optimizer", "33", "\"bb\"",
                                         "{}") "}, \"training_args_hash\": \"cc\", \"forgather_version\": "
                                               "null, \"pytorch_version\": \"2.9\", \"metadata\": {\"y\": 2, "
                                               "\"finalized\": true}}");
}

static void without_a_manifest_the_weights_tell_the_time(void **state) {
    (void)state;
    struct timespec times[2] = {{.tv_sec = 1735689600 + 3661}, {.tv_sec = 1735689600 + 3661}};
    put_checkpoint("checkpoint-8", NULL, 0);
    assert_int_equal(utimensat(AT_FDCWD, at("checkpoint-8/model.safetensors"), times, 0), 0);
    expect_manifest("checkpoint-8", 0,
                    HEAD "\"2025-01-01T01:01:01\", \"components\": {" COMPONENT(
                        "model", "1000", "null", "{}") "}, \"training_args_hash\": null, "
                                                       "\"forgather_version\": null, \"pytorch_version\": "
                                                       "null, \"metadata\": {\"finalized\": true}}");
}

static void an_optimizer_s_state_is_one_file(void **state) {
    (void)state;
    fg_error err = {0};
    char *path = NULL;
    uint64_t bytes = 0;
    put_checkpoint("checkpoint-8", NULL, 0);
    expect_error(&err, fg_training_optimizer(at("checkpoint-8"), &path, &bytes, &err), FG_ERR_INPUT,
                 "optimizer_state.pt: --keep-optimizer: there is no such file");
    err = (fg_error){0};
    put_text("checkpoint-8/optimizer_state_rank_0.pt", "x");
    expect_error(&err, fg_training_optimizer(at("checkpoint-8"), &path, &bytes, &err), FG_ERR_INPUT,
                 "the state lies in one file a rank (optimizer_state_rank_0.pt)");
    err = (fg_error){0};
    put_text("checkpoint-8/optimizer_state.pt", "state");
    assert_int_equal(fg_training_optimizer(at("checkpoint-8"), &path, &bytes, &err), FG_OK);
    assert_int_equal(bytes, 5);
    fg_free(path);
}

static void a_higher_step_that_is_older_is_told(void **state) {
    (void)state;
    put_checkpoint("checkpoint-300", NULL, 10);
    put_checkpoint("checkpoint-100", NULL, 20);
    put_checkpoint("checkpoint-20", NULL, 15);
    expect_latest("checkpoint-100");
    assert_int_equal(fg_log_warning_count(), 1);
    assert_non_null(strstr(fg_log_warning(0), "checkpoint-100 is the newest"));
    assert_non_null(strstr(fg_log_warning(0), "checkpoint-300 has the highest step; -c 300"));
    assert_int_equal(unlink(at("checkpoint-300/model.safetensors")),
                     0); /* without weights it does not count */
    expect_latest("checkpoint-100");
    assert_int_equal(fg_log_warning_count(), 1);
}

/* NULL: refused, with `said` in the message or the hint. */
static void expect_found(const char *asked, const char *expected, const char *said) {
    fg_error err = {0};
    char *path = NULL, message[FG_ERROR_MESSAGE];
    fg_status status = fg_training_find(at("run"), asked, &path, &err);
    fg_error_message(&err, message);
    if (expected) {
        if (status != FG_OK) fail_msg("%s: %s", asked, message);
        assert_string_equal(path, expected);
    } else {
        assert_int_equal(status, FG_ERR_USAGE);
        assert_null(path);
        if (!strstr(message, said)) fail_msg("%s: %s", asked, message);
    }
    fg_free(path);
}

static void a_checkpoint_is_found_by_name_and_number(void **state) {
    (void)state;
    char expected[PATH_SIZE * 2];
    put_directory("run");
    expect_found("200", NULL, "which has none");
    put_directory("run/checkpoints");
    put_directory("run/checkpoints/checkpoint-200");
    put_directory("run/checkpoint-300"); /* as transformers' Trainer lays them out */
    put_directory("run/other");
    snprintf(expected, sizeof expected, "%s", at("run/checkpoints/checkpoint-200"));
    expect_found("200", expected, NULL);
    expect_found("checkpoint-200", expected, NULL);
    expect_found("checkpoints/checkpoint-200", expected, NULL);
    expect_found(expected, expected, NULL);
    snprintf(expected, sizeof expected, "%s", at("run/checkpoint-300"));
    expect_found("300", expected, NULL);
    expect_found("20", NULL, "checkpoint-200");
    expect_found("other", NULL, "no such checkpoint directory");
    expect_found("", NULL, "no such checkpoint directory");
    expect_found(at("run/nowhere/checkpoint-200"), NULL, "no such checkpoint directory");
}

static void two_directories_of_one_name_are_refused(void **state) {
    (void)state;
    char here[PATH_SIZE];
    put_directory("run");
    put_directory("run/checkpoints");
    put_directory("run/checkpoints/checkpoint-200");
    put_directory("200");
    put_directory("run/checkpoint-300");
    put_directory("run/checkpoints/checkpoint-300");
    expect_found("300", NULL, "two such directories");
    expect_found("checkpoint-300", NULL, "two such directories");
    expect_found("checkpoints/checkpoint-300", at("run/checkpoints/checkpoint-300"), NULL);
    expect_found(at("run/checkpoint-300"), at("run/checkpoint-300"), NULL);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(at("")), 0);
    expect_found("200", NULL, "two such directories");
    put_directory("checkpoint-300");
    expect_found("./200", "./200", NULL);
    expect_found("./checkpoint-300", "./checkpoint-300", NULL); /* the way out that the message names */
    assert_int_equal(chdir(at("run/checkpoints")), 0);
    expect_found("checkpoint-200", at("run/checkpoints/checkpoint-200"), NULL); /* one directory, twice */
    assert_int_equal(chdir(here), 0);
}

static void the_time_of_a_checkpoint_can_be_said(void **state) {
    (void)state;
    fg_error err = {0};
    char saved[32];
    put_checkpoint("checkpoint-1", NULL, 61);
    assert_int_equal(fg_training_saved(at("checkpoint-1"), saved, sizeof saved, &err), FG_OK);
    assert_string_equal(saved, "2025-01-01T00:01:01");
    put_checkpoint("checkpoint-2", "{\"timestamp\": \"2025-01-02T00:00:30.5\"}", 0);
    assert_int_equal(fg_training_saved(at("checkpoint-2"), saved, sizeof saved, &err), FG_OK);
    assert_string_equal(saved, "2025-01-02T00:00:30");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_manifest_s_time_counts_before_the_directory_s),
        TEST(equal_times_are_told_apart_by_directory_and_number),
        TEST(a_manifest_without_a_time_counts_as_none),
        TEST(names_tell_the_steps),
        TEST(a_higher_step_that_is_older_is_told),
        TEST(a_checkpoint_is_found_by_name_and_number),
        TEST(two_directories_of_one_name_are_refused),
        TEST(the_time_of_a_checkpoint_can_be_said),
        TEST(a_manifest_lists_only_what_is_kept),
        TEST(without_a_manifest_the_weights_tell_the_time),
        TEST(an_optimizer_s_state_is_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
