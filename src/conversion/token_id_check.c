#include "conversion/token_id_check.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

enum { DEPTH = 16 };
#define GENERATION_CONFIG "generation_config.json"

/* torch counts a padding index from the end when it is negative, so that -1 can be loaded. In other places -1
 * says that there is no such token. */
static bool is_token(json_int_t id, uint64_t rows, bool pad) {
    if (id >= 0) return (uint64_t)id < rows;
    return pad ? (uint64_t)-id <= rows : id == -1;
}

/* transformers makes an embedding with the pad_token_id of config.json; that of generation_config.json only
 * fills batches. */
static void check_id(const char *file, const char *path, const json_t *value, uint64_t rows, bool pad) {
    bool loads = !pad || strcmp(file, GENERATION_CONFIG) == 0;
    if (!json_is_integer(value) || is_token(json_integer_value(value), rows, pad)) return;
    fg_warn("%s: key \"%s\" = %" JSON_INTEGER_FORMAT " is not in the vocabulary of %llu tokens%s", file, path,
            json_integer_value(value), (unsigned long long)rows,
            loads ? "" : "; transformers cannot load a model with such a pad_token_id");
}

/* Each id in `config` and the objects in it: the vocabulary is that of the nearest vocab_size, else of `rows`
 * tokens; 0: not known. */
static void check_object(const char *file, const char *above, const json_t *object, uint64_t rows,
                         unsigned depth) {
    json_t *value;
    const json_t *own = json_object_get(object, "vocab_size");
    if (json_is_integer(own) && json_integer_value(own) > 0) rows = (uint64_t)json_integer_value(own);
    FG_JSON_MEMBERS(object, key, value) {
        char path[200];
        json_t *id;
        snprintf(path, sizeof path, "%s%s%s", above, *above ? "/" : "", key);
        if (json_is_object(value) && depth < DEPTH) check_object(file, path, value, rows, depth + 1);
        if (!rows || !fg_ends_with(key, "_token_id")) continue;
        bool pad = strcmp(key, "pad_token_id") == 0;
        check_id(file, path, value, rows, pad);
        FG_JSON_EACH(value, i, id) check_id(file, path, id, rows, pad);
    }
}

/* ---- a conversion ---- */

/* What is carried next to a configuration, as the configuration that it came from had it. */
static fg_status carried_config(const json_t *left_out, json_t **config, fg_error *err) {
    json_t *entry;
    *config = json_object();
    if (!*config) return fg_fail(err, FG_ERR_MEMORY, "out of memory while checking token ids");
    FG_JSON_EACH(left_out, i, entry) {
        const char *key = json_string_value(json_object_get(entry, "key"));
        json_t *value = json_object_get(entry, "value");
        if (key && value && fg_ends_with(key, "_token_id"))
            FG_CALL(fg_json_set_at(*config, key, json_incref(value), err));
    }
    return FG_OK;
}

fg_status fg_written_ids_warn(const fg_format *format, const fg_written_ids *written, fg_error *err) {
    fg_status status = FG_OK;
    json_t *carried = NULL;
    const json_t *size = fg_json_at(written->model, format->vocabulary_path);
    if (!size) size = fg_json_at(written->model, "text_config/vocab_size");
    json_int_t rows = json_integer_value(size);
    if (rows < 0) rows = 0;
    if (!format->has_token_ids) FG_TRY(carried_config(written->left_out, &carried, err));
    check_object(written->file, "", carried ? carried : written->model, (uint64_t)rows, 0);
    check_object(GENERATION_CONFIG, "", written->generation_config, (uint64_t)rows, 0);
done:
    json_decref(carried);
    return status;
}
