#include "store/pickle.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8_text.h"
#include "store/little.h"

enum { PROTOCOL = 2, OPCODE_PROTO = 0x80, OPCODE_STOP = '.', GLOBAL_LIMIT = 256, SHOWN = 200 };

#define MARKED SIZE_MAX

typedef struct machine {
    const char *name;
    fg_pickle *pickle;
    size_t at;      /* byte that is read next */
    size_t started; /* byte of the opcode that is carried out */
    fg_pickle_value *stack;
    size_t depth, stack_capacity;
    fg_pickle_value *memo;
    size_t memo_count, memo_capacity;
    size_t marks[FG_PICKLE_DEPTH_LIMIT]; /* stack depth at each open MARK */
    size_t mark_count;
    fg_error *err;
} machine;

static fg_status broken(const machine *m, const char *what) {
    return fg_fail(m->err, FG_ERR_INPUT, "%s: byte %zu of the pickle: %s", m->name, m->started, what);
}

static fg_status too_many(const machine *m, const char *what, size_t limit) {
    return fg_fail(m->err, FG_ERR_INPUT, "%s: byte %zu of the pickle: more than %zu %s", m->name, m->started,
                   limit, what);
}

/* ---- values in and out of the stack ---- */

static fg_status push(machine *m, fg_pickle_value value) {
    if (m->depth >= FG_PICKLE_STACK_LIMIT) return too_many(m, "values on the stack", FG_PICKLE_STACK_LIMIT);
    fg_status status = fg_grow(&m->stack, m->depth, &m->stack_capacity, sizeof *m->stack, m->err);
    if (status == FG_OK) m->stack[m->depth++] = value;
    return status;
}

static fg_status push_number(machine *m, fg_pickle_kind kind, int64_t number) {
    return push(m, (fg_pickle_value){.kind = (uint8_t)kind, .number = number});
}

/* Demands `count` values above the last MARK (or the bottom). */
static fg_status need(const machine *m, size_t count) {
    size_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    return m->depth - floor < count ? broken(m, "an opcode takes more values than there are") : FG_OK;
}

static fg_status push_mark(machine *m) {
    if (m->mark_count >= FG_PICKLE_DEPTH_LIMIT)
        return too_many(m, "levels of nesting", FG_PICKLE_DEPTH_LIMIT);
    m->marks[m->mark_count++] = m->depth;
    return FG_OK;
}

/* Closes the last MARK: gives how many values lie above it. They stay on the stack. */
static fg_status pop_mark(machine *m, size_t *count) {
    if (!m->mark_count) return broken(m, "an opcode needs a MARK and there is none");
    *count = m->depth - m->marks[--m->mark_count];
    return FG_OK;
}

/* The next `count` bytes of the pickle. */
static fg_status take_bytes(machine *m, size_t count, const unsigned char **bytes) {
    if (m->pickle->size - m->at < count) return broken(m, "the pickle ends inside an opcode");
    *bytes = m->pickle->bytes + m->at;
    m->at += count;
    return FG_OK;
}

static fg_status take_number(machine *m, size_t width, uint32_t *number) {
    fg_error *err = m->err;
    const unsigned char *bytes = NULL;
    FG_CALL(take_bytes(m, width, &bytes));
    *number = width == 1 ? bytes[0] : width == 2 ? fg_little_u16(bytes) : fg_little_u32(bytes);
    return FG_OK;
}

/* ---- strings and numbers ---- */

static fg_status push_string(machine *m) {
    fg_error *err = m->err;
    uint32_t length = 0;
    const unsigned char *bytes = NULL;
    FG_CALL(take_number(m, 4, &length));
    FG_CALL(take_bytes(m, length, &bytes));
    if (!fg_utf8_valid((const char *)bytes, length)) return broken(m, "a string is not UTF-8");
    return push(m, (fg_pickle_value){.kind = FG_PICKLE_STRING,
                                     .count = length,
                                     .first = (uint64_t)(bytes - m->pickle->bytes)});
}

static fg_status push_integer(machine *m, size_t width) {
    fg_error *err = m->err;
    uint32_t number = 0;
    FG_CALL(take_number(m, width, &number));
    return push_number(m, FG_PICKLE_INTEGER, width == 4 ? (int64_t)(int32_t)number : (int64_t)number);
}

/* LONG1: a length, then little-endian two's complement. */
static fg_status push_long(machine *m) {
    fg_error *err = m->err;
    uint32_t length = 0;
    const unsigned char *bytes = NULL;
    FG_CALL(take_number(m, 1, &length));
    FG_CALL(take_bytes(m, length, &bytes));
    if (length > 8) return broken(m, "an integer does not fit in 64 bits");
    uint64_t number = length && bytes[length - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint32_t i = length; i-- > 0;) number = number << 8 | bytes[i];
    return push_number(m, FG_PICKLE_INTEGER, (int64_t)number);
}

static fg_status push_float(machine *m) {
    fg_error *err = m->err;
    const unsigned char *bytes = NULL;
    FG_CALL(take_bytes(m, 8, &bytes));
    return push_number(m, FG_PICKLE_FLOAT, 0);
}

/* ---- memo ---- */

/* Picklers number what they memorise 0, 1, 2 ...; anything else is refused, which bounds the table. */
static fg_status put_memo(machine *m, size_t width) {
    fg_error *err = m->err;
    uint32_t index = 0;
    FG_CALL(take_number(m, width, &index));
    FG_CALL(need(m, 1));
    if (index > m->memo_count) return broken(m, "a memo entry is numbered out of order");
    if (index >= FG_PICKLE_MEMO_LIMIT) return too_many(m, "memo entries", FG_PICKLE_MEMO_LIMIT);
    FG_CALL(fg_grow(&m->memo, m->memo_count, &m->memo_capacity, sizeof *m->memo, err));
    m->memo[index] = m->stack[m->depth - 1];
    if (index == m->memo_count) m->memo_count++;
    return FG_OK;
}

static fg_status get(machine *m, size_t width) {
    fg_error *err = m->err;
    uint32_t index = 0;
    FG_CALL(take_number(m, width, &index));
    return index < m->memo_count ? push(m, m->memo[index])
                                 : broken(m, "a memo entry is used that was never set");
}

/* ---- containers ---- */

/* Replaces the last `count` values by a tuple of them. */
static fg_status make_tuple(machine *m, size_t count) {
    fg_error *err = m->err;
    fg_pickle *pickle = m->pickle;
    fg_pickle_value tuple = {.kind = FG_PICKLE_TUPLE, .count = (uint32_t)count, .first = pickle->item_count};
    FG_CALL(need(m, count));
    if (count > FG_PICKLE_ITEM_LIMIT - pickle->item_count)
        return too_many(m, "values in tuples", FG_PICKLE_ITEM_LIMIT);
    m->depth -= count;
    for (size_t i = 0; i < count; i++) {
        FG_CALL(
            fg_grow(&pickle->items, pickle->item_count, &pickle->item_capacity, sizeof *pickle->items, err));
        pickle->items[pickle->item_count++] = m->stack[m->depth + i];
    }
    return push(m, tuple);
}

static fg_status make_dict(machine *m) {
    return push(m, (fg_pickle_value){.kind = FG_PICKLE_DICT, .first = m->pickle->dict_count++});
}

/* Moves the last `count` values, keys and values in turn, into the dict below them. */
static fg_status set_items(machine *m, size_t count) {
    fg_error *err = m->err;
    fg_pickle *pickle = m->pickle;
    FG_CALL(need(m, count + 1));
    m->depth -= count;
    fg_pickle_value dict = m->stack[m->depth - 1];
    if (dict.kind != FG_PICKLE_DICT) return broken(m, "entries are set on something that is not a dict");
    if (count % 2 != 0) return broken(m, "a key without a value");
    for (size_t i = 0; i < count; i += 2) {
        if (pickle->entry_count >= FG_PICKLE_ENTRY_LIMIT)
            return too_many(m, "entries in dicts", FG_PICKLE_ENTRY_LIMIT);
        FG_CALL(fg_grow(&pickle->entries, pickle->entry_count, &pickle->entry_capacity,
                        sizeof *pickle->entries, err));
        pickle->entries[pickle->entry_count++] = (fg_pickle_entry){
            .dict = dict.first, .key = m->stack[m->depth + i], .value = m->stack[m->depth + i + 1]};
    }
    return FG_OK;
}

/* Drops the last `count` values, which belong to the list below them. */
static fg_status append(machine *m, size_t count) {
    fg_error *err = m->err;
    FG_CALL(need(m, count + 1));
    m->depth -= count;
    if (m->stack[m->depth - 1].kind != FG_PICKLE_LIST)
        return broken(m, "values are appended to something that is not a list");
    return FG_OK;
}

/* ---- globals and what is made of them ---- */

/* The key of the outermost dict whose value is being read, for messages: the last string at a key's place. */
static const fg_pickle_value *open_key(const machine *m) {
    size_t first = m->mark_count && m->marks[0] <= 1 ? m->marks[0] : 1,
           next = m->mark_count && m->marks[0] <= 1 ? 1 : 0;
    size_t end = next < m->mark_count ? m->marks[next] : m->depth;
    const fg_pickle_value *key = NULL;
    for (size_t i = first; i < end; i += 2) {
        if (m->stack[i].kind == FG_PICKLE_STRING) key = &m->stack[i];
    }
    return key;
}

/* "; found under the key "x"", or nothing. */
static const char *under_key(const machine *m, char *buffer, size_t size) {
    const fg_pickle_value *key = open_key(m);
    buffer[0] = '\0';
    if (key) {
        int length = key->count < SHOWN ? (int)key->count : SHOWN;
        snprintf(buffer, size, " (under the key \"%.*s\")", length, fg_pickle_string(m->pickle, *key));
    }
    return buffer;
}

static fg_status refuse_global(const machine *m, const char *module, int module_length, const char *name,
                               int name_length, const char *refused) {
    char key[SHOWN + 40];
    under_key(m, key, sizeof key);
    if (refused) {
        fg_fail(m->err, FG_ERR_INPUT, "%s: %s is not supported: the pickle asks for %.*s.%.*s%s", m->name,
                refused, module_length, module, name_length, name, key);
        return fg_hint(m->err, "save it as plain dense tensors");
    }
    fg_fail(m->err, FG_ERR_INPUT,
            "%s: the pickle asks for %.*s.%.*s, which is not a part of a state dict%s; nothing was executed",
            m->name, module_length, module, name_length, name, key);
    return fg_hint(
        m->err,
        "expected only a dict from names to tensors; if you trust the file, load it with torch and save "
        "its state dict as safetensors");
}

/* One line of printable ASCII; its length goes to `length`. */
static fg_status take_line(machine *m, const char **line, int *length) {
    const unsigned char *bytes = m->pickle->bytes + m->at;
    size_t left = m->pickle->size - m->at;
    for (size_t i = 0; i < left && i < GLOBAL_LIMIT; i++) {
        if (bytes[i] == '\n') {
            *line = (const char *)bytes;
            *length = (int)i;
            m->at += i + 1;
            return FG_OK;
        }
        if (bytes[i] <= ' ' || bytes[i] > '~') break;
    }
    return broken(m, "a GLOBAL without a printable name");
}

static bool line_is(const char *line, int length, const char *text) {
    return strncmp(text, line, (size_t)length) == 0 && text[length] == '\0';
}

static fg_status push_global(machine *m) {
    fg_error *err = m->err;
    const char *module, *name;
    int module_length, name_length;
    FG_CALL(take_line(m, &module, &module_length));
    FG_CALL(take_line(m, &name, &name_length));
    for (size_t i = 0; i < m->pickle->global_count; i++) {
        const fg_pickle_global *row = &m->pickle->globals[i];
        if (!line_is(name, name_length, row->name) || !line_is(module, module_length, row->module)) continue;
        if (row->refused) return refuse_global(m, module, module_length, name, name_length, row->refused);
        return push(m, (fg_pickle_value){.kind = FG_PICKLE_GLOBAL, .global = (uint8_t)i});
    }
    return refuse_global(m, module, module_length, name, name_length, NULL);
}

static fg_status reduce(machine *m) {
    fg_error *err = m->err;
    FG_CALL(need(m, 2));
    fg_pickle_value arguments = m->stack[--m->depth], function = m->stack[--m->depth];
    if (function.kind != FG_PICKLE_GLOBAL || arguments.kind != FG_PICKLE_TUPLE)
        return broken(m, "REDUCE of something that is not a global with a tuple");
    if (m->pickle->globals[function.global].makes_dict) {
        return arguments.count == 0 ? make_dict(m)
                                    : broken(m, "a dict made with arguments, expected it empty");
    }
    arguments.kind = FG_PICKLE_CALL;
    arguments.global = function.global;
    return push(m, arguments);
}

/* A dict gets attributes (nn.Module.state_dict puts `_metadata` on it), which are dropped. */
static fg_status build(machine *m) {
    fg_error *err = m->err;
    FG_CALL(need(m, 2));
    fg_pickle_value state = m->stack[--m->depth];
    if (m->stack[m->depth - 1].kind != FG_PICKLE_DICT || state.kind != FG_PICKLE_DICT)
        return broken(m, "BUILD of something that is not a dict with a dict");
    return FG_OK;
}

static fg_status make_persistent(machine *m) {
    fg_error *err = m->err;
    FG_CALL(need(m, 1));
    if (m->stack[m->depth - 1].kind != FG_PICKLE_TUPLE)
        return broken(m, "a persistent id that is not a tuple");
    m->stack[m->depth - 1].kind = FG_PICKLE_PERSISTENT;
    return FG_OK;
}

/* ---- the loop ---- */

/* The opcodes by their byte; those that do nothing are refused. */
static const struct {
    const char *name;
    fg_status (*run)(machine *m);
    fg_status (*run_with)(machine *m, size_t argument);
    size_t argument;        /* of run_with; MARKED: the number of values above the last MARK */
    fg_pickle_value pushed; /* by those without a function, unless it is NOTHING */
} opcodes[UCHAR_MAX + 1] = {
    ['('] = {.name = "MARK", .run = push_mark},
    [')'] = {.name = "EMPTY_TUPLE", .run_with = make_tuple, .argument = 0},
    ['0'] = {.name = "POP"},
    ['1'] = {.name = "POP_MARK"},
    ['2'] = {.name = "DUP"},
    ['B'] = {.name = "BINBYTES"},
    ['C'] = {.name = "SHORT_BINBYTES"},
    ['F'] = {.name = "FLOAT"},
    ['G'] = {.name = "BINFLOAT", .run = push_float},
    ['I'] = {.name = "INT"},
    ['J'] = {.name = "BININT", .run_with = push_integer, .argument = 4},
    ['K'] = {.name = "BININT1", .run_with = push_integer, .argument = 1},
    ['L'] = {.name = "LONG"},
    ['M'] = {.name = "BININT2", .run_with = push_integer, .argument = 2},
    ['N'] = {.name = "NONE", .pushed = {.kind = FG_PICKLE_NONE}},
    ['P'] = {.name = "PERSID"},
    ['Q'] = {.name = "BINPERSID", .run = make_persistent},
    ['R'] = {.name = "REDUCE", .run = reduce},
    ['S'] = {.name = "STRING"},
    ['T'] = {.name = "BINSTRING"},
    ['U'] = {.name = "SHORT_BINSTRING"},
    ['V'] = {.name = "UNICODE"},
    ['X'] = {.name = "BINUNICODE", .run = push_string},
    [']'] = {.name = "EMPTY_LIST", .pushed = {.kind = FG_PICKLE_LIST}},
    ['a'] = {.name = "APPEND", .run_with = append, .argument = 1},
    ['b'] = {.name = "BUILD", .run = build},
    ['c'] = {.name = "GLOBAL", .run = push_global},
    ['d'] = {.name = "DICT"},
    ['e'] = {.name = "APPENDS", .run_with = append, .argument = MARKED},
    ['g'] = {.name = "GET"},
    ['h'] = {.name = "BINGET", .run_with = get, .argument = 1},
    ['i'] = {.name = "INST"},
    ['j'] = {.name = "LONG_BINGET", .run_with = get, .argument = 4},
    ['l'] = {.name = "LIST"},
    ['o'] = {.name = "OBJ"},
    ['p'] = {.name = "PUT"},
    ['q'] = {.name = "BINPUT", .run_with = put_memo, .argument = 1},
    ['r'] = {.name = "LONG_BINPUT", .run_with = put_memo, .argument = 4},
    ['s'] = {.name = "SETITEM", .run_with = set_items, .argument = 2},
    ['t'] = {.name = "TUPLE", .run_with = make_tuple, .argument = MARKED},
    ['u'] = {.name = "SETITEMS", .run_with = set_items, .argument = MARKED},
    ['}'] = {.name = "EMPTY_DICT", .run = make_dict},
    [0x81] = {.name = "NEWOBJ"},
    [0x82] = {.name = "EXT1"},
    [0x83] = {.name = "EXT2"},
    [0x84] = {.name = "EXT4"},
    [0x85] = {.name = "TUPLE1", .run_with = make_tuple, .argument = 1},
    [0x86] = {.name = "TUPLE2", .run_with = make_tuple, .argument = 2},
    [0x87] = {.name = "TUPLE3", .run_with = make_tuple, .argument = 3},
    [0x88] = {.name = "NEWTRUE", .pushed = {.kind = FG_PICKLE_BOOL, .number = 1}},
    [0x89] = {.name = "NEWFALSE", .pushed = {.kind = FG_PICKLE_BOOL, .number = 0}},
    [0x8a] = {.name = "LONG1", .run = push_long},
    [0x8b] = {.name = "LONG4"},
    [0x8c] = {.name = "SHORT_BINUNICODE"},
    [0x8d] = {.name = "BINUNICODE8"},
    [0x8e] = {.name = "BINBYTES8"},
    [0x8f] = {.name = "EMPTY_SET"},
    [0x90] = {.name = "ADDITEMS"},
    [0x91] = {.name = "FROZENSET"},
    [0x92] = {.name = "NEWOBJ_EX"},
    [0x93] = {.name = "STACK_GLOBAL"},
    [0x94] = {.name = "MEMOIZE"},
    [0x95] = {.name = "FRAME"},
    [0x96] = {.name = "BYTEARRAY8"},
    [0x97] = {.name = "NEXT_BUFFER"},
    [0x98] = {.name = "READONLY_BUFFER"},
};

static fg_status refuse_opcode(const machine *m, unsigned char code) {
    const char *name = opcodes[code].name ? opcodes[code].name : "unknown";
    fg_fail(m->err, FG_ERR_INPUT,
            "%s: byte %zu of the pickle: opcode %s (0x%02x) is not a part of a state dict that torch.save "
            "wrote; nothing was executed",
            m->name, m->started, name, code);
    return fg_hint(m->err,
                   "save the state dict with torch.save's default pickle protocol, or as safetensors");
}

static fg_status step(machine *m, unsigned char code) {
    fg_error *err = m->err;
    size_t argument = opcodes[code].argument;
    if (opcodes[code].run) return opcodes[code].run(m);
    if (opcodes[code].pushed.kind) return push(m, opcodes[code].pushed);
    if (!opcodes[code].run_with) return refuse_opcode(m, code);
    if (argument == MARKED) FG_CALL(pop_mark(m, &argument));
    return opcodes[code].run_with(m, argument);
}

/* The first opcode says the protocol. */
static fg_status read_protocol(machine *m) {
    fg_error *err = m->err;
    const unsigned char *bytes = NULL;
    FG_CALL(take_bytes(m, 2, &bytes));
    if (bytes[0] != OPCODE_PROTO) return broken(m, "it does not begin with a protocol number");
    if (bytes[1] == PROTOCOL) return FG_OK;
    fg_fail(err, FG_ERR_INPUT, "%s: pickle protocol %u, expected %d", m->name, bytes[1], PROTOCOL);
    return fg_hint(err, "save the state dict with torch.save's default pickle protocol, or as safetensors");
}

static fg_status run(machine *m) {
    const unsigned char *code = NULL;
    fg_status status = read_protocol(m);
    while (status == FG_OK) {
        m->started = m->at;
        status = take_bytes(m, 1, &code);
        if (status != FG_OK) break;
        if (*code != OPCODE_STOP) {
            status = step(m, *code);
            continue;
        }
        if (m->depth != 1 || m->mark_count) return broken(m, "it ends with other than one value");
        if (m->at != m->pickle->size) return broken(m, "bytes follow its end");
        m->pickle->root = m->stack[0];
        return FG_OK;
    }
    return status;
}

fg_status fg_pickle_read(const char *name, const void *bytes, size_t size, const fg_pickle_global *globals,
                         size_t global_count, fg_pickle *pickle, fg_error *err) {
    *pickle = (fg_pickle){.bytes = bytes, .size = size, .globals = globals, .global_count = global_count};
    if (size > FG_PICKLE_SIZE_LIMIT)
        return fg_fail(err, FG_ERR_INPUT, "%s: a pickle of %zu bytes, at most %d are read", name, size,
                       FG_PICKLE_SIZE_LIMIT);
    machine m = {.name = name, .pickle = pickle, .err = err};
    fg_status status = run(&m);
    fg_free(m.stack);
    fg_free(m.memo);
    if (status != FG_OK) fg_pickle_free(pickle);
    return status;
}

void fg_pickle_free(fg_pickle *pickle) {
    fg_free(pickle->items);
    fg_free(pickle->entries);
    *pickle = (fg_pickle){0};
}

const char *fg_pickle_string(const fg_pickle *pickle, fg_pickle_value value) {
    return (const char *)pickle->bytes + value.first;
}

bool fg_pickle_string_is(const fg_pickle *pickle, fg_pickle_value value, const char *text) {
    size_t length = strlen(text);
    return value.kind == FG_PICKLE_STRING && value.count == length &&
           memcmp(fg_pickle_string(pickle, value), text, length) == 0;
}

const char *fg_pickle_text(const fg_pickle *pickle, fg_pickle_value value, char *buffer, size_t size) {
    static const char *const kinds[] = {"nothing", "None",     "a bool",  "an integer",
                                        "a float", "a string", "a tuple", "a list",
                                        "a dict",  "",         "",        "a bare storage"};
    if (value.kind == FG_PICKLE_GLOBAL || value.kind == FG_PICKLE_CALL) {
        const fg_pickle_global *row = &pickle->globals[value.global];
        snprintf(buffer, size, "%s%s.%s", value.kind == FG_PICKLE_CALL ? "a call of " : "", row->module,
                 row->name);
    } else {
        snprintf(buffer, size, "%s", kinds[value.kind]);
    }
    return buffer;
}
