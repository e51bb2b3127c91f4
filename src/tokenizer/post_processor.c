#include "tokenizer/post_processor.h"

#include <string.h>

#include "base/alloc.h"
#include "tokenizer/vocabulary.h"

enum { ITEM_LIMIT = 64 };

static fg_status add_item(fg_post_processor *post, int64_t item, const fg_tokenizer_json *c, fg_error *err) {
    if (post->count == ITEM_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: a template of more than %d tokens", c->file, c->name,
                       ITEM_LIMIT);
    fg_status status = fg_grow(&post->items, post->count, &post->capacity, sizeof *post->items, err);
    if (status == FG_OK) post->items[post->count++] = item;
    return status;
}

static fg_status add_special(fg_post_processor *post, const fg_tokenizer_json *c, const char *name,
                             fg_error *err) {
    fg_status status = FG_OK;
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
        FG_TRY(add_item(post, json_integer_value(id), c, err));
    }
done:
    return status;
}

/* {"SpecialToken": {"id": ...}} or {"Sequence": {"id": "A"}} */
static fg_status read_piece(fg_post_processor *post, const fg_tokenizer_json *c, const json_t *piece,
                            fg_error *err) {
    const json_t *special = json_object_get(piece, "SpecialToken"),
                 *text = json_object_get(piece, "Sequence");
    const char *id = json_string_value(json_object_get(special ? special : text, "id"));
    if (special && id) return add_special(post, c, id, err);
    if (text && id && strcmp(id, "A") == 0) return add_item(post, FG_TEMPLATE_TEXT, c, err);
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT, "%s: %s: \"single\": %s is not supported", c->file, c->name,
                   fg_json_brief(piece, brief, sizeof brief));
}

static fg_status read_template(fg_post_processor *post, const fg_tokenizer_json *c, fg_error *err) {
    fg_status status = FG_OK;
    const json_t *single = NULL;
    FG_TRY(fg_tokenizer_json_keys(c, "type single pair special_tokens", err));
    FG_TRY(fg_tokenizer_json_list(c, "single", &single, err));
    if (post->present)
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: a second TemplateProcessing is not supported", c->file, c->name);
    post->present = true;
    for (size_t i = 0; i < json_array_size(single); i++)
        FG_TRY(read_piece(post, c, json_array_get(single, i), err));
done:
    return status;
}

static fg_status read_any(fg_post_processor *post, const fg_tokenizer_json *c, unsigned depth,
                          fg_error *err) {
    fg_status status = FG_OK;
    const char *type = NULL;
    const json_t *list = NULL;
    FG_TRY(fg_tokenizer_json_type(c, &type, err));
    if (strcmp(type, "TemplateProcessing") == 0) return read_template(post, c, err);
    if (strcmp(type, "ByteLevel") == 0)
        return fg_tokenizer_json_keys(c, "type add_prefix_space trim_offsets use_regex", err);
    if (strcmp(type, "Sequence") != 0)
        return fg_tokenizer_json_unknown(c, type, "TemplateProcessing, ByteLevel, Sequence", err);
    FG_TRY(fg_tokenizer_json_keys(c, "type processors", err));
    FG_TRY(fg_tokenizer_json_list(c, "processors", &list, err));
    if (depth == FG_COMPONENT_DEPTH)
        FG_FAIL(err, FG_ERR_INPUT, "%s: %s: sequences are nested too deeply", c->file, c->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        fg_tokenizer_json part = {json_array_get(list, i), c->file, c->name};
        FG_TRY(read_any(post, &part, depth + 1, err));
    }
done:
    return status;
}

fg_status fg_post_processor_read(fg_post_processor *post, const json_t *json, const char *file,
                                 fg_error *err) {
    *post = (fg_post_processor){0};
    if (!json || json_is_null(json)) return FG_OK;
    fg_tokenizer_json c = {json, file, "post_processor"};
    fg_status status = read_any(post, &c, 0, err);
    if (status != FG_OK) fg_post_processor_free(post);
    return status;
}

fg_status fg_post_processor_apply(const fg_post_processor *post, fg_id_list *ids, size_t first, bool special,
                                  fg_error *err) {
    fg_status status = FG_OK;
    fg_id_list out = {0};
    if (!post->present) return FG_OK;
    for (size_t i = 0; i < post->count; i++) {
        if (post->items[i] != FG_TEMPLATE_TEXT) {
            if (special) FG_TRY(fg_id_list_add(&out, (uint32_t)post->items[i], err));
            continue;
        }
        for (size_t k = first; k < ids->count; k++) FG_TRY(fg_id_list_add(&out, ids->ids[k], err));
    }
    ids->count = first;
    for (size_t i = 0; i < out.count; i++) FG_TRY(fg_id_list_add(ids, out.ids[i], err));
done:
    fg_id_list_free(&out);
    return status;
}

void fg_post_processor_free(fg_post_processor *post) {
    fg_free(post->items);
    *post = (fg_post_processor){0};
}
