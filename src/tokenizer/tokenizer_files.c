#include "tokenizer/tokenizer_files.h"

#include "base/alloc.h"
#include "base/file.h"

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

fg_status fg_tokenizer_files_read(fg_tokenizer_files *files, const char *directory, fg_error *err) {
    fg_status status = FG_OK;
    *files = (fg_tokenizer_files){0};
    FG_TRY_NEW(files->directory, fg_strdup(directory, err));
    FG_TRY(read_text(directory, "tokenizer.json", &files->tokenizer, err));
    FG_TRY(fg_json_read_object(directory, "tokenizer_config.json", &files->config, err));
    FG_TRY(fg_json_read_object(directory, "special_tokens_map.json", &files->map, err));
done:
    if (status != FG_OK) fg_tokenizer_files_free(files);
    return status;
}

void fg_tokenizer_files_free(fg_tokenizer_files *files) {
    fg_free(files->directory);
    fg_buffer_free(&files->tokenizer);
    json_decref(files->config);
    json_decref(files->map);
    *files = (fg_tokenizer_files){0};
}
