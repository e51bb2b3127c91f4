/* fgconv inspect: what a checkpoint holds. One JSON document is made; the text for people is written from it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "conversion/assembled.h"
#include "format/experiment.h"
#include "plan/compose.h"
#include "report/report_distributed.h"
#include "report/report_text.h"

enum { NAMES = 4, STEPS = 12 }; /* first components, and steps of an experiment, that the text shows */

static int by_place(const void *a, const void *b) {
    const fg_tensor *x = *(const fg_tensor *const *)a, *y = *(const fg_tensor *const *)b;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->elements < y->elements ? -1 : x->elements > y->elements;
}

/* Elements of all tensors; one that two names share counts once. */
static fg_status count_parameters(const fg_tensors *table, uint64_t *parameters, fg_error *err) {
    fg_status status = FG_OK;
    const fg_tensor **order = NULL;
    *parameters = 0;
    FG_NEW(order, table->count);
    for (size_t i = 0; i < table->count; i++) order[i] = &table->items[i];
    qsort(order, table->count, sizeof *order, by_place);
    for (size_t i = 0; i < table->count; i++) {
        if (i && by_place(&order[i - 1], &order[i]) == 0) continue;
        if (!fg_add(*parameters, order[i]->elements, parameters))
            FG_FAIL(err, FG_ERR_INPUT, "%s: the number of parameters does not fit into 64 bits",
                    table->files[order[i]->file]);
    }
done:
    fg_free(order);
    return status;
}

static fg_status describe_dtypes(const fg_tensors *table, json_t *document, fg_error *err) {
    fg_dtype_tally tally = fg_tensors_tally(table);
    json_t *dtypes;
    FG_CALL(fg_json_put_u64(document, "bytes", tally.total_bytes, err));
    FG_CALL_NEW(dtypes, fg_json_put_object(document, "dtypes", err));
    for (int d = 0; d < FG_DTYPE_COUNT; d++) {
        if (!tally.count[d]) continue;
        json_t *entry = json_pack("{s:I, s:I}", "tensors", (json_int_t)tally.count[d], "bytes",
                                  (json_int_t)tally.bytes[d]);
        FG_CALL(fg_json_put(dtypes, fg_dtype_name((fg_dtype)d), entry, err));
    }
    return FG_OK;
}

static fg_status describe_files(const fg_tensors *table, json_t *document, fg_error *err) {
    json_t *files;
    FG_CALL_NEW(files, fg_json_put_array(document, "files", err));
    for (size_t i = 0; i < table->file_count; i++) {
        json_t *entry = json_pack("{s:s, s:I}", "file", fg_path_name(table->files[i]), "bytes",
                                  (json_int_t)table->stamps[i].size);
        FG_CALL(fg_json_push(files, entry, err));
    }
    return FG_OK;
}

static fg_status describe_tensor(const fg_tensors *table, const fg_tensor *tensor, json_t *list,
                                 fg_error *err) {
    json_t *entry;
    FG_CALL_NEW(entry, fg_json_push_object(list, err));
    FG_CALL(fg_json_put_text(entry, "name", tensor->name, err));
    FG_CALL(fg_json_put_text(entry, "dtype", fg_dtype_name(tensor->dtype), err));
    FG_CALL(fg_json_put_u64s(entry, "shape", tensor->shape, tensor->rank, err));
    return fg_json_put_text(entry, "file", fg_path_name(table->files[tensor->file]), err);
}

static fg_status describe_tensors(const fg_tensors *table, json_t *document, fg_error *err) {
    json_t *list;
    FG_CALL_NEW(list, fg_json_put_array(document, "tensors", err));
    for (size_t i = 0; i < table->count; i++) FG_CALL(describe_tensor(table, &table->items[i], list, err));
    return FG_OK;
}

/* How many names begin with each first component: a prefix that is missing or too much is seen there. */
static fg_status describe_names(const fg_tensors *table, json_t *document, fg_error *err) {
    fg_status status = FG_OK;
    json_t *names;
    char *first = NULL;
    FG_TRY_NEW(names, fg_json_put_object(document, "names", err));
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->items[i].name, *dot = strchr(name, '.');
        FG_TRY_NEW(first, fg_strndup(name, dot ? (size_t)(dot + 1 - name) : strlen(name), err));
        json_int_t count = json_integer_value(json_object_get(names, first));
        FG_TRY(fg_json_put(names, first, json_integer(count + 1), err));
        fg_free(first);
        first = NULL;
    }
done:
    fg_free(first);
    return status;
}

/* `table`: the model's tensors. */
static fg_status describe(const fg_checkpoint *checkpoint, const fg_tensors *table, json_t *document,
                          fg_error *err) {
    uint64_t parameters;
    const json_t *architecture = fg_json_at(checkpoint->config, checkpoint->format->architecture_path);
    FG_CALL(fg_json_put_text(document, "directory", checkpoint->directory, err));
    FG_CALL(fg_json_put_text(document, "weights_directory", checkpoint->weights_directory, err));
    FG_CALL(fg_json_put_text(document, "format", checkpoint->format->name, err));
    FG_CALL(fg_json_put_text(document, "model_type", checkpoint->model_type, err));
    FG_CALL(fg_json_put_text(document, "architecture", json_string_value(architecture), err));
    FG_CALL(count_parameters(table, &parameters, err));
    FG_CALL(fg_json_put_u64(document, "parameters", parameters, err));
    FG_CALL(describe_dtypes(table, document, err));
    FG_CALL(describe_names(table, document, err));
    FG_CALL(describe_files(&checkpoint->tensors, document, err));
    FG_CALL(fg_json_put_texts(document, "side_files", checkpoint->side_files.items,
                              checkpoint->side_files.count, err));
    FG_CALL(fg_json_put_texts(document, "other_files", checkpoint->other_files.items,
                              checkpoint->other_files.count, err));
    return describe_tensors(table, document, err);
}

/* ---- The text ---- */

/* "134,515,008" */
static const char *grouped(uint64_t number, char *buffer) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) buffer[used++] = ',';
        buffer[used++] = digits[i];
    }
    buffer[used] = '\0';
    return buffer;
}

static fg_status write_sizes(const json_t *document, fg_buffer *out, fg_error *err) {
    uint64_t bytes = 0, parameters = 0, tensors;
    char size[24], number[32], words[FG_REPORT_WORDS];
    json_t *entry;
    fg_report_count(document, "parameters", &parameters);
    fg_report_count(document, "bytes", &bytes);
    FG_CALL(fg_report_line(
        out, "holds", err, "%s parameters, %s in %s", grouped(parameters, number),
        fg_report_counted(json_array_size(json_object_get(document, "tensors")), "tensor", words),
        fg_bytes_text(bytes, size)));
    const char *label = "dtypes";
    FG_JSON_MEMBERS(json_object_get(document, "dtypes"), name, entry) {
        fg_report_count(entry, "tensors", &tensors);
        fg_report_count(entry, "bytes", &bytes);
        FG_CALL(fg_report_line(out, label, err, "%s: %s, %s", name,
                               fg_report_counted(tensors, "tensor", words), fg_bytes_text(bytes, size)));
        label = "";
    }
    return FG_OK;
}

/* "model. (20), lm_head. (1)" */
static fg_status write_names(const json_t *document, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer list = {0};
    const json_t *names = json_object_get(document, "names");
    size_t shown = 0;
    json_t *count;
    FG_JSON_MEMBERS(names, name, count) {
        if (shown == NAMES) break;
        FG_TRY(fg_buffer_printf(&list, err, "%s%s (%lld)", shown++ ? ", " : "", name,
                                (long long)json_integer_value(count)));
    }
    if (json_object_size(names) > shown)
        FG_TRY(fg_buffer_printf(&list, err, " and %zu more", json_object_size(names) - shown));
    if (shown) FG_TRY(fg_report_line(out, "names", err, "%s", list.data));
done:
    fg_buffer_free(&list);
    return status;
}

static fg_status write_files(const json_t *document, fg_buffer *out, fg_error *err) {
    uint64_t bytes;
    char size[24], words[FG_REPORT_WORDS];
    json_t *entry;
    FG_JSON_EACH(json_object_get(document, "files"), i, entry) {
        fg_report_count(entry, "bytes", &bytes);
        FG_CALL(fg_report_line(out, i ? "" : "weights", err, "%s, %s", fg_report_string(entry, "file", "?"),
                               fg_bytes_text(bytes, size)));
    }
    const json_t *side = json_object_get(document, "side_files"),
                 *other = json_object_get(document, "other_files");
    if (json_array_size(side))
        FG_CALL(fg_report_line(out, "files", err, "%s", fg_report_names(side, NULL, words)));
    if (json_array_size(other))
        FG_CALL(fg_report_line(out, "not used", err, "%s", fg_report_names(other, NULL, words)));
    return FG_OK;
}

static fg_status write_tensors(const json_t *document, fg_buffer *out, fg_error *err) {
    char shape[FG_REPORT_WORDS];
    json_t *entry;
    FG_JSON_EACH(json_object_get(document, "tensors"), i, entry) {
        FG_CALL(fg_buffer_printf(out, err, "%s %s %s %s\n", fg_report_string(entry, "name", ""),
                                 fg_report_string(entry, "dtype", ""),
                                 fg_json_brief(json_object_get(entry, "shape"), shape, sizeof shape),
                                 fg_report_string(entry, "file", "")));
    }
    return FG_OK;
}

static fg_status write_contents(const json_t *document, const fg_options *options, fg_buffer *out,
                                fg_error *err) {
    const char *directory = fg_report_string(document, "directory", ""),
               *weights = fg_report_string(document, "weights_directory", "");
    const char *architecture = fg_report_string(document, "architecture", NULL);
    FG_CALL(
        fg_buffer_printf(out, err, "%s: %s, %s%s%s%s\n", directory, fg_report_string(document, "format", "?"),
                         fg_report_string(document, "model_type", "no model type"), architecture ? " (" : "",
                         architecture ? architecture : "", architecture ? ")" : ""));
    if (strcmp(directory, weights) != 0) FG_CALL(fg_report_line(out, "from", err, "%s", weights));
    FG_CALL(fg_report_distributed(json_object_get(document, "distributed"), out, err));
    FG_CALL(write_sizes(document, out, err));
    FG_CALL(write_names(document, out, err));
    FG_CALL(write_files(document, out, err));
    if (options->verbosity > 0) FG_CALL(write_tensors(document, out, err));
    return FG_OK;
}

/* ---- An experiment ---- */

/* "100, 200 (not complete)", the last of the steps of one format, or of all for NULL. */
static fg_status add_steps(const json_t *list, const char *format, fg_buffer *text, fg_error *err) {
    size_t first = json_array_size(list) > STEPS ? json_array_size(list) - STEPS : 0;
    json_t *entry;
    uint64_t step;
    FG_JSON_EACH(list, i, entry) {
        const char *own = fg_report_string(entry, "format", NULL);
        if (!fg_report_count(entry, "step", &step) || (format && strcmp(own, format) != 0)) continue;
        if (!format && i < first) continue;
        if (!format && first && i == first) FG_CALL(fg_buffer_printf(text, err, "%zu more, ", first));
        bool finished = json_is_true(json_object_get(entry, "finished"));
        FG_CALL(fg_buffer_printf(text, err, "%s%llu%s", text->length ? ", " : "", (unsigned long long)step,
                                 finished ? "" : " (not complete)"));
    }
    return FG_OK;
}

static fg_status write_steps(const json_t *list, const char *format, const char *label, fg_buffer *out,
                             fg_error *err) {
    fg_buffer text = {0};
    fg_status status = add_steps(list, format, &text, err);
    if (status == FG_OK)
        status = fg_report_line(out, label, err, "%s%s%s", format ? format : "", format ? ": " : "",
                                text.data ? text.data : "none");
    fg_buffer_free(&text);
    return status;
}

/* A line for each format; those of one format follow each other. */
static fg_status write_exports(const json_t *exports, fg_buffer *out, fg_error *err) {
    const char *before = "";
    json_t *entry;
    FG_JSON_EACH(exports, i, entry) {
        const char *format = fg_report_string(entry, "format", "?");
        if (strcmp(format, before) == 0) continue;
        FG_CALL(write_steps(exports, format, *before ? "" : "exports", out, err));
        before = format;
    }
    return FG_OK;
}

static fg_status write_experiment(const json_t *document, const fg_options *options, fg_buffer *out,
                                  fg_error *err) {
    const char *directory = fg_report_string(document, "directory", "");
    const json_t *checkpoints = json_object_get(document, "checkpoints"),
                 *last = json_array_get(checkpoints, json_array_size(checkpoints) - 1);
    (void)options;
    FG_CALL(fg_buffer_printf(out, err, "%s: an experiment of Fast-LLM\n", directory));
    FG_CALL(fg_report_line(out, "run", err, "%s", fg_report_string(document, "config", "?")));
    FG_CALL(write_steps(checkpoints, NULL, "steps", out, err));
    if (last)
        FG_CALL(fg_report_line(out, "saved", err, "%s, the last", fg_report_string(last, "saved", "?")));
    return write_exports(json_object_get(document, "exports"), out, err);
}

/* What is in an experiment folder; `is` says whether it is such a folder. */
static fg_status inspect_experiment(const fg_run *run, bool *is, fg_error *err) {
    fg_status status = FG_OK;
    const char *directory = run->options->source;
    json_t *document = NULL, *contents = NULL;
    *is = false;
    if (run->options->checkpoint_path) goto done;
    FG_TRY(fg_experiment_is(directory, is, err));
    if (!*is) goto done;
    FG_TRY(fg_experiment_describe(directory, &contents, err));
    FG_TRY_NEW(document,
               json_pack("{s:o, s:s}", "directory", fg_json_string(directory), "kind", "experiment"));
    if (json_object_update(document, contents)) FG_FAIL(err, FG_ERR_MEMORY, "out of memory");
    FG_TRY(fg_run_print(run, document, write_experiment, err));
done:
    json_decref(contents);
    json_decref(document);
    return status;
}

/* Describes the tensors that the vectors of a checkpoint were cut from. */
static fg_status describe_assembled(const fg_run *run, const fg_checkpoint *checkpoint, json_t *document,
                                    fg_error *err) {
    fg_status status = FG_OK;
    fg_assembly assembly = {0};
    fg_tensors table = {0};
    const char *order = fg_parameter_order_name(run->options->parameter_order);
    FG_TRY(fg_assemble_checkpoint(checkpoint, run->catalogue, order, &assembly, err));
    FG_TRY(fg_plan_outputs(&assembly.plan, "rank_*.safetensors", &table, err));
    FG_TRY(describe(checkpoint, &table, document, err));
    FG_TRY(fg_json_put(document, "distributed", json_incref(assembly.facts), err));
done:
    fg_tensors_free(&table);
    fg_assembly_free(&assembly);
    return status;
}

static fg_status inspect_checkpoint(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    fg_checkpoint checkpoint = {0};
    fg_checkpoint_options how = {.format = options->from,
                                 .checkpoint_path = options->checkpoint_path,
                                 .allow_unfinished = options->allow_unfinished};
    json_t *document = json_object();
    FG_TRY(fg_checkpoint_open(&checkpoint, options->source, &how, err));
    FG_TRY(checkpoint.format->assemble ? describe_assembled(run, &checkpoint, document, err)
                                       : describe(&checkpoint, &checkpoint.tensors, document, err));
    FG_TRY(fg_run_print(run, document, write_contents, err));
done:
    json_decref(document);
    fg_checkpoint_close(&checkpoint);
    return status;
}

static fg_status run_inspect(const fg_run *run, fg_error *err) {
    bool is_experiment;
    FG_CALL(inspect_experiment(run, &is_experiment, err));
    return is_experiment ? FG_OK : inspect_checkpoint(run, err);
}

const fg_command fg_inspect_command = {
    .name = "inspect",
    .arguments = "DIR",
    .least = 1,
    .most = 1,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_FROM | FG_TAKES_CHECKPOINT | FG_TAKES_TRAINED | FG_TAKES_JSON,
    .summary = "print what a checkpoint holds",
    .about =
        "Prints the format, family, number of parameters, types and files of a checkpoint. With --verbose "
        "it lists every tensor. Of an experiment folder of Fast-LLM it prints the steps that were saved and "
        "exported; -c STEP chooses one of them.",
    .example = "fgconv inspect -v Llama-3.2-1B",
    .run = run_inspect,
};
