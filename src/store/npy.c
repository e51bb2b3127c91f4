#include "store/npy.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/file.h"
#include "store/little.h"

enum { FIXED_BYTES = 8, LENGTH_BYTES = 4, HEADER_LIMIT = 1 << 16, QUOTED = 64 };

static const char MAGIC[] = "\x93NUMPY";

/* ---- the header's text ---- */

typedef struct header {
    const char *path;
    const char *at; /* of a terminated text */
    char dtype[QUOTED];
    bool has_dtype, has_order, has_shape, fortran;
    fg_npy *array;
} header;

static fg_status broken(const header *h, fg_error *err) {
    fg_fail(err, FG_ERR_INPUT, "%s: the header of the .npy file is broken near \"%.20s\"", h->path, h->at);
    return fg_hint(err, "write it with numpy.save");
}

static void skip_space(header *h) {
    h->at += strspn(h->at, " \n");
}

/* Whether `mark` comes next, which is then passed. */
static bool passes(header *h, const char *mark) {
    skip_space(h);
    if (!fg_starts_with(h->at, mark)) return false;
    h->at += strlen(mark);
    return true;
}

static bool read_quoted(header *h, char text[QUOTED]) {
    skip_space(h);
    const char quote = *h->at;
    if (quote != '\'' && quote != '"') return false;
    const char *end = strchr(h->at + 1, quote);
    size_t length = end ? (size_t)(end - h->at - 1) : QUOTED;
    if (length >= QUOTED || memchr(h->at + 1, '\\', length)) return false;
    memcpy(text, h->at + 1, length);
    text[length] = '\0';
    h->at = end + 1;
    return true;
}

static bool read_size(header *h, uint64_t *size) {
    const char *begin = h->at;
    bool fits = true;
    for (*size = 0; *h->at >= '0' && *h->at <= '9' && fits; h->at++)
        fits = fg_mul(*size, 10, size) && fg_add(*size, (uint64_t)(*h->at - '0'), size);
    return fits && h->at > begin;
}

/* "(3, 12, 16)", "(4,)" or "()". */
static bool read_shape(header *h) {
    fg_npy *a = h->array;
    bool more = true;
    if (!passes(h, "(")) return false;
    while (more && !passes(h, ")")) {
        if (a->dims == FG_NPY_DIMS || !read_size(h, &a->shape[a->dims++])) return false;
        more = passes(h, ",");
    }
    return more ? h->at[-1] == ')' : passes(h, ")");
}

static bool read_member(header *h) {
    char key[QUOTED];
    if (!read_quoted(h, key) || !passes(h, ":")) return false;
    if (strcmp(key, "descr") == 0 && !h->has_dtype) return h->has_dtype = read_quoted(h, h->dtype);
    if (strcmp(key, "shape") == 0 && !h->has_shape) return h->has_shape = read_shape(h);
    if (strcmp(key, "fortran_order") != 0 || h->has_order) return false;
    h->has_order = true;
    h->fortran = passes(h, "True");
    return h->fortran || passes(h, "False");
}

/* `end` is where the text must end. */
static fg_status read_dictionary(header *h, const char *end, fg_error *err) {
    bool more = passes(h, "{");
    if (!more) return broken(h, err);
    while (more && !passes(h, "}")) {
        if (!read_member(h)) return broken(h, err);
        more = passes(h, ",");
        if (!more && !passes(h, "}")) return broken(h, err);
    }
    skip_space(h);
    return h->at != end || !h->has_dtype || !h->has_order || !h->has_shape ? broken(h, err) : FG_OK;
}

static fg_status check_header(const header *h, fg_error *err) {
    if (strcmp(h->dtype, "<f4") != 0) {
        fg_fail(err, FG_ERR_INPUT, "%s: found numbers of type \"%s\", expected \"<f4\" (float32)", h->path,
                h->dtype);
        return fg_hint(err, "convert them with array.astype(numpy.float32)");
    }
    if (!h->fortran) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "%s: the numbers are in Fortran order, expected C order", h->path);
    return fg_hint(err, "write it with numpy.save(file, numpy.ascontiguousarray(array))");
}

/* ---- the file ---- */

static fg_status refuse(const char *path, fg_error *err) {
    FG_CALL(fg_file_refuse_pointer(path, err));
    return fg_fail(err, FG_ERR_INPUT, "%s: this is not a .npy file", path);
}

/* `text` gets the header; `begin` is where the numbers do. */
static fg_status read_header(const fg_file *file, uint64_t size, fg_buffer *text, uint64_t *begin,
                             fg_error *err) {
    unsigned char first[FIXED_BYTES + LENGTH_BYTES];
    if (size < sizeof first) return refuse(file->path, err);
    FG_CALL(fg_file_read(file, first, sizeof first, 0, err));
    const unsigned char *version = first + strlen(MAGIC);
    if (memcmp(first, MAGIC, strlen(MAGIC)) != 0) return refuse(file->path, err);
    if (version[0] < 1 || version[0] > 3 || version[1])
        return fg_fail(err, FG_ERR_INPUT, "%s: version %u.%u of the .npy format, expected 1.0, 2.0 or 3.0",
                       file->path, version[0], version[1]);
    bool narrow = version[0] == 1;
    uint64_t length = narrow ? fg_little_u16(first + FIXED_BYTES) : fg_little_u32(first + FIXED_BYTES),
             at = FIXED_BYTES + (narrow ? 2 : 4);
    if (length > HEADER_LIMIT || length > size - at)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: a .npy header of %" PRIu64 " bytes in a file of %" PRIu64 " (at most %d)",
                       file->path, length, size, HEADER_LIMIT);
    FG_CALL_NEW(text->data, fg_alloc(length + 1, 1, err));
    text->length = length;
    *begin = at + length;
    return fg_file_read(file, text->data, length, at, err);
}

/* The bytes of the numbers, which are all that is left of the file. */
static fg_status count_bytes(const fg_npy *array, const char *path, uint64_t rest, uint64_t limit,
                             uint64_t *bytes, fg_error *err) {
    bool fits = true;
    *bytes = sizeof(float);
    for (uint32_t d = 0; d < array->dims && fits; d++) fits = fg_mul(*bytes, array->shape[d], bytes);
    if (!fits || *bytes != rest)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: %" PRIu64 " bytes follow the header, which is not what its shape needs", path,
                       rest);
    if (*bytes <= limit) return FG_OK;
    return fg_fail(err, FG_ERR_INPUT, "%s: %" PRIu64 " bytes of numbers, more than the %" PRIu64 " allowed",
                   path, *bytes, limit);
}

fg_status fg_npy_read(fg_npy *array, const char *path, uint64_t limit, fg_error *err) {
    fg_status status = FG_OK;
    fg_file file = FG_FILE_NONE;
    fg_buffer text = {0};
    uint64_t size, begin = 0, bytes;
    *array = (fg_npy){0};
    FG_TRY(fg_file_open(&file, path, FG_OPEN_READ, err));
    FG_TRY(fg_file_size(&file, &size, err));
    FG_TRY(read_header(&file, size, &text, &begin, err));
    header h = {.path = path, .at = text.data, .array = array};
    FG_TRY(read_dictionary(&h, text.data + text.length, err));
    FG_TRY(check_header(&h, err));
    FG_TRY(count_bytes(array, path, size - begin, limit, &bytes, err));
    FG_TRY_NEW(array->values, fg_alloc_buffer(fg_max(bytes, 1), err));
    FG_TRY(fg_file_read(&file, array->values, bytes, begin, err));
done:
    fg_buffer_free(&text);
    fg_file_close(&file);
    if (status != FG_OK) fg_npy_free(array);
    return status;
}

void fg_npy_free(fg_npy *array) {
    fg_free(array->values);
    *array = (fg_npy){0};
}
