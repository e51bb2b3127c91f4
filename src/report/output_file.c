#include "report/output_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/shell_word.h"
#include "report/page.h"

/* ---- paths ---- */

/* The path from the root, without links as far as it exists. */
static fg_status resolve(const char *path, char **resolved, fg_error *err) {
    fg_status status = FG_OK;
    char *parent = NULL, *above = NULL;
    fg_error problem = {0};
    *resolved = NULL;
    status = fg_path_real(path, resolved, &problem);
    int failed = errno;
    if (status == FG_OK) goto done;
    /* not there, or a link to itself; of anything else it is not known where it leads */
    if (status != FG_ERR_SYSTEM || (failed != ENOENT && failed != ENOTDIR && failed != ELOOP))
        FG_TRY(fg_fail_again(err, &problem));
    FG_TRY_NEW(parent, fg_path_parent(path, err));
    if (strcmp(parent, path) == 0) {
        status = fg_path_real(path, resolved, err);
        goto done;
    }
    FG_TRY(resolve(parent, &above, err));
    FG_TRY_NEW(*resolved, fg_path_join(above, fg_path_name(path), err));
done:
    fg_free(parent);
    fg_free(above);
    return status;
}

fg_status fg_output_file_is_inside(const char *path, const char *directory, bool *inside, fg_error *err) {
    fg_status status = FG_OK;
    char *inner = NULL, *outer = NULL;
    FG_TRY(resolve(path, &inner, err));
    FG_TRY(resolve(directory, &outer, err));
    size_t length = strlen(outer);
    while (length && outer[length - 1] == '/') length--;
    *inside = strncmp(inner, outer, length) == 0 && (inner[length] == '/' || !inner[length]);
done:
    fg_free(inner);
    fg_free(outer);
    return status;
}

/* ---- reserving ---- */

/* FG_ERR_USAGE unless files can be made in the directory of `path`. */
static fg_status check_parent(const fg_output_file *file, fg_error *err) {
    fg_status status = FG_OK;
    char *parent = NULL;
    fg_path_kind kind;
    FG_TRY_NEW(parent, fg_path_parent(file->path, err));
    FG_TRY(fg_path_look(parent, &kind, err));
    if (kind != FG_PATH_DIRECTORY) {
        bool exists = kind != FG_PATH_ABSENT;
        char word[FG_SHELL_WORD];
        fg_fail(err, FG_ERR_USAGE, "%s %s: %s %s", file->option, file->path, parent,
                exists ? "is not a directory" : "does not exist");
        if (exists) FG_TRY(fg_hint(err, "name a file in a directory"));
        FG_TRY(fg_hint(err, "create it first (mkdir -p %s)", fg_shell_word(parent, word)));
    }
    int refused = fg_directory_refuses(parent);
    if (refused) {
        fg_fail(err, FG_ERR_USAGE, "%s %s: cannot write to %s: %s", file->option, file->path, parent,
                strerror(refused));
        FG_TRY(fg_hint(err, "name a file in a directory that you can write to"));
    }
done:
    fg_free(parent);
    return status;
}

/* Whether anything is there, a dangling link too. */
static fg_status look_at(const fg_output_file *file, bool *exists, fg_error *err) {
    if (fg_path_exists(file->path, exists, NULL) == FG_OK) return FG_OK;
    return fg_fail(err, FG_ERR_USAGE, "%s %s: %s", file->option, file->path, strerror(errno));
}

static fg_status refuse(const fg_output_file *file, const char *why, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "%s %s: %s", file->option, file->path, why);
    return fg_hint(err, "remove it or give another name");
}

char *fg_output_file_partial(const char *path, fg_error *err) {
    return fg_strformat(err, "%s.partial", path);
}

static fg_status create_partial(fg_output_file *file, fg_error *err) {
    fg_status status = FG_OK;
    char *partial = NULL;
    bool exists;
    char word[FG_SHELL_WORD];
    FG_TRY_NEW(partial, fg_output_file_partial(file->path, err));
    FG_TRY(fg_path_exists(partial, &exists, err));
    if (exists) {
        fg_fail(err, FG_ERR_USAGE, "%s %s: %s exists already: another run writes it or was interrupted",
                file->option, file->path, partial);
        FG_TRY(fg_hint(err, "remove it (rm %s) if no other fgconv is running", fg_shell_word(partial, word)));
    }
    FG_TRY(fg_file_write_all(partial, "", 0, err));
    file->partial = partial;
    partial = NULL;
done:
    if (status != FG_OK) fg_where(err, "creating the file of %s", file->option);
    fg_free(partial);
    return status;
}

/* Standard output, also when it leads to a file, pipes and devices: nothing of them can be reserved. */
static fg_status check_regular(const fg_output_file *file, fg_error *err) {
    fg_path_kind kind;
    const char *path = file->path;
    bool open_already = strcmp(path, "-") == 0 || fg_starts_with(path, "/dev/std") ||
                        fg_starts_with(path, "/dev/fd/") || fg_starts_with(path, "/proc/");
    bool special = fg_path_look(path, &kind, NULL) == FG_OK && kind == FG_PATH_OTHER;
    if (!open_already && !special) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "%s %s: this is not a file", file->option, path);
    return fg_hint(err, "name a file; --json prints the report on stdout");
}

static fg_status name_file(fg_output_file *file, const char *option, const char *path, bool *exists,
                           fg_error *err) {
    *file = (fg_output_file){.option = option};
    FG_CALL_NEW(file->path, fg_strdup(path, err));
    FG_CALL(check_regular(file, err));
    bool is_directory;
    fg_path_is_directory(path, &is_directory, NULL); /* false for a link to nothing, too */
    if (!*fg_path_name(path) || is_directory) {
        fg_fail(err, FG_ERR_USAGE, "%s %s: this is a directory", option, path);
        FG_CALL(fg_hint(err, "name a file in it"));
    }
    FG_CALL(check_parent(file, err));
    return look_at(file, exists, err);
}

fg_status fg_output_file_reserve(fg_output_file *file, const char *option, const char *path, fg_error *err) {
    bool exists;
    if (!path) return FG_OK;
    FG_CALL(name_file(file, option, path, &exists, err));
    if (exists) FG_CALL(refuse(file, "the file exists already", err));
    return create_partial(file, err);
}

/* ---- reports ---- */

/* Keys that every report has, and nothing else has together. */
bool fg_report_is(const json_t *document) {
    return json_is_string(fg_json_at(document, "fgconv/version")) &&
           json_is_string(json_object_get(document, "command")) &&
           json_is_array(json_object_get(document, "arguments")) &&
           json_is_string(json_object_get(document, "started"));
}

/* What cannot be read as a report is none. */
static fg_status holds_report(const char *path, bool *holds, fg_error *err) {
    fg_error problem = {0};
    json_t *document = NULL;
    bool is_file;
    fg_status status = fg_path_is_file(path, &is_file, &problem);
    if (status == FG_OK) status = is_file ? fg_json_read(path, &document, &problem) : FG_ERR_INPUT;
    *holds = status == FG_OK && fg_report_is(document);
    json_decref(document);
    if (status == FG_ERR_MEMORY) return fg_fail_again(err, &problem);
    return FG_OK;
}

/* What every page begins with. */
static fg_status holds_page(const char *path, bool *holds, fg_error *err) {
    static const char begin[] = FG_PAGE_BEGIN;
    char found[sizeof begin] = "";
    fg_file file = FG_FILE_NONE;
    bool is_file;
    uint64_t size;
    (void)err;
    *holds = fg_path_is_file(path, &is_file, NULL) == FG_OK && is_file &&
             fg_file_open(&file, path, FG_OPEN_READ, NULL) == FG_OK &&
             fg_file_size(&file, &size, NULL) == FG_OK && size >= sizeof begin &&
             fg_file_read(&file, found, sizeof begin - 1, 0, NULL) == FG_OK && strcmp(found, begin) == 0;
    fg_file_close(&file);
    return FG_OK;
}

static fg_status reserve_newer(fg_output_file *file, const char *option, const char *path,
                               fg_output_is_older *is_older, const char *kind, fg_error *err) {
    fg_status status = FG_OK;
    char *real = NULL, why[80];
    bool older;
    if (!path) return FG_OK;
    FG_TRY(name_file(file, option, path, &file->replaces, err));
    file->is_older = is_older;
    if (file->replaces) {
        FG_TRY(is_older(path, &older, err));
        snprintf(why, sizeof why, "the file exists already and is not %s of fgconv", kind);
        if (!older) FG_TRY(refuse(file, why, err));
        FG_TRY(resolve(path, &real, err));
        fg_free(file->path); /* a link stays one: what it leads to is replaced */
        file->path = real;
        real = NULL;
    }
    FG_TRY(create_partial(file, err));
done:
    fg_free(real);
    return status;
}

fg_status fg_output_file_reserve_report(fg_output_file *file, const char *option, const char *path,
                                        fg_error *err) {
    return reserve_newer(file, option, path, holds_report, "a report", err);
}

fg_status fg_output_file_reserve_page(fg_output_file *file, const char *option, const char *path,
                                      fg_error *err) {
    return reserve_newer(file, option, path, holds_page, "a page", err);
}

fg_status fg_output_file_write(fg_output_file *file, const fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    fg_file out = FG_FILE_NONE;
    if (!file->partial) return FG_OK;
    FG_TRY(fg_file_open(&out, file->partial, FG_OPEN_WRITE, err));
    FG_TRY(fg_file_write(&out, text->data, text->length, 0, err));
    FG_TRY(fg_file_finish(&out, err));
    file->filled = true;
done:
    if (status != FG_OK) fg_where(err, "writing the file of %s", file->option);
    fg_file_close(&out);
    return status;
}

fg_status fg_output_file_write_report(fg_output_file *file, const json_t *report, fg_error *err) {
    fg_buffer text = {0};
    if (!file->partial) return FG_OK;
    fg_status status = fg_json_write_line(report, 0, &text, err);
    if (status == FG_OK) status = fg_output_file_write(file, &text, err);
    fg_buffer_free(&text);
    return status;
}

/* ---- the end ---- */

/* What is replaced must still be one of its kind: another program may have written there since. */
static fg_status replace(const fg_output_file *file, fg_error *err) {
    bool older, exists;
    FG_CALL(fg_path_exists(file->path, &exists, err));
    if (!exists) return fg_path_rename_new(file->partial, file->path, err);
    FG_CALL(file->is_older(file->path, &older, err));
    if (older) return fg_path_rename(file->partial, file->path, err);
    return fg_fail(err, FG_ERR_SYSTEM,
                   "%s: this was an older one when the run began, and is another file now", file->path);
}

static fg_status publish(const fg_output_file *file, fg_error *err) {
    fg_status status =
        file->replaces ? replace(file, err) : fg_path_rename_new(file->partial, file->path, err);
    if (status != FG_OK) fg_where(err, "writing the file of %s", file->option);
    return status;
}

fg_status fg_output_file_close(fg_output_file *file, bool keep, fg_error *err) {
    fg_status status = FG_OK;
    keep = keep && file->filled;
    if (file->partial && keep) status = publish(file, err);
    if (file->partial && (!keep || status != FG_OK)) fg_file_remove(file->partial);
    fg_free(file->path);
    fg_free(file->partial);
    *file = (fg_output_file){0};
    return status;
}
