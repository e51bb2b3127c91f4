#include "store/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/json_scan.h"
#include "base/utf8_text.h"

enum {
    LENGTH_BYTES = 8,
    ALIGNMENT = 8,
    NUMBER = 20, /* digits of 2^64 - 1 */
    WORDS = 80,  /* more than an entry has next to its name and numbers */
};

#define METADATA_KEY "__metadata__"

/* ---- reading ---- */

/* A header being read. */
typedef struct source {
    const char *path;
    uint32_t file;
    uint64_t data_begin, data_size; /* the bytes after the header */
    fg_error *err;
} source;

/* What an entry takes of the data; `name` is borrowed from the header. */
typedef struct range {
    uint64_t begin, end;
    const char *name;
} range;

static fg_status bad_entry(const source *s, const char *name, const char *key, const json_t *value,
                           const char *expected) {
    char brief[120];
    return fg_fail(s->err, FG_ERR_INPUT, "%s: tensor \"%s\": \"%s\": found %s, expected %s", s->path, name,
                   key, fg_json_brief(value, brief, sizeof brief), expected);
}

/* Reads the header's bytes into `text`, its length checked first. The file is stamped before. */
static fg_status read_text(source *s, fg_tensors *table, fg_buffer *text) {
    fg_status status = FG_OK;
    fg_error *err = s->err;
    fg_file file = FG_FILE_NONE;
    uint64_t size, length;
    unsigned char first[LENGTH_BYTES];
    char *bytes = NULL;
    FG_TRY(fg_file_open(&file, s->path, FG_OPEN_READ, err));
    FG_TRY(fg_tensors_add_file(table, s->path, &s->file, err));
    FG_TRY(fg_file_size(&file, &size, err));
    if (!size) FG_TRY(fg_file_refuse_empty(s->path, err));
    if (size < LENGTH_BYTES) {
        fg_fail(err, FG_ERR_INPUT, "%s: %" PRIu64 " bytes are too few for a safetensors file", s->path, size);
        fg_about_found(err, "%" PRIu64 " bytes", size);
        FG_TRY(fg_about_expected(err, "%d bytes or more", LENGTH_BYTES));
    }
    FG_TRY(fg_file_read(&file, first, sizeof first, 0, err));
    memcpy(&length, first, sizeof length);
    if (length > FG_SAFETENSORS_HEADER_LIMIT) {
        FG_TRY(fg_file_refuse_pointer(s->path, err)); /* "version " makes a large number */
        fg_fail(err, FG_ERR_INPUT, "%s: a safetensors header of %" PRIu64 " bytes, more than the %d allowed",
                s->path, length, FG_SAFETENSORS_HEADER_LIMIT);
        fg_about_found(err, "a header of %" PRIu64 " bytes", length);
        FG_TRY(fg_about_expected(err, "%d bytes or less", FG_SAFETENSORS_HEADER_LIMIT));
    }
    if (length > size - LENGTH_BYTES) {
        fg_fail(err, FG_ERR_INPUT,
                "%s: a safetensors header of %" PRIu64 " bytes does not fit into a file of %" PRIu64, s->path,
                length, size);
        fg_about_found(err, "%" PRIu64 " bytes", size);
        fg_about_expected(err, "%" PRIu64 " bytes or more", LENGTH_BYTES + length);
        FG_TRY(fg_hint(err, "copy the file again: it is truncated or not a safetensors file"));
    }
    FG_TRY_NEW(bytes, fg_alloc(length + 1, 1, err));
    FG_TRY(fg_file_read(&file, bytes, length, LENGTH_BYTES, err));
    *text = (fg_buffer){.data = bytes, .length = length, .capacity = length + 1};
    bytes = NULL;
    s->data_begin = LENGTH_BYTES + length;
    s->data_size = size - s->data_begin;
done:
    fg_free(bytes);
    fg_file_close(&file);
    return status;
}

static fg_status check_metadata(const source *s, const json_t *metadata) {
    json_t *value;
    if (!metadata) return FG_OK;
    if (!json_is_object(metadata)) {
        return fg_fail(s->err, FG_ERR_INPUT, "%s: " METADATA_KEY ": found %s, expected an object", s->path,
                       fg_json_kind(metadata));
    }
    FG_JSON_MEMBERS(metadata, key, value) {
        if (json_is_string(value)) continue;
        return fg_fail(s->err, FG_ERR_INPUT, "%s: " METADATA_KEY ": key \"%s\": found %s, expected a string",
                       s->path, key, fg_json_kind(value));
    }
    return FG_OK;
}

/* The three members of an entry, and no more. */
static fg_status members(const source *s, const char *name, const json_t *entry, const json_t *member[3]) {
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    json_t *value;
    if (!json_is_object(entry)) {
        return fg_fail(s->err, FG_ERR_INPUT, "%s: tensor \"%s\": found %s, expected an object", s->path, name,
                       fg_json_kind(entry));
    }
    for (int i = 0; i < 3; i++) {
        member[i] = json_object_get(entry, keys[i]);
        if (!member[i])
            return fg_fail(s->err, FG_ERR_INPUT, "%s: tensor \"%s\": no \"%s\"", s->path, name, keys[i]);
    }
    if (json_object_size(entry) == 3) return FG_OK;
    FG_JSON_MEMBERS(entry, key, value) {
        if (strcmp(key, keys[0]) && strcmp(key, keys[1]) && strcmp(key, keys[2]))
            return fg_fail(s->err, FG_ERR_INPUT, "%s: tensor \"%s\": unknown key \"%s\"", s->path, name, key);
    }
    return FG_OK;
}

static fg_status get_shape(const source *s, const char *name, const json_t *shape, fg_tensor *tensor) {
    if (!json_is_array(shape)) return bad_entry(s, name, "shape", shape, "an array");
    if (json_array_size(shape) > FG_MAX_DIMS) {
        return fg_fail(s->err, FG_ERR_INPUT, "%s: tensor \"%s\": %zu dimensions, at most %d are supported",
                       s->path, name, json_array_size(shape), FG_MAX_DIMS);
    }
    tensor->rank = (uint32_t)json_array_size(shape);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        const json_t *dimension = json_array_get(shape, i);
        if (!json_is_integer(dimension) || json_integer_value(dimension) < 0) {
            return bad_entry(s, name, "shape", shape, "integers of 0 or more");
        }
        tensor->shape[i] = (uint64_t)json_integer_value(dimension);
    }
    return FG_OK;
}

static fg_status get_range(const source *s, const char *name, const json_t *offsets, range *where) {
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin)) {
        return bad_entry(s, name, "data_offsets", offsets, "[begin, end] with 0 <= begin <= end");
    }
    *where = (range){
        .begin = (uint64_t)json_integer_value(begin), .end = (uint64_t)json_integer_value(end), .name = name};
    return FG_OK;
}

/* The checks that need numbers only; then the tensor is in the table. */
static fg_status add_entry(const source *s, fg_tensor *tensor, const range *where, fg_tensors *table) {
    char text[160];
    const char *path = s->path, *name = tensor->name;
    if (where->end > s->data_size) {
        fg_fail(s->err, FG_ERR_INPUT,
                "%s: tensor \"%s\": its data ends at byte %" PRIu64 ", the file has only %" PRIu64
                " bytes of data",
                path, name, where->end, s->data_size);
        fg_about_found(s->err, "%" PRIu64 " bytes of data", s->data_size);
        fg_about_expected(s->err, "%" PRIu64 " bytes of data or more", where->end);
        return fg_hint(s->err, "copy the file again: it is truncated");
    }
    if (!fg_tensor_row_major(tensor)) {
        return fg_fail(
            s->err, FG_ERR_INPUT,
            "%s: tensor \"%s\": \"shape\": found %s, expected fewer elements than 64 bits can count", path,
            name, fg_tensor_text(tensor, text, sizeof text));
    }
    uint64_t bytes = fg_dtype_size(tensor->dtype);
    for (uint32_t i = 0; i < tensor->rank; i++) bytes *= tensor->shape[i];
    if (bytes != where->end - where->begin) {
        fg_fail(s->err, FG_ERR_INPUT,
                "%s: tensor \"%s\": %s takes %" PRIu64 " bytes, its data_offsets hold %" PRIu64, path, name,
                fg_tensor_text(tensor, text, sizeof text), bytes, where->end - where->begin);
        fg_about_found(s->err, "%" PRIu64 " bytes", where->end - where->begin);
        return fg_about_expected(s->err, "%" PRIu64 " bytes", bytes);
    }
    tensor->offset = s->data_begin + where->begin;
    return fg_tensors_add(table, tensor, s->err);
}

static fg_status read_entry(const source *s, const char *name, const json_t *entry, fg_tensors *table,
                            range *where) {
    fg_error *err = s->err;
    fg_tensor tensor = {.name = (char *)(uintptr_t)name, .file = s->file};
    const json_t *member[3];
    FG_CALL(members(s, name, entry, member));
    if (!json_is_string(member[0])) FG_CALL(bad_entry(s, name, "dtype", member[0], "a string"));
    tensor.dtype = fg_dtype_from_safetensors_name(json_string_value(member[0]));
    if (tensor.dtype == FG_DTYPE_NONE)
        FG_CALL(bad_entry(s, name, "dtype", member[0], "a dtype that fgconv knows, such as BF16"));
    FG_CALL(get_shape(s, name, member[1], &tensor));
    FG_CALL(get_range(s, name, member[2], where));
    return add_entry(s, &tensor, where, table);
}

static int by_begin(const void *a, const void *b) {
    const range *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors must cover the data without gap or overlap. */
static fg_status check_tiling(const source *s, range *ranges, size_t count) {
    uint64_t end = 0;
    const char *before = NULL;
    size_t ordered = 1; /* most writers list tensors in the order of their data */
    while (ordered < count && by_begin(&ranges[ordered - 1], &ranges[ordered]) <= 0) ordered++;
    if (ordered < count) qsort(ranges, count, sizeof *ranges, by_begin);
    for (size_t i = 0; i < count; i++) {
        const range *r = &ranges[i];
        if (r->begin < end) {
            return fg_fail(s->err, FG_ERR_INPUT,
                           "%s: tensors \"%s\" and \"%s\" overlap at byte %" PRIu64 " of the data", s->path,
                           before, r->name, r->begin);
        }
        if (r->begin > end) {
            return fg_fail(s->err, FG_ERR_INPUT,
                           "%s: tensor \"%s\": bytes %" PRIu64 " to %" PRIu64
                           " of the data before it belong to no tensor",
                           s->path, r->name, end, r->begin);
        }
        end = r->end;
        before = r->name;
    }
    if (end == s->data_size) return FG_OK;
    return fg_fail(s->err, FG_ERR_INPUT, "%s: %" PRIu64 " bytes after the last tensor belong to no tensor",
                   s->path, s->data_size - end);
}

static fg_status read_entries(const source *s, const json_t *header, fg_tensors *table) {
    fg_status status = FG_OK;
    fg_error *err = s->err;
    json_t *entry;
    size_t count = 0;
    range *ranges = NULL;
    FG_NEW(ranges, json_object_size(header));
    FG_JSON_MEMBERS(header, name, entry) {
        if (strcmp(name, METADATA_KEY) != 0) FG_TRY(read_entry(s, name, entry, table, &ranges[count++]));
    }
    FG_TRY(check_tiling(s, ranges, count));
done:
    fg_free(ranges);
    return status;
}

/* ---- headers of the usual kind: the three members, plain names and numbers (base/json_scan.h) ---- */

typedef struct header_scan {
    fg_json_scan text;
    fg_json_span metadata; /* where its object is; length 0: nowhere */
} header_scan;

static header_scan scan_of(const source *src, const fg_buffer *text) {
    return (header_scan){.text = {.name = src->path, .text = text->data, .length = text->length}};
}

static bool same(const header_scan *s, fg_json_span span, const char *wanted) {
    return strlen(wanted) == span.length && memcmp(s->text.text + span.begin, wanted, span.length) == 0;
}

static bool scan_dtype(header_scan *s, fg_dtype *dtype) {
    char name[16] = "";
    fg_json_span word;
    if (!fg_json_plain_string(&s->text, &word) || word.length >= sizeof name) return false;
    memcpy(name, s->text.text + word.begin, word.length);
    *dtype = fg_dtype_from_safetensors_name(name);
    return *dtype != FG_DTYPE_NONE;
}

static bool scan_entry(header_scan *s, fg_tensor *tensor, range *where) {
    unsigned seen = 0;
    if (!fg_json_plain_accept(&s->text, '{')) return false;
    do {
        fg_json_span key;
        uint64_t offsets[2];
        uint32_t count;
        unsigned bit;
        if (!fg_json_plain_key(&s->text, &key)) return false;
        if (same(s, key, "dtype")) {
            bit = 1;
            if (!scan_dtype(s, &tensor->dtype)) return false;
        } else if (same(s, key, "shape")) {
            bit = 2;
            if (!fg_json_plain_numbers(&s->text, tensor->shape, FG_MAX_DIMS, &tensor->rank)) return false;
        } else {
            bit = 4;
            if (!same(s, key, "data_offsets") || !fg_json_plain_numbers(&s->text, offsets, 2, &count) ||
                count != 2)
                return false;
            where->begin = offsets[0];
            where->end = offsets[1];
        }
        if (seen & bit) return false;
        seen |= bit;
    } while (fg_json_plain_accept(&s->text, ','));
    return fg_json_plain_accept(&s->text, '}') && seen == 7 && where->begin <= where->end;
}

/* Passes over the metadata and remembers where it is. */
static bool scan_metadata(header_scan *s) {
    size_t count, begin = s->text.at;
    if (s->metadata.length || !fg_json_plain_strings(&s->text, &count)) return false;
    s->metadata = (fg_json_span){.begin = begin, .length = s->text.at - begin};
    return true;
}

/* The next member of the header; `is_tensor`: unless it was the metadata. */
static bool scan_member(header_scan *s, fg_tensor *tensor, range *where, fg_json_span *name,
                        bool *is_tensor) {
    *tensor = (fg_tensor){0};
    *is_tensor = false;
    if (!fg_json_plain_key(&s->text, name)) return false;
    *is_tensor = !same(s, *name, METADATA_KEY);
    return *is_tensor ? scan_entry(s, tensor, where) : scan_metadata(s);
}

/* What a header of the usual kind says. */
typedef struct usual {
    fg_tensor *tensors;  /* owned; without names */
    range *ranges;       /* owned; without names */
    fg_json_span *names; /* owned */
    size_t count, capacity;
} usual;

static fg_status grow_usual(usual *u, fg_error *err) {
    size_t tensors = u->capacity, ranges = tensors;
    FG_CALL(fg_grow(&u->tensors, u->count, &tensors, sizeof *u->tensors, err));
    FG_CALL(fg_grow(&u->ranges, u->count, &ranges, sizeof *u->ranges, err));
    return fg_grow(&u->names, u->count, &u->capacity, sizeof *u->names, err);
}

/* Whether the whole header is of the usual kind. */
static fg_status scan_header(header_scan *s, usual *u, bool *is_usual, fg_error *err) {
    *is_usual = false;
    if (!fg_json_plain_accept(&s->text, '{')) return FG_OK;
    do {
        bool is_tensor;
        FG_CALL(grow_usual(u, err));
        if (!scan_member(s, &u->tensors[u->count], &u->ranges[u->count], &u->names[u->count], &is_tensor))
            return FG_OK;
        u->count += is_tensor;
    } while (fg_json_plain_accept(&s->text, ','));
    *is_usual =
        fg_json_plain_accept(&s->text, '}') && !fg_json_scan_peek(&s->text) && s->text.at == s->text.length;
    return FG_OK;
}

/* Adds the tensors of a header. Terminates the names in the text. */
static fg_status add_usual(const source *src, fg_buffer *text, usual *u, fg_tensors *table) {
    fg_error *err = src->err;
    for (size_t i = 0; i < u->count; i++) {
        char *name = text->data + u->names[i].begin;
        name[u->names[i].length] = '\0';
        u->tensors[i].name = u->ranges[i].name = name;
        u->tensors[i].file = src->file;
        FG_CALL(add_entry(src, &u->tensors[i], &u->ranges[i], table));
    }
    return check_tiling(src, u->ranges, u->count);
}

/* A header of the usual kind; `read` is whether it was one. */
static fg_status read_usual(source *s, fg_buffer *text, fg_tensors *table, json_t **metadata, bool *read) {
    fg_status status = FG_OK;
    fg_error *err = s->err;
    header_scan scan = scan_of(s, text);
    usual u = {0};
    FG_TRY(scan_header(&scan, &u, read, err));
    if (!*read) goto done;
    if (scan.metadata.length)
        FG_TRY(fg_json_parse(s->path, text->data + scan.metadata.begin, scan.metadata.length, metadata, err));
    FG_TRY(add_usual(s, text, &u, table));
done:
    fg_free(u.tensors);
    fg_free(u.ranges);
    fg_free(u.names);
    return status;
}

static fg_status read_unusual(source *s, fg_buffer *text, fg_tensors *table, json_t **metadata) {
    fg_status status = FG_OK;
    fg_error *err = s->err;
    json_t *header = NULL;
    FG_TRY(fg_json_parse(s->path, text->data, text->length, &header, err));
    *metadata = json_incref(json_object_get(header, METADATA_KEY));
    FG_TRY(check_metadata(s, *metadata));
    FG_TRY(read_entries(s, header, table));
done:
    json_decref(header);
    return status;
}

fg_status fg_safetensors_read_header(const char *path, fg_tensors *table, json_t **metadata, fg_error *err) {
    fg_status status = FG_OK;
    source s = {.path = path, .err = err};
    fg_buffer text = {0};
    json_t *read = NULL;
    bool done;
    FG_TRY(read_text(&s, table, &text));
    if (text.length == 0 || text.data[0] != '{') {
        fg_fail(err, FG_ERR_INPUT, "%s: the safetensors header does not begin with '{'", path);
        FG_TRY(fg_hint(err, "the file may be of another format under this name"));
    }
    FG_TRY(read_usual(&s, &text, table, &read, &done));
    if (!done) FG_TRY(read_unusual(&s, &text, table, &read));
done:
    fg_buffer_free(&text);
    if (status != FG_OK || !metadata) {
        json_decref(read);
        read = NULL;
    }
    if (metadata) *metadata = read;
    return status;
}

/* ---- writing ---- */

static fg_status put_name(const char *text, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    json_t *name = NULL;
    size_t plain = fg_json_plain_length(text);
    if (text[plain]) {
        if (!fg_utf8_valid(text, strlen(text))) {
            FG_FAIL(err, FG_ERR_INPUT, "tensor \"%s\": its name is not UTF-8, which safetensors requires",
                    text);
        }
        name = json_string(text);
        if (!name) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while writing a safetensors header");
        FG_TRY(fg_json_write(name, FG_JSON_COMPACT | FG_JSON_UTF8, out, err));
        goto done;
    }
    FG_TRY(fg_buffer_add(out, "\"", 1, err));
    FG_TRY(fg_buffer_add(out, text, plain, err));
    FG_TRY(fg_buffer_add(out, "\"", 1, err));
done:
    json_decref(name);
    return status;
}

static char *put_text(char *at, const char *text) {
    while (*text) *at++ = *text++;
    return at;
}

static char *put_u64(char *at, uint64_t number) {
    char digits[NUMBER];
    size_t first = sizeof digits;
    do digits[--first] = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(at, digits + first, sizeof digits - first);
    return at + sizeof digits - first;
}

/* What follows the name is put together in place, for headers may have a million entries. */
static fg_status put_entry(const fg_safetensors_entry *entry, fg_buffer *out, fg_error *err) {
    char text[WORDS + (FG_MAX_DIMS + 2) * (NUMBER + 1)];
    FG_CALL(fg_buffer_add(out, ",", 1, err));
    FG_CALL(put_name(entry->name, out, err));
    char *at = put_text(text, ":{\"dtype\":\"");
    at = put_text(at, fg_dtype_safetensors_name(entry->dtype));
    at = put_text(at, "\",\"shape\":[");
    for (uint32_t i = 0; i < entry->rank; i++) {
        if (i) *at++ = ',';
        at = put_u64(at, entry->shape[i]);
    }
    at = put_text(at, "],\"data_offsets\":[");
    at = put_u64(at, entry->begin);
    *at++ = ',';
    at = put_u64(at, entry->end);
    at = put_text(at, "]}");
    return fg_buffer_add(out, text, (size_t)(at - text), err);
}

fg_status fg_safetensors_write_header(const fg_safetensors_entry *entries, size_t count, fg_buffer *out,
                                      fg_error *err) {
    uint64_t length = 0;
    size_t begin = out->length;
    FG_CALL(fg_buffer_add(out, &length, sizeof length, err));
    FG_CALL(fg_buffer_put(out, "{\"" METADATA_KEY "\":{\"format\": \"pt\"}", err));
    for (size_t i = 0; i < count; i++) FG_CALL(put_entry(&entries[i], out, err));
    FG_CALL(fg_buffer_add(out, "}", 1, err));
    while ((out->length - begin) % ALIGNMENT) FG_CALL(fg_buffer_add(out, " ", 1, err));
    length = out->length - begin - LENGTH_BYTES;
    if (length > FG_SAFETENSORS_HEADER_LIMIT) {
        fg_fail(err, FG_ERR_INPUT,
                "a safetensors header of %" PRIu64 " bytes would be more than the %d that readers allow",
                length, FG_SAFETENSORS_HEADER_LIMIT);
        FG_CALL(fg_hint(err, "choose a smaller --max-shard-size"));
    }
    memcpy(out->data + begin, &length, sizeof length);
    return FG_OK;
}
