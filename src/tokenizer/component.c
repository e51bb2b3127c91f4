#include "tokenizer/component.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { DEPTH = 8, KNOWN = 200 };

typedef struct component_family {
    const char *name, *members; /* in tokenizer.json; of a Sequence, NULL: there is none */
    const char *default_type;   /* NULL: the type must be given, but the component may be absent */
} component_family;

static const component_family families[FG_COMPONENT_FAMILIES] = {
    [FG_MODEL] = {"model", NULL, "BPE"},
    [FG_NORMALIZER] = {"normalizer", "normalizers", NULL},
    [FG_PRE_TOKENIZER] = {"pre_tokenizer", "pretokenizers", NULL},
    [FG_POST_PROCESSOR] = {"post_processor", "processors", NULL},
    [FG_DECODER] = {"decoder", "decoders", NULL},
};

#define ADDRESS_OF(kind) &kind,
static const fg_component_kind *const kinds[] = {FG_COMPONENT_KINDS(ADDRESS_OF)};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- Reading ---- */

static fg_status unknown_type(const fg_tokenizer_json *c, fg_component_family family, const char *type,
                              fg_error *err) {
    char known[KNOWN] = "";
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i]->family != family) continue;
        strncat(known, *known ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, kinds[i]->type, sizeof known - strlen(known) - 1);
    }
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: the type \"%s\" is not supported; known are: %s%s", c->file,
                   c->name, type, known, families[family].members ? ", Sequence" : "");
}

static fg_status read_step(fg_component *component, fg_component_family family, const fg_tokenizer_json *c,
                           const char *type, fg_error *err) {
    const fg_component_kind *kind = NULL;
    if (component->count == FG_COMPONENT_STEPS)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: more than %d steps", c->file, c->name, FG_COMPONENT_STEPS);
    for (size_t i = 0; i < KINDS && !kind; i++) {
        if (kinds[i]->family == family && strcmp(kinds[i]->type, type) == 0) kind = kinds[i];
    }
    if (!kind) return unknown_type(c, family, type, err);
    FG_CALL(fg_tokenizer_json_keys(c, kind->keys, err));
    for (size_t i = 0; i < component->count && kind->once; i++) {
        if (component->steps[i].kind == kind)
            return fg_fail(err, FG_ERR_INPUT, "%s: %s: a second %s is not supported", c->file, c->name, type);
    }
    fg_component_step *step = &component->steps[component->count++];
    step->kind = kind;
    FG_CALL_NEW(step->settings, fg_alloc(1, kind->size, err));
    if (kind->read) FG_CALL(kind->read(step->settings, c, err));
    return FG_OK;
}

static fg_status find_type(const fg_tokenizer_json *c, fg_component_family family, const char **type,
                           fg_error *err) {
    const char *missing = families[family].default_type;
    if (!missing || !json_is_object(c->json)) return fg_tokenizer_json_type(c, type, err);
    const json_t *held = json_object_get(c->json, "type");
    *type = !held ? missing : json_is_string(held) ? json_string_value(held) : "(no string)";
    return FG_OK;
}

static fg_status read_steps(fg_component *component, fg_component_family family, const fg_tokenizer_json *c,
                            unsigned depth, fg_error *err) {
    const char *type = NULL, *members = families[family].members;
    const json_t *list = NULL;
    char keys[40];
    FG_CALL(find_type(c, family, &type, err));
    if (!members || strcmp(type, "Sequence") != 0) return read_step(component, family, c, type, err);
    snprintf(keys, sizeof keys, "type %s", members);
    FG_CALL(fg_tokenizer_json_keys(c, keys, err));
    FG_CALL(fg_tokenizer_json_list(c, members, &list, err));
    if (depth == DEPTH)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: sequences are nested too deeply", c->file, c->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fg_tokenizer_json part = {.json = json_array_get(list, i), .file = c->file, .name = c->name};
        FG_CALL(read_steps(component, family, &part, depth + 1, err));
    }
    return FG_OK;
}

fg_status fg_component_read(fg_component *component, fg_component_family family,
                            const fg_tokenizer_json *tokenizer, fg_error *err) {
    const char *name = families[family].name;
    fg_tokenizer_json c = *tokenizer;
    c.json = json_object_get(tokenizer->json, name);
    c.name = name;
    *component = (fg_component){0};
    if (!families[family].default_type && (!c.json || json_is_null(c.json))) return FG_OK;
    fg_status status = read_steps(component, family, &c, 0, err);
    component->present = status == FG_OK;
    if (status != FG_OK) fg_component_free(component);
    return status;
}

void fg_component_free(fg_component *component) {
    for (size_t i = 0; i < component->count; i++) {
        fg_component_step *step = &component->steps[i];
        if (step->settings && step->kind->free) step->kind->free(step->settings);
        fg_free(step->settings);
    }
    *component = (fg_component){0};
}

/* ---- Running ---- */

fg_status fg_component_normalize(const fg_component *normalizer, size_t limit, fg_buffer *text,
                                 fg_buffer *spare, fg_error *err) {
    text->limit = spare->limit = limit;
    for (size_t i = 0; i < normalizer->count && text->length; i++) {
        const fg_component_step *step = &normalizer->steps[i];
        fg_buffer_clear(spare);
        FG_CALL(step->kind->normalize(step->settings, text, spare, err));
        fg_buffer keep = *text;
        *text = *spare;
        *spare = keep;
    }
    return FG_OK;
}

fg_status fg_component_pre_tokenize(const fg_component *pre_tokenizer, fg_pre_tokenized *text,
                                    fg_error *err) {
    for (size_t i = 0; i < pre_tokenizer->count; i++) {
        const fg_component_step *step = &pre_tokenizer->steps[i];
        FG_CALL(step->kind->pre_tokenize(step->settings, text, err));
    }
    return FG_OK;
}

fg_status fg_component_post_process(const fg_component *post_processor, fg_id_list *ids, size_t first,
                                    bool special, fg_error *err) {
    for (size_t i = 0; i < post_processor->count; i++) {
        const fg_component_step *step = &post_processor->steps[i];
        if (step->kind->post_process)
            FG_CALL(step->kind->post_process(step->settings, ids, first, special, err));
    }
    return FG_OK;
}

fg_status fg_component_decode(const fg_component *decoder, fg_spans *tokens, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    fg_spans next = {0};
    tokens->text.limit = next.text.limit = fg_growth_limit(tokens->text.length);
    FG_TRY(fg_buffer_add(&tokens->text, "", 0, err));
    for (size_t i = 0; i < decoder->count; i++) {
        const fg_component_step *step = &decoder->steps[i];
        fg_spans_clear(&next);
        FG_TRY(fg_buffer_add(&next.text, "", 0, err));
        FG_TRY(step->kind->decode(step->settings, tokens, &next, err));
        fg_spans_swap(tokens, &next);
    }
    for (size_t i = 0; i < tokens->count; i++) {
        if (i && !decoder->present) FG_TRY(fg_buffer_add(out, " ", 1, err));
        FG_TRY(fg_buffer_add(out, fg_spans_text(tokens, i), tokens->pieces[i].length, err));
    }
done:
    fg_spans_free(&next);
    return status;
}
