#include "tokenizer/tokenizer.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe_lists.h"
#include "tokenizer/component.h"

/* Bytes of the texts of tokens that are decoded at once: some, and more for each. */
enum { TEXT_FIRST = 1 << 20, TEXT_A_TOKEN = 1024 };

struct fg_tokenizer {
    fg_component components[FG_COMPONENT_FAMILIES];
    const fg_vocabulary *vocabulary; /* the model's */
    fg_added_tokens added;
    fg_buffer input, between,
        spare; /* scratch: the text as valid UTF-8; a part between added tokens, normalized */
    fg_text_parts parts, normalized_parts;
    fg_pre_tokenized words;
    char *path;  /* owned; of tokenizer.json, for messages */
    size_t room; /* bytes that what is left of the text may become */
};

/* ---- Reading ---- */

static fg_status read_components(fg_tokenizer *t, const fg_tokenizer_json *whole,
                                 const fg_tokenizer_files *files, fg_error *err) {
    if (!json_is_object(whole->json))
        return fg_fail(err, FG_ERR_INPUT, "%s: found %s, expected an object", whole->file,
                       fg_json_kind(whole->json));
    FG_CALL(fg_tokenizer_json_keys(
        whole,
        "version truncation padding added_tokens normalizer pre_tokenizer post_processor "
        "decoder model",
        err));
    for (int family = 0; family < FG_COMPONENT_FAMILIES; family++)
        FG_CALL(fg_component_read(&t->components[family], (fg_component_family)family, whole, err));
    const fg_component_step *model = t->components[FG_MODEL].steps;
    t->vocabulary = model->kind->vocabulary(model->settings);
    const fg_bpe_lists *lists = whole->lists;
    return fg_added_tokens_read(&t->added, json_object_get(whole->json, "added_tokens"),
                                lists && lists->added.text ? &lists->added : NULL, &files->decoder,
                                t->vocabulary, &t->components[FG_NORMALIZER], files->directory, err);
}

static fg_status absent(const char *path, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s is missing or empty", path);
    return fg_hint(err,
                   "fgconv reads tokenizers that transformers saved as tokenizer.json; "
                   "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR) writes one from other files");
}

fg_status fg_tokenizer_new(fg_tokenizer **tokenizer, const fg_tokenizer_files *files, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    json_t *json = NULL;
    fg_bpe_lists lists = {0};
    fg_buffer rest = {0};
    bool usual;
    *tokenizer = NULL;
    FG_TRY_NEW(path, fg_path_join(files->directory, "tokenizer.json", err));
    if (!files->tokenizer.length) FG_TRY(absent(path, err));
    FG_TRY(fg_bpe_lists_read(&lists, path, &files->tokenizer, &rest, &usual, err));
    const fg_buffer *text = usual ? &rest : &files->tokenizer;
    FG_TRY(fg_json_parse(path, text->data, text->length, &json, err));
    FG_NEW(*tokenizer, 1);
    FG_TRY_NEW((*tokenizer)->path, fg_strdup(path, err));
    const fg_tokenizer_json whole = {
        .json = json, .file = path, .name = "the top level", .lists = usual ? &lists : NULL};
    FG_TRY(read_components(*tokenizer, &whole, files, err));
done:
    fg_bpe_lists_free(&lists);
    fg_buffer_free(&rest);
    if (status != FG_OK) fg_tokenizer_free(tokenizer);
    json_decref(json);
    fg_free(path);
    return status;
}

fg_status fg_tokenizer_open(fg_tokenizer **tokenizer, const char *directory, fg_error *err) {
    fg_tokenizer_files files;
    *tokenizer = NULL;
    fg_status status = fg_tokenizer_files_read(&files, directory, err);
    if (status == FG_OK) status = fg_tokenizer_new(tokenizer, &files, err);
    fg_tokenizer_files_free(&files);
    return status;
}

void fg_tokenizer_free(fg_tokenizer **tokenizer) {
    fg_tokenizer *t = *tokenizer;
    if (!t) return;
    for (int family = 0; family < FG_COMPONENT_FAMILIES; family++) fg_component_free(&t->components[family]);
    fg_added_tokens_free(&t->added);
    fg_buffer_free(&t->input);
    fg_buffer_free(&t->between);
    fg_buffer_free(&t->spare);
    fg_free(t->parts.parts);
    fg_free(t->normalized_parts.parts);
    fg_pre_tokenized_free(&t->words);
    fg_free(t->path);
    fg_free(t);
    *tokenizer = NULL;
}

/* ---- Encoding ---- */

/* Counts text that the components made. */
static fg_status take_room(fg_tokenizer *t, size_t length, fg_error *err) {
    if (length >= t->room)
        return fg_fail(err, FG_ERR_INPUT, "a text of %zu bytes grows too long in the tokenizer",
                       t->input.length);
    t->room -= length;
    return FG_OK;
}

/* Normalized text without added tokens. */
static fg_status encode_words(fg_tokenizer *t, const char *text, size_t length, bool beginning,
                              fg_id_list *ids, fg_error *err) {
    const fg_component_step *model = t->components[FG_MODEL].steps;
    const fg_spans *words = &t->words.pieces;
    if (!length) return FG_OK;
    FG_CALL(fg_pre_tokenized_begin(&t->words, text, length, t->room, beginning, err));
    FG_CALL(fg_component_pre_tokenize(&t->components[FG_PRE_TOKENIZER], &t->words, err));
    FG_CALL(take_room(t, words->text.length, err));
    for (size_t i = 0; i < words->count; i++)
        FG_CALL(
            model->kind->encode(model->settings, fg_spans_text(words, i), words->pieces[i].length, ids, err));
    return FG_OK;
}

/* Text between the tokens that are not normalized. */
static fg_status encode_between(fg_tokenizer *t, const char *text, size_t length, bool beginning,
                                fg_id_list *ids, fg_error *err) {
    fg_buffer_clear(&t->between);
    FG_CALL(fg_buffer_add(&t->between, text, length, err));
    FG_CALL(fg_component_normalize(&t->components[FG_NORMALIZER], t->room, &t->between, &t->spare, err));
    FG_CALL(take_room(t, t->between.length, err));
    FG_CALL(
        fg_added_tokens_find(&t->added, true, t->between.data, t->between.length, &t->normalized_parts, err));
    for (size_t i = 0; i < t->normalized_parts.count; i++) {
        fg_text_part part = t->normalized_parts.parts[i];
        if (part.id != FG_ID_ABSENT)
            FG_CALL(fg_id_list_add(ids, part.id, err));
        else
            FG_CALL(encode_words(t, t->between.data + part.start, part.end - part.start,
                                 beginning && part.start == 0, ids, err));
    }
    return FG_OK;
}

static fg_status encode(fg_tokenizer *t, const char *text, size_t length, bool special, fg_id_list *ids,
                        fg_error *err) {
    size_t first = ids->count;
    fg_buffer_clear(&t->input);
    FG_CALL(fg_utf8_replace_invalid(text, length, &t->input, err));
    t->room = 2 * fg_growth_limit(t->input.length); /* normalized and pre-tokenized */
    t->between.limit = t->spare.limit = 0;
    FG_CALL(fg_added_tokens_find(&t->added, false, t->input.data, t->input.length, &t->parts, err));
    for (size_t i = 0; i < t->parts.count; i++) {
        fg_text_part part = t->parts.parts[i];
        if (part.id != FG_ID_ABSENT)
            FG_CALL(fg_id_list_add(ids, part.id, err));
        else
            FG_CALL(encode_between(t, t->input.data + part.start, part.end - part.start, part.start == 0, ids,
                                   err));
    }
    return fg_component_post_process(&t->components[FG_POST_PROCESSOR], ids, first, special, err);
}

fg_status fg_tokenizer_encode(fg_tokenizer *t, const char *text, size_t length, bool special, fg_id_list *ids,
                              fg_error *err) {
    fg_status status = encode(t, text, length, special, ids, err);
    return status == FG_OK ? status : fg_where(err, "encoding a text of %zu bytes with %s", length, t->path);
}

/* ---- Decoding ---- */

/* The text that decoders get for an id; NULL if no token has it. */
static const char *token_text(const fg_tokenizer *t, uint32_t id, size_t *length, bool *special) {
    const fg_added_token *added = fg_added_tokens_at(&t->added, id);
    *special = added && added->special;
    if (!added) return fg_vocabulary_text(t->vocabulary, id, length);
    *length = added->normalized_content ? added->normalized_length : added->length;
    return added->normalized_content ? added->normalized_content : added->content;
}

fg_status fg_tokenizer_decode(const fg_tokenizer *t, const uint32_t *ids, size_t count, bool special,
                              fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    fg_spans tokens = {.text = {.limit = TEXT_FIRST + count * TEXT_A_TOKEN}};
    for (size_t i = 0; i < count; i++) {
        size_t length = 0;
        bool is_special;
        const char *token = token_text(t, ids[i], &length, &is_special);
        if (token && (special || !is_special)) FG_TRY(fg_spans_add(&tokens, token, length, err));
    }
    FG_TRY(fg_component_decode(&t->components[FG_DECODER], &tokens, text, err));
done:
    fg_spans_free(&tokens);
    if (status != FG_OK) fg_where(err, "decoding %zu tokens with %s", count, t->path);
    return status;
}

bool fg_tokenizer_knows(const fg_tokenizer *t, uint32_t id) {
    size_t length;
    bool special;
    return token_text(t, id, &length, &special) != NULL;
}
