#include "base/yaml.h"

#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/yaml_scalar.h"

typedef struct anchor {
    char *name;    /* owned */
    json_t *value; /* owned; NULL while its value is being read */
    size_t values; /* how many it holds, itself included */
} anchor;

typedef struct yaml_reader {
    const char *name;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool has_event;
    anchor *anchors; /* owned */
    size_t anchor_count, anchor_capacity;
    json_t *marks; /* borrowed; NULL: not recorded */
    fg_buffer path;
    size_t values; /* so far, those that aliases stand for too */
    unsigned depth;
} yaml_reader;

/* ---- events ---- */

static fg_status refuse(const yaml_reader *r, const char *what, fg_error *err) {
    return fg_fail(err, FG_ERR_INPUT, "%s: line %zu, column %zu: %s", r->name, r->event.start_mark.line + 1,
                   r->event.start_mark.column + 1, what);
}

static fg_status next_event(yaml_reader *r, fg_error *err) {
    if (r->has_event) yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    if (r->has_event) return FG_OK;
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return fg_fail(err, FG_ERR_MEMORY, "%s: out of memory while reading YAML", r->name);
    const char *problem = p->problem ? p->problem : "unreadable";
    fg_fail(err, FG_ERR_INPUT, "%s: line %zu, column %zu: not valid YAML: %s", r->name,
            p->problem_mark.line + 1, p->problem_mark.column + 1, problem);
    fg_about_found(err, "%s", problem);
    return fg_about_expected(err, "valid YAML");
}

static fg_status count_values(yaml_reader *r, size_t more, fg_error *err) {
    r->values += more;
    return r->values > FG_YAML_VALUES ? refuse(r, "too many values, counting what aliases stand for", err)
                                      : FG_OK;
}

static fg_status mark(yaml_reader *r, fg_error *err) {
    if (!r->marks) return FG_OK;
    const char *path = r->path.length ? r->path.data : "";
    return fg_json_put(r->marks, path,
                       json_pack("[I, I]", (json_int_t)r->event.start_mark.line + 1,
                                 (json_int_t)r->event.start_mark.column + 1),
                       err);
}

/* ---- anchors ---- */

static anchor *find_anchor(const yaml_reader *r, const char *name) {
    for (size_t i = r->anchor_count; i-- > 0;) { /* the latest of a name counts */
        if (strcmp(r->anchors[i].name, name) == 0) return &r->anchors[i];
    }
    return NULL;
}

/* Registers an anchor (NULL: none) before its value is read; `index` is its place. */
static fg_status open_anchor(yaml_reader *r, const yaml_char_t *name, size_t *index, fg_error *err) {
    *index = SIZE_MAX;
    if (!name) return FG_OK;
    FG_CALL(fg_grow(&r->anchors, r->anchor_count, &r->anchor_capacity, sizeof *r->anchors, err));
    FG_CALL_NEW(r->anchors[r->anchor_count].name, fg_strdup((const char *)name, err));
    *index = r->anchor_count++;
    return FG_OK;
}

static void close_anchor(yaml_reader *r, size_t index, json_t *value, size_t values) {
    if (index == SIZE_MAX) return;
    r->anchors[index].value = json_incref(value);
    r->anchors[index].values = values;
}

/* ---- values ---- */

static fg_status read_value(yaml_reader *r, json_t **value, fg_error *err);

/* Only what says no more than the value itself, or asks for a string. */
static fg_status check_tag(const yaml_reader *r, const yaml_char_t *given, bool *is_string, fg_error *err) {
    static const char core[] = "tag:yaml.org,2002:";
    const char *tag = (const char *)given, *const known[] = {"null", "bool", "int", "float", "seq", "map"};
    *is_string = false;
    if (!tag) return FG_OK;
    if (strcmp(tag, "!") == 0) {
        *is_string = true;
        return FG_OK;
    }
    if (strncmp(tag, core, sizeof core - 1) == 0) {
        const char *kind = tag + sizeof core - 1;
        *is_string = strcmp(kind, "str") == 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp(kind, known[i]) == 0) return FG_OK;
        }
    }
    return *is_string ? FG_OK : refuse(r, "this tag is not supported (only plain data is)", err);
}

static fg_status read_scalar(yaml_reader *r, json_t **value, fg_error *err) {
    const char *text = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    bool is_string;
    uint64_t failures = fg_alloc_json_failures();
    FG_CALL(check_tag(r, r->event.data.scalar.tag, &is_string, err));
    is_string = is_string || r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    *value = is_string ? json_stringn(text, length) : fg_yaml_scalar(text, length);
    /* a number for which there was no memory would become a string */
    if (*value && fg_alloc_json_failures() == failures) return FG_OK;
    return fg_fail(err, FG_ERR_MEMORY, "%s: out of memory while reading YAML", r->name);
}

static fg_status read_alias(yaml_reader *r, json_t **value, fg_error *err) {
    const anchor *found = find_anchor(r, (const char *)r->event.data.alias.anchor);
    if (!found) FG_CALL(refuse(r, "an alias of an unknown anchor", err));
    if (!found->value) FG_CALL(refuse(r, "an alias inside the value that it names", err));
    FG_CALL(count_values(r, found->values, err));
    FG_CALL_NEW(*value, fg_json_deep_copy(found->value, err));
    return FG_OK;
}

/* Reads the value that the current event begins, as a member of `path`. */
static fg_status read_member(yaml_reader *r, const char *key, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    size_t length = r->path.length;
    FG_TRY(fg_buffer_printf(&r->path, err, "%s%s", length ? "/" : "", key));
    FG_TRY(mark(r, err));
    FG_TRY(read_value(r, value, err));
done:
    if (r->path.data) r->path.data[r->path.length = length] = '\0';
    return status;
}

static fg_status read_sequence(yaml_reader *r, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    json_t *item = NULL;
    char index[24];
    *value = json_array();
    if (!*value) FG_FAIL(err, FG_ERR_MEMORY, "%s: out of memory while reading YAML", r->name);
    for (;;) {
        FG_TRY(next_event(r, err));
        if (r->event.type == YAML_SEQUENCE_END_EVENT) break;
        snprintf(index, sizeof index, "%zu", json_array_size(*value));
        FG_TRY(read_member(r, index, &item, err));
        FG_TRY(fg_json_push(*value, json_incref(item), err));
        json_decref(item);
        item = NULL;
    }
done:
    json_decref(item);
    return status;
}

/* The key that the current event is. */
static fg_status read_key(yaml_reader *r, const json_t *object, char **key, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value = NULL;
    if (r->event.type != YAML_SCALAR_EVENT) FG_TRY(refuse(r, "a key that is not a string", err));
    FG_TRY(read_scalar(r, &value, err));
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        FG_TRY(refuse(r, "a key that is not a string (put it in quotes)", err));
    if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(json_string_value(value), "<<") == 0)
        FG_TRY(refuse(r, "merge keys (<<) are not supported", err));
    if (json_object_get(object, json_string_value(value))) FG_TRY(refuse(r, "this key is given twice", err));
    FG_TRY_NEW(*key, fg_strdup(json_string_value(value), err));
done:
    json_decref(value);
    return status;
}

static fg_status read_mapping(yaml_reader *r, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    json_t *item = NULL;
    char *key = NULL;
    *value = json_object();
    if (!*value) FG_FAIL(err, FG_ERR_MEMORY, "%s: out of memory while reading YAML", r->name);
    for (;;) {
        FG_TRY(next_event(r, err));
        if (r->event.type == YAML_MAPPING_END_EVENT) break;
        FG_TRY(read_key(r, *value, &key, err));
        FG_TRY(next_event(r, err));
        FG_TRY(read_member(r, key, &item, err));
        FG_TRY(fg_json_put(*value, key, json_incref(item), err));
        json_decref(item);
        item = NULL;
        fg_free(key);
        key = NULL;
    }
done:
    json_decref(item);
    fg_free(key);
    return status;
}

static fg_status read_collection(yaml_reader *r, json_t **value, fg_error *err) {
    bool sequence = r->event.type == YAML_SEQUENCE_START_EVENT, is_string;
    if (++r->depth > FG_YAML_DEPTH) FG_CALL(refuse(r, "nested too deep", err));
    FG_CALL(check_tag(r, sequence ? r->event.data.sequence_start.tag : r->event.data.mapping_start.tag,
                      &is_string, err));
    FG_CALL(sequence ? read_sequence(r, value, err) : read_mapping(r, value, err));
    r->depth--;
    return FG_OK;
}

static const yaml_char_t *anchor_of(const yaml_event_t *event) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor;
    default:
        return event->data.mapping_start.anchor;
    }
}

/* The value that the current event begins. On failure `*value` is NULL. */
static fg_status read_value(yaml_reader *r, json_t **value, fg_error *err) {
    fg_status status = FG_OK;
    size_t index = SIZE_MAX, before = r->values;
    *value = NULL;
    if (r->event.type == YAML_ALIAS_EVENT) return read_alias(r, value, err);
    FG_TRY(count_values(r, 1, err));
    FG_TRY(open_anchor(r, anchor_of(&r->event), &index, err));
    FG_TRY(r->event.type == YAML_SCALAR_EVENT ? read_scalar(r, value, err) : read_collection(r, value, err));
    close_anchor(r, index, *value, r->values - before);
done:
    if (status != FG_OK) {
        json_decref(*value);
        *value = NULL;
    }
    return status;
}

/* ---- documents ---- */

static fg_status read_document(yaml_reader *r, json_t **value, fg_error *err) {
    FG_CALL(next_event(r, err)); /* the stream begins */
    FG_CALL(next_event(r, err));
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *value = json_null();
        return FG_OK;
    }
    FG_CALL(next_event(r, err)); /* past the start of the document */
    FG_CALL(mark(r, err));
    FG_CALL(read_value(r, value, err));
    FG_CALL(next_event(r, err)); /* its end */
    FG_CALL(next_event(r, err));
    if (r->event.type != YAML_STREAM_END_EVENT) FG_CALL(refuse(r, "a second document begins here", err));
    return FG_OK;
}

fg_status fg_yaml_parse(const char *name, const char *bytes, size_t length, json_t **value, json_t **marks,
                        fg_error *err) {
    fg_status status = FG_OK;
    yaml_reader r = {.name = name};
    *value = NULL;
    if (marks) {
        r.marks = *marks = json_object();
        if (!r.marks) return fg_fail(err, FG_ERR_MEMORY, "%s: out of memory while reading YAML", name);
    }
    if (!yaml_parser_initialize(&r.parser))
        FG_FAIL(err, FG_ERR_MEMORY, "%s: out of memory while reading YAML", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(bytes ? bytes : ""), length);
    status = read_document(&r, value, err);
    if (r.has_event) yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
done:
    for (size_t i = 0; i < r.anchor_count; i++) {
        fg_free(r.anchors[i].name);
        json_decref(r.anchors[i].value);
    }
    fg_free(r.anchors);
    fg_buffer_free(&r.path);
    if (status != FG_OK) {
        json_decref(*value);
        *value = NULL;
        if (marks) {
            json_decref(*marks);
            *marks = NULL;
        }
    }
    return status;
}

fg_status fg_yaml_read(const char *path, json_t **value, json_t **marks, fg_error *err) {
    fg_buffer text = {0};
    *value = NULL;
    if (marks) *marks = NULL;
    fg_status status = fg_file_read_all(path, FG_YAML_LIMIT, &text, err);
    if (status == FG_OK) status = fg_yaml_parse(path, text.data, text.length, value, marks, err);
    fg_buffer_free(&text);
    return status;
}

const char *fg_yaml_library(void) {
    return yaml_get_version_string();
}
