#include "copy/publish.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/log.h"
#include "base/shell_word.h"
#include "copy/journal.h"
#include "copy/leftover.h"
#include "copy/partial_lock.h"
#include "copy/shards.h"

enum { COPY_BYTES = 1 << 20 };

struct fg_stage_lock {
    pthread_mutex_t mutex;
    bool stopped, published; /* under the mutex */
    fg_file held;            /* the lock of DST.partial */
};

/* ---- checks ---- */

static fg_status check_destination(const char *destination, fg_error *err) {
    const char *name = fg_path_name(destination);
    if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        fg_fail(err, FG_ERR_USAGE, "\"%s\" cannot be a destination", destination);
        return fg_hint(err, "name a directory that does not exist yet");
    }
    bool exists, is_directory;
    fg_status status = fg_path_exists(destination, &exists, err);
    if (status != FG_OK || !exists) return status;
    fg_path_is_directory(destination, &is_directory, NULL); /* false for a link to nothing, too */
    fg_fail(err, FG_ERR_USAGE, "%s: the destination exists already (a %s)", destination,
            is_directory ? "directory" : "file or link");
    return fg_hint(err, "name another destination, or remove this one");
}

static fg_status refuse_parent(const fg_stage *stage, bool exists, fg_error *err) {
    char word[FG_SHELL_WORD];
    if (exists) {
        fg_fail(err, FG_ERR_USAGE, "%s: %s is not a directory", stage->destination, stage->parent);
        return fg_hint(err, "name a destination in a directory");
    }
    fg_fail(err, FG_ERR_USAGE, "%s: the directory %s does not exist", stage->destination, stage->parent);
    return fg_hint(err, "create it first (mkdir -p %s)", fg_shell_word(stage->parent, word));
}

static fg_status check_parent(const fg_stage *stage, fg_error *err) {
    fg_path_kind kind;
    FG_CALL(fg_path_look(stage->parent, &kind, err));
    if (kind != FG_PATH_DIRECTORY) return refuse_parent(stage, kind != FG_PATH_ABSENT, err);
    int refused = fg_directory_refuses(stage->parent);
    if (!refused) return FG_OK;
    fg_fail_errno(err, refused, "%s: cannot write to the directory %s", stage->destination, stage->parent);
    return fg_hint(err, "name a destination in a directory that you can write to");
}

static fg_status check_partial(fg_stage *stage, fg_error *err) {
    fg_leftover leftover;
    FG_CALL(fg_leftover_look(stage->partial, stage->aside, stage->resumes, &leftover, err));
    stage->found = leftover == FG_LEFTOVER_JOURNAL;
    return FG_OK;
}

static fg_status make_lock(fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    struct fg_stage_lock *lock = NULL;
    FG_NEW(lock, 1);
    int failed = pthread_mutex_init(&lock->mutex, NULL);
    if (failed) FG_TRY(fg_fail_errno(err, failed, "cannot make a lock"));
    lock->held = FG_FILE_NONE;
    stage->lock = lock;
    lock = NULL;
done:
    fg_free(lock);
    return status;
}

/* The names of a stage, and its lock. */
static fg_status name_stage(fg_stage *stage, const char *destination, bool sync, fg_error *err) {
    size_t length = strlen(destination);
    *stage = (fg_stage){.sync = sync};
    while (length > 1 && destination[length - 1] == '/') length--;
    FG_CALL_NEW(stage->destination, fg_strndup(destination, length, err));
    FG_CALL_NEW(stage->partial, fg_strformat(err, "%s.partial", stage->destination));
    FG_CALL_NEW(stage->aside, fg_strformat(err, "%s.%s", stage->partial, FG_JOURNAL_FILE));
    FG_CALL_NEW(stage->old, fg_strformat(err, "%s.old", stage->destination));
    FG_CALL_NEW(stage->parent, fg_path_parent(stage->destination, err));
    return make_lock(stage, err);
}

fg_status fg_stage_check(fg_stage *stage, const char *destination, bool sync, fg_error *err) {
    FG_CALL(name_stage(stage, destination, sync, err));
    FG_CALL(check_destination(stage->destination, err));
    FG_CALL(check_parent(stage, err));
    return check_partial(stage, err);
}

/* Gives DST.partial its journal back, if that was put aside. */
static fg_status recover_journal(const fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    bool there, put_aside;
    char *path = fg_path_join(stage->partial, FG_JOURNAL_FILE, err);
    if (!path) return FG_ERR_MEMORY;
    FG_TRY(fg_path_exists(path, &there, err));
    FG_TRY(fg_path_exists(stage->aside, &put_aside, err));
    if (put_aside && !there) FG_TRY(fg_path_rename(stage->aside, path, err));
done:
    fg_free(path);
    return status;
}

fg_status fg_stage_check_resume(fg_stage *stage, const char *destination, fg_error *err) {
    FG_CALL(name_stage(stage, destination, true, err));
    stage->resumes = true;
    FG_CALL(check_destination(stage->destination, err));
    FG_CALL(check_parent(stage, err));
    FG_CALL(check_partial(stage, err));
    return stage->found ? recover_journal(stage, err) : FG_OK;
}

/* A run that was interrupted while it replaced the directory left both, under other names. */
static fg_status check_recovery(const fg_stage *stage, fg_error *err) {
    bool exists, there, whole;
    char partial[FG_SHELL_WORD], old[FG_SHELL_WORD], destination[FG_SHELL_WORD];
    FG_CALL(fg_path_exists(stage->old, &exists, err));
    if (!exists) return FG_OK;
    FG_CALL(fg_path_is_directory(stage->destination, &there, err));
    if (there) {
        fg_fail(err, FG_ERR_USAGE, "%s exists already: it is the directory that an earlier run replaced",
                stage->old);
        return fg_hint(err, "%s is complete; remove the old one (rm -r %s)", stage->destination,
                       fg_shell_word(stage->old, old));
    }
    FG_CALL(fg_path_is_directory(stage->partial, &whole, err));
    fg_fail(err, FG_ERR_USAGE, "%s: an earlier run was interrupted while it replaced this directory",
            stage->destination);
    fg_shell_word(stage->old, old);
    fg_shell_word(stage->destination, destination);
    if (!whole) return fg_hint(err, "the old one is complete: mv %s %s", old, destination);
    return fg_hint(err, "the new one is complete: mv %s %s, then rm -r %s",
                   fg_shell_word(stage->partial, partial), destination, old);
}

fg_status fg_stage_check_replace(fg_stage *stage, const char *directory, bool sync, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    fg_path_kind kind;
    bool there;
    *stage = (fg_stage){0};
    FG_TRY(fg_path_look(directory, &kind, err));
    if (kind != FG_PATH_ABSENT) FG_TRY(fg_path_real(directory, &path, err));
    FG_TRY(name_stage(stage, path ? path : directory, sync, err));
    FG_TRY(check_recovery(stage, err));
    stage->replaces = true;
    FG_TRY(fg_path_is_directory(stage->destination, &there, err));
    if (!there) goto done;
    FG_TRY(check_parent(stage, err));
    FG_TRY(check_partial(stage, err));
done:
    fg_free(path);
    return status;
}

fg_status fg_stage_check_apart(const fg_stage *stage, const char *source_directory, fg_error *err) {
    fg_status status = FG_OK;
    char *real_parent = NULL, *source = NULL;
    FG_TRY(fg_path_real(stage->parent, &real_parent, err));
    FG_TRY(fg_path_real(source_directory, &source, err));
    size_t length = strcmp(source, "/") == 0 ? 0 : strlen(source);
    bool inside =
        strncmp(real_parent, source, length) == 0 && (real_parent[length] == '/' || !real_parent[length]);
    if (inside) {
        fg_fail(err, FG_ERR_USAGE, "%s: the destination lies inside the source %s", stage->destination,
                source_directory);
        status = fg_hint(err, "name a destination outside of the source");
    }
done:
    fg_free(real_parent);
    fg_free(source);
    return status;
}

fg_status fg_stage_room(const fg_stage *stage, uint64_t *bytes, fg_error *err) {
    return fg_disk_free(stage->parent, bytes, err);
}

fg_status fg_stage_check_room(const fg_stage *stage, uint64_t bytes, fg_error *err) {
    char found[24], needed[24];
    uint64_t room;
    FG_CALL(fg_stage_room(stage, &room, err));
    if (room >= bytes) return FG_OK;
    fg_fail(err, FG_ERR_SYSTEM, "%s: the file system has %s free, %s are needed", stage->destination,
            fg_bytes_text(room, found), fg_bytes_text(bytes, needed));
    fg_about_found(err, "%s free", found);
    fg_about_expected(err, "%s free", needed);
    return fg_hint(err, "free space there or name a destination on another file system");
}

/* ---- growing ---- */

static fg_status lock(const fg_stage *stage, fg_error *err) {
    if (!stage->lock) return fg_fail(err, FG_ERR_BUG, "a destination is written to before it was checked");
    pthread_mutex_lock(&stage->lock->mutex);
    if (!stage->lock->stopped) return FG_OK;
    pthread_mutex_unlock(&stage->lock->mutex);
    return fg_fail(err, FG_ERR_SYSTEM, "%s: stopped", stage->partial);
}

static void unlock(const fg_stage *stage) {
    pthread_mutex_unlock(&stage->lock->mutex);
}

/* Creates DST.partial or takes it over. Under the lock. */
static fg_status begin(fg_stage *stage, fg_error *err) {
    bool exists;
    FG_CALL(check_partial(stage, err));
    FG_CALL(fg_path_exists(stage->partial, &exists, err));
    if (!exists) {
        FG_CALL(fg_directory_create(stage->partial, err));
        stage->begun = true;
    }
    FG_CALL(fg_partial_lock_take(stage->partial, stage->outputs, &stage->lock->held, err));
    stage->begun = true;
    stage->keeps = stage->found;
    return FG_OK;
}

fg_status fg_stage_begin(fg_stage *stage, fg_error *err) {
    fg_status status = lock(stage, err);
    if (status != FG_OK) return status;
    status = begin(stage, err);
    unlock(stage);
    return status;
}

/* Whether a name leads to a file below DST.partial and nowhere else. */
static bool stays_inside(const char *name) {
    for (const char *at = name;; at++) {
        size_t length = strcspn(at, "/");
        bool dots = *at == '.' && (length == 1 || (length == 2 && at[1] == '.'));
        if (!length || dots) return false;
        at += length;
        if (!*at) return true;
    }
}

/* Makes the folders of a name, the outermost first. Under the lock. */
static fg_status make_folders(const fg_stage *stage, const char *name, fg_error *err) {
    fg_status status = FG_OK;
    char *folder = NULL, *path = NULL;
    bool there;
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        FG_TRY_NEW(folder, fg_strndup(name, (size_t)(slash - name), err));
        FG_TRY_NEW(path, fg_path_join(stage->partial, folder, err));
        FG_TRY(fg_path_is_directory(path, &there, err));
        if (!there) FG_TRY(fg_directory_create(path, err));
        fg_free(folder);
        fg_free(path);
        folder = path = NULL;
    }
done:
    fg_free(folder);
    fg_free(path);
    return status;
}

/* Creates a file in DST.partial, and its folders. Only this is done under the lock: what is written later to
 * a file that was removed meanwhile does no harm. */
static fg_status create(const fg_stage *stage, const char *name, fg_open_mode mode, fg_file *file,
                        fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    *file = FG_FILE_NONE;
    if (!stays_inside(name))
        FG_FAIL(err, FG_ERR_BUG, "\"%s\" is not a valid name for a file of a checkpoint", name);
    FG_TRY_NEW(path, fg_path_join(stage->partial, name, err));
    FG_TRY(lock(stage, err));
    status = make_folders(stage, name, err);
    if (status == FG_OK) status = fg_file_open(file, path, mode, err);
    unlock(stage);
done:
    fg_free(path);
    return status;
}

fg_status fg_stage_create_shard(const fg_stage *stage, const fg_plan *plan, size_t shard, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer header = {0};
    fg_file file = FG_FILE_NONE;
    bool there = false;
    FG_TRY(fg_shards_header(plan, shard, &header, err));
    if (header.length > plan->shard_bytes[shard])
        FG_FAIL(err, FG_ERR_BUG, "%s: its header is larger than the file", plan->shard_files[shard]);
    if (stage->found) FG_TRY(fg_leftover_has_shard(stage->partial, plan, shard, &there, err));
    FG_TRY(create(stage, plan->shard_files[shard], there ? FG_OPEN_WRITE : FG_OPEN_CREATE, &file, err));
    FG_TRY(fg_file_resize(&file, plan->shard_bytes[shard], err));
    FG_TRY(fg_file_write(&file, header.data, header.length, 0, err));
    FG_TRY(fg_file_finish(&file, err));
done:
    fg_file_close(&file);
    fg_buffer_free(&header);
    return status;
}

/* With the folders that the file lies in, below the stage. */
static fg_status sync_file(const fg_stage *stage, const fg_file *file, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    size_t stage_length = strlen(stage->partial);
    if (!stage->sync) goto done;
    FG_TRY(fg_file_sync(file, err));
    FG_TRY_NEW(path, fg_strdup(file->path, err));
    for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) > stage_length;) {
        *slash = '\0';
        FG_TRY(fg_directory_sync(path, err));
    }
done:
    fg_free(path);
    return status;
}

fg_status fg_stage_write(const fg_stage *stage, const char *name, const void *bytes, size_t size,
                         fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    FG_TRY(create(stage, name, FG_OPEN_CREATE, &file, err));
    FG_TRY(fg_file_write(&file, bytes, size, 0, err));
    FG_TRY(sync_file(stage, &file, err));
    FG_TRY(fg_file_finish(&file, err));
done:
    fg_file_close(&file);
    return status;
}

fg_status fg_stage_copy_file(const fg_stage *stage, const char *source, const char *name, fg_error *err) {
    fg_status status = FG_OK;
    fg_file from = FG_FILE_NONE, to = FG_FILE_NONE;
    unsigned char *buffer = NULL;
    uint64_t size, count;
    FG_TRY(fg_file_open(&from, source, FG_OPEN_READ, err));
    FG_TRY(fg_file_size(&from, &size, err));
    FG_TRY_NEW(buffer, fg_alloc_buffer(COPY_BYTES, err));
    FG_TRY(create(stage, name, FG_OPEN_CREATE, &to, err));
    for (uint64_t at = 0; at < size; at += count) {
        count = fg_min(COPY_BYTES, size - at);
        FG_TRY(fg_file_read(&from, buffer, count, at, err));
        FG_TRY(fg_file_write(&to, buffer, count, at, err));
    }
    FG_TRY(sync_file(stage, &to, err));
    FG_TRY(fg_file_finish(&to, err));
done:
    fg_free(buffer);
    fg_file_close(&from);
    fg_file_close(&to);
    return status;
}

fg_status fg_stage_link(const fg_stage *stage, const char *target, const char *name, fg_error *err) {
    fg_status status = FG_OK;
    char *path = NULL;
    if (!stays_inside(target) || !stays_inside(name) || strchr(name, '/'))
        FG_FAIL(err, FG_ERR_BUG, "%s: a link to %s would not stay in the directory", name, target);
    FG_TRY_NEW(path, fg_path_join(stage->partial, name, err));
    FG_TRY(lock(stage, err));
    status = fg_path_link(target, path, err);
    unlock(stage);
done:
    fg_free(path);
    return status;
}

fg_status fg_stage_sync_shard(const fg_stage *stage, const fg_plan *plan, size_t shard, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    char *path = NULL;
    if (!stage->sync) return FG_OK;
    FG_TRY_NEW(path, fg_path_join(stage->partial, plan->shard_files[shard], err));
    FG_TRY(fg_file_open(&file, path, FG_OPEN_WRITE, err));
    FG_TRY(sync_file(stage, &file, err));
    FG_TRY(fg_file_finish(&file, err));
done:
    fg_file_close(&file);
    fg_free(path);
    return status;
}

/* ---- the end ---- */

static fg_status rename_new(const fg_stage *stage, fg_error *err) {
    FG_CALL(check_destination(stage->destination, err));
    return fg_path_rename_new(stage->partial, stage->destination, err);
}

/* Without a file system that can exchange two directories. The old one goes back if the new one cannot take
 * its place. */
static fg_status replace_by_two(fg_stage *stage, fg_error *err) {
    char old[FG_SHELL_WORD], destination[FG_SHELL_WORD];
    FG_CALL(fg_path_rename(stage->destination, stage->old, err));
    stage->former = stage->old;
    fg_status status = fg_path_rename(stage->partial, stage->destination, err);
    if (status == FG_OK) return status;
    if (fg_path_rename(stage->old, stage->destination, NULL) != FG_OK)
        return fg_hint(err, "the former %s is intact and now called %s; restore it: mv %s %s",
                       stage->destination, stage->old, fg_shell_word(stage->old, old),
                       fg_shell_word(stage->destination, destination));
    return status;
}

/* Afterwards what was at DST is DST.old, or DST.partial if that cannot be renamed. */
static fg_status replace(fg_stage *stage, fg_error *err) {
    bool supported;
    FG_CALL(fg_path_exchange(stage->partial, stage->destination, &supported, err));
    if (!supported) return replace_by_two(stage, err);
    bool renamed = fg_path_rename(stage->partial, stage->old, NULL) == FG_OK;
    stage->former = renamed ? stage->old : stage->partial;
    return FG_OK;
}

/* The new one is there. The former one goes only once a crash cannot bring it back. */
static void remove_former(const fg_stage *stage, bool synced) {
    fg_error failed = {0};
    if (!synced)
        fg_warn("%s is left: it is the former %s, and the new one may not be on the disk yet", stage->former,
                stage->destination);
    else if (fg_directory_remove(stage->former, &failed) != FG_OK)
        fg_warn("%s is left: it cannot be removed (%s)", stage->former, failed.text);
}

/* DST gets neither lock nor journal. Until DST is there, the journal lies next to DST.partial, where a later
 * run finds it. */
static fg_status strip(const fg_stage *stage, fg_error *err) {
    fg_status status = FG_OK;
    char *journal = NULL, *held = NULL;
    FG_TRY_NEW(journal, fg_path_join(stage->partial, FG_JOURNAL_FILE, err));
    FG_TRY_NEW(held, fg_path_join(stage->partial, FG_PARTIAL_LOCK_FILE, err));
    if (stage->keeps) FG_TRY(fg_path_rename(journal, stage->aside, err));
    if (!fg_file_remove(held)) FG_FAIL(err, FG_ERR_SYSTEM, "%s: cannot be removed", held);
    if (stage->sync) FG_TRY(fg_directory_sync(stage->partial, err));
done:
    fg_free(journal);
    fg_free(held);
    return status;
}

static fg_status rename_stage(fg_stage *stage, fg_error *err) {
    FG_CALL(lock(stage, err));
    fg_status status = stage->replaces ? replace(stage, err) : rename_new(stage, err);
    if (status == FG_OK) stage->lock->published = true;
    if (status == FG_OK && stage->keeps && !fg_file_remove(stage->aside))
        fg_warn("%s is left: it cannot be removed", stage->aside);
    unlock(stage);
    return status;
}

fg_status fg_stage_publish(fg_stage *stage, fg_error *err) {
    fg_status status = strip(stage, err);
    if (status == FG_OK) status = rename_stage(stage, err);
    if (status != FG_OK && stage->keeps) recover_journal(stage, NULL);
    if (status != FG_OK) return status;
    if (stage->sync) status = fg_directory_sync(stage->parent, err);
    if (stage->former) remove_former(stage, status == FG_OK);
    return status;
}

bool fg_stage_published(const fg_stage *stage) {
    if (!stage->lock) return false;
    pthread_mutex_lock(&stage->lock->mutex);
    bool published = stage->lock->published;
    pthread_mutex_unlock(&stage->lock->mutex);
    return published;
}

void fg_stage_abandon(fg_stage *stage) {
    fg_error failed = {0};
    if (!stage->lock) return;
    pthread_mutex_lock(&stage->lock->mutex);
    stage->lock->stopped = true;
    bool ours = stage->begun && !stage->lock->published && !stage->keeps;
    if (ours && fg_directory_remove(stage->partial, &failed) != FG_OK)
        fg_warn("%s is left: it cannot be removed (%s)", stage->partial, failed.text);
    pthread_mutex_unlock(&stage->lock->mutex);
}

void fg_stage_keep(fg_stage *stage, bool keep) {
    if (!stage->lock) return;
    pthread_mutex_lock(&stage->lock->mutex);
    if (!stage->lock->stopped) stage->keeps = keep;
    pthread_mutex_unlock(&stage->lock->mutex);
}

void fg_stage_free(fg_stage *stage) {
    fg_stage_abandon(stage);
    if (stage->lock) {
        fg_file_close(&stage->lock->held);
        pthread_mutex_destroy(&stage->lock->mutex);
    }
    fg_free(stage->lock);
    fg_free(stage->destination);
    fg_free(stage->partial);
    json_decref(stage->outputs);
    fg_free(stage->aside);
    fg_free(stage->parent);
    fg_free(stage->old);
    *stage = (fg_stage){0};
}
