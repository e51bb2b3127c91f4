#include "lint/lint_code.h"

#include <string.h>

#include "base/alloc.h"
#include "language/declaration.h"
#include "lint/lint.h"
#include "lint/lint_errors.h"
#include "mapping/code_parameters.h"
#include "mapping/name_map.h"
#include "translate/translate.h"

typedef struct code_linter {
    const fg_converter *converter;
    fg_code_declaration declaration;
    fg_buffer *wrong;
    size_t before; /* length of `wrong` at the start */
} code_linter;

/* ---- one configuration ---- */

static fg_status translate(const code_linter *l, fg_direction direction, const json_t *config,
                           fg_translation *result, fg_error *err) {
    const fg_translate_options options = {.hf_version = 4, .version = "0", .file = "example"};
    return fg_translate(l->converter, direction, config, &options, result, err);
}

static fg_status check_translated(const code_linter *l, const fg_translation *there, fg_error *err) {
    fg_status status = FG_OK;
    fg_plan plan = {0};
    json_t *tied = NULL;
    fg_code_written written = {.config = there->result, .plan = &plan};
    FG_TRY(fg_code_check_config(&l->declaration, there->result, there->result, err));
    FG_TRY(fg_lint_outputs(l->converter, there->hf, FG_IMPORT, &plan, err));
    FG_TRY(fg_name_map_tied(l->converter, there->hf, &tied, err));
    written.tied = tied;
    FG_TRY(fg_code_check_parameters(&l->declaration, &written, NULL, err));
done:
    json_decref(tied);
    fg_plan_free(&plan);
    return status;
}

/* A configuration that the family refuses is no problem of its code. */
static fg_status check_config(code_linter *l, const json_t *config, bool *accepted, fg_error *err) {
    fg_translation there = {0};
    fg_error what = {0};
    fg_status status = translate(l, FG_IMPORT, config, &there, &what);
    *accepted = status == FG_OK;
    if (*accepted)
        status = fg_lint_errors_catch_whole(l->wrong, check_translated(l, &there, &what), &what, err);
    else
        status = status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &what);
    fg_translation_free(&there);
    return status;
}

/* ---- a configuration and its neighbours ---- */

/* The example of the declaration as hf has it. */
static fg_status make_sample(code_linter *l, json_t **sample, fg_error *err) {
    fg_status status = FG_OK;
    fg_translation back = {0};
    fg_error what = {0};
    const json_t *example = json_object_get(l->declaration.document, "example");
    *sample = NULL;
    if (!example) {
        fg_fail(&what, FG_ERR_INPUT,
                "%s: without an \"example\" of the converter or of the code nothing is checked",
                l->declaration.file);
        return fg_lint_errors_catch_whole(l->wrong, FG_ERR_INPUT, &what, err);
    }
    status = translate(l, FG_EXPORT, example, &back, &what);
    if (status == FG_ERR_INPUT)
        fg_where(&what,
                 "converting the \"example\" of %s to hf; the converter may have an \"example\" of its own",
                 l->declaration.file);
    FG_TRY(fg_lint_errors_catch_whole(l->wrong, status, &what, err));
    *sample = json_incref(back.result);
done:
    fg_translation_free(&back);
    return status;
}

/* Flags decide which parameters there are: each is tried both ways. */
static fg_status check_flag(code_linter *l, const json_t *sample, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    bool accepted;
    json_t *config = NULL;
    fg_error what = {0};
    for (int on = 0; on < 2 && l->wrong->length == l->before; on++) {
        json_decref(config);
        FG_TRY_NEW(config, fg_json_deep_copy(sample, err));
        status = fg_json_set_at(config, path, json_boolean(on), &what);
        if (status != FG_OK) goto done;
        FG_TRY(check_config(l, config, &accepted, err));
    }
done:
    json_decref(config);
    if (!what.status) return status;
    return status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &what); /* no place for the flag */
}

static fg_status check_flags(code_linter *l, const json_t *sample, fg_error *err) {
    const fg_section *root = fg_converter_declarations(l->converter)->root;
    for (size_t i = 0; root && i < root->count; i++) {
        const fg_declaration *d = &root->items[i];
        const char *type = json_string_value(json_object_get(d->spec, "type"));
        if (type && strncmp(type, "flag", 4) == 0 && d->key_count)
            FG_CALL(check_flag(l, sample, d->keys[0], err));
    }
    return FG_OK;
}

static fg_status check_sample(code_linter *l, const json_t *sample, fg_error *err) {
    fg_status status = FG_OK;
    fg_error what = {0};
    json_t *made = NULL;
    bool accepted = true;
    FG_TRY(fg_lint_errors_catch_whole(l->wrong, fg_code_check_names(&l->declaration, &what), &what, err));
    if (l->wrong->length > l->before) goto done;
    if (!sample) FG_TRY(make_sample(l, &made, err));
    if (!sample && !made) goto done;
    FG_TRY(check_config(l, sample ? sample : made, &accepted, err));
    if (!accepted && made) {
        fg_fail(&what, FG_ERR_INPUT, "%s: the family refuses the \"example\"", l->declaration.file);
        FG_TRY(fg_lint_errors_catch_whole(l->wrong, FG_ERR_INPUT, &what, err));
    }
    if (accepted) FG_TRY(check_flags(l, sample ? sample : made, err));
done:
    json_decref(made);
    return status;
}

fg_status fg_lint_code(const fg_converter *converter, const json_t *sample, fg_buffer *wrong, fg_error *err) {
    code_linter l = {.converter = converter, .wrong = wrong, .before = wrong->length};
    fg_error what = {0};
    fg_status status = fg_code_declaration_load(&l.declaration, converter, &what);
    if (status != FG_OK) return fg_lint_errors_catch_whole(wrong, status, &what, err);
    if (!l.declaration.document) return FG_OK; /* no code */
    status = check_sample(&l, sample, err);
    fg_code_declaration_free(&l.declaration);
    return status;
}
