#include "format/carried.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"

static const char *key_of(const json_t *entry) {
    return json_string_value(json_object_get(entry, "key"));
}

fg_status fg_carried_sort(const json_t *settings, json_t **sorted, fg_error *err) {
    json_t *entry;
    *sorted = json_array();
    FG_JSON_EACH(settings, i, entry) {
        size_t at = i;
        while (at && strcmp(key_of(json_array_get(*sorted, at - 1)), key_of(entry)) > 0) at--;
        if (json_array_insert(*sorted, at, entry))
            return fg_fail(err, FG_ERR_MEMORY, "out of memory while sorting carried settings");
    }
    return FG_OK;
}

static fg_status check(const char *path, const char *schema, const json_t *list, fg_error *err) {
    json_t *entry;
    if (!json_is_array(list))
        return fg_fail(err, FG_ERR_INPUT, "%s: %s: found %s, expected a list", path, schema,
                       fg_json_kind(list));
    FG_JSON_EACH(list, i, entry) {
        if (!key_of(entry) || !json_object_get(entry, "value"))
            return fg_fail(err, FG_ERR_INPUT, "%s: %s/%zu: expected an object with key and value", path,
                           schema, i);
    }
    return FG_OK;
}

fg_status fg_carried_read(const char *directory, const fg_format *format, json_t **settings, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    json_t *document = NULL;
    fg_path_kind kind;
    FG_TRY_NEW(path, fg_path_join(directory, FG_CARRIED_FILE, err));
    FG_TRY(fg_path_look(path, &kind, err));
    if (kind == FG_PATH_ABSENT) goto done;
    FG_TRY(fg_json_read(path, &document, err));
    json_t *list = json_object_get(document, format->schema);
    status = check(path, format->schema, list, err);
    if (status == FG_OK)
        *settings = json_incref(list);
    else
        fg_hint(err, "remove the file; settings of the earlier %s checkpoint are then not restored",
                format->title);
done:
    json_decref(document);
    fg_free(path);
    return status;
}

fg_status fg_carried_document(const fg_format *format, const json_t *settings, json_t **document,
                              fg_error *err) {
    fg_status status = FG_OK;
    char *about = NULL;
    json_t *sorted = NULL;
    FG_TRY(fg_carried_sort(settings, &sorted, err));
    FG_TRY_NEW(about,
               fg_strformat(err,
                            "settings of %s that other formats cannot hold; fgconv restores them when it "
                            "converts to %s",
                            format->title, format->title));
    *document = json_pack("{s:s, s:O}", "about", about, format->schema, sorted);
    if (!*document) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while keeping settings of %s", format->title);
done:
    fg_free(about);
    json_decref(sorted);
    return status;
}
