/* libFuzzer: any bytes as the YAML of --add-tokens, for a small tokenizer and a model of ROWS rows.
 *
 * What is accepted must give tokenizer files that are read again, in which each token has the id that was
 * decided; rows that are edited must be rows of the matrix; the same request must find nothing more to add.
 */
#include <stdint.h>

#include "base/log.h"
#include "fuzz_folder.h"
#include "tokenizer/tokenizer.h"
#include "tokens/new_tokens.h"
#include "tokens/tokenizer_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { ROWS = 10 };

static const char TOKENIZER[] = "{\"added_tokens\": [{\"id\": 6, \"content\": \"<s>\", \"special\": true}, "
                                "{\"id\": 7, \"content\": \"<x>\"}], "
                                "\"decoder\": {\"type\": \"Fuse\"}, \"model\": {\"type\": \"BPE\", "
                                "\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, "
                                "\"\\u00e9\": 3, \"c\": 4, \"d\": 5}, \"merges\": [\"a b\"]}}";
static const char CONFIG[] =
    "{\"added_tokens_decoder\": {\"6\": {\"content\": \"<s>\", \"special\": true}, \"7\": "
    "{\"content\": \"<x>\"}}, \"bos_token\": \"<s>\", \"eos_token\": {\"content\": \"ab\"}}";
static const char MAP[] = "{\"bos_token\": {\"content\": \"<s>\"}, \"eos_token\": \"ab\"}";

static void check_ids(const fg_tokenizer *tokenizer, const fg_new_tokens *tokens) {
    for (size_t i = 0; i < tokens->count; i++) {
        const fg_new_token *token = &tokens->items[i];
        uint32_t id = (uint32_t)token->id;
        fg_buffer text = {0};
        if (fg_tokenizer_decode(tokenizer, &id, 1, true, &text, NULL) != FG_OK) abort();
        if (text.length != strlen(token->text) || memcmp(text.data, token->text, text.length) != 0) abort();
        fg_buffer_free(&text);
    }
}

static void check_roles(const fg_tokenizer_files *files, const fg_new_tokens *tokens) {
    fg_token_ids ids;
    if (fg_token_ids_read(files, &ids, NULL) != FG_OK) abort();
    for (size_t role = 0; role < FG_ROLE_COUNT; role++) {
        int64_t item = tokens->roles[role];
        if (ids.id[role] != (item == FG_NO_TOKEN ? tokens->old_roles[role] : (int64_t)tokens->items[item].id))
            abort();
    }
}

static void check_rows(const fg_new_tokens *tokens) {
    if (tokens->rows.rows && tokens->rows.rows < ROWS) abort();
    for (size_t i = 0; i < tokens->rows.count; i++) {
        if (tokens->rows.items[i].row >= tokens->rows.rows) abort();
    }
}

static void check_again(const fg_token_request *request, const fg_tokenizer_files *files, uint64_t rows) {
    fg_new_tokens tokens = {0};
    fg_error err = {0};
    if (fg_new_tokens_decide(&tokens, request, files, rows ? rows : ROWS, &err) != FG_OK || tokens.added)
        abort();
    fg_new_tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char path[FUZZ_PATH];
    fg_error err = {0};
    fg_token_request request = {0};
    fg_tokenizer_files files = {0};
    fg_new_tokens tokens = {0};
    fg_tokenizer *tokenizer = NULL;
    fg_log_silence();
    fg_log_end();
    fuzz_put("tokenizer.json", TOKENIZER, strlen(TOKENIZER));
    fuzz_put("tokenizer_config.json", CONFIG, strlen(CONFIG));
    fuzz_put("special_tokens_map.json", MAP, strlen(MAP));
    fuzz_put("t.yaml", bytes, size);
    if (fg_tokenizer_files_read(&files, fuzz_folder(), &err) != FG_OK) abort();
    fg_status status = fg_token_request_read(&request, fuzz_path("t.yaml", path), &err);
    if (status == FG_OK) status = fg_new_tokens_decide(&tokens, &request, &files, ROWS, &err);
    fuzz_expect(status, &err);
    if (status == FG_OK) {
        if (fg_tokenizer_files_add(&files, &tokens, &err) != FG_OK) abort();
        if (fg_tokenizer_new(&tokenizer, &files, &err) != FG_OK) abort();
        check_ids(tokenizer, &tokens);
        check_roles(&files, &tokens);
        check_rows(&tokens);
        check_again(&request, &files, tokens.rows.rows);
    }
    fg_tokenizer_free(&tokenizer);
    fg_new_tokens_free(&tokens);
    fg_tokenizer_files_free(&files);
    fg_token_request_free(&request);
    return 0;
}
