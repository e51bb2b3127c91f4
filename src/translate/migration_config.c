#include "translate/migration_config.h"

#include <string.h>

#include "base/alloc.h"
#include "translate/translator.h"

enum { BRIEF = 120 };

/* A key that no rule claims keeps its place, unless a rule has written something else there. */
static fg_status pass_key(fg_translator *t, const char *path, const json_t *value, fg_error *err) {
    char new[BRIEF];
    const json_t *written = fg_json_at(t->result, path);
    if (!written) return fg_json_set_at(t->result, path, fg_json_deep_copy(value, err), err);
    if (fg_json_equal(written, value)) return FG_OK;
    return fg_translator_refuse_value(t, NULL, NULL, path, value, err,
                                      "no rule covers it, but one writes %s in its place",
                                      fg_json_brief(written, new, sizeof new));
}

static fg_status pass_keys(fg_translator *t, const json_t *object, const char *prefix, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value;
    char *path = NULL;
    FG_JSON_MEMBERS(object, key, value) {
        const fg_claims *claims = &t->claims[FG_SIDE_HF];
        FG_TRY_RENEW(path, fg_strformat(err, "%s%s%s", prefix, *prefix ? "/" : "", key));
        bool shared = fg_claims_below(claims, path) || json_is_object(fg_json_at(t->result, path));
        if (json_object_size(value) && shared && !fg_claims_find(claims, path))
            FG_TRY(pass_keys(t, value, path, err));
        else if (!fg_claims_find(claims, path))
            FG_TRY(strchr(key, '/') ? fg_json_put(t->result, key, fg_json_deep_copy(value, err), err)
                                    : pass_key(t, path, value, err));
    }
done:
    fg_free(path);
    return status;
}

static fg_status stamp(const fg_migration *m, const char *arch, json_t *config, fg_error *err) {
    FG_CALL(fg_json_put_text(config, FG_ARCH_KEY, arch, err));
    return fg_json_put_text(config, FG_ARCH_VERSION_KEY, m->to.text, err);
}

static fg_status run_rules(fg_translator *t, const fg_migration *m, const json_t *config, fg_error *err) {
    t->source = fg_json_deep_copy(config, err);
    t->result = json_object();
    t->resolved = json_object();
    t->variables = json_object();
    if (!t->source || !t->result || !t->resolved || !t->variables)
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while migrating a configuration");
    fg_frame frame = {.section = m->declarations.root, .hf = "", .target = ""};
    frame.scope = (fg_scope){.here = t->source, .root = t->source, .variables = t->variables};
    FG_CALL(fg_translator_run(t, &frame, err));
    FG_CALL(pass_keys(t, t->given, "", err));
    return fg_translator_verdict(t, err);
}

fg_status fg_migration_config(const fg_migration *m, const char *arch, const json_t *config, const char *file,
                              json_t **result, json_t *left_out, fg_warnings *warnings, fg_error *err) {
    fg_status status = FG_OK;
    const fg_translate_options options = {.file = file};
    fg_translator t = {.document = m->document,
                       .file = m->file->path,
                       .declarations = &m->declarations,
                       .direction = FG_IMPORT,
                       .options = &options,
                       .given = config,
                       .left_out = left_out,
                       .warnings = warnings};
    *result = NULL;
    FG_TRY(run_rules(&t, m, config, err));
    FG_TRY(stamp(m, arch, t.result, err));
    *result = json_incref(t.result);
done:
    fg_translator_free(&t);
    return fg_migration_where(m, status, err);
}
