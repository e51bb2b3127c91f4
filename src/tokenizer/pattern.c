#define _GNU_SOURCE /* memmem */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer/pattern.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8_text.h"
#include "tokenizer/pattern_translate.h"
#include "tokenizer/tokenizer_json.h"

/* Work is counted in items of the pattern that are tried and characters that are passed: a search has some,
 * and more for each byte of its text. Usual patterns need 5 a byte. */
enum { WORK_FIRST = 2000000, WORK_A_BYTE = 200 };
enum {
    BACKTRACK_LIMIT = 20000000,
    HEAP_KIB = 64 << 10,
    JIT_STACK_FIRST = 32 << 10,
    JIT_STACK_MOST = 4 << 20
};

typedef struct pattern_work {
    uint64_t allowed, done;
    size_t at; /* in the text, when work was counted last */
} pattern_work;

struct fg_pattern {
    char *literal; /* owned; NULL for an expression */
    size_t literal_length;
    char *where; /* owned */
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    pcre2_match_data *data;
    pattern_work *work; /* owned */
};

static void *allocate(PCRE2_SIZE bytes, void *unused) {
    (void)unused;
    return fg_alloc(bytes, 1, NULL);
}

static void release(void *memory, void *unused) {
    (void)unused;
    fg_free(memory);
}

static fg_status no_memory(fg_error *err) {
    return fg_fail(err, FG_ERR_MEMORY, "out of memory while compiling a pattern");
}

/* Called before each item of the pattern is tried. */
static int count_work(pcre2_callout_block *block, void *counter) {
    pattern_work *w = counter;
    size_t at = block->current_position;
    w->done += 1 + (at > w->at ? at - w->at : w->at - at);
    w->at = at;
    return w->done > w->allowed ? PCRE2_ERROR_MATCHLIMIT : 0;
}

static fg_status prepare(fg_pattern *p, const fg_buffer *translated, fg_error *err) {
    int number;
    PCRE2_SIZE offset;
    p->memory = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *settings = p->memory ? pcre2_compile_context_create(p->memory) : NULL;
    if (!settings) return no_memory(err);
    pcre2_set_newline(settings, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(settings, 100);
    p->code = pcre2_compile((PCRE2_SPTR)(translated->data ? translated->data : ""), translated->length,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_AUTO_CALLOUT, &number, &offset,
                            settings);
    pcre2_compile_context_free(settings);
    if (!p->code && number == PCRE2_ERROR_HEAP_FAILED) return no_memory(err);
    if (!p->code) {
        PCRE2_UCHAR text[200] = {0};
        pcre2_get_error_message(number, text, sizeof text);
        return fg_fail(err, FG_ERR_INPUT, "%s: the pattern cannot be used: %s", p->where, (const char *)text);
    }
    p->context = pcre2_match_context_create(p->memory);
    p->data = pcre2_match_data_create(1, p->memory);
    if (!p->context || !p->data) return no_memory(err);
    pcre2_set_match_limit(p->context, BACKTRACK_LIMIT);
    pcre2_set_callout(p->context, count_work, p->work);
    pcre2_set_heap_limit(p->context, HEAP_KIB);
    /* Without a compiler for this machine, or memory for it, the pattern is interpreted. */
    if (pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0) {
        p->stack = pcre2_jit_stack_create(JIT_STACK_FIRST, JIT_STACK_MOST, p->memory);
        if (p->stack) pcre2_jit_stack_assign(p->context, NULL, p->stack);
    }
    return FG_OK;
}

/* From PCRE2's own syntax. */
static fg_status compile(fg_pattern **pattern, const fg_buffer *translated, const char *where,
                         fg_error *err) {
    fg_status status = FG_OK;
    FG_NEW(*pattern, 1);
    FG_TRY_NEW((*pattern)->where, fg_strdup(where, err));
    FG_NEW((*pattern)->work, 1);
    (*pattern)->work->allowed = WORK_FIRST;
    FG_TRY(prepare(*pattern, translated, err));
done:
    if (status != FG_OK) fg_pattern_free(pattern);
    return status;
}

fg_status fg_pattern_compile(fg_pattern **pattern, const char *expression, size_t length, const char *where,
                             fg_error *err) {
    fg_buffer translated = {0};
    *pattern = NULL;
    fg_status status = fg_pattern_translate(expression, length, where, &translated, err);
    if (status == FG_OK) status = compile(pattern, &translated, where, err);
    fg_buffer_free(&translated);
    return status;
}

fg_status fg_pattern_class(fg_pattern **pattern, const char *inside, const char *set, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer text = {0};
    *pattern = NULL;
    FG_TRY(fg_buffer_printf(&text, err, "[%s", inside));
    FG_TRY(fg_pattern_code_set(set, &text, err));
    FG_TRY(fg_buffer_add(&text, "]", 1, err));
    FG_TRY(compile(pattern, &text, set, err));
done:
    fg_buffer_free(&text);
    return status;
}

fg_status fg_pattern_literal(fg_pattern **pattern, const char *text, size_t length, fg_error *err) {
    fg_status status = FG_OK;
    *pattern = NULL;
    FG_NEW(*pattern, 1);
    FG_TRY_NEW((*pattern)->literal, fg_strndup(text, length, err));
    (*pattern)->literal_length = length;
done:
    if (status != FG_OK) fg_pattern_free(pattern);
    return status;
}

fg_status fg_pattern_read(fg_pattern **pattern, const fg_tokenizer_json *component, fg_error *err) {
    char where[200];
    const json_t *json = json_object_get(component->json, "pattern");
    const json_t *literal = json_object_get(json, "String"), *expression = json_object_get(json, "Regex");
    *pattern = NULL;
    snprintf(where, sizeof where, "%s: %s", component->file, component->name);
    if (json_object_size(json) == 1 && json_is_string(literal))
        return fg_pattern_literal(pattern, json_string_value(literal), json_string_length(literal), err);
    if (json_object_size(json) == 1 && json_is_string(expression))
        return fg_pattern_compile(pattern, json_string_value(expression), json_string_length(expression),
                                  where, err);
    char brief[60];
    return fg_fail(err, FG_ERR_INPUT,
                   "%s: \"pattern\": found %s, expected {\"String\": ...} or {\"Regex\": ...}", where,
                   fg_json_brief(json, brief, sizeof brief));
}

static bool find_literal(const fg_pattern *p, fg_matches *m) {
    const char *found =
        p->literal_length ? memmem(m->text + m->at, m->length - m->at, p->literal, p->literal_length) : NULL;
    if (!found) return false;
    m->start = (size_t)(found - m->text);
    m->end = m->start + p->literal_length;
    return true;
}

static int run(const fg_pattern *p, const fg_matches *m, uint32_t options) {
    return pcre2_match(p->code, (PCRE2_SPTR)m->text, m->length, m->at, options | PCRE2_NO_UTF_CHECK, p->data,
                       p->context);
}

static fg_status search(const fg_pattern *p, fg_matches *m, uint32_t options, bool *found, fg_error *err) {
    int result = run(p, m, options);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = run(p, m, options | PCRE2_NO_JIT);
    *found = result >= 0;
    if (*found) {
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(p->data);
        m->start = ends[0];
        m->end = ends[1];
    } else if (result == PCRE2_ERROR_NOMEMORY) {
        return no_memory(err);
    } else if (result != PCRE2_ERROR_NOMATCH) {
        PCRE2_UCHAR text[200] = {0};
        pcre2_get_error_message(result, text, sizeof text);
        return fg_fail(err, FG_ERR_INPUT, "%s: the pattern fails on this text: %s", p->where,
                       (const char *)text);
    }
    return FG_OK;
}

fg_status fg_pattern_next(const fg_pattern *p, fg_matches *m, bool *found, fg_error *err) {
    size_t last = m->end;
    if (p->work && !m->any && !m->at) p->work->allowed += (uint64_t)m->length * WORK_A_BYTE;
    *found = false;
    while (m->at <= m->length) {
        if (p->literal)
            *found = find_literal(p, m);
        else
            FG_CALL(search(p, m, 0, found, err));
        if (!*found) return FG_OK;
        if (m->start != m->end || !m->any || m->end != last) break;
        *found = false;
        m->at += m->at < m->length ? fg_utf8_size(m->text[m->at]) : 1;
    }
    if (*found) {
        m->any = true;
        m->at = m->end;
    }
    return FG_OK;
}

fg_status fg_pattern_begins(const fg_pattern *p, const char *text, size_t length, bool *found,
                            fg_error *err) {
    fg_matches m = {.text = text, .length = length};
    p->work->allowed += (uint64_t)length * WORK_A_BYTE;
    return search(p, &m, PCRE2_ANCHORED, found, err);
}

void fg_pattern_free(fg_pattern **pattern) {
    fg_pattern *p = *pattern;
    if (!p) return;
    if (p->data) pcre2_match_data_free(p->data);
    if (p->stack) pcre2_jit_stack_free(p->stack);
    if (p->context) pcre2_match_context_free(p->context);
    if (p->code) pcre2_code_free(p->code);
    if (p->memory) pcre2_general_context_free(p->memory);
    fg_free(p->literal);
    fg_free(p->work);
    fg_free(p->where);
    fg_free(p);
    *pattern = NULL;
}

const char *fg_pattern_library(char text[FG_PATTERN_LIBRARY]) {
    int size = pcre2_config(PCRE2_CONFIG_VERSION, NULL); /* with its NUL */
    if (size < 1 || size > FG_PATTERN_LIBRARY || pcre2_config(PCRE2_CONFIG_VERSION, text) < 0) *text = '\0';
    return text;
}
