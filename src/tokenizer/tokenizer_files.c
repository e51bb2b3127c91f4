#include "tokenizer/tokenizer_files.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_scan.h"

#define DECODER "added_tokens_decoder"

static fg_status read_text(const char *directory, const char *name, fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    fg_path_kind kind;
    char *path = NULL;
    FG_TRY_NEW(path, fg_path_join(directory, name, err));
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) goto done;
    FG_TRY(fg_file_read_all(path, FG_JSON_LIMIT, text, err));
    if (!text->length) FG_TRY(fg_file_refuse_empty(path, err));
done:
    fg_free(path);
    return status;
}

/* ---- added_tokens_decoder ---- */

/* Where the object is in the text; false if there is none, or if the text is not plain enough to tell. */
static bool find_decoder(const fg_buffer *text, size_t *begin, size_t *end) {
    fg_json_scan scan = {.name = "", .text = text->data, .length = text->length};
    fg_buffer key = {0};
    bool more = true, found = false;
    fg_status status = fg_json_scan_enter(&scan, '{', NULL);
    while (status == FG_OK && more && !found) {
        status = fg_json_scan_next(&scan, &key, &more, NULL);
        if (status != FG_OK || !more) break;
        found = strcmp(key.data, DECODER) == 0 && fg_json_scan_peek(&scan) == '{';
        *begin = scan.at;
        status = fg_json_scan_skip(&scan, NULL);
        *end = scan.at;
    }
    fg_buffer_free(&key);
    return found && status == FG_OK;
}

/* Moves the object out of the text, in which {} is left, on as many lines: errors name the right ones. */
static fg_status cut_decoder(fg_buffer *text, fg_buffer *decoder, fg_error *err) {
    size_t begin, end, lines = 0;
    if (!find_decoder(text, &begin, &end)) return FG_OK;
    FG_CALL(fg_buffer_add(decoder, text->data + begin, end - begin, err));
    for (size_t i = begin; i < end; i++) lines += text->data[i] == '\n';
    memset(text->data + begin + 1, '\n', lines);
    text->data[begin + 1 + lines] = '}';
    memmove(text->data + begin + 2 + lines, text->data + end, text->length - end + 1);
    text->length -= end - begin - 2 - lines;
    return FG_OK;
}

/* The object as text, where it could not be cut out. */
static fg_status write_decoder(fg_tokenizer_files *files, const char *path, fg_error *err) {
    const json_t *held = json_object_get(files->config, DECODER);
    if (!held || json_is_null(held) || files->decoder.length) return FG_OK;
    if (!json_is_object(held))
        return fg_fail(err, FG_ERR_INPUT, "%s: " DECODER ": found %s, expected an object", path,
                       fg_json_kind(held));
    FG_CALL(fg_json_write(held, FG_JSON_UTF8, &files->decoder, err));
    return fg_json_put(files->config, DECODER, json_object(), err);
}

static fg_status read_config(fg_tokenizer_files *files, fg_error *err) {
    fg_status status = FG_OK;
    static const char name[] = "tokenizer_config.json";
    fg_buffer text = {0};
    char *path = NULL;
    FG_TRY_NEW(path, fg_path_join(files->directory, name, err));
    FG_TRY(read_text(files->directory, name, &text, err));
    if (!text.length) goto done;
    FG_TRY(cut_decoder(&text, &files->decoder, err));
    FG_TRY(fg_json_parse(path, text.data, text.length, &files->config, err));
    if (!json_is_object(files->config))
        FG_FAIL(err, FG_ERR_INPUT, "%s: found %s, expected an object", path, fg_json_kind(files->config));
    FG_TRY(write_decoder(files, path, err));
done:
    fg_buffer_free(&text);
    fg_free(path);
    return status;
}

fg_status fg_tokenizer_files_write_config(const fg_tokenizer_files *files, const json_t *config,
                                          fg_buffer *text, fg_error *err) {
    static const char empty[] = "\n  \"" DECODER "\": {}";
    fg_status status = FG_OK;
    fg_buffer plain = {0};
    FG_TRY(fg_json_write_line(config, FG_JSON_UTF8, &plain, err));
    const char *at = files->decoder.length ? strstr(plain.data, empty) : NULL;
    size_t before = at ? (size_t)(at - plain.data) + sizeof empty - 3 : plain.length;
    FG_TRY(fg_buffer_add(text, plain.data, before, err));
    if (!at) goto done;
    FG_TRY(fg_buffer_add(text, files->decoder.data, files->decoder.length, err));
    FG_TRY(fg_buffer_put(text, plain.data + before + 2, err));
done:
    fg_buffer_free(&plain);
    return status;
}

/* ---- all files ---- */

fg_status fg_tokenizer_files_read(fg_tokenizer_files *files, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    *files = (fg_tokenizer_files){0};
    FG_TRY_NEW(files->directory, fg_strdup(directory, err));
    FG_TRY(read_text(directory, "tokenizer.json", &files->tokenizer, err));
    FG_TRY(read_config(files, err));
    FG_TRY(fg_json_read_object(directory, "special_tokens_map.json", &files->map, err));
done:
    if (status != FG_OK) fg_tokenizer_files_free(files);
    return status;
}

void fg_tokenizer_files_free(fg_tokenizer_files *files) {
    fg_free(files->directory);
    fg_buffer_free(&files->tokenizer);
    fg_buffer_free(&files->decoder);
    json_decref(files->config);
    json_decref(files->map);
    *files = (fg_tokenizer_files){0};
}
