#include "conversion/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/shell_word.h"

/* ---- making ---- */

/* Where things lie is not what they are; the formats are there by themselves. */
static const char *const left_out[] = {"source", "destination", "from", "to", "reverse", "tokens", "command"};

enum { LEFT_OUT = sizeof left_out / sizeof *left_out };

static fg_status put_options(const fg_recipe *recipe, json_t *identity, fg_error *err) {
    json_t *options;
    FG_CALL_NEW(options, fg_json_put_object(identity, "options", err));
    FG_CALL(fg_recipe_put(recipe, true, options, err));
    FG_CALL(fg_json_put(identity, "command", json_incref(json_object_get(options, "command")), err));
    for (size_t i = 0; i < LEFT_OUT; i++) json_object_del(options, left_out[i]);
    return FG_OK;
}

static json_t *time_text(int64_t seconds, int64_t nanoseconds) {
    char text[48];
    snprintf(text, sizeof text, "%" PRId64 ".%09" PRId64, seconds, nanoseconds);
    return json_string(text);
}

/* Under its path below the source, unless it lies elsewhere. */
static fg_status put_file(const fg_checkpoint *checkpoint, const char *path, const fg_file_stamp *stamp,
                          json_t *files, fg_error *err) {
    size_t length = strlen(checkpoint->directory);
    bool inside = strncmp(path, checkpoint->directory, length) == 0 && path[length] == '/';
    json_t *key = fg_json_string(inside ? path + length + 1 : path);
    json_t *value = json_pack("{s:I, s:o, s:o}", "size", (json_int_t)stamp->size, "modified",
                              time_text(stamp->mtime_s, stamp->mtime_ns), "changed",
                              time_text(stamp->ctime_s, stamp->ctime_ns));
    fg_status status = key ? fg_json_put(files, json_string_value(key), value, err)
                           : fg_fail(err, FG_ERR_MEMORY, "out of memory");
    if (!key) json_decref(value);
    json_decref(key);
    return status;
}

static fg_status put_name(const fg_checkpoint *checkpoint, const char *name, json_t *files, fg_error *err) {
    fg_status status = FG_OK;
    fg_file_stamp stamp;
    bool is_file;
    char *path = fg_path_join(checkpoint->directory, name, err);
    if (!path) return FG_ERR_MEMORY;
    FG_TRY(fg_path_is_file(path, &is_file, err));
    if (!is_file) goto done;
    FG_TRY(fg_file_stamp_of(path, &stamp, err));
    FG_TRY(put_file(checkpoint, path, &stamp, files, err));
done:
    fg_free(path);
    return status;
}

static fg_status put_names(const fg_checkpoint *checkpoint, const fg_names *names, json_t *files,
                           fg_error *err) {
    for (size_t i = 0; i < names->count; i++) FG_CALL(put_name(checkpoint, names->items[i], files, err));
    return FG_OK;
}

static fg_status put_source(const fg_conversion *c, json_t *identity, fg_error *err) {
    const fg_source *source = &c->decided.source;
    const fg_checkpoint *checkpoint = &source->checkpoint;
    const fg_tensors *tensors = &c->layout.plan.source;
    json_t *files, *name;
    FG_CALL_NEW(files, fg_json_put_object(identity, "source", err));
    for (size_t i = 0; i < tensors->file_count; i++)
        FG_CALL(put_file(checkpoint, tensors->files[i], &tensors->stamps[i], files, err));
    FG_CALL(put_name(checkpoint, checkpoint->format->config_file, files, err));
    FG_CALL(put_names(checkpoint, &checkpoint->side_files, files, err));
    FG_CALL(put_names(checkpoint, &checkpoint->code_files, files, err));
    if (c->decided.recipe->kind == FG_RECIPE_UPDATE_VOCAB)
        FG_CALL(put_names(checkpoint, &checkpoint->other_files, files, err));
    FG_JSON_EACH(source->base.files, i, name)
        FG_CALL(put_name(&source->base.checkpoint, json_string_value(name), files, err));
    return FG_OK;
}

/* A plan as it would be if its source lay nowhere. */
static fg_status put_plan(const fg_plan *plan, json_t *identity, fg_error *err) {
    fg_status status = FG_OK;
    fg_plan placeless = *plan;
    fg_buffer text = {0};
    char nowhere[] = "", hash[24];
    placeless.source.files = NULL;
    placeless.source.stamps = NULL;
    FG_NEW(placeless.source.files, plan->source.file_count + 1);
    FG_NEW(placeless.source.stamps, plan->source.file_count + 1);
    for (size_t i = 0; i < plan->source.file_count; i++) placeless.source.files[i] = nowhere;
    FG_TRY(fg_plan_encode(&placeless, &text, err));
    snprintf(hash, sizeof hash, "%016" PRIx64, (uint64_t)XXH3_64bits(text.data, text.length));
    FG_TRY(fg_json_put(identity, "plan", json_string(hash), err));
done:
    fg_buffer_free(&text);
    fg_free(placeless.source.files);
    fg_free(placeless.source.stamps);
    return status;
}

fg_status fg_identity_make(const fg_conversion *c, const fg_recipe *recipe, const char *version,
                           json_t **identity, fg_error *err) {
    fg_status status = FG_OK;
    json_t *made = NULL;
    FG_TRY_NEW(made, json_pack("{s:s, s:s, s:s}", "fgconv", version, "from",
                               c->decided.source.checkpoint.format->name, "to", c->decided.route.to->name));
    FG_TRY(put_options(recipe, made, err));
    FG_TRY(put_source(c, made, err));
    FG_TRY(put_plan(&c->layout.plan, made, err));
    *identity = made;
    made = NULL;
done:
    json_decref(made);
    return status;
}

/* ---- comparing ---- */

enum { VALUE = 120 };

static fg_status differ(const char *partial, fg_error *err) {
    char word[FG_SHELL_WORD];
    return fg_hint(err, "give what it was begun with, or remove it (rm -r %s) and begin again",
                   fg_shell_word(partial, word));
}

/* For people: an option that was not given is null in a recipe. */
static const char *said(const json_t *value, char text[VALUE]) {
    return json_is_null(value) ? "none" : fg_json_brief(value, text, VALUE);
}

static fg_status check_member(const json_t *held, const json_t *now, const char *key, const char *what,
                              const char *partial, fg_error *err) {
    char before[VALUE], after[VALUE];
    const json_t *was = json_object_get(held, key), *is = json_object_get(now, key);
    if (fg_json_equal(was, is)) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "%s was begun with another %s: %s then, %s now", partial, what,
            said(was, before), said(is, after));
    fg_about_key(err, key);
    fg_about_found(err, "%s", after);
    fg_about_expected(err, "%s", before);
    return differ(partial, err);
}

/* The option that a member of a recipe is named for. */
static void name_option(const char *key, char *name, size_t size) {
    snprintf(name, size, "option --%s", key);
    for (char *at = name; *at; at++)
        if (*at == '_') *at = '-';
}

static fg_status check_options(const json_t *held, const json_t *now, const char *partial, fg_error *err) {
    char name[64];
    json_t *value;
    FG_JSON_MEMBERS(now, key, value) {
        name_option(key, name, sizeof name);
        FG_CALL(check_member(held, now, key, name, partial, err));
    }
    return FG_OK;
}

static const char *changed_part(const json_t *was, const json_t *is) {
    if (!fg_json_equal(json_object_get(was, "size"), json_object_get(is, "size"))) return "size";
    if (!fg_json_equal(json_object_get(was, "modified"), json_object_get(is, "modified")))
        return "modification time";
    return "change time (ctime)";
}

static fg_status check_files(const json_t *held, const json_t *now, const char *partial, fg_error *err) {
    json_t *value;
    FG_JSON_MEMBERS(held, gone, value) {
        if (json_object_get(now, gone)) continue;
        fg_fail(err, FG_ERR_USAGE, "%s was begun from a source with the file %s, which is not there now",
                partial, gone);
        return differ(partial, err);
    }
    FG_JSON_MEMBERS(now, name, value) {
        const json_t *was = json_object_get(held, name);
        if (was && fg_json_equal(was, value)) continue;
        if (was)
            fg_fail(err, FG_ERR_USAGE, "%s was begun from another source: the %s of %s differs", partial,
                    changed_part(was, value), name);
        else
            fg_fail(err, FG_ERR_USAGE, "%s was begun from a source without the file %s", partial, name);
        return differ(partial, err);
    }
    return FG_OK;
}

fg_status fg_identity_check(const json_t *held, const json_t *now, const char *partial, fg_error *err) {
    FG_CALL(check_member(held, now, "fgconv", "version of fgconv", partial, err));
    FG_CALL(check_member(held, now, "command", "command", partial, err));
    FG_CALL(check_member(held, now, "from", "source format", partial, err));
    FG_CALL(check_member(held, now, "to", "destination format", partial, err));
    FG_CALL(check_options(json_object_get(held, "options"), json_object_get(now, "options"), partial, err));
    FG_CALL(check_files(json_object_get(held, "source"), json_object_get(now, "source"), partial, err));
    if (fg_json_equal(json_object_get(held, "plan"), json_object_get(now, "plan"))) return FG_OK;
    fg_fail(err, FG_ERR_USAGE,
            "%s was begun with another plan: converters or files that options name changed", partial);
    return differ(partial, err);
}
