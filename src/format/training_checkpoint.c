#define _DEFAULT_SOURCE /* timegm */
#include "format/training_checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/log.h"
#include "base/shell_word.h"
#include "format/weight_files.h"

static const char prefix[] = "checkpoint-";

/* ---- times ---- */

typedef struct moment {
    int64_t seconds, nanoseconds;
} moment;

static int compare_moments(moment a, moment b) {
    if (a.seconds != b.seconds) return a.seconds < b.seconds ? -1 : 1;
    return a.nanoseconds < b.nanoseconds ? -1 : a.nanoseconds > b.nanoseconds;
}

/* So many digits; moves `at` behind them. */
static bool read_digits(const char **at, size_t count, int *value) {
    *value = 0;
    for (size_t i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        *value = *value * 10 + (**at - '0');
    }
    return true;
}

/* Numbers as a pattern writes them, "0000-00" for two; other characters stand for themselves. */
static bool read_numbers(const char **at, const char *pattern, int *values) {
    while (*pattern) {
        size_t digits = strspn(pattern, "0");
        if (digits && !read_digits(at, digits, values++)) return false;
        if (!digits && *(*at)++ != *pattern) return false;
        pattern += digits ? digits : 1;
    }
    return true;
}

/* The offset from UTC at the end of a time, "Z", "+01:00" or nothing; false if it is something else. */
static bool read_zone(const char *text, bool *local, int64_t *offset) {
    int parts[2];
    const char *at = text + 1;
    *local = !*text;
    *offset = 0;
    if (*local || strcmp(text, "Z") == 0) return true;
    if ((*text != '+' && *text != '-') || !read_numbers(&at, "00:00", parts) || *at) return false;
    *offset = (parts[0] * 60 + parts[1]) * 60 * (*text == '-' ? -1 : 1);
    return true;
}

/* Digits behind a point, as nanoseconds; returns what follows. */
static const char *read_fraction(const char *text, int64_t *nanoseconds) {
    int64_t unit = 100000000;
    *nanoseconds = 0;
    if (*text != '.') return text;
    for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10) *nanoseconds += (*text - '0') * unit;
    return text;
}

/* "2025-01-24T10:30:00.123456+01:00" */
static bool read_time(const char *text, moment *time) {
    int date[3], clock[3];
    bool local;
    int64_t offset;
    if (!read_numbers(&text, "0000-00-00", date) || (*text != 'T' && *text != ' ')) return false;
    text++;
    if (!read_numbers(&text, "00:00:00", clock) || date[0] < 1970 || date[1] < 1 || date[1] > 12)
        return false;
    if (!read_zone(read_fraction(text, &time->nanoseconds), &local, &offset)) return false;
    struct tm t = {.tm_year = date[0] - 1900,
                   .tm_mon = date[1] - 1,
                   .tm_mday = date[2],
                   .tm_hour = clock[0],
                   .tm_min = clock[1],
                   .tm_sec = clock[2],
                   .tm_isdst = -1};
    time->seconds = local ? mktime(&t) : timegm(&t) - offset;
    return true;
}

/* As a manifest writes it; "" and false for one that cannot be written. */
static bool write_time(moment time, char *text, size_t size) {
    struct tm local;
    time_t seconds = (time_t)time.seconds;
    bool written = localtime_r(&seconds, &local) && strftime(text, size, "%Y-%m-%dT%H:%M:%S", &local);
    if (!written) text[0] = '\0';
    return written;
}

static moment time_of(const fg_file_stamp *stamp) {
    return (moment){stamp->mtime_s, stamp->mtime_ns};
}

/* ---- the latest ---- */

typedef struct candidate {
    char *path;            /* owned */
    moment saved, changed; /* as its manifest says, and as the file system does */
    uint64_t number;
} candidate;

/* A manifest that says no time counts as none; `readable` tells whether it is one. */
static fg_status read_times(candidate *c, bool *readable, fg_error *err) {
    fg_status status = FG_OK;
    fg_file_stamp stamp;
    json_t *manifest = NULL;
    fg_error broken = {0};
    FG_TRY(fg_file_stamp_of(c->path, &stamp, err));
    c->saved = c->changed = time_of(&stamp);
    status = fg_json_read_object(c->path, FG_TRAINING_MANIFEST, &manifest, &broken);
    if (status != FG_OK && status != FG_ERR_INPUT) FG_TRY(fg_fail_again(err, &broken));
    const char *said = json_string_value(json_object_get(manifest, "timestamp"));
    *readable = status == FG_OK && (!manifest || (said && read_time(said, &c->saved)));
    status = FG_OK;
done:
    json_decref(manifest);
    return status;
}

static fg_status find_times(candidate *c, fg_error *err) {
    bool readable = true;
    fg_status status = read_times(c, &readable, err);
    if (status == FG_OK && !readable)
        fg_warn("%s/%s has no readable timestamp; the time of the directory is used", c->path,
                FG_TRAINING_MANIFEST);
    return status;
}

static bool later(const candidate *a, const candidate *b) {
    int saved = compare_moments(a->saved, b->saved), changed = compare_moments(a->changed, b->changed);
    if (saved) return saved > 0;
    if (changed) return changed > 0;
    return a->number > b->number; /* copies of a directory may all have one time */
}

/* Takes `name` in place of `best` if it is a later checkpoint with weights, and its number in place of
 * `*most`. */
static fg_status consider(const char *folder, const char *name, candidate *best, uint64_t *most,
                          fg_error *err) {
    fg_status status = FG_OK;
    candidate c = {0};
    bool present;
    if (!fg_starts_with(name, prefix)) return FG_OK;
    FG_TRY_NEW(c.path, fg_path_join(folder, name, err));
    FG_TRY(fg_weight_files_present(c.path, &present, err));
    if (!present) goto done;
    FG_TRY(find_times(&c, err));
    c.number = fg_training_steps(name);
    *most = fg_max(*most, c.number);
    if (!best->path || later(&c, best)) {
        char *old = best->path;
        *best = c;
        c.path = old;
    }
done:
    fg_free(c.path);
    return status;
}

/* Copies, and a run that went on from an earlier step, leave other times than the order of the steps. */
static void warn_of_order(const candidate *best, uint64_t most) {
    if (best->number == most) return;
    fg_warn("%s is the newest training checkpoint by time, as Forgather chooses, but %s%" PRIu64
            " has the highest step; -c %" PRIu64 " takes that one",
            best->path, prefix, most, most);
}

fg_status fg_training_latest(const char *folder, char **path, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    candidate best = {0};
    uint64_t most = 0;
    FG_TRY(fg_directory_list(folder, &names, err));
    for (size_t i = 0; i < names.count; i++) FG_TRY(consider(folder, names.items[i], &best, &most, err));
    if (!best.path) {
        fg_fail(err, FG_ERR_INPUT, "%s: no checkpoint-* in it has weights", folder);
        FG_TRY(fg_hint(err,
                       "name the directory of the weights with -c (the model directory for those next to "
                       "config.json)"));
    }
    warn_of_order(&best, most);
    *path = best.path;
    best.path = NULL;
done:
    fg_free(best.path);
    fg_names_free(&names);
    return status;
}

fg_status fg_training_saved(const char *path, char *text, size_t size, fg_error *err) {
    candidate c = {.path = (char *)(uintptr_t)path};
    bool readable;
    text[0] = '\0';
    FG_CALL(read_times(&c, &readable, err));
    write_time(c.saved, text, size);
    return FG_OK;
}

/* ---- by name ---- */

static bool is_number(const char *name) {
    return *name && strspn(name, "0123456789") == strlen(name);
}

/* Takes `path` as what `asked` means if it is a directory; one that was found before must be the same. */
static fg_status add_meaning(const char *asked, const char *path, char **found, fg_error *err) {
    bool is_directory, same;
    char one[FG_SHELL_WORD], other[FG_SHELL_WORD];
    FG_CALL(fg_path_is_directory(path, &is_directory, err));
    if (!is_directory) return FG_OK;
    if (!*found) {
        FG_CALL_NEW(*found, fg_strdup(path, err));
        return FG_OK;
    }
    FG_CALL(fg_path_same(*found, path, &same, err));
    if (!same) {
        fg_fail(err, FG_ERR_USAGE, "-c %s: there are two such directories, %s and %s", asked, *found, path);
        FG_CALL(fg_hint(err, "give the whole path of one (-c %s or -c %s)", fg_shell_word(*found, one),
                        fg_shell_word(path, other)));
    }
    return FG_OK;
}

/* `folder`/`asked`, or checkpoint-`asked` there for a number. */
static fg_status look_in(const char *folder, const char *asked, char **found, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL, *name = NULL;
    FG_TRY_NEW(name, fg_strformat(err, "%s%s", is_number(asked) ? prefix : "", asked));
    FG_TRY_NEW(path, fg_path_join(folder, name, err));
    FG_TRY(add_meaning(asked, path, found, err));
done:
    fg_free(path);
    fg_free(name);
    return status;
}

/* The training checkpoint of a model directory that is called so. A path that begins with "/" or "." is no
 * name. */
static fg_status find_named(const char *directory, const char *asked, char **found, fg_error *err) {
    fg_status status = FG_OK;
    char *folder = NULL;
    if (*asked == '/' || *asked == '.' || !(fg_training_is_checkpoint(asked) || is_number(asked)))
        return FG_OK;
    FG_TRY_NEW(folder, fg_path_join(directory, FG_TRAINING_FOLDER, err));
    FG_TRY(look_in(folder, asked, found, err));
    FG_TRY(look_in(directory, asked, found, err));
done:
    fg_free(folder);
    return status;
}

/* "checkpoint-100, checkpoint-200", the training checkpoints in a folder; empty: there are none, or it cannot
 * be read. */
static void list_names(const char *folder, fg_buffer *list) {
    fg_error unsaid = {0};
    fg_names names = {0};
    fg_directory_list(folder, &names, &unsaid);
    for (size_t i = 0; i < names.count; i++) {
        if (fg_starts_with(names.items[i], prefix))
            fg_buffer_printf(list, &unsaid, "%s%s", list->length ? ", " : "", names.items[i]);
    }
    fg_names_free(&names);
}

fg_status fg_training_has_any(const char *directory, bool *has, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    *has = false;
    FG_TRY(fg_directory_list(directory, &names, err));
    for (size_t i = 0; !*has && i < names.count; i++) {
        if (!fg_starts_with(names.items[i], prefix) && strcmp(names.items[i], FG_TRAINING_FOLDER) != 0)
            continue;
        FG_TRY_RENEW(path, fg_path_join(directory, names.items[i], err));
        FG_TRY(fg_path_is_directory(path, has, err));
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

static fg_status not_found(const char *directory, const char *asked, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer list = {0};
    char *folder = NULL;
    FG_TRY_NEW(folder, fg_path_join(directory, FG_TRAINING_FOLDER, err));
    list_names(folder, &list);
    if (!list.length) list_names(directory, &list);
    fg_fail(err, FG_ERR_USAGE, "%s: no such checkpoint directory", asked);
    fg_about_key(err, "-c");
    if (list.length) FG_TRY(fg_hint(err, "%s has %s", directory, list.data));
    FG_TRY(fg_hint(
        err,
        "-c takes a path that is relative to the working directory, or the name or number of a training "
        "checkpoint of %s, which has none",
        directory));
done:
    fg_buffer_free(&list);
    fg_free(folder);
    return status;
}

fg_status fg_training_find(const char *directory, const char *asked, char **path, fg_error *err) {
    fg_status status = FG_OK;
    char *here = NULL; /* with "./", so that a message tells it from a name in the directory */
    *path = NULL;
    FG_TRY_NEW(here, fg_strformat(err, "%s%s", *asked == '/' || *asked == '.' ? "" : "./", asked));
    FG_TRY(find_named(directory, asked, path, err));
    if (*asked) FG_TRY(add_meaning(asked, here, path, err));
    if (!*path) FG_TRY(not_found(directory, asked, err));
    if (strcmp(*path, here) == 0) {
        fg_free(*path);
        FG_TRY_NEW(*path, fg_strdup(asked, err));
    }
done:
    fg_free(here);
    if (status != FG_OK) {
        fg_free(*path);
        *path = NULL;
    }
    return status;
}

/* The last name of a path, slashes behind it aside. */
static const char *last_name(const char *path) {
    size_t length = strlen(path);
    while (length && path[length - 1] == '/') length--;
    const char *name = path + length;
    while (name > path && name[-1] != '/') name--;
    return name;
}

bool fg_training_is_checkpoint(const char *path) {
    return fg_starts_with(last_name(path), prefix);
}

uint64_t fg_training_steps(const char *path) {
    return fg_training_is_checkpoint(path) ? strtoull(last_name(path) + sizeof prefix - 1, NULL, 10) : 0;
}

/* ---- what is kept ---- */

/* Ranks that each saved their own part must be as many when they read it. */
static fg_status no_optimizer(const char *directory, const char *path, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    FG_TRY(fg_directory_list(directory, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (!fg_starts_with(names.items[i], "optimizer_state_rank_")) continue;
        fg_fail(err, FG_ERR_INPUT, "%s: --keep-optimizer: the state lies in one file a rank (%s)", directory,
                names.items[i]);
        FG_TRY(fg_hint(err, "leave --keep-optimizer out: only a state in one file can be copied"));
    }
    fg_fail(err, FG_ERR_INPUT, "%s: --keep-optimizer: there is no such file", path);
    FG_TRY(fg_hint(err, "leave --keep-optimizer out, or name with -c a training checkpoint that has one"));
done:
    fg_names_free(&names);
    return status;
}

fg_status fg_training_optimizer(const char *directory, char **path, uint64_t *bytes, fg_error *err) {
    fg_status status = FG_OK;
    fg_file_stamp stamp;
    bool is_file;
    FG_TRY_NEW(*path, fg_path_join(directory, FG_TRAINING_OPTIMIZER, err));
    FG_TRY(fg_path_is_file(*path, &is_file, err));
    if (!is_file) FG_TRY(no_optimizer(directory, *path, err));
    FG_TRY(fg_file_stamp_of(*path, &stamp, err));
    *bytes = stamp.size;
done:
    if (status != FG_OK) {
        fg_free(*path);
        *path = NULL;
    }
    return status;
}

static json_t *carried(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return value ? json_incref(value) : json_null();
}

static json_t *metadata_of(const json_t *object, fg_error *err) {
    const json_t *held = json_object_get(object, "metadata");
    return json_is_object(held) ? fg_json_deep_copy(held, err) : json_object();
}

/* One process wrote it, and any number reads it. */
static fg_status add_component(json_t *manifest, const char *key, const json_t *before, uint64_t bytes,
                               json_t *checksum, fg_error *err) {
    json_t *component =
        json_pack("{s:s, s:s, s:[i], s:[i], s:n, s:I, s:o, s:o}", "key", key, "sharing_pattern", "replicated",
                  "ranks", 0, "replicated_across", 0, "group_name", "size_bytes", (json_int_t)bytes,
                  "checksum", checksum, "metadata", metadata_of(before, err));
    return fg_json_put(json_object_get(manifest, "components"), key, component, err);
}

/* The time of the newest file, as a manifest writes it. */
static fg_status newest_time(const fg_training_kept *kept, char *text, size_t size, fg_error *err) {
    moment newest = {0};
    for (size_t i = 0; i < kept->file_count; i++) {
        fg_file_stamp stamp;
        FG_CALL(fg_file_stamp_of(kept->files[i], &stamp, err));
        if (i == 0 || compare_moments(time_of(&stamp), newest) > 0) newest = time_of(&stamp);
    }
    if (write_time(newest, text, size)) return FG_OK;
    return fg_fail(err, FG_ERR_SYSTEM, "%s: its time cannot be written", kept->directory);
}

static fg_status add_time(const fg_training_kept *kept, const json_t *before, json_t *manifest,
                          fg_error *err) {
    char text[32];
    moment ignored;
    const char *said = json_string_value(json_object_get(before, "timestamp"));
    bool readable = said && read_time(said, &ignored);
    if (!readable) FG_CALL(newest_time(kept, text, sizeof text, err));
    return fg_json_put_text(manifest, "timestamp", readable ? said : text, err);
}

fg_status fg_training_manifest(const fg_training_kept *kept, json_t **manifest, fg_error *err) {
    static const char *const more[] = {"training_args_hash", "forgather_version", "pytorch_version"};
    fg_status status = FG_OK;
    json_t *before = NULL, *metadata = NULL;
    FG_TRY(fg_json_read_object(kept->directory, FG_TRAINING_MANIFEST, &before, err));
    const json_t *components = json_object_get(before, "components");
    const json_t *optimizer = json_object_get(components, "optimizer");
    *manifest = json_object();
    FG_TRY(fg_json_put_text(*manifest, "checkpoint_path", kept->name, err));
    FG_TRY(fg_json_put(*manifest, "world_size", json_integer(1), err));
    FG_TRY(add_time(kept, before, *manifest, err));
    FG_TRY(fg_json_put(*manifest, "components", json_object(), err));
    FG_TRY(add_component(*manifest, "model", json_object_get(components, "model"), kept->weights, json_null(),
                         err));
    if (kept->optimizer)
        FG_TRY(add_component(*manifest, "optimizer", optimizer, kept->optimizer,
                             carried(optimizer, "checksum"), err));
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        FG_TRY(fg_json_put(*manifest, more[i], carried(before, more[i]), err));
    metadata = metadata_of(before, err);
    FG_TRY(fg_json_put(metadata, "finalized", json_true(), err));
    FG_TRY(fg_json_put(*manifest, "metadata", json_incref(metadata), err));
done:
    json_decref(metadata);
    json_decref(before);
    if (status != FG_OK) {
        json_decref(*manifest);
        *manifest = NULL;
    }
    return status;
}
