/* Updates: architecture and versions, the chain of migrations, and the resulting configuration. */
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "conversion/conversion.h"
#include "mapping/name_map.h"
#include "model/spec.h"
#include "model/weight_source.h"
#include "report/report.h"

enum { CHUNK = 64 << 10 }; /* numbers of tied tensors that are compared at once */

/* ---- architecture and versions ---- */

static fg_status not_stamped(const fg_conversion *c, const char *key, const char *option, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "%s/config.json has no %s: %s is required", c->source.directory, key, option);
    return fg_hint(err, "give --arch NAME and --from-version N; `fgconv list` shows the architectures");
}

static fg_status contradicts(const fg_conversion *c, const char *key, const char *held, const char *option,
                             const char *given, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "%s/config.json has %s %s, but %s is %s", c->source.directory, key, held,
            option, given);
    return fg_hint(err, "remove %s: it is for directories without that key", option);
}

static fg_status resolve_arch(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    char brief[80];
    const json_t *held = json_object_get(c->source.config, FG_ARCH_KEY);
    const char *said = json_string_value(held);
    if (held && !json_is_null(held) && !said)
        FG_FAIL(err, FG_ERR_INPUT, "%s/config.json: %s: found %s, expected a string", c->source.directory,
                FG_ARCH_KEY, fg_json_brief(held, brief, sizeof brief));
    if (!said && !options->arch) FG_TRY(not_stamped(c, FG_ARCH_KEY, "--arch", err));
    if (said && options->arch && strcmp(said, options->arch) != 0)
        FG_TRY(contradicts(c, FG_ARCH_KEY, said, "--arch", options->arch, err));
    FG_TRY_NEW(c->update->arch, fg_strdup(said ? said : options->arch, err));
done:
    return status;
}

static fg_status parse_option(const char *text, const char *option, fg_version *version, fg_error *err) {
    if (fg_version_parse(text, version)) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "option %s: found \"%s\", expected a version, such as 2 or 2.1", option,
                   text);
}

static fg_status resolve_from(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_version given;
    char *where = NULL;
    fg_update *u = c->update;
    const json_t *held = json_object_get(c->source.config, FG_ARCH_VERSION_KEY);
    bool said = held && !json_is_null(held);
    if (options->from_version) FG_TRY(parse_option(options->from_version, "--from-version", &given, err));
    if (!said && !options->from_version) FG_TRY(not_stamped(c, FG_ARCH_VERSION_KEY, "--from-version", err));
    FG_TRY_NEW(where, fg_strformat(err, "%s/config.json: %s", c->source.directory, FG_ARCH_VERSION_KEY));
    if (said) FG_TRY(fg_version_read(held, where, &u->from, err));
    if (said && options->from_version && fg_version_compare(&given, &u->from) != 0)
        FG_TRY(contradicts(c, FG_ARCH_VERSION_KEY, u->from.text, "--from-version", given.text, err));
    if (!said) u->from = given;
done:
    fg_free(where);
    return status;
}

/* The current version is the converter's; for a later one no converter can write the result. */
static fg_status resolve_to(fg_conversion *c, const fg_options *options, fg_error *err) {
    fg_status status = FG_OK;
    fg_update *u = c->update;
    const fg_version *newest = fg_migrations_newest(&u->migrations);
    bool found;
    FG_TRY(fg_converter_version(u->converter, &u->current, &found, err));
    if (!found) u->current = newest ? *newest : u->from;
    u->to = u->current;
    if (options->to_version) {
        FG_TRY(parse_option(options->to_version, "--to-version", &u->to, err));
    } else if (newest && fg_version_compare(newest, &u->current) > 0) {
        fg_fail(err, FG_ERR_INPUT,
                "%s: the migrations end at version %s, but the converter %s writes version %s", u->arch,
                newest->text, fg_converter_file(u->converter), u->current.text);
        FG_TRY(fg_hint(err,
                       "give a converter for that version with --converter-path, or another version with "
                       "--to-version"));
    }
done:
    return status;
}

/* ---- forward passes of older versions ---- */

static const char *unreadable_in(const fg_migration_chain *chain) {
    const char *reason = NULL;
    for (size_t i = 0; i < chain->count && !reason; i++)
        reason = fg_migration_no_forward_pass(chain->steps[i]);
    return reason;
}

/* The migrations from `to` to the current version, which tell how the destination is read. Without them only
 * the current version can be run. */
static fg_status resolve_rest(fg_update *u, fg_error *err) {
    fg_error why = {0};
    fg_status status = FG_OK;
    if (fg_version_compare(&u->to, &u->current) < 0)
        status = fg_migrations_chain(&u->migrations, u->arch, &u->to, &u->current, &u->rest, &why);
    if (status != FG_OK && status != FG_ERR_INPUT) return fg_fail(err, status, "%s", why.text);
    bool known = status == FG_OK && fg_version_compare(&u->to, &u->current) <= 0;
    if (!known) u->unreadable = "no migration describes the forward pass of the new version";
    if (!u->unreadable) u->unreadable = unreadable_in(&u->chain);
    if (!u->unreadable) u->unreadable = unreadable_in(&u->rest);
    return FG_OK;
}

static fg_status revise(const fg_migration_chain *chain, json_t *spec, fg_error *err) {
    fg_status status = FG_OK;
    for (size_t i = chain->count; i-- > 0;) {
        const json_t *model = fg_migration_model(chain->steps[i]);
        if (model) FG_TRY(fg_model_spec_revise(spec, &fg_format_forgather, model, err));
    }
done:
    return status;
}

fg_status fg_conversion_revise_spec(const fg_conversion *c, bool source, json_t *spec, fg_error *err) {
    if (!c->update) return FG_OK;
    fg_status status = revise(&c->update->rest, spec, err);
    return status == FG_OK && source ? revise(&c->update->chain, spec, err) : status;
}

/* ---- the steps ---- */

/* The source's configuration with architecture and version in the usual spelling. */
static fg_status stamp(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    fg_update *u = c->update;
    bool current = fg_version_compare(&u->from, &u->current) == 0;
    FG_TRY_NEW(u->config, fg_json_deep_copy(c->source.config, err));
    FG_TRY(fg_json_put_text(u->config, FG_ARCH_KEY, u->arch, err));
    FG_TRY(fg_json_put_text(u->config, FG_ARCH_VERSION_KEY, current ? u->current.text : u->from.text, err));
done:
    return status;
}

static fg_status add_steps(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    const fg_update *u = c->update;
    const fg_route_step back = {.direction = FG_EXPORT, .other = &fg_format_forgather},
                        there = {.direction = FG_IMPORT, .other = &fg_format_forgather};
    for (size_t i = 0; i < u->chain.count; i++) {
        const fg_route_step step = {.migration = u->chain.steps[i], .other = &fg_format_forgather};
        FG_TRY(fg_conversion_add_step(c, &step, err));
    }
    if (fg_version_compare(&u->to, &u->current) == 0) {
        FG_TRY(fg_conversion_add_step(c, &back, err));
        FG_TRY(fg_conversion_add_step(c, &there, err));
        goto done;
    }
    if (!u->chain.count)
        FG_FAIL(err, FG_ERR_USAGE, "%s already has version %s of %s, and the converter is for version %s",
                c->source.directory, u->from.text, u->arch, u->current.text);
    fg_warn("fgconv has model code for version %s of %s only: version %s gets none, and its tensors are not "
            "checked with a converter",
            u->current.text, u->arch, u->to.text);
done:
    return status;
}

fg_status fg_conversion_decide_update(fg_conversion *c, const fg_options *options, fg_catalogue *catalogue,
                                      fg_error *err) {
    fg_status status = FG_OK;
    const char *family = c->source.model_type;
    FG_NEW(c->update, 1);
    fg_update *u = c->update;
    c->to = &fg_format_forgather;
    fg_report_time(u->begun);
    u->gaps = (fg_tensor_gaps){.missing = json_array(), .unexpected = json_array()};
    if (!u->gaps.missing || !u->gaps.unexpected)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while preparing an update");
    FG_TRY(resolve_arch(c, options, err));
    FG_TRY(resolve_from(c, options, err));
    bool hf = json_object_get(c->source.config, "hf_model_type") != NULL;
    FG_TRY(fg_converter_load(&u->converter, catalogue, &fg_format_forgather, hf && family ? family : u->arch,
                             err));
    FG_TRY(fg_migrations_load(&u->migrations, catalogue, fg_converter_file(u->converter), u->arch, err));
    FG_TRY(resolve_to(c, options, err));
    FG_TRY(fg_migrations_chain(&u->migrations, u->arch, &u->from, &u->to, &u->chain, err));
    FG_TRY(resolve_rest(u, err));
    FG_TRY(stamp(c, err));
    FG_TRY(add_steps(c, err));
done:
    return status;
}

void fg_update_free(fg_update **update) {
    fg_update *u = *update;
    if (!u) return;
    fg_free(u->arch);
    fg_migration_chain_free(&u->chain);
    fg_migration_chain_free(&u->rest);
    fg_migrations_free(&u->migrations);
    json_decref(u->config);
    json_decref(u->gaps.missing);
    json_decref(u->gaps.unexpected);
    fg_free(u);
    *update = NULL;
}

/* ---- the configuration ---- */

/* Keys that describe the code, the schema or the stored types, or get another spelling: they are not copied
 * from the source. */
static bool is_rewritten(const char *key) {
    static const char *const keys[] = {"architectures", "auto_map",   "code_generator",    "model_type",
                                       FG_ARCH_KEY,     "dtype",      FG_ARCH_VERSION_KEY, "torch_dtype",
                                       "rope_scaling",  "rope_theta", "rope_parameters"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i], key) == 0) return true;
    }
    return false;
}

/* Without a converter for the version there is no code to name. */
static fg_status keep_without_code(fg_conversion *c, fg_error *err) {
    static const char *const code[] = {"architectures", "auto_map", "code_generator"};
    c->config = fg_json_deep_copy(fg_conversion_last(c)->translation.result, err);
    if (!c->config) return FG_ERR_MEMORY;
    for (size_t i = 0; i < sizeof code / sizeof *code; i++) json_object_del(c->config, code[i]);
    return FG_OK;
}

/* Keys that the destination has after all are not left out. */
static void forget_kept(const fg_conversion *c) {
    for (size_t s = 0; s < c->step_count; s++) {
        json_t *left_out = c->steps[s].translation.left_out;
        for (size_t i = json_array_size(left_out); i-- > 0;) {
            const char *key = json_string_value(json_object_get(json_array_get(left_out, i), "key"));
            if (key && fg_json_at(c->config, key)) json_array_remove(left_out, i);
        }
    }
}

fg_status fg_conversion_keep_config(fg_conversion *c, fg_error *err) {
    fg_status status = FG_OK;
    const fg_update *u = c->update;
    const json_t *saved = u->chain.count ? c->steps[u->chain.count - 1].translation.result : u->config;
    const char *key;
    json_t *value;
    if (fg_conversion_last(c)->migration) return keep_without_code(c, err);
    FG_TRY_NEW(c->config, fg_json_deep_copy(fg_conversion_last(c)->translation.result, err));
    json_object_foreach((json_t *)(uintptr_t)saved, key, value) {
        if (!is_rewritten(key)) FG_TRY(fg_json_put(c->config, key, fg_json_deep_copy(value, err), err));
    }
    forget_kept(c);
done:
    return status;
}

/* ---- tied tensors ---- */

static fg_status compare_numbers(const fg_weight_source *weights, const fg_weight *a, const fg_weight *b,
                                 const char *first, const char *second, fg_error *err) {
    fg_status status = FG_OK;
    float *room = NULL;
    FG_NEW(room, 2 * CHUNK);
    for (uint64_t at = 0, count; at < a->elements; at += count) {
        count = fg_min(a->elements - at, CHUNK);
        FG_TRY(fg_weight_source_read_f32(weights, a, at, count, room, err));
        FG_TRY(fg_weight_source_read_f32(weights, b, at, count, room + CHUNK, err));
        if (memcmp(room, room + CHUNK, count * sizeof *room) != 0)
            FG_FAIL(err, FG_ERR_INPUT, "\"%s\" and \"%s\" are tied by the configuration, but differ", first,
                    second);
    }
done:
    fg_free(room);
    return status;
}

static fg_status compare_pair(const fg_weight_source *weights, const json_t *pair, fg_error *err) {
    const char *first = json_string_value(json_array_get(pair, 0)),
               *second = json_string_value(json_array_get(pair, 1));
    fg_weight a, b;
    if (!weights->find(weights->context, first, &a) || !weights->find(weights->context, second, &b))
        return FG_OK;
    if (a.elements != b.elements || a.dtype != b.dtype) return FG_OK; /* the converter refuses them */
    return compare_numbers(weights, &a, &b, first, second, err);
}

fg_status fg_conversion_check_ties(const fg_conversion *c, size_t index, const fg_plan *plan, fg_error *err) {
    fg_status status = FG_OK;
    const fg_route_step *step = &c->steps[index];
    fg_weight_source weights = {0};
    json_t *pairs = NULL, *pair;
    size_t i;
    if (step->migration || step->direction != FG_EXPORT) return FG_OK;
    FG_TRY(fg_name_map_tied(step->converter, step->translation.hf, &pairs, err));
    if (!json_array_size(pairs)) goto done;
    FG_TRY(fg_weight_source_from_plan(&weights, plan, err));
    json_array_foreach(pairs, i, pair) FG_TRY(compare_pair(&weights, pair, err));
done:
    fg_weight_source_close(&weights);
    json_decref(pairs);
    return status;
}

/* ---- the audit file ---- */

static fg_status list_migrations(const fg_migration_chain *chain, json_t *list, fg_error *err) {
    fg_status status = FG_OK;
    char *text = NULL;
    for (size_t i = 0; i < chain->count; i++) {
        FG_TRY_NEW(text, fg_migration_text(chain->steps[i], err));
        FG_TRY(fg_json_push(list, json_string(text), err));
        fg_free(text);
        text = NULL;
    }
done:
    fg_free(text);
    return status;
}

fg_status fg_conversion_audit(const fg_conversion *c, json_t **audit, fg_error *err) {
    fg_status status = FG_OK;
    const fg_update *u = c->update;
    json_t *migrations = json_array();
    *audit = json_object();
    FG_TRY(list_migrations(&u->chain, migrations, err));
    FG_TRY(fg_json_put_text(*audit, "schema", "forgather_update.v1", err));
    FG_TRY(fg_json_put_text(*audit, "timestamp", u->begun, err));
    FG_TRY(fg_json_put_text(*audit, "source", c->source.directory, err));
    FG_TRY(fg_json_put_text(*audit, "arch", u->arch, err));
    FG_TRY(fg_json_put_text(*audit, "from_version", u->from.text, err));
    FG_TRY(fg_json_put_text(*audit, "to_version", u->to.text, err));
    FG_TRY(fg_json_put(*audit, "migrations", json_incref(migrations), err));
    FG_TRY(fg_json_put_text(*audit, "dtype", fg_plan_main_dtype(&c->plan), err));
    FG_TRY(fg_json_put(*audit, "missing_keys", json_incref(u->gaps.missing), err));
    FG_TRY(fg_json_put(*audit, "unexpected_keys", json_incref(u->gaps.unexpected), err));
done:
    json_decref(migrations);
    if (status != FG_OK) {
        json_decref(*audit);
        *audit = NULL;
    }
    return status;
}
