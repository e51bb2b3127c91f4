#include "language/catalogue.h"

#include <string.h>

#include "base/alloc.h"

enum { FILE_LIMIT = 4 << 20 };

typedef struct fg_kept {
    const char *kind; /* a literal */
    char *name;       /* owned */
    void *object;
    void (*release)(void *object);
} fg_kept;

fg_status fg_catalogue_add(fg_catalogue *catalogue, const char *path, fg_error *err) {
    size_t capacity = catalogue->count;
    FG_CALL(
        fg_grow(&catalogue->directories, catalogue->count, &capacity, sizeof *catalogue->directories, err));
    FG_CALL_NEW(catalogue->directories[catalogue->count], fg_strdup(path, err));
    catalogue->count++;
    return FG_OK;
}

void fg_catalogue_forget(fg_catalogue *catalogue) {
    for (size_t i = catalogue->kept_count; i-- > 0;) {
        catalogue->kept[i].release(catalogue->kept[i].object);
        fg_free(catalogue->kept[i].name);
    }
    fg_free(catalogue->kept);
    catalogue->kept = NULL;
    catalogue->kept_count = catalogue->kept_capacity = 0;
}

void fg_catalogue_free(fg_catalogue *catalogue) {
    fg_catalogue_forget(catalogue);
    for (size_t i = 0; i < catalogue->count; i++) fg_free(catalogue->directories[i]);
    fg_free(catalogue->directories);
    *catalogue = (fg_catalogue){0};
}

/* ---- finding ---- */

fg_status fg_catalogue_look(const fg_catalogue *catalogue, const char *relative, char **path, fg_error *err) {
    *path = NULL;
    for (size_t i = 0; i < catalogue->count; i++) {
        bool is_file;
        char *candidate = fg_path_join(catalogue->directories[i], relative, err);
        if (!candidate) return FG_ERR_MEMORY;
        fg_status status = fg_path_is_file(candidate, &is_file, err);
        if (is_file) *path = candidate;
        if (is_file) return FG_OK;
        fg_free(candidate);
        if (status != FG_OK) return status;
    }
    return FG_OK;
}

fg_status fg_catalogue_find(const fg_catalogue *catalogue, const char *relative, char **path, fg_error *err) {
    fg_status status = fg_catalogue_look(catalogue, relative, path, err);
    if (status != FG_OK || *path) return status;
    return fg_fail(err, FG_ERR_INPUT, "no converter directory has a file %s (the last of %zu is %s)",
                   relative, catalogue->count,
                   catalogue->count ? catalogue->directories[catalogue->count - 1] : "none");
}

fg_status fg_catalogue_list(const fg_catalogue *catalogue, size_t index, const char *folder, fg_names *paths,
                            fg_error *err) {
    fg_status status = FG_OK;
    bool is_directory;
    fg_names names = {0};
    const char *directory = catalogue->directories[index];
    char *whole = NULL;
    FG_TRY_NEW(whole, *folder ? fg_path_join(directory, folder, err) : fg_strdup(directory, err));
    FG_TRY(fg_path_is_directory(whole, &is_directory, err));
    if (!is_directory) goto done;
    FG_TRY(fg_directory_list(whole, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (fg_ends_with(names.items[i], ".json"))
            FG_TRY(fg_names_add(paths, fg_path_join(whole, names.items[i], err), err));
    }
done:
    fg_free(whole);
    fg_names_free(&names);
    return status;
}

/* ---- keeping ---- */

void *fg_catalogue_kept(const fg_catalogue *catalogue, const char *kind, const char *name) {
    for (size_t i = 0; i < catalogue->kept_count; i++) {
        const fg_kept *kept = &catalogue->kept[i];
        if (strcmp(kept->kind, kind) == 0 && strcmp(kept->name, name) == 0) return kept->object;
    }
    return NULL;
}

fg_status fg_catalogue_keep(fg_catalogue *catalogue, const char *kind, const char *name, void *object,
                            void (*release)(void *object), fg_error *err) {
    fg_status status = FG_OK;
    char *copy = NULL;
    FG_TRY(fg_grow(&catalogue->kept, catalogue->kept_count, &catalogue->kept_capacity,
                   sizeof *catalogue->kept, err));
    FG_TRY_NEW(copy, fg_strdup(name, err));
    catalogue->kept[catalogue->kept_count++] =
        (fg_kept){.kind = kind, .name = copy, .object = object, .release = release};
done:
    if (status != FG_OK) release(object);
    return status;
}

/* ---- files ---- */

static void release_file(void *object) {
    fg_source_file *file = object;
    if (!file) return;
    fg_free(file->path);
    fg_buffer_free(&file->text);
    json_decref(file->document);
    fg_free(file);
}

fg_status fg_catalogue_read(fg_catalogue *catalogue, const char *path, const fg_source_file **file,
                            fg_error *err) {
    fg_status status = FG_OK;
    fg_source_file *made = NULL;
    *file = fg_catalogue_kept(catalogue, "file", path);
    if (*file) return FG_OK;
    FG_NEW(made, 1);
    FG_TRY_NEW(made->path, fg_strdup(path, err));
    FG_TRY(fg_file_read_all(path, FILE_LIMIT, &made->text, err));
    FG_TRY(
        fg_json_parse(path, made->text.data ? made->text.data : "", made->text.length, &made->document, err));
    if (!json_is_object(made->document))
        FG_FAIL(err, FG_ERR_INPUT, "%s: found %s, expected an object", path, fg_json_kind(made->document));
    *file = made;
    made = NULL;
    status = fg_catalogue_keep(catalogue, "file", path, (void *)(uintptr_t)*file, release_file, err);
done:
    release_file(made);
    return status;
}

fg_status fg_catalogue_read_in(fg_catalogue *catalogue, size_t index, const char *relative,
                               const fg_source_file **file, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    bool is_file;
    *file = NULL;
    FG_TRY_NEW(path, fg_path_join(catalogue->directories[index], relative, err));
    FG_TRY(fg_path_is_file(path, &is_file, err));
    if (is_file) FG_TRY(fg_catalogue_read(catalogue, path, file, err));
done:
    fg_free(path);
    return status;
}
