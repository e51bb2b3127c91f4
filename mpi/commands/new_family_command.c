/* fgconv new-family: a first converter and a first file of models/ for a family that has none. */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "draft/draft_text.h"
#include "draft/new_family.h"
#include "report/report_text.h"

/* ---- the directory ---- */

static fg_status write_file(const char *directory, const char *name, const json_t *document, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL, *folder = NULL;
    bool exists;
    fg_buffer text = {0};
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY_NEW(folder, fg_path_parent(path, err));
    FG_TRY(fg_path_exists(folder, &exists, err));
    if (!exists) FG_TRY(fg_directory_create(folder, err));
    FG_TRY(fg_draft_text(document, &text, err));
    FG_TRY(fg_file_write_all(path, text.data, text.length, err));
done:
    fg_buffer_free(&text);
    fg_free(path);
    fg_free(folder);
    return status;
}

/* The whole directory, or none of it. */
static fg_status write_files(const char *directory, const json_t *files, fg_error *err) {
    fg_status status = FG_OK;
    json_t *document;
    FG_CALL(fg_directory_create(directory, err));
    FG_JSON_MEMBERS(files, name, document) FG_TRY(write_file(directory, name, document, err));
done:
    if (status != FG_OK) fg_directory_remove(directory, NULL);
    return status;
}

static fg_status refuse_existing(const char *directory, fg_error *err) {
    bool exists;
    FG_CALL(fg_path_exists(directory, &exists, err));
    if (!exists) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "%s is there already", directory);
    return fg_hint(err, "name another directory: fgconv new-family HF_DIR OUT");
}

/* ---- what is said ---- */

/* "9 of 12" */
static const char *part_of(const json_t *document, const char *member, char *buffer) {
    const json_t *pair = json_object_get(document, member);
    snprintf(buffer, FG_REPORT_WORDS, "%lld of %lld", json_integer_value(json_array_get(pair, 0)),
             json_integer_value(json_array_get(pair, 1)));
    return buffer;
}

static fg_status write_text(const json_t *document, const fg_options *options, fg_buffer *out,
                            fg_error *err) {
    const char *directory = fg_report_string(document, "directory", "");
    const json_t *todo = json_object_get(document, "todo");
    char tensors[FG_REPORT_WORDS], keys[FG_REPORT_WORDS];
    json_t *item;
    if (options->verbosity < 0) return FG_OK;
    FG_CALL(fg_buffer_printf(out, err, "A first converter for %s in %s: %s with what differs\n",
                             fg_report_string(document, "model_type", ""), directory,
                             fg_report_string(document, "nearest", "")));
    FG_CALL(fg_report_line(out, "alike", err, "%s tensors, %s keys",
                           part_of(document, "like_tensors", tensors), part_of(document, "like_keys", keys)));
    FG_JSON_MEMBERS(json_object_get(document, "files"), name, item)
        FG_CALL(fg_report_line(out, "wrote", err, "%s/%s", directory, name));
    FG_JSON_MEMBERS(json_object_get(document, "left_out"), format, item)
        FG_CALL(fg_report_line(out, "left out", err, "%s: %s", format, json_string_value(item)));
    FG_JSON_EACH(todo, i, item)
        FG_CALL(fg_report_line(out, i ? "" : "to decide", err, "%s/%s", directory, json_string_value(item)));
    return fg_report_line(out, "next", err,
                          "decide, remove each \"TODO\", and run fgconv lint --converter-path %s", directory);
}

static fg_status open_model(const fg_run *run, fg_checkpoint *checkpoint, fg_error *err) {
    FG_CALL(fg_checkpoint_open(checkpoint, run->options->source, NULL, err));
    if (checkpoint->format == &fg_format_hf) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "%s is a directory of %s", run->options->source, checkpoint->format->title);
    fg_about_found(err, "%s", checkpoint->format->name);
    fg_about_expected(err, "%s", fg_format_hf.name);
    return fg_hint(err, "new-family needs the model as %s has it", fg_format_hf.title);
}

static fg_status run_new_family(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    fg_checkpoint checkpoint = {0};
    json_t *draft = NULL;
    FG_TRY(open_model(run, &checkpoint, err));
    FG_TRY(fg_new_family_draft(checkpoint.config, &checkpoint.tensors, run->catalogue, &draft, err));
    const char *directory =
        options->destination ? options->destination : json_string_value(json_object_get(draft, "model_type"));
    FG_TRY(refuse_existing(directory, err));
    FG_TRY(fg_json_put(draft, "directory", fg_json_string(directory), err));
    FG_TRY(write_files(directory, json_object_get(draft, "files"), err));
    FG_TRY(fg_run_print_made(run, draft, write_text, directory, err));
done:
    json_decref(draft);
    fg_checkpoint_close(&checkpoint);
    return status;
}

const fg_command fg_new_family_command = {
    .name = "new-family",
    .arguments = "HF_DIR [OUT]",
    .least = 1,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_CONVERTERS | FG_TAKES_JSON,
    .writes = true,
    .summary = "write a first converter for a family that has none",
    .about =
        "Writes a directory for --converter-path: a converter that extends the nearest family that is there, "
        "and a file of models/ for the proof. What it cannot know is marked with \"TODO\", with which "
        "nothing "
        "converts. OUT is the model type unless given.",
    .example = "fgconv new-family Seed-OSS-36B my-converters",
    .run = run_new_family,
};
