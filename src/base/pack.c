#include "base/pack.h"

#include <string.h>

enum { NUMBER_BYTES = 10 };

fg_status fg_pack_number(fg_buffer *out, uint64_t number, fg_error *err) {
    unsigned char bytes[NUMBER_BYTES];
    size_t length = 0;
    do {
        bytes[length] = (unsigned char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (bytes[length++] & 0x80);
    return fg_buffer_add(out, bytes, length, err);
}

fg_status fg_pack_numbers(fg_buffer *out, const uint64_t *numbers, size_t count, fg_error *err) {
    for (size_t i = 0; i < count; i++) FG_CALL(fg_pack_number(out, numbers[i], err));
    return FG_OK;
}

fg_status fg_pack_name(fg_buffer *out, const char *name, fg_error *err) {
    size_t length = strlen(name);
    FG_CALL(fg_pack_number(out, length, err));
    return fg_buffer_add(out, name, length, err);
}

fg_status fg_unpack_damaged(const fg_unpacker *from, const char *why) {
    return fg_fail(from->err, FG_ERR_BUG, "%s in transit is damaged: %s", from->what, why);
}

fg_status fg_unpack_number(fg_unpacker *from, uint64_t limit, uint64_t *number) {
    *number = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (from->at == from->end) return fg_unpack_damaged(from, "it is truncated");
        unsigned char byte = *from->at++;
        if (shift == 63 && byte > 1) return fg_unpack_damaged(from, "a number is too large");
        *number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) break;
    }
    return *number <= limit ? FG_OK : fg_unpack_damaged(from, "a number is out of range");
}

fg_status fg_unpack_count(fg_unpacker *from, uint64_t *count) {
    fg_error *err = from->err;
    FG_CALL(fg_unpack_number(from, UINT64_MAX, count));
    bool fits = *count <= (uint64_t)(from->end - from->at);
    return fits ? FG_OK : fg_unpack_damaged(from, "it is truncated");
}

fg_status fg_unpack_numbers(fg_unpacker *from, size_t count, uint64_t *numbers) {
    fg_error *err = from->err;
    for (size_t i = 0; i < count; i++) FG_CALL(fg_unpack_number(from, UINT64_MAX, &numbers[i]));
    return FG_OK;
}

fg_status fg_unpack_name(fg_unpacker *from, const char **name) {
    fg_error *err = from->err;
    uint64_t length;
    FG_CALL(fg_unpack_count(from, &length));
    if (memchr(from->at, '\0', length)) return fg_unpack_damaged(from, "a name holds a zero");
    fg_buffer_clear(&from->name);
    FG_CALL(fg_buffer_add(&from->name, from->at, length, err));
    from->at += length;
    *name = from->name.data;
    return FG_OK;
}

fg_status fg_unpack_end(const fg_unpacker *from) {
    if (from->at == from->end) return FG_OK;
    return fg_fail(from->err, FG_ERR_BUG, "%s in transit is damaged: it has %zu bytes too many", from->what,
                   (size_t)(from->end - from->at));
}
