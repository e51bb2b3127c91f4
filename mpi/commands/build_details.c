#include "commands/build_details.h"

#include "base/alloc.h"
#include "base/yaml.h"
#include "device/cuda.h"
#include "dump.h"
#include "tokenizer/pattern.h"

/* A line for people: one or two members of the document. */
static const struct {
    const char *title, *key;
    const char *absent;        /* for null; NULL: never */
    const char *further, *end; /* the second member, and what follows it */
} lines[] = {
    {"commit", "commit", "unknown", NULL, NULL},
    {"compiler", "compiler", NULL, "build_type", ""},
    {"MPI", "mpi", NULL, NULL, NULL},
    {"HDF5", "hdf5", NULL, NULL, NULL},
    {"jansson", "jansson", NULL, NULL, NULL},
    {"PCRE2", "pcre2", NULL, NULL, NULL},
    {"libyaml", "libyaml", NULL, NULL, NULL},
    {"OpenBLAS", "openblas", NULL, "openblas_kernels", " kernels"},
    {"CUDA", "cuda_module", "not in this build", NULL, NULL},
};

static fg_status make_document(const fg_run *run, json_t **document, fg_error *err) {
    char mpi[FG_RANKS_LIBRARY], hdf5[FG_DUMP_LIBRARY], pcre2[FG_PATTERN_LIBRARY], blas[FG_DEVICE_CPU_LIBRARY];
    char *module = NULL;
    FG_CALL(fg_device_cuda_find(&module, err));
    *document =
        json_pack("{s:s, s:s?, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "version", run->version,
                  "commit", *run->commit ? run->commit : NULL, "compiler", FG_COMPILER, "build_type",
                  FG_BUILD_TYPE, "mpi", fg_ranks_library(mpi), "hdf5", fg_dump_library(hdf5), "jansson",
                  jansson_version_str(), "pcre2", fg_pattern_library(pcre2), "libyaml", fg_yaml_library(),
                  "openblas", fg_device_cpu_library(blas), "openblas_kernels", fg_device_cpu_kernels());
    fg_status status =
        fg_json_put(*document, "cuda_module", module ? fg_json_string(module) : json_null(), err);
    fg_free(module);
    return status;
}

static const char *text_of(const json_t *document, const char *key) {
    return json_string_value(json_object_get(document, key));
}

static fg_status write_details(const json_t *document, const fg_options *options, fg_buffer *text,
                               fg_error *err) {
    (void)options;
    FG_CALL(fg_buffer_printf(text, err, "fgconv %s\n", text_of(document, "version")));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *value = text_of(document, lines[i].key);
        FG_CALL(fg_buffer_printf(text, err, "%-10s %s", lines[i].title, value ? value : lines[i].absent));
        if (lines[i].further)
            FG_CALL(fg_buffer_printf(text, err, ", %s%s", text_of(document, lines[i].further), lines[i].end));
        FG_CALL(fg_buffer_put(text, "\n", err));
    }
    return FG_OK;
}

fg_status fg_build_details_print(const fg_run *run, fg_error *err) {
    json_t *document = NULL;
    fg_status status = make_document(run, &document, err);
    if (status == FG_OK) status = fg_run_print(run, document, write_details, err);
    json_decref(document);
    return status;
}
