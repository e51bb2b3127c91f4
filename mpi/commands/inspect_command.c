/* fgconv inspect: what a checkpoint holds. One JSON document is made; the text for people is written from it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "conversion/assembled.h"
#include "conversion/tensor_groups.h"
#include "copy/copier.h"
#include "format/experiment.h"
#include "plan/compose.h"
#include "report/report_distributed.h"
#include "report/report_text.h"
#include "tensor_stats.h"
#include "write.h"

enum { STEPS = 12 };       /* of an experiment, that the text shows */
enum { SAMPLE = 1 << 20 }; /* bytes by which tied weights are found */

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

static fg_status write_tied(const json_t *document, fg_buffer *out, fg_error *err) {
    json_t *other;
    FG_JSON_MEMBERS(json_object_get(document, "tied"), name, other)
        FG_CALL(
            fg_report_line(out, "tied", err, "%s is %s, and counts once", name, json_string_value(other)));
    return FG_OK;
}

/* " from -0.1 to 0.2, mean 1e-05, deviation 0.02, 3 zero, 1 NaN" */
static fg_status write_stats(const json_t *stats, fg_buffer *out, fg_error *err) {
    static const struct {
        const char *key, *label;
    } numbers[] = {{"min", "from"}, {"max", "to"}, {"mean", "mean"}, {"deviation", "deviation"}},
      counts[] = {{"zeros", "zero"}, {"nan", "NaN"}, {"infinite", "infinite"}};
    double number;
    uint64_t count;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (fg_report_number(stats, numbers[i].key, &number))
            FG_CALL(fg_buffer_printf(out, err, "%s%s %.4g", i > 1 ? ", " : " ", numbers[i].label, number));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (fg_report_count(stats, counts[i].key, &count) && count)
            FG_CALL(fg_buffer_printf(out, err, ", %llu %s", (unsigned long long)count, counts[i].label));
    return FG_OK;
}

/* A line for each template: how many tensors, of what layout. */
static fg_status write_templates(const json_t *document, fg_buffer *out, fg_error *err) {
    char shape[FG_REPORT_WORDS];
    const char *label = "tensors";
    uint64_t count = 0;
    json_t *entry;
    FG_JSON_EACH(json_object_get(document, "templates"), i, entry) {
        fg_report_count(entry, "tensors", &count);
        FG_CALL(fg_buffer_printf(out, err, "  %-9s %s: %llu x %s %s", label,
                                 fg_report_string(entry, "name", ""), (unsigned long long)count,
                                 fg_report_string(entry, "dtype", ""),
                                 fg_json_brief(json_object_get(entry, "shape"), shape, sizeof shape)));
        FG_CALL(write_stats(json_object_get(entry, "stats"), out, err));
        FG_CALL(fg_buffer_put(out, "\n", err));
        label = "";
    }
    return FG_OK;
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
        FG_CALL(fg_buffer_printf(out, err, "%s %s %s %s", fg_report_string(entry, "name", ""),
                                 fg_report_string(entry, "dtype", ""),
                                 fg_json_brief(json_object_get(entry, "shape"), shape, sizeof shape),
                                 fg_report_string(entry, "file", "")));
        FG_CALL(write_stats(json_object_get(entry, "stats"), out, err));
        FG_CALL(fg_buffer_put(out, "\n", err));
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
    FG_CALL(write_tied(document, out, err));
    if (options->verbosity <= 0) FG_CALL(write_templates(document, out, err));
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

/* ---- A checkpoint ---- */

typedef struct inspection {
    fg_checkpoint checkpoint;
    fg_assembly assembly;
    json_t *document;
    fg_plan plan;     /* gives each of the model's tensors as it is; of all ranks, with --stats */
    uint32_t *places; /* owned; of each tensor in the templates */
    bool experiment;  /* and nothing else is in here */
} inspection;

/* Of vectors, the tensors that were cut from them. */
static fg_status describe_checkpoint(const fg_run *run, inspection *i, fg_error *err) {
    fg_status status = FG_OK;
    fg_tensors table = {0};
    const char *order = fg_parameter_order_name(run->options->parameter_order);
    if (i->checkpoint.format->assemble) {
        FG_TRY(fg_assemble_checkpoint(&i->checkpoint, run->catalogue, order, &i->assembly, err));
        FG_TRY(fg_plan_outputs(&i->assembly.plan, "rank_*.safetensors", &table, err));
        FG_TRY(describe(&i->checkpoint, &table, i->document, err));
        FG_TRY(fg_json_put(i->document, "distributed", json_incref(i->assembly.facts), err));
        i->plan = i->assembly.plan;
        i->assembly.plan = (fg_plan){0};
    } else {
        FG_TRY(describe(&i->checkpoint, &i->checkpoint.tensors, i->document, err));
        FG_TRY(fg_plan_same(&i->checkpoint.tensors, &i->plan, err));
    }
done:
    fg_tensors_free(&table);
    return status;
}

/* Those of the plan; what a conversion would do is not said here. */
static fg_status describe_templates(inspection *i, fg_error *err) {
    json_t *entry;
    FG_CALL_NEW(i->places, fg_alloc(i->plan.output_count + 1, sizeof *i->places, err));
    FG_CALL(fg_tensor_groups_report(&i->plan, i->places, i->document, err));
    json_t *templates = json_incref(json_object_get(i->document, "map"));
    json_object_del(i->document, "map");
    FG_JSON_EACH(templates, at, entry) {
        json_object_del(entry, "sources");
        json_object_del(entry, "operation");
        json_object_del(entry, "source_dtype");
    }
    return fg_json_put(i->document, "templates", templates, err);
}

/* Whether two outputs are the same in three places: a tensor that a format writes twice is, others differ in
 * the first. */
static fg_status have_same_values(fg_copier *copier, size_t a, size_t b, unsigned char *bytes, bool *same,
                                  fg_error *err) {
    const fg_output *output = &fg_copier_plan(copier)->outputs[a];
    uint64_t size = fg_dtype_size(output->dtype), count = fg_min(SAMPLE / size, output->elements);
    const uint64_t places[] = {0, (output->elements - count) / 2, output->elements - count};
    *same = true;
    for (size_t i = 0; *same && i < sizeof places / sizeof *places; i++) {
        FG_CALL(fg_copier_read(copier, a, places[i], count, bytes, err));
        FG_CALL(fg_copier_read(copier, b, places[i], count, bytes + SAMPLE, err));
        *same = memcmp(bytes, bytes + SAMPLE, count * size) == 0;
    }
    return FG_OK;
}

/* Matrices outside of layers: embedding and head may be. */
static bool may_be_tied(const inspection *i, size_t a, size_t b) {
    const fg_output *x = &i->plan.outputs[a], *y = &i->plan.outputs[b];
    const json_t *templates = json_object_get(i->document, "templates");
    uint64_t count = 0;
    fg_report_count(json_array_get(templates, i->places[a]), "tensors", &count);
    return count == 1 && x->rank == 2 && x->elements && x->rank == y->rank && x->dtype == y->dtype &&
           memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) == 0;
}

/* Whether one place in a file is both, which count_parameters has counted once. */
static bool have_one_place(const fg_plan *plan, size_t a, size_t b) {
    const fg_piece *x = &plan->pieces[plan->outputs[a].first_piece],
                   *y = &plan->pieces[plan->outputs[b].first_piece];
    const fg_tensor *from = &plan->source.items[x->source], *other = &plan->source.items[y->source];
    return x->from == y->from && by_place(&from, &other) == 0;
}

/* A tied weight that the files hold twice is counted once. */
static fg_status find_tied(inspection *i, fg_error *err) {
    fg_status status = FG_OK;
    fg_copier *copier = NULL;
    unsigned char *bytes = NULL;
    json_t *tied;
    uint64_t parameters = 0;
    fg_report_count(i->document, "parameters", &parameters);
    FG_TRY(fg_copier_new(&copier, &i->plan, NULL, err));
    FG_TRY_NEW(bytes, fg_alloc_buffer((size_t)2 * SAMPLE, err));
    FG_TRY_NEW(tied, fg_json_put_object(i->document, "tied", err));
    for (size_t b = 0; b < i->plan.output_count; b++) {
        bool same = false;
        for (size_t a = 0; a < b && !same; a++) {
            if (!may_be_tied(i, a, b)) continue;
            FG_TRY(have_same_values(copier, a, b, bytes, &same, err));
            if (!same) continue;
            FG_TRY(fg_json_put_text(tied, i->plan.outputs[b].name, i->plan.outputs[a].name, err));
            if (!have_one_place(&i->plan, a, b)) parameters -= i->plan.outputs[b].elements;
        }
    }
    FG_TRY(fg_json_put_u64(i->document, "parameters", parameters, err));
done:
    fg_free(bytes);
    fg_copier_free(&copier);
    return status;
}

static fg_status inspect(const fg_run *run, inspection *i, fg_error *err) {
    const fg_options *options = run->options;
    fg_checkpoint_options how = {.format = options->from,
                                 .checkpoint_path = options->checkpoint_path,
                                 .allow_unfinished = options->allow_unfinished};
    FG_CALL(inspect_experiment(run, &i->experiment, err));
    if (i->experiment && options->stats) {
        fg_fail(err, FG_ERR_USAGE, "%s: --stats is about a checkpoint, and this is an experiment",
                options->source);
        return fg_hint(err, "choose a step with -c STEP");
    }
    if (i->experiment) return FG_OK;
    FG_CALL_NEW(i->document, json_object());
    FG_CALL(fg_checkpoint_open(&i->checkpoint, options->source, &how, err));
    FG_CALL(describe_checkpoint(run, i, err));
    FG_CALL(describe_templates(i, err));
    return find_tied(i, err);
}

/* ---- Statistics ---- */

static fg_status put_stats(json_t *entry, const fg_tensor_stats *stats, fg_error *err) {
    json_t *held;
    FG_CALL_NEW(held, fg_json_put_object(entry, "stats", err));
    if (stats->finite) {
        FG_CALL(fg_json_put(held, "min", json_real(stats->least), err));
        FG_CALL(fg_json_put(held, "max", json_real(stats->most), err));
        FG_CALL(fg_json_put(held, "mean", json_real(fg_tensor_stats_mean(stats)), err));
        FG_CALL(fg_json_put(held, "deviation", json_real(fg_tensor_stats_deviation(stats)), err));
    }
    FG_CALL(fg_json_put_u64(held, "zeros", stats->zeros, err));
    FG_CALL(fg_json_put_u64(held, "nan", stats->nan, err));
    return fg_json_put_u64(held, "infinite", stats->infinite, err);
}

/* Of each tensor, and of each template: all elements of its tensors. */
static fg_status describe_stats(const inspection *i, const fg_tensor_stats *stats, fg_error *err) {
    fg_status status = FG_OK;
    json_t *tensors = json_object_get(i->document, "tensors"),
           *templates = json_object_get(i->document, "templates");
    fg_tensor_stats *joined = NULL;
    FG_NEW(joined, json_array_size(templates) + 1);
    for (size_t o = 0; o < i->plan.output_count; o++) {
        FG_TRY(put_stats(json_array_get(tensors, o), &stats[o], err));
        fg_tensor_stats_join(&joined[i->places[o]], &stats[o]);
    }
    for (size_t t = 0; t < json_array_size(templates); t++)
        FG_TRY(put_stats(json_array_get(templates, t), &joined[t], err));
done:
    fg_free(joined);
    return status;
}

/* Collective. */
static fg_status measure(const fg_run *run, inspection *i, fg_error *err) {
    fg_tensor_stats *stats = NULL;
    fg_stage nowhere = {0};
    bool first = run->ranks->rank == 0;
    fg_status status = fg_write_share(run->ranks, &i->plan, &nowhere, err);
    if (status == FG_OK) {
        stats = fg_alloc(i->plan.output_count + 1, sizeof *stats, err);
        status = fg_ranks_agree(run->ranks, err);
    }
    if (status == FG_OK)
        status = fg_tensor_stats_measure(run->ranks, &i->plan, fg_run_progress(run), stats, err);
    if (status == FG_OK && first) describe_stats(i, stats, err);
    fg_free(stats);
    fg_stage_free(&nowhere);
    return fg_ranks_agree(run->ranks, err);
}

static fg_status run_inspect(const fg_run *run, fg_error *err) {
    inspection i = {0};
    bool first = run->ranks->rank == 0;
    if (first) inspect(run, &i, err);
    fg_status status = fg_ranks_agree(run->ranks, err);
    if (status == FG_OK && run->options->stats) status = measure(run, &i, err);
    if (status == FG_OK && first && !i.experiment) fg_run_print(run, i.document, write_contents, err);
    json_decref(i.document);
    fg_free(i.places);
    fg_plan_free(&i.plan);
    fg_assembly_free(&i.assembly);
    fg_checkpoint_close(&i.checkpoint);
    return fg_ranks_agree(run->ranks, err);
}

const fg_command fg_inspect_command = {
    .name = "inspect",
    .arguments = "DIR",
    .least = 1,
    .most = 1,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_FROM | FG_TAKES_CHECKPOINT | FG_TAKES_TRAINED | FG_TAKES_JSON | FG_TAKES_RANKS |
               FG_TAKES_STATS,
    .collective = true,
    .summary = "print what a checkpoint holds",
    .about =
        "Prints the format, family, number of parameters, types and files of a checkpoint. Tensors "
        "that differ only in the number of their layer are one line; --verbose lists every tensor, and "
        "--stats adds "
        "what their values are. Of an experiment folder of Fast-LLM it prints the steps that were saved and "
        "exported; -c STEP chooses one of them.",
    .example = "fgconv inspect -v Llama-3.2-1B",
    .run = run_inspect,
};
