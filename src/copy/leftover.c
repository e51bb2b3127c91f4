#include "copy/leftover.h"

#include <string.h>

#include "base/alloc.h"
#include "base/shell_word.h"
#include "copy/journal.h"
#include "copy/partial_lock.h"

/* ---- what it is ---- */

static fg_status is_inside(const char *directory, const char *name, bool *is, fg_error *err) {
    char *path = fg_path_join(directory, name, err);
    if (!path) return FG_ERR_MEMORY;
    fg_status status = fg_path_exists(path, is, err);
    fg_free(path);
    return status;
}

static bool is_unwritten(const char *name) {
    return strcmp(name, FG_PARTIAL_LOCK_FILE) == 0 || strcmp(name, FG_JOURNAL_NEW) == 0;
}

/* Whether nothing but the lock, and a journal that was not finished, is in it. */
static fg_status is_bare(const char *partial, bool *bare, fg_error *err) {
    fg_names names;
    FG_CALL(fg_directory_list(partial, &names, err));
    *bare = true;
    for (size_t i = 0; i < names.count; i++) *bare &= is_unwritten(names.items[i]);
    fg_names_free(&names);
    return FG_OK;
}

static fg_status refuse_unlocked(const char *partial, bool journal, fg_error *err) {
    char word[FG_SHELL_WORD];
    fg_fail(err, FG_ERR_USAGE, "%s exists already: an earlier run was interrupted, or another one is running",
            partial);
    if (journal)
        return fg_hint(err,
                       "if no other fgconv is running, continue it with --resume, or remove it (rm -r %s)",
                       fg_shell_word(partial, word));
    return fg_hint(err, "remove it (rm -r %s) if no other fgconv is running", fg_shell_word(partial, word));
}

static fg_status refuse_running(const char *partial, const char *owner, fg_error *err) {
    fg_fail(err, FG_ERR_USAGE, "%s exists already: another run is writing to it%s%s%s", partial,
            owner[0] ? " (" : "", owner, owner[0] ? ")" : "");
    return fg_hint(err, "wait for its end, or name another destination");
}

static fg_status refuse_unknown(const char *partial, const char *owner, fg_error *err) {
    char word[FG_SHELL_WORD];
    fg_fail(err, FG_ERR_USAGE, "%s exists already: another run may be writing to it%s%s%s", partial,
            owner[0] ? " (" : "", owner, owner[0] ? ")" : "");
    return fg_hint(err, "if it is not, remove the file %s in it to resume, or all of it (rm -r %s)",
                   FG_PARTIAL_LOCK_FILE, fg_shell_word(partial, word));
}

static fg_status refuse_interrupted(const char *partial, const char *owner, bool journal, fg_error *err) {
    char word[FG_SHELL_WORD];
    fg_fail(err, FG_ERR_USAGE, "%s exists already: an earlier run was interrupted%s%s%s", partial,
            owner[0] ? " (" : "", owner, owner[0] ? ")" : "");
    if (journal)
        return fg_hint(err, "continue it with --resume, or remove it (rm -r %s)",
                       fg_shell_word(partial, word));
    return fg_hint(err, "remove it (rm -r %s)", fg_shell_word(partial, word));
}

static fg_status refuse_without_journal(const char *partial, fg_error *err) {
    char word[FG_SHELL_WORD];
    fg_fail(err, FG_ERR_USAGE, "%s exists already, and has no journal that --resume could continue", partial);
    return fg_hint(err, "remove it (rm -r %s) if no other fgconv is running", fg_shell_word(partial, word));
}

fg_status fg_leftover_look(const char *partial, const char *aside, bool resumes, fg_leftover *leftover,
                           fg_error *err) {
    char owner[FG_PARTIAL_OWNER];
    fg_partial_state state;
    bool exists, is_directory, journal = false, put_aside = false, bare = false;
    *leftover = FG_LEFTOVER_NONE;
    FG_CALL(fg_path_exists(partial, &exists, err));
    if (!exists) return FG_OK;
    if (fg_path_is_directory(partial, &is_directory, NULL) != FG_OK || !is_directory)
        return refuse_unlocked(partial, false, err);
    FG_CALL(fg_partial_lock_look(partial, &state, owner, err));
    FG_CALL(is_inside(partial, FG_JOURNAL_FILE, &journal, err));
    if (!journal) FG_CALL(fg_path_exists(aside, &put_aside, err));
    journal |= put_aside;
    if (state == FG_PARTIAL_RUNNING) return refuse_running(partial, owner, err);
    if (state == FG_PARTIAL_UNKNOWN) return refuse_unknown(partial, owner, err);
    if (!resumes && state == FG_PARTIAL_UNLOCKED) return refuse_unlocked(partial, journal, err);
    if (!resumes) return refuse_interrupted(partial, owner, journal, err);
    if (!journal && state == FG_PARTIAL_INTERRUPTED) FG_CALL(is_bare(partial, &bare, err));
    if (!journal && !bare) return refuse_without_journal(partial, err);
    *leftover = bare ? FG_LEFTOVER_BARE : FG_LEFTOVER_JOURNAL;
    return FG_OK;
}

/* ---- what is kept ---- */

fg_status fg_leftover_has_shard(const char *partial, const fg_plan *plan, size_t shard, bool *has,
                                fg_error *err) {
    fg_status status = FG_OK;
    char target[2];
    fg_file_stamp stamp = {0};
    *has = false;
    char *path = fg_path_join(partial, plan->shard_files[shard], err);
    if (!path) return FG_ERR_MEMORY;
    if (fg_path_link_target(path, target, sizeof target)) goto done;
    FG_TRY(fg_path_is_file(path, has, err));
    if (*has) FG_TRY(fg_file_stamp_of(path, &stamp, err));
    *has = *has && stamp.size == plan->shard_bytes[shard];
done:
    fg_free(path);
    return status;
}

/* `name` is that of a file in `partial`. */
static fg_status is_kept(const char *partial, const fg_plan *plan, const char *name, bool *kept,
                         fg_error *err) {
    *kept = strcmp(name, FG_PARTIAL_LOCK_FILE) == 0 || fg_journal_is_name(name);
    for (size_t s = 0; !*kept && s < plan->shard_count; s++) {
        if (strcmp(plan->shard_files[s], name) == 0)
            return fg_leftover_has_shard(partial, plan, s, kept, err);
    }
    return FG_OK;
}

/* Whether shards lie below the folder. */
static bool leads_to_shards(const fg_plan *plan, const char *folder) {
    size_t length = strlen(folder);
    for (size_t s = 0; s < plan->shard_count; s++) {
        const char *file = plan->shard_files[s];
        if (strncmp(file, folder, length) == 0 && file[length] == '/') return true;
    }
    return false;
}

static fg_status clear_folder(const char *partial, const fg_plan *plan, const char *folder, fg_error *err);

static fg_status clear_entry(const char *partial, const fg_plan *plan, const char *name, fg_error *err) {
    fg_status status = FG_OK;
    char target[2];
    bool kept, is_directory = false;
    char *path = fg_path_join(partial, name, err);
    if (!path) return FG_ERR_MEMORY;
    bool link = fg_path_link_target(path, target, sizeof target);
    if (!link) FG_TRY(fg_path_is_directory(path, &is_directory, err));
    if (is_directory) {
        FG_TRY(leads_to_shards(plan, name) ? clear_folder(partial, plan, name, err)
                                           : fg_directory_remove(path, err));
        goto done;
    }
    FG_TRY(is_kept(partial, plan, name, &kept, err));
    if (!kept) fg_file_remove(path);
done:
    fg_free(path);
    return status;
}

static fg_status clear_folder(const char *partial, const fg_plan *plan, const char *folder, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL, *name = NULL;
    FG_TRY_NEW(path, folder[0] ? fg_path_join(partial, folder, err) : fg_strdup(partial, err));
    FG_TRY(fg_directory_list(path, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        FG_TRY_RENEW(name, fg_path_join(folder, names.items[i], err));
        FG_TRY(clear_entry(partial, plan, name, err));
    }
done:
    fg_free(name);
    fg_free(path);
    fg_names_free(&names);
    return status;
}

fg_status fg_leftover_clear(const char *partial, const fg_plan *plan, fg_error *err) {
    return clear_folder(partial, plan, "", err);
}
