#include "language/name_rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_scan.h"
#include "base/map.h"
#include "base/utf8_text.h"

enum {
    MAX_NESTING = 32,    /* lists in lists, "@NAME" included */
    MAX_RULES = 10000,   /* in one set */
    MAX_STEPS = 10000,   /* patterns tried for one name */
    MATCH_LIMIT = 20000, /* PCRE2's own counter of backtracking, one pattern */
    HEAP_LIMIT_KIB = 16384,
    MAX_NAME = 65536,
    NO_LIST = -1,
};

/* A piece of a replacement: literal bytes, or (bytes NULL) a group of the pattern. */
typedef struct replacement_part {
    const char *bytes; /* into rule.replacement */
    size_t length;
    uint32_t group;
} replacement_part;

typedef struct rule {
    char *pattern, *replacement, *place; /* owned */
    unsigned line;                       /* 0: not known */
    pcre2_code *code;                    /* owned */
    replacement_part *parts;             /* owned */
    size_t part_count, part_capacity;
    int64_t children; /* index of a list, or NO_LIST */
    uint64_t uses;
} rule;

/* A rule, or a whole other list in its place. */
typedef struct item {
    bool is_list;
    size_t index;
} item;

typedef struct list {
    item *items; /* owned */
    size_t count, capacity;
    unsigned height; /* of the tree of lists below, itself included; 0 while it is being compiled */
} list;

struct fg_name_rules {
    rule *rules;
    size_t rule_count, rule_capacity;
    size_t reachable; /* rules before this one can be reached from `names`; the others are in lists nobody
                         refers to */
    list *lists;
    size_t list_count, list_capacity;
    char *file; /* owned; for messages */
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_match_data *match; /* room for groups 0 to 9 */
    size_t steps;            /* patterns tried for the name at hand */
};

/* What compiling needs besides the result. */
typedef struct compiler {
    fg_name_rules *set;
    const json_t *lists; /* named lists, or NULL */
    fg_map compiled;     /* name -> index of list; keys borrowed from the documents */
    const char *place;
    const fg_buffer *text;
    pcre2_compile_context *context;
    fg_error *err;
} compiler;

/* ---- compiling ---- */

static void *pcre_alloc(size_t size, void *data) {
    (void)data;
    return fg_alloc(size, 1, NULL);
}

static void pcre_free(void *memory, void *data) {
    (void)data;
    fg_free(memory);
}

static unsigned line_of(const compiler *c, const char *place) {
    return c->text && c->text->data ? fg_json_line(c->text->data, c->text->length, place) : 0;
}

/* "FILE: line N: PLACE: rule "PATTERN"" in front of what is wrong; parts that are not known are left out. */
static fg_status broken(const compiler *c, const char *place, const char *pattern, const char *what) {
    char at[32] = "";
    unsigned line = line_of(c, place);
    if (line) snprintf(at, sizeof at, " line %u:", line);
    if (!pattern) return fg_fail(c->err, FG_ERR_INPUT, "%s:%s %s: %s", c->set->file, at, place, what);
    return fg_fail(c->err, FG_ERR_INPUT, "%s:%s %s: rule \"%.200s\": %s", c->set->file, at, place, pattern,
                   what);
}

static fg_status compile_pattern(const compiler *c, rule *r) {
    int code;
    size_t offset;
    char what[300];
    uint32_t options = PCRE2_ANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C;
    r->code = pcre2_compile((PCRE2_SPTR)r->pattern, strlen(r->pattern), options, &code, &offset, c->context);
    if (!r->code && (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED))
        return fg_fail(c->err, FG_ERR_MEMORY, "out of memory while compiling the rule \"%s\"", r->pattern);
    if (!r->code) {
        PCRE2_UCHAR said[200];
        pcre2_get_error_message(code, said, sizeof said);
        snprintf(what, sizeof what, "broken pattern at column %zu: %s", offset + 1, (const char *)said);
        return broken(c, r->place, r->pattern, what);
    }
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* without a JIT the interpreter is used */
    return FG_OK;
}

static fg_status add_part(rule *r, const char *bytes, size_t length, uint32_t group, fg_error *err) {
    if (bytes && !length) return FG_OK;
    FG_CALL(fg_grow(&r->parts, r->part_count, &r->part_capacity, sizeof *r->parts, err));
    r->parts[r->part_count++] = (replacement_part){.bytes = bytes, .length = length, .group = group};
    return FG_OK;
}

static fg_status compile_replacement(const compiler *c, rule *r) {
    fg_error *err = c->err;
    uint32_t groups = 0;
    char what[120];
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    const char *plain = r->replacement;
    for (const char *at = plain; *at; at++) {
        if (*at != '\\') continue;
        FG_CALL(add_part(r, plain, (size_t)(at - plain), 0, err));
        at++;
        if (*at == '\\') {
            plain = at; /* the second backslash begins the next literal */
            continue;
        }
        if (*at < '1' || *at > '9') {
            FG_CALL(broken(c, r->place, r->pattern,
                           "in the replacement, \\ must be followed by a group number 1 to 9 or by \\"));
        }
        uint32_t group = (uint32_t)(*at - '0');
        if (group > groups) {
            snprintf(what, sizeof what, "the replacement names group %u, the pattern has %u", group, groups);
            FG_CALL(broken(c, r->place, r->pattern, what));
        }
        FG_CALL(add_part(r, NULL, 0, group, err));
        plain = at + 1;
    }
    return add_part(r, plain, strlen(plain), 0, err);
}

static fg_status new_list(fg_name_rules *set, size_t *index, fg_error *err) {
    FG_CALL(fg_grow(&set->lists, set->list_count, &set->list_capacity, sizeof *set->lists, err));
    *index = set->list_count++;
    return FG_OK;
}

static fg_status compile_list(compiler *c, const json_t *array, const char *place, unsigned depth,
                              size_t index);

static const char *rule_string(const json_t *array, size_t index) {
    const json_t *value = json_array_get(array, index);
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* [pattern, replacement] or [pattern, replacement, [children]]; an empty list of children counts as none. */
static fg_status compile_rule(compiler *c, const json_t *value, const char *place, unsigned depth,
                              size_t *index) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    fg_name_rules *set = c->set;
    char *below = NULL;
    size_t size = json_array_size(value), children;
    const char *pattern = rule_string(value, 0), *replacement = rule_string(value, 1);
    if (!pattern || !replacement || size > 3 || (size == 3 && !json_is_array(json_array_get(value, 2)))) {
        FG_TRY(broken(c, place, pattern,
                      "a rule is [pattern, replacement] or [pattern, replacement, [children]]"));
    }
    if (set->rule_count >= MAX_RULES) FG_TRY(broken(c, place, pattern, "more than 10000 rules"));
    FG_TRY(fg_grow(&set->rules, set->rule_count, &set->rule_capacity, sizeof *set->rules, err));
    *index = set->rule_count++;
    rule *r = &set->rules[*index];
    r->children = NO_LIST;
    r->line = line_of(c, place);
    FG_TRY_NEW(r->pattern, fg_strdup(pattern, err));
    FG_TRY_NEW(r->replacement, fg_strdup(replacement, err));
    FG_TRY_NEW(r->place, fg_strdup(place, err));
    FG_TRY(compile_pattern(c, r));
    FG_TRY(compile_replacement(c, r));
    if (json_array_size(json_array_get(value, 2))) {
        FG_TRY_NEW(below, fg_strformat(err, "%s/2", place));
        FG_TRY(new_list(set, &children, err));
        r->children = (int64_t)children;
        FG_TRY(compile_list(c, json_array_get(value, 2), below, depth + 1, children));
    }
done:
    fg_free(below);
    return status;
}

/* The list NAME, compiled when it is first referred to. */
static fg_status named_list(compiler *c, const char *name, const char *from, unsigned depth, size_t *index) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    char *place = NULL;
    char what[200];
    const json_t *array = json_object_get(c->lists, name);
    int64_t known = fg_map_get(&c->compiled, name);
    if (known != FG_MAP_NONE) {
        *index = (size_t)known;
        if (c->set->lists[known].height) goto done;
        snprintf(what, sizeof what, "the list \"@%.100s\" contains itself", name);
        FG_TRY(broken(c, from, NULL, what));
    }
    if (!json_is_array(array)) {
        snprintf(what, sizeof what, "there is no list \"@%.100s\"", name);
        FG_TRY(broken(c, from, NULL, what));
    }
    const char *slash = strrchr(c->place, '/');
    FG_TRY_NEW(place,
               fg_strformat(err, "%.*slists/%s", slash ? (int)(slash - c->place) + 1 : 0, c->place, name));
    FG_TRY(new_list(c->set, index, err));
    FG_TRY(fg_map_set(&c->compiled, name, (uint32_t)*index, err));
    FG_TRY(compile_list(c, array, place, depth, *index));
done:
    fg_free(place);
    return status;
}

static fg_status compile_item(compiler *c, const json_t *value, const char *place, unsigned depth,
                              item *result) {
    const char *reference = json_string_value(value);
    result->is_list = reference != NULL;
    if (!reference) return compile_rule(c, value, place, depth, &result->index);
    if (reference[0] != '@')
        return broken(c, place, reference, "a string in a list of rules must be \"@NAME\", a list");
    return named_list(c, reference + 1, place, depth + 1, &result->index);
}

static fg_status compile_list(compiler *c, const json_t *array, const char *place, unsigned depth,
                              size_t index) {
    fg_status status = FG_OK;
    fg_error *err = c->err;
    char *below = NULL;
    unsigned height = 1;
    if (depth > MAX_NESTING) FG_TRY(broken(c, place, NULL, "lists are nested more than 32 deep"));
    for (size_t i = 0; i < json_array_size(array); i++) {
        item entry = {0};
        fg_free(below);
        FG_TRY_NEW(below, fg_strformat(err, "%s/%zu", place, i));
        FG_TRY(compile_item(c, json_array_get(array, i), below, depth, &entry));
        int64_t lower = entry.is_list ? (int64_t)entry.index : c->set->rules[entry.index].children;
        if (lower != NO_LIST && c->set->lists[lower].height >= height)
            height = c->set->lists[lower].height + 1;
        /* A list that was compiled before, further up, may reach too deep from here. */
        if (depth + height - 1 > MAX_NESTING)
            FG_TRY(broken(c, below, NULL, "lists are nested more than 32 deep"));
        list *l = &c->set->lists[index]; /* looked up again: compiling moves the array */
        FG_TRY(fg_grow(&l->items, l->count, &l->capacity, sizeof *l->items, err));
        l->items[l->count++] = entry;
    }
    c->set->lists[index].height = height;
done:
    fg_free(below);
    return status;
}

static fg_status new_contexts(compiler *c) {
    fg_name_rules *set = c->set;
    set->memory = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    if (set->memory) set->limits = pcre2_match_context_create(set->memory);
    if (set->memory) set->match = pcre2_match_data_create(10, set->memory);
    if (set->memory) c->context = pcre2_compile_context_create(set->memory);
    if (!set->limits || !set->match || !c->context)
        return fg_fail(c->err, FG_ERR_MEMORY, "out of memory while preparing name rules");
    pcre2_set_match_limit(set->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(set->limits, HEAP_LIMIT_KIB);
    return FG_OK;
}

static fg_status compile_all(compiler *c, const json_t *names) {
    fg_error *err = c->err;
    size_t index;
    json_t *value;
    if (!json_is_array(names)) FG_CALL(broken(c, c->place, NULL, "expected an array of rules"));
    FG_CALL(new_list(c->set, &index, err));
    FG_CALL(compile_list(c, names, c->place, 1, index));
    c->set->reachable = c->set->rule_count;
    FG_JSON_MEMBERS(c->lists, key, value) {
        FG_CALL(named_list(c, key, c->place, 1, &index)); /* unused ones too: they must be sound */
    }
    return FG_OK;
}

fg_status fg_name_rules_compile(fg_name_rules **rules, const json_t *names, const json_t *lists,
                                const char *file, const char *place, const fg_buffer *text, fg_error *err) {
    fg_status status = FG_OK;
    compiler c = {.lists = lists, .place = place, .text = text, .err = err};
    *rules = NULL;
    FG_NEW(*rules, 1);
    c.set = *rules;
    FG_TRY_NEW(c.set->file, fg_strdup(file, err));
    FG_TRY(new_contexts(&c));
    FG_TRY(compile_all(&c, names));
done:
    fg_map_free(&c.compiled);
    pcre2_compile_context_free(c.context);
    if (status != FG_OK) fg_name_rules_free(rules);
    return status;
}

/* ---- renaming ---- */

static fg_status add_replacement(const fg_name_rules *set, const rule *r, const char *name, fg_buffer *out,
                                 fg_error *err) {
    const size_t *bounds = pcre2_get_ovector_pointer(set->match);
    for (size_t i = 0; i < r->part_count; i++) {
        const replacement_part *p = &r->parts[i];
        const char *bytes = p->bytes;
        size_t length = p->length;
        if (!bytes) {
            size_t begin = bounds[2 * p->group], end = bounds[2 * p->group + 1];
            if (begin == PCRE2_UNSET || end <= begin) continue;
            bytes = name + begin;
            length = end - begin;
        }
        FG_CALL(fg_buffer_add(out, bytes, length, err));
    }
    return FG_OK;
}

/* Tries the pattern at the start of `name`; how many bytes it took in `taken`. */
static fg_status try_pattern(fg_name_rules *set, const rule *r, const char *name, size_t length,
                             size_t *taken, bool *matched, fg_error *err) {
    if (++set->steps > MAX_STEPS)
        return fg_fail(err, FG_ERR_INPUT, "%s: more than %d patterns were tried for the name \"%.200s\"",
                       set->file, MAX_STEPS, name);
    /* The name was checked to be UTF-8, and patterns cannot end inside a character. */
    int code = pcre2_match(r->code, (PCRE2_SPTR)name, length, 0, PCRE2_NO_UTF_CHECK, set->match, set->limits);
    *matched = code >= 0;
    if (code >= 0) *taken = pcre2_get_ovector_pointer(set->match)[1];
    if (code >= 0 || code == PCRE2_ERROR_NOMATCH) return FG_OK;
    if (code == PCRE2_ERROR_NOMEMORY)
        return fg_fail(err, FG_ERR_MEMORY, "out of memory while renaming \"%.200s\"", name);
    PCRE2_UCHAR said[200];
    pcre2_get_error_message(code, said, sizeof said);
    fg_fail(err, FG_ERR_INPUT, "%s: line %u: %s: rule \"%.200s\" fails on \"%.200s\": %s", set->file, r->line,
            r->place, r->pattern, name, (const char *)said);
    return fg_hint(err, "write a pattern that needs less backtracking");
}

static fg_status rename_with_list(fg_name_rules *set, size_t index, const char *name, size_t length,
                                  fg_buffer *out, bool *matched, fg_error *err);

static fg_status rename_with_rule(fg_name_rules *set, rule *r, const char *name, size_t length,
                                  fg_buffer *out, bool *matched, fg_error *err) {
    size_t before = out->length, taken = 0;
    FG_CALL(try_pattern(set, r, name, length, &taken, matched, err));
    if (!*matched) return FG_OK;
    FG_CALL(add_replacement(set, r, name, out, err));
    if (r->children == NO_LIST) {
        FG_CALL(fg_buffer_add(out, name + taken, length - taken, err));
    } else {
        FG_CALL(rename_with_list(set, (size_t)r->children, name + taken, length - taken, out, matched, err));
    }
    if (*matched)
        r->uses++;
    else
        out->length = before;
    return FG_OK;
}

static fg_status rename_with_list(fg_name_rules *set, size_t index, const char *name, size_t length,
                                  fg_buffer *out, bool *matched, fg_error *err) {
    const list *l = &set->lists[index];
    *matched = false;
    for (size_t i = 0; i < l->count && !*matched; i++) {
        size_t target = l->items[i].index;
        if (l->items[i].is_list)
            FG_CALL(rename_with_list(set, target, name, length, out, matched, err));
        else
            FG_CALL(rename_with_rule(set, &set->rules[target], name, length, out, matched, err));
    }
    return FG_OK;
}

fg_status fg_name_rules_apply(fg_name_rules *rules, const char *name, fg_buffer *out, bool *matched,
                              fg_error *err) {
    fg_status status = FG_OK;
    size_t length = strlen(name);
    *matched = false;
    fg_buffer_clear(out);
    if (length > MAX_NAME || !fg_utf8_valid(name, length))
        FG_FAIL(err, FG_ERR_INPUT, "the tensor name \"%.200s\" is not UTF-8 or longer than %d bytes", name,
                MAX_NAME);
    rules->steps = 0;
    FG_TRY(rename_with_list(rules, 0, name, length, out, matched, err));
    if (!*matched)
        fg_buffer_clear(out);
    else
        FG_TRY(fg_buffer_add(out, "", 0, err)); /* terminates an empty name, too */
done:
    if (status != FG_OK) *matched = false;
    return status;
}

fg_status fg_name_rules_unused(const fg_name_rules *rules, fg_buffer *out, size_t *count, fg_error *err) {
    *count = 0;
    for (size_t i = 0; i < rules->reachable; i++) {
        const rule *r = &rules->rules[i];
        if (r->uses) continue;
        ++*count;
        if (r->line)
            FG_CALL(fg_buffer_printf(out, err, "%s: line %u: ", rules->file, r->line));
        else
            FG_CALL(fg_buffer_printf(out, err, "%s: ", rules->file));
        FG_CALL(fg_buffer_printf(out, err, "%s: rule \"%s\"\n", r->place, r->pattern));
    }
    return FG_OK;
}

void fg_name_rules_free(fg_name_rules **rules) {
    fg_name_rules *set = *rules;
    if (!set) return;
    for (size_t i = 0; i < set->rule_count; i++) {
        rule *r = &set->rules[i];
        pcre2_code_free(r->code);
        fg_free(r->pattern);
        fg_free(r->replacement);
        fg_free(r->place);
        fg_free(r->parts);
    }
    for (size_t i = 0; i < set->list_count; i++) fg_free(set->lists[i].items);
    fg_free(set->rules);
    fg_free(set->lists);
    fg_free(set->file);
    pcre2_match_data_free(set->match);
    pcre2_match_context_free(set->limits);
    pcre2_general_context_free(set->memory);
    fg_free(set);
    *rules = NULL;
}
