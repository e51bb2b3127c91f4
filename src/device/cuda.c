#include "device/cuda.h"

#include <dlfcn.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "device/cuda/module.h"
#include "store/cast.h"

static const char MODULE[] = "fgconv-cuda.so";

/* The directory of the program. */
static fg_status program_directory(char path[PATH_MAX], fg_error *err) {
    if (!fg_path_link_target("/proc/self/exe", path, PATH_MAX))
        return fg_fail(err, FG_ERR_SYSTEM, "cannot find out where fgconv is installed");
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = '\0';
    return FG_OK;
}

/* The module's path; NULL with FG_OK: it is nowhere. */
static fg_status find_module(const char *directory, char **found, fg_error *err) {
    static const char *const places[] = {"", FG_CUDA_FROM_PROGRAM};
    fg_status status = FG_OK;
    char *folder = NULL, *path = NULL;
    bool there = false;
    *found = NULL;
    for (size_t i = 0; !*found && i < sizeof places / sizeof *places; i++) {
        FG_TRY_NEW(folder, *places[i] ? fg_path_join(directory, places[i], err) : fg_strdup(directory, err));
        FG_TRY_NEW(path, fg_path_join(folder, MODULE, err));
        FG_TRY(fg_path_is_file(path, &there, err));
        if (there) {
            *found = path;
            path = NULL;
        }
        fg_free(folder);
        fg_free(path);
        folder = path = NULL;
    }
done:
    fg_free(folder);
    fg_free(path);
    return status;
}

fg_status fg_device_cuda_find(char **path, fg_error *err) {
    char directory[PATH_MAX];
    *path = NULL;
    FG_CALL(program_directory(directory, err));
    return find_module(directory, path, err);
}

static fg_status no_module(const char *directory, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE,
            "option --device cuda: there is no %s in %s or %s/%s: fgconv was built without CUDA", MODULE,
            directory, directory, FG_CUDA_FROM_PROGRAM);
    return fg_hint(err, "build with -DFGCONV_CUDA=ON (README.md), or use --device cpu");
}

static fg_status open_module(const char *path, fg_cuda_module_open **entry, fg_error *err) {
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol = NULL;
    if (module) symbol = dlsym(module, "fg_cuda_module");
    if (!symbol) {
        const char *why = dlerror();
        fg_fail(err, FG_ERR_USAGE, "option --device cuda: %s cannot be loaded: %s", path,
                why ? why : "unknown");
        return fg_hint(err, "install fgconv and its module from one build, or use --device cpu");
    }
    memcpy(entry, &symbol, sizeof *entry); /* a function's address, as POSIX has it */
    return FG_OK;
}

fg_status fg_device_cuda_load(int local_rank, const fg_device **device, fg_error *err) {
    static const fg_cuda_host host = {.fail = fg_error_record,
                                      .hint = fg_error_hint,
                                      .cast_to_f32 = fg_cast_to_f32,
                                      .dtype_size = fg_dtype_size};
    fg_status status = FG_OK;
    char directory[PATH_MAX], *path = NULL;
    fg_cuda_module_open *entry = NULL;
    FG_TRY(program_directory(directory, err));
    FG_TRY(find_module(directory, &path, err));
    FG_TRY(path ? open_module(path, &entry, err) : no_module(directory, err));
    FG_TRY(entry(FG_CUDA_VERSION, &host, local_rank, device, err));
done:
    fg_free(path);
    return status;
}
