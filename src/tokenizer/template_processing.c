/* TemplateProcessing, a post-processor: which special tokens are around a text.
 *
 * Invariant: only the template for one text ("single") is used. There is at most one: HF tokenizers takes
 * what a first one makes for several texts, which is refused here.
 */
#include <string.h>

#include "tokenizer/component.h"

enum { ITEM_LIMIT = 64, TEXT_LIMIT = 4, THE_TEXT = -1 };

typedef struct template_settings {
    int64_t *items; /* owned; ids, THE_TEXT in place of the text */
    size_t count, capacity, texts;
} template_settings;

static fg_status add_item(template_settings *t, int64_t item, const fg_tokenizer_json *c, fg_error *err) {
    if (t->count == ITEM_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: a template of more than %d tokens", c->file, c->name,
                       ITEM_LIMIT);
    fg_status status = fg_grow(&t->items, t->count, &t->capacity, sizeof *t->items, err);
    if (status == FG_OK) t->items[t->count++] = item;
    return status;
}

static fg_status add_special(template_settings *t, const fg_tokenizer_json *c, const char *name,
                             fg_error *err) {
    const json_t *token = name ? json_object_get(json_object_get(c->json, "special_tokens"), name) : NULL;
    const json_t *ids = json_object_get(token, "ids");
    if (!json_is_array(ids))
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: special_tokens has no ids for \"%.60s\"", c->file, c->name,
                       name ? name : "");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= FG_ID_LIMIT)
            return fg_fail(err, FG_ERR_INPUT, "%s: %s: special_tokens: \"%.60s\": an id is not a token id",
                           c->file, c->name, name);
        FG_CALL(add_item(t, json_integer_value(id), c, err));
    }
    return FG_OK;
}

/* {"SpecialToken": {"id": ...}} or {"Sequence": {"id": "A"}} */
static fg_status read_piece(template_settings *t, const fg_tokenizer_json *c, const json_t *piece,
                            fg_error *err) {
    const json_t *special = json_object_get(piece, "SpecialToken"),
                 *text = json_object_get(piece, "Sequence");
    const char *id = json_string_value(json_object_get(special ? special : text, "id"));
    if (special && id) return add_special(t, c, id, err);
    if (text && id && strcmp(id, "A") == 0) {
        if (++t->texts > TEXT_LIMIT)
            return fg_fail(err, FG_ERR_INPUT, "%s: %s: a template that has the text more than %d times",
                           c->file, c->name, TEXT_LIMIT);
        return add_item(t, THE_TEXT, c, err);
    }
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"single\": %s is not supported", c->file, c->name,
                   fg_json_brief(piece, brief, sizeof brief));
}

static fg_status read_template(void *settings, const fg_tokenizer_json *c, fg_error *err) {
    const json_t *single = NULL;
    FG_CALL(fg_tokenizer_json_list(c, "single", &single, err));
    for (size_t i = 0; i < json_array_size(single); i++)
        FG_CALL(read_piece(settings, c, json_array_get(single, i), err));
    return FG_OK;
}

static void free_template(void *settings) {
    fg_free(((template_settings *)settings)->items);
}

static fg_status apply_template(const void *settings, fg_id_list *ids, size_t first, bool special,
                                fg_error *err) {
    const template_settings *t = settings;
    fg_status status = FG_OK;
    fg_id_list out = {0};
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i] == THE_TEXT && ids->count > first)
            FG_TRY(fg_id_list_append(&out, ids->ids + first, ids->count - first, err));
        else if (t->items[i] != THE_TEXT && special)
            FG_TRY(fg_id_list_add(&out, (uint32_t)t->items[i], err));
    }
    ids->count = first;
    FG_TRY(fg_id_list_append(ids, out.ids, out.count, err));
done:
    fg_id_list_free(&out);
    return status;
}

const fg_component_kind fg_template_processing = {.family = FG_POST_PROCESSOR,
                                                  .type = "TemplateProcessing",
                                                  .keys = "type single pair special_tokens",
                                                  .once = true,
                                                  .size = sizeof(template_settings),
                                                  .read = read_template,
                                                  .free = free_template,
                                                  .post_process = apply_template};
