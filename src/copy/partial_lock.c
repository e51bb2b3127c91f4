#include "copy/partial_lock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { TEXT_LIMIT = 16384, HOST = 65, TRIES = 50 };

/* Who says to hold a lock. */
typedef struct holder {
    char host[HOST], began[FG_CLOCK_TEXT];
    uint64_t process; /* 0: not known */
} holder;

static void name_host(char host[HOST]) {
    if (gethostname(host, HOST)) host[0] = '\0';
    host[HOST - 1] = '\0';
}

/* ---- what is written in it ---- */

static fg_status write_holder(const fg_file *lock, const json_t *outputs, fg_error *err) {
    char host[HOST], now[FG_CLOCK_TEXT];
    fg_status status = FG_OK;
    fg_buffer text = {0};
    json_t *value = NULL;
    name_host(host);
    FG_TRY_NEW(value, json_pack("{s:o, s:I, s:s}", "host", fg_json_string(host), "process",
                                (json_int_t)getpid(), "began", fg_clock_text(now)));
    if (outputs) FG_TRY(fg_json_put(value, "outputs", json_incref((json_t *)(uintptr_t)outputs), err));
    FG_TRY(fg_json_write(value, FG_JSON_COMPACT, &text, err));
    FG_TRY(fg_buffer_put(&text, "\n", err));
    FG_TRY(fg_file_resize(lock, 0, err));
    FG_TRY(fg_file_write(lock, text.data, text.length, 0, err));
done:
    json_decref(value);
    fg_buffer_free(&text);
    return status;
}

static void copy_text(const json_t *value, const char *key, char *to, size_t size) {
    const char *text = json_string_value(json_object_get(value, key));
    if (text) snprintf(to, size, "%.*s", (int)size - 1, text);
}

/* NULL, and FG_OK, for a lock that cannot be understood, as a crash may leave it. */
static fg_status read_text(const fg_file *lock, json_t **value, fg_error *err) {
    char text[TEXT_LIMIT];
    uint64_t size;
    *value = NULL;
    FG_CALL(fg_file_size(lock, &size, err));
    if (!size || size > sizeof text) return FG_OK;
    FG_CALL(fg_file_read(lock, text, size, 0, err));
    return fg_json_load(text, size, 0, value, NULL, err);
}

static fg_status read_holder(const fg_file *lock, holder *found, fg_error *err) {
    json_t *value;
    *found = (holder){0};
    FG_CALL(read_text(lock, &value, err));
    copy_text(value, "host", found->host, sizeof found->host);
    copy_text(value, "began", found->began, sizeof found->began);
    json_int_t process = json_integer_value(json_object_get(value, "process"));
    found->process = process > 0 ? (uint64_t)process : 0;
    json_decref(value);
    return FG_OK;
}

static void describe(const holder *h, char owner[FG_PARTIAL_OWNER]) {
    owner[0] = '\0';
    if (h->process && h->host[0])
        snprintf(owner, FG_PARTIAL_OWNER, "process %llu on host %s, begun %s", (unsigned long long)h->process,
                 h->host, h->began);
}

/* ---- who holds it ---- */

/* For file systems without locks. */
static fg_partial_state state_by_process(const holder *h) {
    char host[HOST];
    name_host(host);
    if (!h->process || !h->host[0]) return FG_PARTIAL_UNKNOWN;
    if (strcmp(host, h->host) != 0) return FG_PARTIAL_UNKNOWN;
    return kill((pid_t)h->process, 0) == 0 || errno == EPERM ? FG_PARTIAL_RUNNING : FG_PARTIAL_INTERRUPTED;
}

fg_status fg_partial_lock_look(const char *partial, fg_partial_state *state, char owner[FG_PARTIAL_OWNER],
                               fg_error *err) {
    fg_status status = FG_OK;
    fg_file lock = FG_FILE_NONE;
    fg_lock_answer answer;
    holder found;
    bool is_file;
    *state = FG_PARTIAL_UNLOCKED;
    owner[0] = '\0';
    char *path = fg_path_join(partial, FG_PARTIAL_LOCK_FILE, err);
    if (!path) return FG_ERR_MEMORY;
    FG_TRY(fg_path_is_file(path, &is_file, err));
    if (!is_file) goto done;
    *state = FG_PARTIAL_UNKNOWN;
    if (fg_directory_refuses(partial)) goto done; /* another user's */
    FG_TRY(fg_file_open(&lock, path, FG_OPEN_WRITE, err));
    FG_TRY(read_holder(&lock, &found, err));
    FG_TRY(fg_file_lock(&lock, true, &answer, err));
    describe(&found, owner);
    *state = answer == FG_LOCK_HELD   ? FG_PARTIAL_INTERRUPTED
             : answer == FG_LOCK_BUSY ? FG_PARTIAL_RUNNING
                                      : state_by_process(&found);
done:
    fg_file_close(&lock);
    fg_free(path);
    return status;
}

fg_status fg_partial_lock_notes(const char *partial, const char *path, bool *noted, fg_error *err) {
    fg_status status = FG_OK;
    fg_file lock = FG_FILE_NONE;
    json_t *value = NULL, *output;
    bool is_file;
    *noted = false;
    char *name = fg_path_join(partial, FG_PARTIAL_LOCK_FILE, err);
    if (!name) return FG_ERR_MEMORY;
    FG_TRY(fg_path_is_file(name, &is_file, err));
    if (!is_file) goto done;
    FG_TRY(fg_file_open(&lock, name, FG_OPEN_READ, err));
    FG_TRY(read_text(&lock, &value, err));
    FG_JSON_EACH(json_object_get(value, "outputs"), i, output)
        *noted |= json_is_string(output) && strcmp(json_string_value(output), path) == 0;
done:
    json_decref(value);
    fg_file_close(&lock);
    fg_free(name);
    return status;
}

/* Whoever looks at the lock holds it for a moment. */
static fg_status lock_patiently(const fg_file *lock, bool alone, fg_error *err) {
    const struct timespec pause = {.tv_nsec = 10000000};
    fg_lock_answer answer = FG_LOCK_BUSY;
    for (int i = 0; answer == FG_LOCK_BUSY && i < TRIES; i++) {
        if (i) nanosleep(&pause, NULL);
        FG_CALL(fg_file_lock(lock, alone, &answer, err));
    }
    if (answer != FG_LOCK_BUSY) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "%s: another run holds it", lock->path);
    return fg_hint(err, "wait for its end");
}

fg_status fg_partial_lock_take(const char *partial, const json_t *outputs, fg_file *lock, fg_error *err) {
    fg_status status = FG_OK;
    bool exists;
    *lock = FG_FILE_NONE;
    char *path = fg_path_join(partial, FG_PARTIAL_LOCK_FILE, err);
    if (!path) return FG_ERR_MEMORY;
    FG_TRY(fg_path_exists(path, &exists, err));
    FG_TRY(fg_file_open(lock, path, exists ? FG_OPEN_WRITE : FG_OPEN_CREATE, err));
    FG_TRY(lock_patiently(lock, true, err));
    FG_TRY(write_holder(lock, outputs, err));
    FG_TRY(lock_patiently(lock, false, err)); /* so that the other ranks can join */
done:
    if (status != FG_OK) fg_file_close(lock);
    fg_free(path);
    return status;
}

fg_status fg_partial_lock_join(const char *partial, fg_file *lock, fg_error *err) {
    fg_status status = FG_OK;
    *lock = FG_FILE_NONE;
    char *path = fg_path_join(partial, FG_PARTIAL_LOCK_FILE, err);
    if (!path) return FG_ERR_MEMORY;
    FG_TRY(fg_file_open(lock, path, FG_OPEN_WRITE, err));
    FG_TRY(lock_patiently(lock, false, err));
done:
    if (status != FG_OK) fg_file_close(lock);
    fg_free(path);
    return status;
}
