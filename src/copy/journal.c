#include "copy/journal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/shell_word.h"
#include "store/little.h"

#define HEAD "fgconv journal 1, "

enum {
    RECORD = 48, /* bytes: block, first, count, 0; digest, values, check of what is before it */
    CHECKED = RECORD - 8,
    CHUNK = 1600 * RECORD,
    HEAD_BYTES = 64,
    IDENTITY_LIMIT = 64 << 20,
};

/* When a rank flushes: so many bytes are not in the journal, or so many seconds have passed since the last
 * time, or so many times what that took. */
static const uint64_t FLUSH_BYTES = UINT64_C(1) << 30;
static const double FLUSH_SECONDS = 5, FLUSH_SHARE = 8;

bool fg_journal_is_name(const char *name) {
    size_t length = strlen(FG_JOURNAL_FILE);
    return strncmp(name, FG_JOURNAL_FILE, length) == 0 && (!name[length] || name[length] == '.');
}

/* ---- records ---- */

static void put_record(unsigned char *at, uint32_t block, const fg_journal_entry *entry, uint64_t seed) {
    fg_little_put_u32(at, block);
    fg_little_put_u32(at + 4, entry->first);
    fg_little_put_u32(at + 8, entry->count);
    fg_little_put_u32(at + 12, 0);
    fg_little_put_u64(at + 16, entry->digest);
    fg_little_put_u64(at + 24, entry->values.overflows);
    fg_little_put_u64(at + 32, entry->values.non_finite);
    fg_little_put_u64(at + CHECKED, XXH3_64bits_withSeed(at, CHECKED, seed));
}

/* Takes in a record that is whole and names blocks of this plan. */
static void take_record(const unsigned char *at, uint64_t seed, fg_journal_entry *entries, uint64_t blocks) {
    uint64_t block = fg_little_u32(at);
    fg_journal_entry entry = {
        .first = fg_little_u32(at + 4),
        .count = fg_little_u32(at + 8),
        .digest = fg_little_u64(at + 16),
        .values = {.overflows = fg_little_u64(at + 24), .non_finite = fg_little_u64(at + 32)}};
    if (fg_little_u64(at + CHECKED) != XXH3_64bits_withSeed(at, CHECKED, seed)) return;
    if (block < entry.first || block - entry.first >= entry.count || block >= blocks) return;
    entries[block] = entry;
}

void fg_journal_forget(fg_journal_entry *entries, uint64_t block) {
    uint64_t first = entries[block].first, end = first + entries[block].count;
    for (uint64_t i = first; i < end; i++) entries[i] = (fg_journal_entry){0};
}

/* Whether all blocks that were written together with `first` are there, so that their values count
 * once. */
static bool is_whole(const fg_journal_entry *entries, uint64_t blocks, uint64_t first) {
    uint64_t count = entries[first].count;
    if (entries[first].first != first || count > blocks - first) return false;
    for (uint64_t i = first; i < first + count; i++)
        if (entries[i].first != first || entries[i].count != count) return false;
    return true;
}

static void drop_broken(fg_journal_entry *entries, uint64_t blocks) {
    for (uint64_t i = 0; i < blocks;) {
        uint64_t count = entries[i].count;
        if (count && is_whole(entries, blocks, i)) {
            i += count;
        } else {
            entries[i++] = (fg_journal_entry){0};
        }
    }
}

/* ---- the JSON in front ---- */

static fg_status broken(const char *path, fg_error *err) {
    char *partial = fg_path_parent(path, NULL), word[FG_SHELL_WORD];
    fg_fail(err, FG_ERR_USAGE, "%s: this journal is damaged, or is none", path);
    fg_hint(err, "remove the directory (rm -r %s)", fg_shell_word(partial ? partial : path, word));
    fg_free(partial);
    return FG_ERR_USAGE;
}

/* Opens `journal` and reads its beginning; `text` gets all of it that is not records. */
static fg_status read_head(const char *partial, fg_open_mode mode, fg_file *file, fg_buffer *text,
                           size_t *json_at, fg_error *err) {
    fg_status status = FG_OK;
    char head[HEAD_BYTES + 1] = "", *path = NULL, *end = NULL;
    char *bytes = NULL;
    uint64_t size;
    *file = FG_FILE_NONE;
    FG_TRY_NEW(path, fg_path_join(partial, FG_JOURNAL_FILE, err));
    FG_TRY(fg_file_open(file, path, mode, err));
    FG_TRY(fg_file_size(file, &size, err));
    FG_TRY(fg_file_read(file, head, fg_min(size, HEAD_BYTES), 0, err));
    uint64_t length = fg_starts_with(head, HEAD) ? strtoull(head + strlen(HEAD), &end, 10) : 0;
    if (!length || *end != '\n' || length > IDENTITY_LIMIT) FG_TRY(broken(path, err));
    *json_at = (size_t)(end + 1 - head);
    if (*json_at + length > size) FG_TRY(broken(path, err));
    FG_TRY_NEW(bytes, fg_alloc_buffer(*json_at + length, err));
    FG_TRY(fg_file_read(file, bytes, *json_at + length, 0, err));
    FG_TRY(fg_buffer_add(text, bytes, *json_at + length, err));
done:
    if (status != FG_OK) fg_file_close(file);
    fg_free(bytes);
    fg_free(path);
    return status;
}

fg_status fg_journal_identity(const char *partial, json_t **identity, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    fg_buffer text = {0};
    size_t json_at = 0;
    *identity = NULL;
    FG_TRY(read_head(partial, FG_OPEN_READ, &file, &text, &json_at, err));
    FG_TRY(fg_json_load(text.data + json_at, text.length - json_at, 0, identity, NULL, err));
    if (!json_is_object(*identity)) FG_TRY(broken(file.path, err));
done:
    fg_file_close(&file);
    fg_buffer_free(&text);
    if (status == FG_OK) return FG_OK;
    json_decref(*identity);
    *identity = NULL;
    return status;
}

/* The checks of records depend on what is in front of them. */
static uint64_t seed_of(const fg_buffer *head) {
    return XXH3_64bits(head->data, head->length);
}

/* ---- reading all of it ---- */

static fg_status read_records(const fg_file *file, uint64_t from, uint64_t seed, fg_journal_entry *entries,
                              uint64_t blocks, fg_error *err) {
    fg_status status = FG_OK;
    unsigned char *chunk = NULL;
    uint64_t size;
    FG_TRY(fg_file_size(file, &size, err));
    FG_TRY_NEW(chunk, fg_alloc_buffer(CHUNK, err));
    uint64_t end = size > from ? size - (size - from) % RECORD : from, count;
    for (uint64_t at = from; at < end; at += count) {
        count = fg_min(CHUNK, end - at);
        FG_TRY(fg_file_read(file, chunk, count, at, err));
        for (uint64_t i = 0; i < count; i += RECORD) take_record(chunk + i, seed, entries, blocks);
    }
done:
    fg_free(chunk);
    return status;
}

static bool is_rank_file(const char *name) {
    return fg_journal_is_name(name) && name[strlen(FG_JOURNAL_FILE)] && strcmp(name, FG_JOURNAL_NEW) != 0;
}

static fg_status read_rank_files(const char *partial, uint64_t seed, fg_journal_entry *entries,
                                 uint64_t blocks, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    fg_file file = FG_FILE_NONE;
    char *path = NULL;
    FG_TRY(fg_directory_list(partial, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (!is_rank_file(names.items[i])) continue;
        FG_TRY_RENEW(path, fg_path_join(partial, names.items[i], err));
        FG_TRY(fg_file_open(&file, path, FG_OPEN_READ, err));
        FG_TRY(read_records(&file, 0, seed, entries, blocks, err));
        fg_file_close(&file);
    }
done:
    fg_file_close(&file);
    fg_free(path);
    fg_names_free(&names);
    return status;
}

fg_status fg_journal_read(const char *partial, fg_journal_entry *entries, uint64_t blocks, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    fg_buffer head = {0};
    size_t json_at;
    FG_TRY(read_head(partial, FG_OPEN_READ, &file, &head, &json_at, err));
    FG_TRY(read_records(&file, head.length, seed_of(&head), entries, blocks, err));
    FG_TRY(read_rank_files(partial, seed_of(&head), entries, blocks, err));
    drop_broken(entries, blocks);
done:
    fg_file_close(&file);
    fg_buffer_free(&head);
    return status;
}

/* ---- writing all of it ---- */

static fg_status write_head(const json_t *identity, fg_buffer *head, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    FG_TRY(fg_json_write_line(identity, 0, &text, err));
    FG_TRY(fg_buffer_printf(head, err, HEAD "%zu\n", text.length));
    FG_TRY(fg_buffer_add(head, text.data, text.length, err));
done:
    fg_buffer_free(&text);
    return status;
}

static fg_status write_entries(const fg_file *file, const fg_buffer *head, const fg_journal_entry *entries,
                               uint64_t blocks, fg_error *err) {
    fg_status status = FG_OK;
    unsigned char *chunk = NULL;
    uint64_t at = head->length, used = 0, seed = seed_of(head);
    FG_TRY_NEW(chunk, fg_alloc_buffer(CHUNK, err));
    FG_TRY(fg_file_write(file, head->data, head->length, 0, err));
    for (uint64_t i = 0; i < blocks; i++) {
        if (!entries[i].count) continue;
        put_record(chunk + used, (uint32_t)i, &entries[i], seed);
        used += RECORD;
        if (used < CHUNK) continue;
        FG_TRY(fg_file_write(file, chunk, used, at, err));
        at += used;
        used = 0;
    }
    if (used) FG_TRY(fg_file_write(file, chunk, used, at, err));
    FG_TRY(fg_file_sync(file, err));
done:
    fg_free(chunk);
    return status;
}

static fg_status remove_rank_files(const char *partial, fg_error *err) {
    fg_status status = FG_OK;
    fg_names names = {0};
    char *path = NULL;
    FG_TRY(fg_directory_list(partial, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (!is_rank_file(names.items[i])) continue;
        FG_TRY_RENEW(path, fg_path_join(partial, names.items[i], err));
        fg_file_remove(path);
    }
done:
    fg_free(path);
    fg_names_free(&names);
    return status;
}

fg_status fg_journal_write(const char *partial, const json_t *identity, const fg_journal_entry *entries,
                           uint64_t blocks, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    fg_buffer head = {0};
    char *path = NULL, *fresh = NULL;
    FG_TRY_NEW(path, fg_path_join(partial, FG_JOURNAL_FILE, err));
    FG_TRY_NEW(fresh, fg_path_join(partial, FG_JOURNAL_NEW, err));
    FG_TRY(write_head(identity, &head, err));
    fg_file_remove(fresh);
    FG_TRY(fg_file_open(&file, fresh, FG_OPEN_CREATE, err));
    FG_TRY(write_entries(&file, &head, entries, blocks, err));
    FG_TRY(fg_file_finish(&file, err));
    FG_TRY(fg_path_rename(fresh, path, err));
    FG_TRY(fg_directory_sync(partial, err));
    FG_TRY(remove_rank_files(partial, err));
done:
    fg_file_close(&file);
    fg_buffer_free(&head);
    fg_free(path);
    fg_free(fresh);
    return status;
}

/* ---- a rank that writes ---- */

struct fg_journal {
    pthread_mutex_t mutex;
    const fg_plan *plan;   /* borrowed */
    uint64_t *first_block; /* owned */
    char *partial, *path;  /* owned; path: of this rank's file */
    uint64_t seed;
    /* under the mutex */
    fg_file file;
    uint64_t end;         /* where the next record goes */
    fg_buffer pending;    /* records that are not written */
    bool *touched;        /* owned; by shard: has blocks among them */
    uint64_t bytes;       /* of these blocks */
    double flushed, took; /* when the last flush was over, and how long it took */
};

static fg_status open_own(fg_journal *j, int rank, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer head = {0};
    fg_file file = FG_FILE_NONE;
    size_t json_at;
    FG_TRY(read_head(j->partial, rank == 0 ? FG_OPEN_WRITE : FG_OPEN_READ, &file, &head, &json_at, err));
    j->seed = seed_of(&head);
    if (rank == 0) {
        FG_TRY(fg_file_size(&file, &j->end, err));
        j->file = file;
        file = FG_FILE_NONE;
    } else {
        FG_TRY_NEW(j->path, fg_strformat(err, "%s/%s.%d", j->partial, FG_JOURNAL_FILE, rank));
    }
done:
    fg_file_close(&file);
    fg_buffer_free(&head);
    return status;
}

fg_status fg_journal_open(fg_journal **journal, const char *partial, const fg_plan *plan, int rank,
                          fg_error *err) {
    fg_status status = FG_OK;
    fg_journal *j = NULL;
    FG_NEW(j, 1);
    j->plan = plan;
    j->file = FG_FILE_NONE;
    j->flushed = fg_clock_seconds();
    int failed = pthread_mutex_init(&j->mutex, NULL);
    if (failed) FG_TRY(fg_fail_errno(err, failed, "cannot make a lock"));
    *journal = j;
    j = NULL;
    FG_TRY_NEW((*journal)->partial, fg_strdup(partial, err));
    FG_NEW((*journal)->touched, plan->shard_count + 1);
    FG_TRY(fg_digest_blocks(plan, &(*journal)->first_block, err));
    FG_TRY(open_own(*journal, rank, err));
done:
    fg_free(j);
    if (status != FG_OK) fg_journal_close(journal);
    return status;
}

void fg_journal_close(fg_journal **journal) {
    fg_journal *j = *journal;
    if (!j) return;
    *journal = NULL;
    fg_file_close(&j->file);
    fg_buffer_free(&j->pending);
    fg_free(j->first_block);
    fg_free(j->touched);
    fg_free(j->partial);
    fg_free(j->path);
    pthread_mutex_destroy(&j->mutex);
    fg_free(j);
}

static fg_status sync_shard(const fg_journal *j, size_t shard, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    char *path = fg_path_join(j->partial, j->plan->shard_files[shard], err);
    if (!path) return FG_ERR_MEMORY;
    FG_TRY(fg_file_open(&file, path, FG_OPEN_WRITE, err));
    FG_TRY(fg_file_sync(&file, err));
    FG_TRY(fg_file_finish(&file, err));
done:
    fg_file_close(&file);
    fg_free(path);
    return status;
}

static fg_status write_pending(fg_journal *j, fg_error *err) {
    bool fresh = j->file.fd < 0;
    for (size_t s = 0; s < j->plan->shard_count; s++)
        if (j->touched[s]) FG_CALL(sync_shard(j, s, err));
    if (fresh) FG_CALL(fg_file_open(&j->file, j->path, FG_OPEN_CREATE, err));
    FG_CALL(fg_file_write(&j->file, j->pending.data, j->pending.length, j->end, err));
    FG_CALL(fg_file_sync(&j->file, err));
    if (fresh) FG_CALL(fg_directory_sync(j->partial, err));
    j->end += j->pending.length;
    fg_buffer_clear(&j->pending);
    memset(j->touched, 0, j->plan->shard_count * sizeof *j->touched);
    j->bytes = 0;
    return FG_OK;
}

/* Under the mutex. */
static fg_status flush(fg_journal *j, fg_error *err) {
    if (!j->pending.length) return FG_OK;
    double begun = fg_clock_seconds();
    fg_status status = write_pending(j, err);
    j->flushed = fg_clock_seconds();
    j->took = j->flushed - begun;
    return status;
}

static bool is_due(const fg_journal *j) {
    double passed = fg_clock_seconds() - j->flushed;
    return j->bytes >= FLUSH_BYTES || passed >= FLUSH_SECONDS || passed >= FLUSH_SHARE * j->took;
}

static fg_status add(fg_journal *j, const fg_work_item *item, const uint64_t *digests,
                     const fg_value_counts *values, fg_error *err) {
    unsigned char record[RECORD];
    uint64_t first, end;
    fg_work_blocks(j->plan, j->first_block, item, &first, &end);
    for (uint64_t block = first; block < end; block++) {
        fg_journal_entry entry = {.first = (uint32_t)first,
                                  .count = (uint32_t)(end - first),
                                  .digest = digests[block],
                                  .values = *values};
        put_record(record, (uint32_t)block, &entry, j->seed);
        FG_CALL(fg_buffer_add(&j->pending, record, RECORD, err));
    }
    for (uint32_t o = 0; o < (item->count ? 1 : item->outputs); o++)
        j->touched[j->plan->outputs[item->output + o].shard] = true;
    j->bytes += item->bytes;
    return is_due(j) ? flush(j, err) : FG_OK;
}

fg_status fg_journal_add(fg_journal *journal, const fg_work_item *item, const uint64_t *digests,
                         const fg_value_counts *values, fg_error *err) {
    pthread_mutex_lock(&journal->mutex);
    fg_status status = add(journal, item, digests, values, err);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

fg_status fg_journal_flush(fg_journal *journal, fg_error *err) {
    pthread_mutex_lock(&journal->mutex);
    fg_status status = flush(journal, err);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

fg_status fg_journal_finish(fg_journal *journal, fg_error *err) {
    pthread_mutex_lock(&journal->mutex);
    fg_status status = flush(journal, err);
    if (status == FG_OK) status = fg_file_finish(&journal->file, err);
    pthread_mutex_unlock(&journal->mutex);
    return status;
}

void fg_journal_flush_last(fg_journal *journal) {
    if (pthread_mutex_trylock(&journal->mutex)) return;
    flush(journal, NULL);
    pthread_mutex_unlock(&journal->mutex);
}
