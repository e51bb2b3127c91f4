#include "conversion/detect_family.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/visible_text.h"
#include "translate/translate.h"

enum { REASON = 160 };

typedef struct family_search {
    fg_family_question question;
    json_t *fitting; /* owned; array of families that can hold all of it */
    json_t *losing;  /* owned; warning -> array of families that accept it with the warning */
    json_t *refused; /* owned; reason -> array of families */
} family_search;

/* The first refusal in an error of fg_translate, without the leading file name and the trailing rule. */
static void first_refusal(const char *file, const char *text, char reason[REASON]) {
    size_t name = strlen(file);
    if (strncmp(text, file, name) == 0 && fg_starts_with(text + name, ": ")) text += name + 2;
    size_t length = strcspn(text, "\n");
    const char *rule = strstr(text, " (rule \"");
    if (rule && (size_t)(rule - text) < length) length = (size_t)(rule - text);
    bool cut = length >= REASON;
    snprintf(reason, REASON, "%.*s%s", (int)(cut ? REASON - 4 : length), text, cut ? "..." : "");
}

fg_status fg_family_is_known(fg_catalogue *catalogue, const fg_format *format, const char *family,
                             bool *known, fg_error *err) {
    const fg_converter *converter = NULL;
    fg_error why = {0};
    *known = false;
    if (!family) return FG_OK;
    fg_status status = fg_converter_load(&converter, catalogue, format, family, &why);
    *known = status == FG_OK;
    return status == FG_OK || status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, &why);
}

fg_status fg_family_try(const fg_family_question *question, const char *family, fg_error *refused,
                        fg_warnings *warnings, fg_error *err) {
    const fg_converter *converter = NULL;
    fg_translation translation = {0};
    const fg_translate_options how = {
        .hf_version = 4, .version = "", .file = question->file, .coverage_only = true};
    *refused = (fg_error){0};
    fg_status status = fg_converter_load(&converter, question->catalogue, question->other, family, refused);
    if (status == FG_OK)
        status = fg_translate(converter, question->direction, question->config, &how, &translation, refused);
    if (warnings) {
        *warnings = translation.warnings;
        translation.warnings = (fg_warnings){0};
    }
    fg_translation_free(&translation);
    return status == FG_OK || status == FG_ERR_INPUT ? FG_OK : fg_fail_again(err, refused);
}

static fg_status consider(family_search *s, const char *family, fg_error *err) {
    fg_status status = FG_OK;
    char reason[REASON];
    fg_warnings warnings = {0};
    fg_error refused;
    FG_TRY(fg_family_try(&s->question, family, &refused, &warnings, err));
    bool taken = refused.status == FG_OK;
    first_refusal(s->question.file, taken ? (warnings.count ? warnings.items[0].line : "") : refused.text,
                  reason);
    if (taken && !*reason) {
        FG_TRY(fg_json_push(s->fitting, json_string(family), err));
        goto done;
    }
    json_t *group = taken ? s->losing : s->refused;
    if (!json_object_get(group, reason)) FG_TRY(fg_json_put(group, reason, json_array(), err));
    FG_TRY(fg_json_push(json_object_get(group, reason), json_string(family), err));
done:
    fg_warnings_free(&warnings);
    return status;
}

static bool is_listed_before(const fg_converter_entry *entries, size_t index) {
    for (size_t i = 0; i < index; i++) {
        if (entries[i].model_type && strcmp(entries[i].format, entries[index].format) == 0 &&
            strcmp(entries[i].model_type, entries[index].model_type) == 0)
            return true;
    }
    return false;
}

static fg_status consider_all(family_search *s, fg_error *err) {
    const fg_converter_entries *entries;
    FG_CALL(fg_converters_list(s->question.catalogue, &entries, err));
    for (size_t i = 0; i < entries->count; i++) {
        const fg_converter_entry *entry = &entries->items[i];
        bool wanted = entry->model_type && strcmp(entry->format, s->question.other->schema) == 0 &&
                      !is_listed_before(entries->items, i);
        if (wanted) FG_CALL(consider(s, entry->model_type, err));
    }
    return FG_OK;
}

static fg_status add_names(const json_t *families, fg_buffer *text, fg_error *err) {
    json_t *family;
    FG_JSON_EACH(families, i, family)
        FG_CALL(fg_buffer_printf(text, err, "%s%s", i ? ", " : "", json_string_value(family)));
    return FG_OK;
}

static fg_status add_reasons(const json_t *group, fg_buffer *text, fg_error *err) {
    json_t *families;
    FG_JSON_MEMBERS(group, reason, families) {
        FG_CALL(fg_buffer_printf(text, err, "\n  "));
        FG_CALL(add_names(families, text, err));
        FG_CALL(fg_buffer_put(text, ": ", err));
        FG_CALL(fg_visible_add(reason, strlen(reason), FG_VISIBLE_LINE, text, err));
    }
    return FG_OK;
}

static fg_status none_fits(const family_search *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0}, file = {0};
    FG_TRY(add_reasons(s->refused, &text, err));
    FG_TRY(fg_visible_add(s->question.file, strlen(s->question.file), FG_VISIBLE_LINE, &file, err));
    fg_fail_lines(err, FG_ERR_INPUT,
                  "%s does not name the model family (no %s), and no family can hold all of it:%s", file.data,
                  s->question.other->family_key, text.data ? text.data : " no converters were found");
    fg_about_key(err, s->question.other->family_key);
    status = fg_hint(
        err, "give the family with --model-type to see everything that it refuses, or a converter with "
             "--converter-path");
done:
    fg_buffer_free(&file);
    fg_buffer_free(&text);
    return status;
}

static fg_status several_fit(const family_search *s, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0}, file = {0};
    FG_TRY(add_names(s->fitting, &text, err));
    if (json_object_size(s->losing))
        FG_TRY(fg_buffer_printf(&text, err, "%swith a warning", text.length ? "; " : ""));
    FG_TRY(add_reasons(s->losing, &text, err));
    FG_TRY(fg_visible_add(s->question.file, strlen(s->question.file), FG_VISIBLE_LINE, &file, err));
    fg_fail_lines(err, FG_ERR_INPUT,
                  "%s does not name the model family (no %s), and several families accept it: %s", file.data,
                  s->question.other->family_key, text.data);
    fg_about_key(err, s->question.other->family_key);
    status = fg_hint(
        err, "choose the family with --model-type, or give the Hugging Face directory that the training "
             "started from with --hf-base");
done:
    fg_buffer_free(&file);
    fg_buffer_free(&text);
    return status;
}

/* The only family that accepts it, or NULL. */
static const char *only_one(const family_search *s) {
    const char *found = json_string_value(json_array_get(s->fitting, 0));
    size_t count = json_array_size(s->fitting);
    json_t *families;
    FG_JSON_MEMBERS(s->losing, reason, families) {
        count += json_array_size(families);
        if (!found) found = json_string_value(json_array_get(families, 0));
    }
    return count == 1 ? found : NULL;
}

fg_status fg_family_find(fg_catalogue *catalogue, const fg_format *format, const json_t *model,
                         const char *file, char **family, fg_error *err) {
    fg_status status = FG_OK;
    family_search s = {.question = {.catalogue = catalogue,
                                    .other = format,
                                    .direction = FG_EXPORT,
                                    .config = model,
                                    .file = file},
                       .fitting = json_array(),
                       .losing = json_object(),
                       .refused = json_object()};
    *family = NULL;
    if (!s.fitting || !s.losing || !s.refused)
        FG_FAIL(err, FG_ERR_MEMORY, "out of memory while detecting the model family");
    FG_TRY(consider_all(&s, err));
    const char *found = only_one(&s);
    bool any = json_array_size(s.fitting) || json_object_size(s.losing);
    if (!found) FG_TRY(any ? several_fit(&s, err) : none_fits(&s, err));
    FG_TRY_NEW(*family, fg_strdup(found, err));
done:
    json_decref(s.fitting);
    json_decref(s.losing);
    json_decref(s.refused);
    return status;
}
