#include "conversion/update.h"

#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/log.h"
#include "mapping/name_map.h"
#include "model/spec.h"
#include "model/weight_source.h"

enum { CHUNK = 64 << 10 }; /* numbers of tied tensors that are compared at once */

/* ---- architecture and versions ---- */

static fg_status not_stamped(const fg_checkpoint *c, const char *key, const char *option, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "%s/config.json has no %s: %s is required", c->directory, key, option);
    fg_about_key(err, key);
    return fg_hint(err, "give --arch NAME and --from-version N; `fgconv list` shows the architectures");
}

static fg_status contradicts(const fg_checkpoint *c, const char *key, const char *held, const char *option,
                             const char *given, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "%s/config.json has %s %s, but %s is %s", c->directory, key, held, option,
            given);
    fg_about_key(err, key);
    fg_about_found(err, "%s", held);
    fg_about_expected(err, "%s", given);
    return fg_hint(err, "remove %s: it is for directories without that key", option);
}

static fg_status resolve_arch(fg_update *u, const fg_checkpoint *c, const fg_recipe *recipe, fg_error *err) {
    char brief[80];
    const json_t *held = json_object_get(c->config, FG_ARCH_KEY);
    const char *said = json_string_value(held);
    if (held && !json_is_null(held) && !said)
        return fg_fail(err, FG_ERR_INPUT, "%s/config.json: %s: found %s, expected a string", c->directory,
                       FG_ARCH_KEY, fg_json_brief(held, brief, sizeof brief));
    if (!said && !recipe->arch) FG_CALL(not_stamped(c, FG_ARCH_KEY, "--arch", err));
    if (said && recipe->arch && strcmp(said, recipe->arch) != 0)
        FG_CALL(contradicts(c, FG_ARCH_KEY, said, "--arch", recipe->arch, err));
    FG_CALL_NEW(u->arch, fg_strdup(said ? said : recipe->arch, err));
    return FG_OK;
}

static fg_status parse_option(const char *text, const char *option, fg_version *version, fg_error *err) {
    if (fg_version_parse(text, version)) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "option %s: found \"%s\", expected a version, such as 2 or 2.1", option,
                   text);
}

static fg_status resolve_from(fg_update *u, const fg_checkpoint *c, const fg_recipe *recipe, fg_error *err) {
    fg_status status = FG_OK;
    fg_version given;
    char *where = NULL;
    const json_t *held = json_object_get(c->config, FG_ARCH_VERSION_KEY);
    bool said = held && !json_is_null(held);
    if (recipe->from_version) FG_TRY(parse_option(recipe->from_version, "--from-version", &given, err));
    if (!said && !recipe->from_version) FG_TRY(not_stamped(c, FG_ARCH_VERSION_KEY, "--from-version", err));
    FG_TRY_NEW(where, fg_strformat(err, "%s/config.json: %s", c->directory, FG_ARCH_VERSION_KEY));
    if (said) FG_TRY(fg_version_read(held, where, &u->from, err));
    if (said && recipe->from_version && fg_version_compare(&given, &u->from) != 0)
        FG_TRY(contradicts(c, FG_ARCH_VERSION_KEY, u->from.text, "--from-version", given.text, err));
    if (!said) u->from = given;
done:
    fg_free(where);
    return status;
}

/* The current version is the converter's; for a later one no converter can write the result. */
static fg_status resolve_to(fg_update *u, const fg_recipe *recipe, fg_error *err) {
    const fg_version *newest = fg_migrations_newest(&u->migrations);
    bool found;
    FG_CALL(fg_converter_version(u->converter, &u->current, &found, err));
    if (!found) u->current = newest ? *newest : u->from;
    u->to = u->current;
    if (recipe->to_version) {
        FG_CALL(parse_option(recipe->to_version, "--to-version", &u->to, err));
    } else if (newest && fg_version_compare(newest, &u->current) > 0) {
        fg_fail(err, FG_ERR_INPUT,
                "architecture %s: the migrations end at version %s, but the converter %s writes version %s",
                u->arch, newest->text, fg_converter_file(u->converter), u->current.text);
        FG_CALL(fg_hint(err,
                        "give a converter for that version with --converter-path, or another version with "
                        "--to-version"));
    }
    return FG_OK;
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
    if (status != FG_OK && status != FG_ERR_INPUT) return fg_fail_again(err, &why);
    bool known = status == FG_OK && fg_version_compare(&u->to, &u->current) <= 0;
    if (!known) u->unreadable = "no migration describes the forward pass of the new version";
    if (!u->unreadable) u->unreadable = unreadable_in(&u->chain);
    if (!u->unreadable) u->unreadable = unreadable_in(&u->rest);
    return FG_OK;
}

static fg_status revise(const fg_migration_chain *chain, json_t *spec, fg_error *err) {
    for (size_t i = chain->count; i-- > 0;)
        FG_CALL(fg_model_spec_revise(spec, &fg_format_forgather, chain->steps[i], err));
    return FG_OK;
}

fg_status fg_update_revise_spec(const fg_update *u, bool source, json_t *spec, fg_error *err) {
    if (!u) return FG_OK;
    fg_status status = revise(&u->rest, spec, err);
    return status == FG_OK && source ? revise(&u->chain, spec, err) : status;
}

/* ---- deciding ---- */

bool fg_update_is_checked(const fg_update *u) {
    return fg_version_compare(&u->to, &u->current) == 0;
}

/* The source's configuration with architecture and version in the usual spelling. */
static fg_status stamp(fg_update *u, const json_t *config, fg_error *err) {
    bool current = fg_version_compare(&u->from, &u->current) == 0;
    FG_CALL_NEW(u->config, fg_json_deep_copy(config, err));
    FG_CALL(fg_json_put_text(u->config, FG_ARCH_KEY, u->arch, err));
    return fg_json_put_text(u->config, FG_ARCH_VERSION_KEY, current ? u->current.text : u->from.text, err);
}

/* What no converter writes is worth a word, if it is something at all. */
static fg_status check_unchecked(const fg_update *u, const char *directory, fg_error *err) {
    if (fg_update_is_checked(u)) return FG_OK;
    if (!u->chain.count)
        return fg_fail(err, FG_ERR_USAGE,
                       "%s already has version %s of %s, and the converter is for version %s", directory,
                       u->from.text, u->arch, u->current.text);
    fg_warn("fgconv has model code for version %s of %s only: version %s gets none, and its tensors are not "
            "checked with a converter",
            u->current.text, u->arch, u->to.text);
    return FG_OK;
}

fg_status fg_update_decide(const fg_recipe *recipe, const fg_source *source, fg_catalogue *catalogue,
                           fg_update **update, fg_error *err) {
    fg_status status = FG_OK;
    const fg_checkpoint *c = &source->checkpoint;
    FG_NEW(*update, 1);
    fg_update *u = *update;
    fg_clock_text(u->begun);
    FG_TRY(resolve_arch(u, c, recipe, err));
    FG_TRY(resolve_from(u, c, recipe, err));
    bool hf = json_object_get(c->config, "hf_model_type") != NULL;
    FG_TRY(fg_converter_load(&u->converter, catalogue, c->format,
                             hf && c->model_type ? c->model_type : u->arch, err));
    FG_TRY(fg_migrations_load(&u->migrations, catalogue, fg_converter_file(u->converter), u->arch, err));
    FG_TRY(resolve_to(u, recipe, err));
    FG_TRY(fg_migrations_chain(&u->migrations, u->arch, &u->from, &u->to, &u->chain, err));
    FG_TRY(resolve_rest(u, err));
    FG_TRY(stamp(u, c->config, err));
    FG_TRY(check_unchecked(u, c->directory, err));
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

fg_status fg_update_config(const json_t *migrated, const json_t *translated, json_t **config, fg_error *err) {
    static const char *const code[] = {"architectures", "auto_map", "code_generator"};
    json_t *value;
    FG_CALL_NEW(*config, fg_json_deep_copy(translated, err));
    for (size_t i = 0; !migrated && i < sizeof code / sizeof *code; i++) json_object_del(*config, code[i]);
    FG_JSON_MEMBERS(migrated, key, value) {
        if (!is_rewritten(key)) FG_CALL(fg_json_put(*config, key, fg_json_deep_copy(value, err), err));
    }
    return FG_OK;
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

fg_status fg_update_check_ties(const fg_converter *converter, const json_t *hf, const fg_plan *plan,
                               fg_error *err) {
    fg_status status = FG_OK;
    fg_weight_source weights = {0};
    json_t *pairs = NULL, *pair;
    FG_TRY(fg_name_map_tied(converter, hf, &pairs, err));
    if (!json_array_size(pairs)) goto done;
    FG_TRY(fg_weight_source_from_plan(&weights, plan, err));
    FG_JSON_EACH(pairs, i, pair) FG_TRY(compare_pair(&weights, pair, err));
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

fg_status fg_update_audit(const fg_update *u, const char *source, const fg_plan *plan,
                          const fg_tensor_gaps *gaps, json_t **audit, fg_error *err) {
    fg_status status = FG_OK;
    json_t *migrations;
    *audit = json_object();
    FG_TRY(fg_json_put_text(*audit, "schema", "forgather_update.v1", err));
    FG_TRY(fg_json_put_text(*audit, "timestamp", u->begun, err));
    FG_TRY(fg_json_put_text(*audit, "source", source, err));
    FG_TRY(fg_json_put_text(*audit, "arch", u->arch, err));
    FG_TRY(fg_json_put_text(*audit, "from_version", u->from.text, err));
    FG_TRY(fg_json_put_text(*audit, "to_version", u->to.text, err));
    FG_TRY_NEW(migrations, fg_json_put_array(*audit, "migrations", err));
    FG_TRY(list_migrations(&u->chain, migrations, err));
    FG_TRY(fg_json_put_text(*audit, "dtype", fg_plan_main_dtype(plan), err));
    FG_TRY(fg_json_put(*audit, "missing_keys", json_incref(gaps->missing), err));
    FG_TRY(fg_json_put(*audit, "unexpected_keys", json_incref(gaps->unexpected), err));
done:
    if (status != FG_OK) {
        json_decref(*audit);
        *audit = NULL;
    }
    return status;
}
