#include "commands/converter_search.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"

static const char PROOF_OF_PLACE[] = "forgather/common.json";

static fg_status holds_converters(const char *directory, bool *holds, fg_error *err) {
    char *path = fg_path_join(directory, PROOF_OF_PLACE, err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_path_is_file(path, holds, err);
    fg_free(path);
    return status;
}

/* The directory of the executable without its last part: what `bin` or `build` lie in. NULL with FG_OK: not
 * known. */
static fg_status above_executable(char **above, fg_error *err) {
    char path[PATH_MAX];
    *above = NULL;
    if (!fg_path_link_target("/proc/self/exe", path, sizeof path)) return FG_OK;
    for (int part = 0; part < 2; part++) {
        char *slash = strrchr(path, '/');
        if (!slash) return FG_OK;
        slash[slash == path] = '\0'; /* the root keeps its slash */
    }
    *above = fg_strdup(path, err);
    return *above ? FG_OK : FG_ERR_MEMORY;
}

static fg_status add_if_there(fg_catalogue *catalogue, const char *directory, bool *found, fg_error *err) {
    FG_CALL(holds_converters(directory, found, err));
    if (*found) FG_CALL(fg_catalogue_add(catalogue, directory, err));
    return FG_OK;
}

static fg_status add_near_executable(fg_catalogue *catalogue, bool *found, fg_error *err) {
    static const char *const places[] = {"converters", "share/fgconv/converters"};
    fg_status status = FG_OK;
    char *above = NULL, *path = NULL;
    FG_TRY(above_executable(&above, err));
    for (size_t i = 0; above && !*found && i < sizeof places / sizeof *places; i++) {
        FG_TRY_NEW(path, fg_path_join(above, places[i], err));
        FG_TRY(add_if_there(catalogue, path, found, err));
        fg_free(path);
        path = NULL;
    }
done:
    fg_free(path);
    fg_free(above);
    return status;
}

static fg_status add_built_in(const char *const *candidates, fg_catalogue *catalogue, fg_error *err) {
    bool found = false;
    const char *named = getenv("FGCONV_CONVERTERS");
    if (named && *named) {
        FG_CALL(add_if_there(catalogue, named, &found, err));
        if (!found) {
            fg_fail(err, FG_ERR_USAGE, "the environment variable FGCONV_CONVERTERS names %s, which has no %s",
                    named, PROOF_OF_PLACE);
            FG_CALL(fg_hint(err, "unset it, or set it to the folder `converters` of fgconv"));
        }
        return FG_OK;
    }
    FG_CALL(add_near_executable(catalogue, &found, err));
    for (; candidates && *candidates && !found; candidates++)
        FG_CALL(add_if_there(catalogue, *candidates, &found, err));
    if (!found) {
        fg_fail(err, FG_ERR_SYSTEM, "cannot find the built-in converters of fgconv (a folder with %s)",
                PROOF_OF_PLACE);
        FG_CALL(fg_hint(
            err, "install fgconv again, or name the folder in the environment variable FGCONV_CONVERTERS"));
    }
    return FG_OK;
}

fg_status fg_converter_search(const char *const *own, size_t own_count, const char *const *candidates,
                              fg_catalogue *catalogue, fg_error *err) {
    for (size_t i = 0; i < own_count; i++) {
        bool is_directory;
        FG_CALL(fg_path_is_directory(own[i], &is_directory, err));
        if (!is_directory) {
            fg_fail(err, FG_ERR_USAGE, "option --converter-path: %s is not a directory", own[i]);
            return fg_about_file(err, own[i]);
        }
        FG_CALL(fg_catalogue_add(catalogue, own[i], err));
    }
    return add_built_in(candidates, catalogue, err);
}
