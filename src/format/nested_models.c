#define _GNU_SOURCE /* strverscmp */
#include "format/nested_models.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "format/format.h"

/* HF_HOME/hub/models--X--Y/snapshots/HASH and EXPERIMENT/export/fast_llm/100 are found from their outermost
 * directory. */
enum { DEPTH = 4, DIRECTORIES = 400, LISTED = 4, REF = 256 };

typedef struct model_search {
    const char *root;
    fg_names queue, models; /* paths below root, owned */
} model_search;

static bool is_model(const fg_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        for (size_t f = 0; f < fg_format_count; f++) {
            if (strcmp(names->items[i], fg_formats[f]->config_file) == 0) return true;
        }
    }
    return false;
}

/* A place that is not searched for a model. */
static bool is_skipped(const char *name) {
    return name[0] == '.' || strcmp(name, "blobs") == 0 || strcmp(name, "refs") == 0;
}

/* Queues the directories of one directory. What cannot be looked at is left out: this only helps a
 * message. */
static fg_status queue_directories(model_search *s, const char *below, const fg_names *names, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL, *full = NULL;
    for (size_t i = 0; i < names->count && s->queue.count < DIRECTORIES; i++) {
        bool is_directory;
        if (is_skipped(names->items[i])) continue;
        FG_TRY_NEW(path,
                   *below ? fg_path_join(below, names->items[i], err) : fg_strdup(names->items[i], err));
        FG_TRY_NEW(full, fg_path_join(s->root, path, err));
        if (fg_path_is_directory(full, &is_directory, NULL) == FG_OK && is_directory)
            FG_TRY(fg_names_add(&s->queue, fg_strdup(path, err), err));
        fg_free(path);
        fg_free(full);
        path = full = NULL;
    }
done:
    fg_free(path);
    fg_free(full);
    return status;
}

static unsigned depth_of(const char *path) {
    unsigned depth = 1;
    for (; *path; path++) depth += *path == '/';
    return depth;
}

static fg_status look_into(model_search *s, const char *below, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *full = NULL;
    FG_TRY_NEW(full, fg_path_join(s->root, below, err));
    if (fg_directory_list(full, &names, NULL) != FG_OK) goto done;
    if (*below && is_model(&names))
        FG_TRY(fg_names_add(&s->models, fg_strdup(below, err), err));
    else if (!*below || depth_of(below) < DEPTH)
        FG_TRY(queue_directories(s, below, &names, err));
done:
    fg_names_free(&names);
    fg_free(full);
    return status;
}

static int by_version(const void *a, const void *b) {
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static fg_status find_models(model_search *s, fg_error *err) {
    FG_CALL(look_into(s, "", err));
    for (size_t i = 0; i < s->queue.count; i++) FG_CALL(look_into(s, s->queue.items[i], err));
    if (s->models.count) qsort(s->models.items, s->models.count, sizeof *s->models.items, by_version);
    return FG_OK;
}

static const char *kind_of(const char *path) {
    if (fnmatch("snapshots/*", path, 0) == 0 || fnmatch("*/snapshots/*", path, 0) == 0)
        return "a cache of the Hugging Face hub";
    if (fnmatch("checkpoint-[0-9]*", fg_path_name(path), 0) == 0) return "a training run with checkpoints";
    if (fnmatch("export/*", path, 0) == 0 || fnmatch("checkpoint/*", path, 0) == 0)
        return "an experiment of Fast-LLM";
    return "a model in a directory of its own";
}

/* Whether the hub's `refs/main` names this snapshot. */
static fg_status is_main(const model_search *s, const char *path, bool *is, fg_error *err) {
    fg_status status = FG_OK;
    const char *name = fg_path_name(path), *above = "snapshots/";
    size_t prefix = (size_t)(name - path);
    fg_buffer ref = {0};
    char *file = NULL;
    *is = false;
    if (prefix < strlen(above) || memcmp(name - strlen(above), above, strlen(above)) != 0) goto done;
    FG_TRY_NEW(file, fg_strformat(err, "%s/%.*srefs/main", s->root, (int)(prefix - strlen(above)), path));
    if (fg_file_read_all(file, REF, &ref, NULL) != FG_OK) goto done; /* a cache without it is one, too */
    *is = ref.length >= strlen(name) && memcmp(ref.data, name, strlen(name)) == 0;
done:
    fg_free(file);
    fg_buffer_free(&ref);
    return status;
}

/* The model to give: what the hub calls main, else the last, which of numbered ones is the highest. */
static fg_status choose(const model_search *s, const char **chosen, fg_error *err) {
    *chosen = s->models.items[s->models.count - 1];
    for (size_t i = 0; i < s->models.count; i++) {
        bool is;
        FG_CALL(is_main(s, s->models.items[i], &is, err));
        if (is) *chosen = s->models.items[i];
    }
    return FG_OK;
}

fg_status fg_nested_models_describe(const char *directory, fg_buffer *text, fg_buffer *advice, bool *found,
                                    fg_error *err) {
    fg_status status = FG_OK;
    model_search s = {.root = directory};
    const char *chosen;
    char *path = NULL;
    FG_TRY(find_models(&s, err));
    *found = s.models.count > 0;
    if (!*found) goto done;
    FG_TRY(choose(&s, &chosen, err));
    FG_TRY(fg_buffer_printf(text, err, "; it holds %s: ", kind_of(chosen)));
    size_t skipped = s.models.count > LISTED ? s.models.count - LISTED : 0;
    if (skipped) FG_TRY(fg_buffer_printf(text, err, "%zu more, ", skipped));
    for (size_t i = skipped; i < s.models.count; i++)
        FG_TRY(fg_buffer_printf(text, err, "%s%s", i > skipped ? ", " : "", s.models.items[i]));
    FG_TRY_NEW(path, fg_path_join(directory, chosen, err));
    FG_TRY(fg_buffer_printf(advice, err, "give the directory of the model itself: %s", path));
done:
    fg_free(path);
    fg_names_free(&s.queue);
    fg_names_free(&s.models);
    return status;
}
