/* fgconv diff: what differs between two checkpoints, by key and by tensor name. One JSON document is made;
 * the text for people is written from it:
 *
 *   {"a", "b", "equal", "config": {"only_a": {path: value}, "only_b": {...}, "changed": {path: [a, b]}},
 *    "tensors": {"equal", "only_a": [{"name", "tensor"}], "only_b": [...], "layout": [{"name", "a", "b"}],
 *                "values": [{"name", "elements", "differing", "max_abs"}],
 *                "missing_prefix": {"prefix", "lacking": "a" or "b"}},
 *    "converted_to": format of b}
 *
 * Of two formats with names of their own, A is compared as a conversion to the format of B would write it
 * ("converted_to"), unless it cannot be converted. The two spellings of rotary settings are the same.
 * Tensors whose names differ by a prefix alone ("missing_prefix") are compared as if both had it, by the name
 * that A has.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "commands/command_table.h"
#include "commands/planned_side.h"
#include "commands/run.h"
#include "conversion/assembled.h"
#include "conversion/missing_prefix.h"
#include "copy/copier.h"
#include "plan/compose.h"
#include "report/report_text.h"
#include "store/cast.h"
#include "translate/rotary_settings.h"

enum { BLOCK = 1 << 20, SHOWN = 20, VALUE = 100, TENSOR = 160 };

/* ---- Configurations ---- */

static fg_status put_copy(json_t *object, const char *key, const json_t *value, fg_error *err) {
    return fg_json_put(object, key, fg_json_deep_copy(value, err), err);
}

static fg_status put_pair(json_t *object, const char *key, const json_t *a, const json_t *b, fg_error *err) {
    json_t *pair;
    FG_CALL_NEW(pair, fg_json_put_array(object, key, err));
    FG_CALL(fg_json_push(pair, fg_json_deep_copy(a, err), err));
    return fg_json_push(pair, fg_json_deep_copy(b, err), err);
}

/* Walks two objects; members that are objects on both sides are compared member by member. */
static fg_status compare_objects(const json_t *a, const json_t *b, const char *prefix, json_t *found,
                                 fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    json_t *value;
    FG_JSON_MEMBERS((json_t *)a, key, value) {
        const json_t *other = json_object_get(b, key);
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        if (!other)
            FG_TRY(put_copy(json_object_get(found, "only_a"), path, value, err));
        else if (json_is_object(value) && json_is_object(other))
            FG_TRY(compare_objects(value, other, path, found, err));
        else if (!fg_json_equal(value, other))
            FG_TRY(put_pair(json_object_get(found, "changed"), path, value, other, err));
        fg_free(path);
        path = NULL;
    }
    FG_JSON_MEMBERS((json_t *)b, key, value) {
        if (json_object_get(a, key)) continue;
        FG_TRY_NEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        FG_TRY(put_copy(json_object_get(found, "only_b"), path, value, err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    return status;
}

/* ---- Tensors ---- */

/* A checkpoint, and its tensors: those of the files, or the outputs of a plan: what the files' vectors were
 * cut from, or what a conversion would write. */
typedef struct diff_side {
    fg_checkpoint checkpoint;
    fg_assembly assembly;
    fg_planned_side planned;
    fg_tensors assembled; /* of the plan; empty: the files hold the tensors */
    fg_reader *reader;
    fg_copier *copier; /* NULL: `reader` reads */
} diff_side;

static fg_status open_assembled(const fg_run *run, diff_side *side, fg_error *err) {
    const char *order = fg_parameter_order_name(run->options->parameter_order);
    FG_CALL(fg_assemble_checkpoint(&side->checkpoint, run->catalogue, order, &side->assembly, err));
    FG_CALL(fg_plan_outputs(&side->assembly.plan, "rank_*.safetensors", &side->assembled, err));
    return fg_copier_new(&side->copier, &side->assembly.plan, NULL, err);
}

static fg_status open_side(const fg_run *run, const char *directory, diff_side *side, fg_error *err) {
    fg_checkpoint_options how = {.allow_unfinished = run->options->allow_unfinished};
    FG_CALL(fg_checkpoint_open(&side->checkpoint, directory, &how, err));
    return side->checkpoint.format->assemble ? open_assembled(run, side, err)
                                             : fg_reader_new(&side->reader, &side->checkpoint.tensors, err);
}

/* What `a` would be in the format of `b`; `planned` stays empty where they have one format, or where there is
 * no plan, which is a warning. */
static fg_status plan_side(const fg_run *run, const diff_side *a, const diff_side *b, diff_side *planned,
                           fg_error *err) {
    const fg_format *to = b->checkpoint.format;
    const fg_plan *plan = &planned->planned.conversion.layout.plan;
    fg_error refused = {0};
    const char *schema = a->checkpoint.format->schema;
    bool named_alike =
        a->checkpoint.format == to || (schema && to->schema && strcmp(schema, to->schema) == 0);
    if (named_alike || !to->write_config) return FG_OK;
    fg_status status = fg_planned_side_open(run, &b->checkpoint, &planned->planned, &refused);
    if (status == FG_ERR_MEMORY || status == FG_ERR_SYSTEM) return fg_fail_again(err, &refused);
    if (status != FG_OK) {
        fg_warn("compared by name, as %s cannot be converted: %s", a->checkpoint.directory, refused.text);
        return FG_OK;
    }
    FG_CALL(fg_plan_outputs(plan, "planned.safetensors", &planned->assembled, err));
    return fg_copier_new(&planned->copier, plan, NULL, err);
}

static void close_side(diff_side *side) {
    fg_copier_free(&side->copier);
    fg_reader_free(&side->reader);
    fg_tensors_free(&side->assembled);
    fg_assembly_free(&side->assembly);
    fg_planned_side_free(&side->planned);
    fg_checkpoint_close(&side->checkpoint);
}

static const fg_tensors *table_of(const diff_side *side) {
    return side->copier ? &side->assembled : &side->checkpoint.tensors;
}

static fg_status read_values(diff_side *side, const fg_tensor *tensor, uint64_t first, uint64_t count,
                             void *bytes, fg_error *err) {
    return side->copier ? fg_copier_read(side->copier, (size_t)(tensor - side->assembled.items), first, count,
                                         bytes, err)
                        : fg_reader_read(side->reader, tensor, first, count, bytes, err);
}

typedef struct comparison {
    diff_side *a, *b;
    unsigned char *bytes_a, *bytes_b;          /* owned; BLOCK each */
    float *values_a, *values_b;                /* owned; room for BLOCK elements of one byte */
    json_t *only_a, *only_b, *layout, *values; /* arrays in the document */
    fg_missing_prefix missing;                 /* owned */
    uint64_t equal;
} comparison;

typedef struct distance {
    uint64_t differing; /* elements whose bytes differ */
    double max_abs;     /* of floats; infinite when one side is not a number */
} distance;

static bool same_layout(const fg_tensor *x, const fg_tensor *y) {
    return x->dtype == y->dtype && x->rank == y->rank &&
           memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) == 0;
}

static double apart(float a, float b) {
    if (a == b || (isnan(a) && isnan(b))) return 0;
    double difference = fabs((double)a - (double)b);
    return isnan(difference) ? INFINITY : difference;
}

static void measure_block(comparison *c, fg_dtype dtype, uint64_t count, distance *far) {
    size_t size = fg_dtype_size(dtype);
    if (memcmp(c->bytes_a, c->bytes_b, count * size) == 0) return;
    fg_cast_to_f32(dtype, c->bytes_a, c->values_a, count);
    fg_cast_to_f32(dtype, c->bytes_b, c->values_b, count);
    for (uint64_t i = 0; i < count; i++) {
        if (memcmp(c->bytes_a + i * size, c->bytes_b + i * size, size) == 0) continue;
        double difference = apart(c->values_a[i], c->values_b[i]);
        far->differing++;
        if (difference > far->max_abs) far->max_abs = difference;
    }
}

static fg_status measure(comparison *c, const fg_tensor *x, const fg_tensor *y, distance *far,
                         fg_error *err) {
    uint64_t at_once = BLOCK / fg_dtype_size(x->dtype);
    *far = (distance){0};
    for (uint64_t first = 0; first < x->elements; first += at_once) {
        uint64_t count = fg_min(at_once, x->elements - first);
        FG_CALL(read_values(c->a, x, first, count, c->bytes_a, err));
        FG_CALL(read_values(c->b, y, first, count, c->bytes_b, err));
        measure_block(c, x->dtype, count, far);
    }
    return FG_OK;
}

static fg_status push_tensor(json_t *list, const fg_tensor *tensor, fg_error *err) {
    char text[TENSOR];
    return fg_json_push(
        list,
        json_pack("{s:s, s:s}", "name", tensor->name, "tensor", fg_tensor_text(tensor, text, sizeof text)),
        err);
}

static fg_status push_values(json_t *list, const fg_tensor *tensor, const distance *far, fg_error *err) {
    bool number = fg_dtype_is_float(tensor->dtype) && isfinite(far->max_abs);
    json_t *entry = json_pack("{s:s, s:I, s:I, s:o}", "name", tensor->name, "elements",
                              (json_int_t)tensor->elements, "differing", (json_int_t)far->differing,
                              "max_abs", number ? json_real(far->max_abs) : json_null());
    return fg_json_push(list, entry, err);
}

static fg_status compare_tensor(comparison *c, const fg_tensor *x, fg_error *err) {
    char text_a[TENSOR], text_b[TENSOR];
    distance far;
    const fg_tensor *y;
    FG_CALL(fg_missing_prefix_counterpart(&c->missing, table_of(c->b), false, x->name, &y, err));
    if (!y) {
        FG_CALL(push_tensor(c->only_a, x, err));
    } else if (!same_layout(x, y)) {
        json_t *entry =
            json_pack("{s:s, s:s, s:s}", "name", x->name, "a", fg_tensor_text(x, text_a, sizeof text_a), "b",
                      fg_tensor_text(y, text_b, sizeof text_b));
        FG_CALL(fg_json_push(c->layout, entry, err));
    } else {
        FG_CALL(measure(c, x, y, &far, err));
        if (far.differing)
            FG_CALL(push_values(c->values, x, &far, err));
        else
            c->equal++;
    }
    return FG_OK;
}

/* Tensors of B alone. */
static fg_status find_new(comparison *c, fg_error *err) {
    const fg_tensor *counterpart;
    const fg_tensors *table = table_of(c->b);
    for (size_t i = 0; i < table->count; i++) {
        const fg_tensor *y = &table->items[i];
        FG_CALL(fg_missing_prefix_counterpart(&c->missing, table_of(c->a), true, y->name, &counterpart, err));
        if (!counterpart) FG_CALL(push_tensor(c->only_b, y, err));
    }
    return FG_OK;
}

static void close_comparison(comparison *c) {
    fg_missing_prefix_free(&c->missing);
    fg_free(c->bytes_a);
    fg_free(c->bytes_b);
    fg_free(c->values_a);
    fg_free(c->values_b);
}

static fg_status compare_tables(diff_side *a, diff_side *b, json_t *found, fg_error *err) {
    fg_status status = FG_OK;
    comparison c = {.a = a, .b = b};
    FG_TRY_NEW(c.bytes_a, fg_alloc_buffer(BLOCK, err));
    FG_TRY_NEW(c.bytes_b, fg_alloc_buffer(BLOCK, err));
    FG_TRY_NEW(c.values_a, fg_alloc_buffer(BLOCK * sizeof(float), err));
    FG_TRY_NEW(c.values_b, fg_alloc_buffer(BLOCK * sizeof(float), err));
    FG_TRY(fg_missing_prefix_find(&c.missing, table_of(a), table_of(b), err));
    if (c.missing.prefix)
        FG_TRY(fg_json_put(found, "missing_prefix",
                           json_pack("{s:s, s:s}", "prefix", c.missing.prefix, "lacking",
                                     c.missing.lacking_first ? "a" : "b"),
                           err));
    FG_TRY(fg_json_put_u64(found, "equal", 0, err)); /* its place among the keys */
    FG_TRY_NEW(c.only_a, fg_json_put_array(found, "only_a", err));
    FG_TRY_NEW(c.only_b, fg_json_put_array(found, "only_b", err));
    FG_TRY_NEW(c.layout, fg_json_put_array(found, "layout", err));
    FG_TRY_NEW(c.values, fg_json_put_array(found, "values", err));
    for (size_t i = 0; i < table_of(a)->count; i++) FG_TRY(compare_tensor(&c, &table_of(a)->items[i], err));
    FG_TRY(find_new(&c, err));
    FG_TRY(fg_json_put_u64(found, "equal", c.equal, err));
done:
    close_comparison(&c);
    return status;
}

/* ---- The text ---- */

static fg_status write_keys(const json_t *keys, const char *where, fg_buffer *out, fg_error *err) {
    json_t *value;
    char text[VALUE], other[VALUE];
    FG_JSON_MEMBERS((json_t *)keys, path, value) {
        if (where)
            FG_CALL(fg_buffer_printf(out, err, "  %s only in %s: %s\n", path, where,
                                     fg_json_brief(value, text, sizeof text)));
        else
            FG_CALL(fg_buffer_printf(out, err, "  %s: %s and %s\n", path,
                                     fg_json_brief(json_array_get(value, 0), text, sizeof text),
                                     fg_json_brief(json_array_get(value, 1), other, sizeof other)));
    }
    return FG_OK;
}

/* One line of a list; `where` is the model that it is about, if it is about one. */
typedef fg_status line(const json_t *entry, const char *where, fg_buffer *out, fg_error *err);

static fg_status write_presence(const json_t *entry, const char *where, fg_buffer *out, fg_error *err) {
    return fg_buffer_printf(out, err, "  %s only in %s: %s\n", fg_report_string(entry, "name", "?"), where,
                            fg_report_string(entry, "tensor", "?"));
}

static fg_status write_layout(const json_t *entry, const char *where, fg_buffer *out, fg_error *err) {
    (void)where;
    return fg_buffer_printf(out, err, "  %s: %s and %s\n", fg_report_string(entry, "name", "?"),
                            fg_report_string(entry, "a", "?"), fg_report_string(entry, "b", "?"));
}

static fg_status write_values(const json_t *entry, const char *where, fg_buffer *out, fg_error *err) {
    uint64_t differing = 0, elements = 0;
    double most;
    (void)where;
    fg_report_count(entry, "differing", &differing);
    fg_report_count(entry, "elements", &elements);
    FG_CALL(fg_buffer_printf(out, err, "  %s: %llu of %llu elements differ",
                             fg_report_string(entry, "name", "?"), (unsigned long long)differing,
                             (unsigned long long)elements));
    if (fg_report_number(entry, "max_abs", &most))
        FG_CALL(fg_buffer_printf(out, err, ", by at most %.3g", most));
    return fg_buffer_add(out, "\n", 1, err);
}

static fg_status write_list(const json_t *list, line *write_line, const char *where, fg_buffer *out,
                            fg_error *err) {
    size_t total = json_array_size(list);
    for (size_t i = 0; i < total && i < SHOWN; i++)
        FG_CALL(write_line(json_array_get(list, i), where, out, err));
    if (total > SHOWN) FG_CALL(fg_buffer_printf(out, err, "  ... and %zu more\n", total - SHOWN));
    return FG_OK;
}

static fg_status write_prefix(const json_t *tensors, const char *a, const char *b, fg_buffer *out,
                              fg_error *err) {
    const json_t *missing = json_object_get(tensors, "missing_prefix");
    if (!missing) return FG_OK;
    return fg_buffer_printf(out, err, "  the names in %s lack \"%s\"; they are compared as if they had it\n",
                            strcmp(fg_report_string(missing, "lacking", "a"), "a") == 0 ? a : b,
                            fg_report_string(missing, "prefix", ""));
}

static fg_status write_differences(const json_t *document, const fg_options *options, fg_buffer *out,
                                   fg_error *err) {
    (void)options;
    const json_t *config = json_object_get(document, "config"),
                 *tensors = json_object_get(document, "tensors");
    const char *a = fg_report_string(document, "a", "A"), *b = fg_report_string(document, "b", "B");
    const json_t *keys_a = json_object_get(config, "only_a"), *keys_b = json_object_get(config, "only_b");
    const json_t *changed = json_object_get(config, "changed"), *only_a = json_object_get(tensors, "only_a");
    const json_t *only_b = json_object_get(tensors, "only_b"), *layout = json_object_get(tensors, "layout");
    const json_t *values = json_object_get(tensors, "values");
    uint64_t equal = 0;
    fg_report_count(tensors, "equal", &equal);
    FG_CALL(fg_buffer_printf(out, err, "configuration: %zu keys changed, %zu only in %s, %zu only in %s\n",
                             json_object_size(changed), json_object_size(keys_a), a, json_object_size(keys_b),
                             b));
    FG_CALL(write_keys(changed, NULL, out, err));
    FG_CALL(write_keys(keys_a, a, out, err));
    FG_CALL(write_keys(keys_b, b, out, err));
    FG_CALL(fg_buffer_printf(
        out, err,
        "tensors: %llu equal%s, %zu with other values, %zu with another type or shape, %zu "
        "only in %s, %zu only in %s\n",
        (unsigned long long)equal, json_object_get(document, "converted_to") ? " after conversion" : "",
        json_array_size(values), json_array_size(layout), json_array_size(only_a), a, json_array_size(only_b),
        b));
    FG_CALL(write_prefix(tensors, a, b, out, err));
    FG_CALL(write_list(values, write_values, NULL, out, err));
    FG_CALL(write_list(layout, write_layout, NULL, out, err));
    FG_CALL(write_list(only_a, write_presence, a, out, err));
    return write_list(only_b, write_presence, b, out, err);
}

/* ---- The command ---- */

static bool nothing_found(const json_t *config, const json_t *tensors) {
    return !json_object_size(json_object_get(config, "only_a")) &&
           !json_object_get(tensors, "missing_prefix") &&
           !json_object_size(json_object_get(config, "only_b")) &&
           !json_object_size(json_object_get(config, "changed")) &&
           !json_array_size(json_object_get(tensors, "only_a")) &&
           !json_array_size(json_object_get(tensors, "only_b")) &&
           !json_array_size(json_object_get(tensors, "layout")) &&
           !json_array_size(json_object_get(tensors, "values"));
}

/* A copy whose rotary settings are in the newer spelling; as it is where they are malformed. */
static fg_status spell_rotary(const json_t *config, const char *directory, json_t **spelled, fg_error *err) {
    fg_error malformed = {0};
    FG_CALL_NEW(*spelled, fg_json_deep_copy(config, err));
    fg_status status = fg_rotary_settings_spell(*spelled, true, directory, &malformed);
    if (status == FG_OK) return FG_OK;
    if (status == FG_ERR_MEMORY) return fg_fail_again(err, &malformed);
    json_decref(*spelled);
    FG_CALL_NEW(*spelled, fg_json_deep_copy(config, err));
    return FG_OK;
}

static fg_status compare_configs(const json_t *a, const fg_checkpoint *b, json_t *found, fg_error *err) {
    fg_status status = FG_OK;
    json_t *one = NULL, *other = NULL;
    if (!b->format->hub) return compare_objects(a, b->config, "", found, err);
    FG_TRY(spell_rotary(a, b->directory, &one, err));
    FG_TRY(spell_rotary(b->config, b->directory, &other, err));
    FG_TRY(compare_objects(one, other, "", found, err));
done:
    json_decref(one);
    json_decref(other);
    return status;
}

static fg_status compare(const fg_run *run, json_t *document, bool *equal, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    diff_side a = {0}, b = {0}, planned = {0};
    json_t *config = json_pack("{s:{}, s:{}, s:{}}", "only_a", "only_b", "changed"), *tensors;
    FG_TRY(open_side(run, options->source, &a, err));
    FG_TRY(open_side(run, options->destination, &b, err));
    FG_TRY(fg_json_put_text(document, "a", options->source, err));
    FG_TRY(fg_json_put_text(document, "b", options->destination, err));
    FG_TRY(fg_json_put(document, "equal", json_false(), err)); /* its place among the keys */
    FG_TRY(fg_json_put(document, "config", json_incref(config), err));
    FG_TRY_NEW(tensors, fg_json_put_object(document, "tensors", err));
    FG_TRY(plan_side(run, &a, &b, &planned, err));
    if (planned.copier) FG_TRY(fg_json_put_text(document, "converted_to", b.checkpoint.format->name, err));
    FG_TRY(compare_configs(planned.copier ? planned.planned.conversion.settings.config : a.checkpoint.config,
                           &b.checkpoint, config, err));
    FG_TRY(compare_tables(planned.copier ? &planned : &a, &b, tensors, err));
    FG_TRY(fg_checkpoint_check_unchanged(&a.checkpoint, false, err));
    FG_TRY(fg_checkpoint_check_unchanged(&b.checkpoint, false, err));
    *equal = nothing_found(config, tensors);
    FG_TRY(fg_json_put(document, "equal", json_boolean(*equal), err));
done:
    json_decref(config);
    close_side(&planned);
    close_side(&a);
    close_side(&b);
    return status;
}

static fg_status run_diff(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    bool equal = false;
    json_t *document = json_object();
    FG_TRY(compare(run, document, &equal, err));
    FG_TRY(fg_run_print(run, document, write_differences, err));
    if (!equal)
        status = fg_fail(err, FG_ERR_DIFFER, "%s and %s differ", options->source, options->destination);
done:
    json_decref(document);
    return status;
}

const fg_command fg_diff_command = {
    .name = "diff",
    .arguments = "A B",
    .least = 2,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_TRAINED | FG_TAKES_CONVERTERS | FG_TAKES_JSON,
    .summary = "compare the configurations and tensors of two checkpoints",
    .about =
        "Compares the configurations and the tensors of two checkpoints by name; of two formats, A as "
        "a conversion to the format of B would write it. The two spellings of rotary settings are the same. "
        "The exit code is 0 if "
        "they are equal and 10 if they differ. Of a training checkpoint of Fast-LLM, the tensors are those "
        "that its ranks' vectors were cut from, by the names of Fast-LLM's export format.",
    .example = "fgconv diff run/checkpoints/checkpoint-100 run/checkpoints/checkpoint-200",
    .run = run_diff,
};
