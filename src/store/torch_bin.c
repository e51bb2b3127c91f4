#include "store/torch_bin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"
#include "base/lfs_pointer.h"
#include "store/pickle.h"
#include "store/zip.h"

enum { HEAD = 512, SHORT_ENTRY = 32, VERSION_LIMIT = 10, VALUE_TEXT = 160 };

typedef enum role {
    ROLE_OTHER,
    ROLE_STORAGE, /* detail: fg_dtype; FG_DTYPE_NONE: bytes */
    ROLE_DTYPE,   /* detail: fg_dtype */
    ROLE_TENSOR,  /* detail: 2 or 3, the version of the arguments */
    ROLE_PARAMETER,
    ROLE_FROM_TYPE,
    ROLE_TYPE, /* a class whose values are plain tensors */
} role;

#define COMPLEX "a complex tensor"
#define QUANTIZED "a quantized tensor"
#define SPARSE "a sparse tensor"
#define ELEMENTS "a tensor of this element type"

/* What the pickle of a state dict may name. */
static const fg_pickle_global globals[] = {
    {"collections", "OrderedDict", NULL, true, ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_tensor_v2", NULL, false, ROLE_TENSOR, 2},
    {"torch._utils", "_rebuild_tensor_v3", NULL, false, ROLE_TENSOR, 3},
    {"torch._utils", "_rebuild_parameter", NULL, false, ROLE_PARAMETER, 0},
    {"torch._utils", "_rebuild_parameter_with_state", NULL, false, ROLE_PARAMETER, 0},
    {"torch._tensor", "_rebuild_from_type_v2", NULL, false, ROLE_FROM_TYPE, 0},
    {"torch", "Tensor", NULL, false, ROLE_TYPE, 0},
    {"torch.nn.parameter", "Buffer", NULL, false, ROLE_TYPE, 0},
    {"torch.nn.parameter", "Parameter", NULL, false, ROLE_TYPE, 0},
    {"torch", "FloatStorage", NULL, false, ROLE_STORAGE, FG_F32},
    {"torch", "BFloat16Storage", NULL, false, ROLE_STORAGE, FG_BF16},
    {"torch", "HalfStorage", NULL, false, ROLE_STORAGE, FG_F16},
    {"torch", "DoubleStorage", NULL, false, ROLE_STORAGE, FG_F64},
    {"torch", "LongStorage", NULL, false, ROLE_STORAGE, FG_I64},
    {"torch", "IntStorage", NULL, false, ROLE_STORAGE, FG_I32},
    {"torch", "ShortStorage", NULL, false, ROLE_STORAGE, FG_I16},
    {"torch", "CharStorage", NULL, false, ROLE_STORAGE, FG_I8},
    {"torch", "ByteStorage", NULL, false, ROLE_STORAGE, FG_U8},
    {"torch", "BoolStorage", NULL, false, ROLE_STORAGE, FG_BOOL},
    {"torch.storage", "UntypedStorage", NULL, false, ROLE_STORAGE, FG_DTYPE_NONE},
    {"torch", "float32", NULL, false, ROLE_DTYPE, FG_F32},
    {"torch", "bfloat16", NULL, false, ROLE_DTYPE, FG_BF16},
    {"torch", "float16", NULL, false, ROLE_DTYPE, FG_F16},
    {"torch", "float64", NULL, false, ROLE_DTYPE, FG_F64},
    {"torch", "float8_e4m3fn", NULL, false, ROLE_DTYPE, FG_F8_E4M3},
    {"torch", "float8_e5m2", NULL, false, ROLE_DTYPE, FG_F8_E5M2},
    {"torch", "int64", NULL, false, ROLE_DTYPE, FG_I64},
    {"torch", "int32", NULL, false, ROLE_DTYPE, FG_I32},
    {"torch", "int16", NULL, false, ROLE_DTYPE, FG_I16},
    {"torch", "int8", NULL, false, ROLE_DTYPE, FG_I8},
    {"torch", "uint64", NULL, false, ROLE_DTYPE, FG_U64},
    {"torch", "uint32", NULL, false, ROLE_DTYPE, FG_U32},
    {"torch", "uint16", NULL, false, ROLE_DTYPE, FG_U16},
    {"torch", "uint8", NULL, false, ROLE_DTYPE, FG_U8},
    {"torch", "bool", NULL, false, ROLE_DTYPE, FG_BOOL},
    {"torch", "ComplexFloatStorage", COMPLEX, false, ROLE_OTHER, 0},
    {"torch", "ComplexDoubleStorage", COMPLEX, false, ROLE_OTHER, 0},
    {"torch", "complex32", COMPLEX, false, ROLE_OTHER, 0},
    {"torch", "complex64", COMPLEX, false, ROLE_OTHER, 0},
    {"torch", "complex128", COMPLEX, false, ROLE_OTHER, 0},
    {"torch", "QInt8Storage", QUANTIZED, false, ROLE_OTHER, 0},
    {"torch", "QUInt8Storage", QUANTIZED, false, ROLE_OTHER, 0},
    {"torch", "QInt32Storage", QUANTIZED, false, ROLE_OTHER, 0},
    {"torch", "QUInt4x2Storage", QUANTIZED, false, ROLE_OTHER, 0},
    {"torch", "QUInt2x4Storage", QUANTIZED, false, ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_qtensor", QUANTIZED, false, ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_sparse_tensor", SPARSE, false, ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_sparse_csr_tensor", SPARSE, false, ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_nested_tensor", "a nested tensor", false, ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor without data (device meta)", false,
     ROLE_OTHER, 0},
    {"torch._utils", "_rebuild_wrapper_subclass", "a tensor subclass", false, ROLE_OTHER, 0},
    {"torch", "float8_e4m3fnuz", ELEMENTS, false, ROLE_OTHER, 0},
    {"torch", "float8_e5m2fnuz", ELEMENTS, false, ROLE_OTHER, 0},
    {"torch", "float8_e8m0fnu", ELEMENTS, false, ROLE_OTHER, 0},
    {"torch", "float4_e2m1fn_x2", ELEMENTS, false, ROLE_OTHER, 0},
};

typedef struct bin_reader {
    const char *path;
    fg_file file;
    fg_zip zip;
    char *prefix;         /* owned; "archive/" */
    fg_buffer entry;      /* name of the zip entry that is looked for */
    fg_buffer name;       /* of the tensor that is read */
    unsigned char *bytes; /* owned; of the pickle */
    fg_pickle pickle;
    uint32_t index; /* the file's number in the table */
    fg_tensors *table;
    fg_error *err;
} bin_reader;

/* ---- the archive ---- */

/* Says what a file is that is no zip archive, by its first bytes. */
static fg_status refuse_other_format(const bin_reader *r, const unsigned char *head, size_t size) {
    static const char legacy[] = "\x80\x02\x8a\nl\xfc\x9c"
                                 "F\xf9 j\xa8P\x19.";
    fg_status status =
        size ? fg_lfs_check(r->path, head, size, r->err) : fg_file_refuse_empty(r->path, r->err);
    if (status != FG_OK) return status;
    bool tar = size >= 262 && memcmp(head + 257, "ustar", 5) == 0;
    bool pickle = size >= 2 && head[0] == 0x80;
    if (tar || pickle) {
        bool torch = tar || (size >= sizeof legacy - 1 && memcmp(head, legacy, sizeof legacy - 1) == 0);
        fg_fail(r->err, FG_ERR_INPUT, "%s: %s, expected the zip archive that torch.save writes since 1.6",
                r->path,
                !torch ? "a bare pickle"
                : tar  ? "torch's first format (a tar archive)"
                       : "torch's format before 1.6 (a bare pickle)");
        return fg_hint(
            r->err,
            "load it with torch and save it again with torch.save of 1.6 or newer, or as safetensors");
    }
    fg_fail(r->err, FG_ERR_INPUT, "%s: not a torch file: it does not begin as a zip archive does", r->path);
    return fg_hint(r->err, "the file is damaged or not what its name says: copy or download it again");
}

static fg_status check_head(const bin_reader *r) {
    fg_error *err = r->err;
    unsigned char head[HEAD] = {0};
    uint64_t file_size = 0;
    FG_CALL(fg_file_size(&r->file, &file_size, err));
    size_t size = (size_t)fg_min(file_size, HEAD);
    FG_CALL(fg_file_read(&r->file, head, size, 0, err));
    return size >= 4 && memcmp(head, "PK\3\4", 4) == 0 ? FG_OK : refuse_other_format(r, head, size);
}

/* The archive's own name, up to its slash: that of the one entry PREFIX/data.pkl. */
static fg_status find_prefix(bin_reader *r) {
    static const char end[] = "/data.pkl";
    for (size_t i = 0; i < r->zip.count; i++) {
        const char *name = r->zip.entries[i].name, *slash = strchr(name, '/');
        if (!slash || strcmp(slash, end) != 0) continue;
        if (r->prefix)
            return fg_fail(r->err, FG_ERR_INPUT, "%s: two pickles: %sdata.pkl and %s", r->path, r->prefix,
                           name);
        r->prefix = fg_strndup(name, (size_t)(slash - name) + 1, r->err);
        if (!r->prefix) return FG_ERR_MEMORY;
    }
    if (r->prefix) return FG_OK;
    return fg_fail(r->err, FG_ERR_INPUT,
                   "%s: a zip archive of %zu entries without */data.pkl, so not one of torch.save", r->path,
                   r->zip.count);
}

/* The entry of the prefix and two more parts; NULL if there is none. */
static fg_status find_entry(bin_reader *r, const char *folder, const char *name, size_t length,
                            fg_zip_entry **entry) {
    fg_error *err = r->err;
    fg_buffer_clear(&r->entry);
    FG_CALL(fg_buffer_printf(&r->entry, err, "%s%s", r->prefix, folder));
    FG_CALL(fg_buffer_add(&r->entry, name, length, err));
    *entry = fg_zip_find(&r->zip, r->entry.data);
    return FG_OK;
}

/* A small text entry, without white space at its end; `present` says whether it exists. */
static fg_status read_short(bin_reader *r, const char *name, char text[SHORT_ENTRY], bool *present) {
    fg_error *err = r->err;
    fg_zip_entry *entry = NULL;
    FG_CALL(find_entry(r, "", name, strlen(name), &entry));
    *present = entry != NULL;
    if (!entry) return FG_OK;
    FG_CALL(fg_zip_locate(&r->file, entry, err));
    size_t size = (size_t)fg_min(entry->size, SHORT_ENTRY - 1);
    FG_CALL(fg_file_read(&r->file, text, size, entry->data, err));
    while (size && strchr(" \n\r\t", text[size - 1])) size--;
    text[size] = '\0';
    return FG_OK;
}

static fg_status check_archive(bin_reader *r) {
    fg_error *err = r->err;
    char text[SHORT_ENTRY] = "", *end;
    bool present = false;
    FG_CALL(find_prefix(r));
    FG_CALL(read_short(r, "constants.pkl", text, &present));
    if (present) {
        fg_fail(err, FG_ERR_INPUT, "%s: a TorchScript archive, expected a state dict", r->path);
        FG_CALL(fg_hint(err, "save the module's state_dict() with torch.save, or as safetensors"));
    }
    FG_CALL(read_short(r, "byteorder", text, &present));
    if (present && strcmp(text, "little") != 0)
        return fg_fail(err, FG_ERR_INPUT, "%s: %sbyteorder says \"%s\", expected \"little\"", r->path,
                       r->prefix, text);
    FG_CALL(read_short(r, "version", text, &present));
    if (!present) return fg_fail(err, FG_ERR_INPUT, "%s: no zip entry %sversion", r->path, r->prefix);
    long version = strtol(text, &end, 10);
    if (end == text || *end || version < 1 || version > VERSION_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: %sversion says \"%s\", expected 1 to %d", r->path, r->prefix,
                       text, VERSION_LIMIT);
    return FG_OK;
}

static fg_status read_pickle(bin_reader *r) {
    fg_error *err = r->err;
    fg_zip_entry *entry = NULL;
    size_t size;
    FG_CALL(find_entry(r, "", "data.pkl", strlen("data.pkl"), &entry));
    FG_CALL(fg_zip_locate(&r->file, entry, err));
    if (entry->size > FG_PICKLE_SIZE_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: %sdata.pkl has %" PRIu64 " bytes, at most %d are read",
                       r->path, r->prefix, entry->size, FG_PICKLE_SIZE_LIMIT);
    size = (size_t)entry->size;
    r->bytes = fg_alloc_buffer(size, err);
    if (!r->bytes) FG_CALL(FG_ERR_MEMORY);
    FG_CALL(fg_file_read(&r->file, r->bytes, size, entry->data, err));
    return fg_pickle_read(r->path, r->bytes, size, globals, sizeof globals / sizeof *globals, &r->pickle,
                          err);
}

/* ---- tensors ---- */

static fg_status wrong(const bin_reader *r, const char *what) {
    return fg_fail(r->err, FG_ERR_INPUT, "%s: tensor \"%s\": %s", r->path, r->name.data, what);
}

/* Whether a value names or calls a global of this role. */
static bool has_role(fg_pickle_value value, fg_pickle_kind kind, role wanted) {
    return value.kind == kind && globals[value.global].role == wanted;
}

static bool to_size(fg_pickle_value value, uint64_t *size) {
    *size = (uint64_t)value.number;
    return value.kind == FG_PICKLE_INTEGER && value.number >= 0;
}

/* A storage: where its bytes begin, how many there are and their type (FG_DTYPE_NONE: not said). */
typedef struct storage {
    uint64_t begin, bytes;
    fg_dtype dtype;
} storage;

/* The persistent id is ("storage", class, key, device, number of elements); the bytes are the entry data/KEY.
 */
static fg_status read_storage(bin_reader *r, fg_pickle_value value, storage *found) {
    fg_error *err = r->err;
    if (value.kind != FG_PICKLE_PERSISTENT || value.count != 5)
        return wrong(r, "its storage is not a persistent id of five parts");
    const fg_pickle_value *part = r->pickle.items + value.first;
    fg_zip_entry *entry = NULL;
    uint64_t count;
    if (!fg_pickle_string_is(&r->pickle, part[0], "storage") ||
        !has_role(part[1], FG_PICKLE_GLOBAL, ROLE_STORAGE) || part[2].kind != FG_PICKLE_STRING ||
        !to_size(part[4], &count))
        return wrong(r, "its storage is not described as torch.save does");
    const char *key = fg_pickle_string(&r->pickle, part[2]);
    if (part[2].count == 0 || part[2].count > SHORT_ENTRY || memchr(key, 0, part[2].count))
        return wrong(r, "its storage has no proper key");
    FG_CALL(find_entry(r, "data/", key, part[2].count, &entry));
    if (!entry)
        return fg_fail(err, FG_ERR_INPUT, "%s: tensor \"%s\": no zip entry %s with its storage", r->path,
                       r->name.data, r->entry.data);
    FG_CALL(fg_zip_locate(&r->file, entry, err));
    *found = (storage){
        .begin = entry->data, .bytes = entry->size, .dtype = (fg_dtype)globals[part[1].global].detail};
    uint64_t size = found->dtype == FG_DTYPE_NONE ? 1 : fg_dtype_size(found->dtype), wanted;
    if (!fg_mul(count, size, &wanted) || wanted != entry->size)
        return fg_fail(err, FG_ERR_INPUT,
                       "%s: tensor \"%s\": storage %s has %" PRIu64 " bytes, expected %" PRIu64
                       " elements of %" PRIu64 " bytes",
                       r->path, r->name.data, entry->name, entry->size, count, size);
    return FG_OK;
}

/* Whether the tensor's bytes can be counted; a dimension of 0 does not excuse the others. */
static bool bytes_fit(const fg_tensor *tensor) {
    uint64_t bytes = fg_dtype_size(tensor->dtype);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (!fg_mul(bytes, fg_max(tensor->shape[i], 1), &bytes)) return false;
    }
    return true;
}

/* Shape and strides: two tuples of one length. */
static fg_status read_shape(bin_reader *r, fg_pickle_value shape, fg_pickle_value strides,
                            fg_tensor *tensor) {
    if (shape.kind != FG_PICKLE_TUPLE || strides.kind != FG_PICKLE_TUPLE || shape.count != strides.count)
        return wrong(r, "its shape and strides are not two tuples of one length");
    if (shape.count > FG_MAX_DIMS)
        return fg_fail(r->err, FG_ERR_INPUT, "%s: tensor \"%s\": %u dimensions, at most %d are supported",
                       r->path, r->name.data, shape.count, FG_MAX_DIMS);
    tensor->rank = shape.count;
    for (uint32_t i = 0; i < shape.count; i++) {
        if (!to_size(r->pickle.items[shape.first + i], &tensor->shape[i]) ||
            !to_size(r->pickle.items[strides.first + i], &tensor->stride[i]))
            return wrong(r, "its shape or strides are not integers from 0");
    }
    if (!bytes_fit(tensor)) return wrong(r, "its shape overflows 64 bits");
    return FG_OK;
}

/* Demands that the tensor's elements from `first` lie inside its storage, and sets its offset in the file. */
static fg_status place_tensor(const bin_reader *r, const storage *in, uint64_t first, fg_tensor *tensor) {
    uint64_t last = first, way, size = fg_dtype_size(tensor->dtype), capacity = in->bytes / size;
    bool inside = true, empty = false;
    for (uint32_t i = 0; i < tensor->rank; i++) empty = empty || tensor->shape[i] == 0;
    tensor->offset = in->begin;
    if (empty) return FG_OK; /* it has no bytes, wherever it begins */
    for (uint32_t i = 0; i < tensor->rank; i++)
        inside = inside && fg_mul(tensor->shape[i] - 1, tensor->stride[i], &way) && fg_add(last, way, &last);
    if (!inside || last >= capacity)
        return fg_fail(r->err, FG_ERR_INPUT,
                       "%s: tensor \"%s\": it begins at element %" PRIu64
                       " and reaches beyond its storage of %" PRIu64 " elements",
                       r->path, r->name.data, first, capacity);
    tensor->offset += first * size;
    return FG_OK;
}

/* A dict without entries, or None: tensors that are conjugated or negated lazily have entries here. */
static bool is_plain(const bin_reader *r, fg_pickle_value metadata) {
    if (metadata.kind != FG_PICKLE_DICT) return metadata.kind == FG_PICKLE_NONE;
    for (size_t i = 0; i < r->pickle.entry_count; i++) {
        if (r->pickle.entries[i].dict == metadata.first) return false;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata]); v3 has the dtype
 * before metadata. */
static fg_status read_tensor(bin_reader *r, fg_pickle_value call) {
    fg_error *err = r->err;
    const fg_pickle_value *argument = call.count ? r->pickle.items + call.first : NULL;
    uint32_t fixed = globals[call.global].detail == 3 ? 7 : 6;
    fg_tensor tensor = {.name = r->name.data, .file = r->index};
    storage in = {0};
    uint64_t first = 0;
    if (call.count != fixed && call.count != fixed + 1) FG_CALL(wrong(r, "a wrong number of arguments"));
    FG_CALL(read_storage(r, argument[0], &in));
    tensor.dtype = in.dtype;
    if (fixed == 7) {
        if (!has_role(argument[6], FG_PICKLE_GLOBAL, ROLE_DTYPE))
            FG_CALL(wrong(r, "its element type is not a torch dtype"));
        tensor.dtype = (fg_dtype)globals[argument[6].global].detail;
    }
    if (tensor.dtype == FG_DTYPE_NONE)
        FG_CALL(wrong(r, "its storage is untyped and no element type is given"));
    if (call.count > fixed && !is_plain(r, argument[fixed]))
        FG_CALL(wrong(r, "it is lazily conjugated or negated, or has other metadata"));
    if (!to_size(argument[1], &first)) FG_CALL(wrong(r, "its storage offset is not an integer from 0"));
    FG_CALL(read_shape(r, argument[2], argument[3], &tensor));
    FG_CALL(place_tensor(r, &in, first, &tensor));
    return fg_tensors_add(r->table, &tensor, err);
}

/* ---- the dict ---- */

static fg_status refuse_value(const bin_reader *r, fg_pickle_value value) {
    char text[VALUE_TEXT];
    fg_fail(r->err, FG_ERR_INPUT, "%s: key \"%s\" holds %s, expected a flat dict from names to tensors",
            r->path, r->name.data, fg_pickle_text(&r->pickle, value, text, sizeof text));
    if (value.kind == FG_PICKLE_DICT)
        return fg_hint(r->err,
                       "this looks like a training checkpoint: save the part that holds the weights, as in "
                       "torch.save(torch.load(FILE)[\"%.100s\"], NEW)",
                       r->name.data);
    return fg_hint(r->err, "save the model's state_dict() alone, without values other than tensors");
}

/* What is inside the calls that torch wraps tensors in: _rebuild_parameter(tensor, requires_grad, hooks) and,
 * for tensors with attributes, _rebuild_from_type_v2(function, class, arguments, state). */
static fg_pickle_value unwrap(const bin_reader *r, fg_pickle_value value) {
    const fg_pickle_value *items = r->pickle.items;
    if (has_role(value, FG_PICKLE_CALL, ROLE_FROM_TYPE) && value.count == 4) {
        const fg_pickle_value *argument = items + value.first;
        if (argument[0].kind != FG_PICKLE_GLOBAL || !has_role(argument[1], FG_PICKLE_GLOBAL, ROLE_TYPE) ||
            argument[2].kind != FG_PICKLE_TUPLE)
            return value;
        value = argument[2];
        value.kind = FG_PICKLE_CALL;
        value.global = argument[0].global;
    }
    if (has_role(value, FG_PICKLE_CALL, ROLE_PARAMETER) && value.count >= 1) value = items[value.first];
    return value;
}

static fg_status read_entry(bin_reader *r, const fg_pickle_entry *entry) {
    fg_error *err = r->err;
    char text[VALUE_TEXT];
    fg_pickle_value value = unwrap(r, entry->value);
    if (entry->key.kind != FG_PICKLE_STRING)
        return fg_fail(err, FG_ERR_INPUT, "%s: the state dict has %s as a key, expected a string", r->path,
                       fg_pickle_text(&r->pickle, entry->key, text, sizeof text));
    fg_buffer_clear(&r->name);
    FG_CALL(fg_buffer_add(&r->name, fg_pickle_string(&r->pickle, entry->key), entry->key.count, err));
    if (memchr(r->name.data, 0, entry->key.count)) FG_CALL(wrong(r, "its name has a NUL inside"));
    return has_role(value, FG_PICKLE_CALL, ROLE_TENSOR) ? read_tensor(r, value)
                                                        : refuse_value(r, entry->value);
}

static fg_status read_state_dict(bin_reader *r) {
    char text[VALUE_TEXT];
    if (r->pickle.root.kind != FG_PICKLE_DICT) {
        fg_fail(r->err, FG_ERR_INPUT, "%s: it holds %s, expected a flat dict from names to tensors", r->path,
                fg_pickle_text(&r->pickle, r->pickle.root, text, sizeof text));
        return fg_hint(r->err, "save the model's state_dict()");
    }
    fg_status status = FG_OK;
    for (size_t i = 0; i < r->pickle.entry_count && status == FG_OK; i++) {
        if (r->pickle.entries[i].dict == r->pickle.root.first) status = read_entry(r, &r->pickle.entries[i]);
    }
    return status;
}

fg_status fg_torch_bin_read_header(const char *path, fg_tensors *table, fg_error *err) {
    fg_status status = FG_OK;
    bin_reader r = {.path = path, .file = FG_FILE_NONE, .table = table, .err = err};
    FG_TRY(fg_file_open(&r.file, path, FG_OPEN_READ, err));
    FG_TRY(fg_tensors_add_file(table, path, &r.index, err));
    FG_TRY(check_head(&r));
    FG_TRY(fg_zip_read(&r.file, &r.zip, err));
    FG_TRY(check_archive(&r));
    FG_TRY(read_pickle(&r));
    FG_TRY(read_state_dict(&r));
done:
    fg_pickle_free(&r.pickle);
    fg_free(r.bytes);
    fg_buffer_free(&r.name);
    fg_buffer_free(&r.entry);
    fg_free(r.prefix);
    fg_zip_free(&r.zip);
    fg_file_close(&r.file);
    return status;
}
