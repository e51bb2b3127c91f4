/* fgconv tokenize: encodes text to token ids, or decodes ids, line by line. With --json all lines are kept
 * and one document is printed, {"lines": [[1, 2, ...] or "TEXT", ...]}. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/print.h"
#include "commands/command_table.h"
#include "commands/run.h"
#include "tokenizer/tokenizer.h"

enum { BLOCK = 1 << 16, SHOWN = 40, PLACE = 60 };

typedef struct tokenization {
    fg_tokenizer *tokenizer;
    const fg_options *options;
    size_t line; /* from 1; 0: the argument */
    fg_id_list ids;
    fg_buffer text, print;
    json_t *lines; /* with --json; else NULL */
    FILE *out;
} tokenization;

/* Where the text or the ids come from, for messages. */
static const char *line_name(const tokenization *t, char *buffer, size_t size) {
    if (!t->line) return "the text";
    snprintf(buffer, size, "line %zu of the input", t->line);
    return buffer;
}

static fg_status refuse_line(const tokenization *t, const char *line, size_t length, const char *expected,
                             fg_error *err) {
    char where[PLACE];
    return fg_fail(err, FG_ERR_INPUT, "%s: found \"%.*s\", expected %s", line_name(t, where, sizeof where),
                   (int)(length < SHOWN ? length : SHOWN), line, expected);
}

static fg_status refuse_id(const tokenization *t, json_int_t id, fg_error *err) {
    char where[PLACE];
    fg_fail(err, FG_ERR_INPUT, "%s: the id %lld is not in the vocabulary", line_name(t, where, sizeof where),
            (long long)id);
    fg_about_found(err, "%lld", (long long)id);
    return fg_about_expected(err, "an id of the vocabulary");
}

static fg_status print_line(tokenization *t, fg_error *err) {
    fg_status status = fg_buffer_add(&t->print, "\n", 1, err);
    return status == FG_OK ? fg_print(t->out, FG_FOR_PROGRAMS, &t->print, err) : status;
}

/* The ids as a line, or as one of the document. */
static fg_status put_ids(tokenization *t, fg_error *err) {
    if (t->lines) {
        json_t *row = json_array();
        FG_CALL(fg_json_push(t->lines, row, err)); /* which owns it */
        for (size_t i = 0; i < t->ids.count; i++)
            FG_CALL(fg_json_push(row, json_integer((json_int_t)t->ids.ids[i]), err));
        return FG_OK;
    }
    fg_buffer_clear(&t->print);
    FG_CALL(fg_buffer_add(&t->print, "[", 1, err));
    for (size_t i = 0; i < t->ids.count; i++)
        FG_CALL(fg_buffer_printf(&t->print, err, "%s%u", i ? ", " : "", t->ids.ids[i]));
    FG_CALL(fg_buffer_add(&t->print, "]", 1, err));
    return print_line(t, err);
}

static fg_status encode_line(tokenization *t, const char *line, size_t length, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value = NULL;
    const char *text = line;
    if (t->options->jsonl) {
        FG_TRY(fg_json_load(line, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &value, NULL, err));
        if (!json_is_string(value)) FG_TRY(refuse_line(t, line, length, "a JSON string", err));
        text = json_string_value(value);
        length = json_string_length(value);
    }
    t->ids.count = 0;
    FG_TRY(fg_tokenizer_encode(t->tokenizer, text, length, t->options->special, &t->ids, err));
    FG_TRY(put_ids(t, err));
done:
    json_decref(value);
    return status;
}

static fg_status read_ids(tokenization *t, const char *line, size_t length, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value = NULL;
    FG_TRY(fg_json_load(line, length, JSON_DECODE_ANY, &value, NULL, err));
    if (!json_is_array(value)) FG_TRY(refuse_line(t, line, length, "a JSON array of ids", err));
    t->ids.count = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_integer(item)) FG_TRY(refuse_line(t, line, length, "a JSON array of ids", err));
        json_int_t id = json_integer_value(item);
        if (id < 0 || id > UINT32_MAX || !fg_tokenizer_knows(t->tokenizer, (uint32_t)id))
            FG_TRY(refuse_id(t, id, err));
        FG_TRY(fg_id_list_add(&t->ids, (uint32_t)id, err));
    }
done:
    json_decref(value);
    return status;
}

static fg_status decode_line(tokenization *t, const char *line, size_t length, fg_error *err) {
    fg_status status = FG_OK;
    json_t *value = NULL;
    FG_TRY(read_ids(t, line, length, err));
    fg_buffer_clear(&t->text);
    FG_TRY(fg_tokenizer_decode(t->tokenizer, t->ids.ids, t->ids.count, true, &t->text, err));
    fg_buffer_clear(&t->print);
    if (t->options->jsonl || t->lines) {
        value = json_stringn(t->text.data ? t->text.data : "", t->text.length);
        if (!value) FG_FAIL(err, FG_ERR_MEMORY, "out of memory while printing a text");
    }
    if (t->lines) return fg_json_push(t->lines, value, err);
    if (value) {
        FG_TRY(fg_json_write(value, FG_JSON_UTF8 | FG_JSON_COMPACT, &t->print, err));
    } else if (t->text.length) {
        FG_TRY(fg_buffer_add(&t->print, t->text.data, t->text.length, err));
    }
    FG_TRY(print_line(t, err));
done:
    json_decref(value);
    return status;
}

static fg_status do_line(tokenization *t, const char *line, size_t length, fg_error *err) {
    return t->options->decode ? decode_line(t, line, length, err) : encode_line(t, line, length, err);
}

/* Lines of any length; the last one may lack its newline. */
static fg_status do_lines(tokenization *t, FILE *in, fg_error *err) {
    fg_status status = FG_OK;
    fg_buffer line = {0};
    char *block = NULL;
    FG_NEW(block, BLOCK);
    for (size_t got; (got = fread(block, 1, BLOCK, in)) > 0;) {
        for (char *at = block, *end; at < block + got; at = end + 1) {
            end = memchr(at, '\n', (size_t)(block + got - at));
            FG_TRY(fg_buffer_add(&line, at, (size_t)((end ? end : block + got) - at), err));
            if (!end) break;
            t->line++;
            FG_TRY(do_line(t, line.data, line.length, err));
            fg_buffer_clear(&line);
        }
    }
    if (ferror(in)) FG_TRY(fg_fail_errno(err, errno, "cannot read the input"));
    t->line++;
    if (line.length) FG_TRY(do_line(t, line.data, line.length, err));
done:
    fg_free(block);
    fg_buffer_free(&line);
    return status;
}

static fg_status check_tokenize(fg_options *options, fg_error *err) {
    if (!options->decode || !options->special) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--special adds tokens to a text, but --decode reads token ids");
    return fg_hint(err, "remove one of the two");
}

static fg_status run_tokenize(const fg_run *run, fg_error *err) {
    fg_status status = FG_OK;
    const fg_options *options = run->options;
    json_t *document = options->json ? json_object() : NULL;
    tokenization t = {.options = options, .out = run->out};
    if (options->json) FG_TRY_NEW(t.lines, fg_json_put_array(document, "lines", err));
    FG_TRY(fg_tokenizer_open(&t.tokenizer, options->source, err));
    if (options->destination && strcmp(options->destination, "-") != 0)
        FG_TRY(do_line(&t, options->destination, strlen(options->destination), err));
    else
        FG_TRY(do_lines(&t, run->in, err));
    if (document) FG_TRY(fg_run_print(run, document, NULL, err));
done:
    json_decref(document);
    fg_tokenizer_free(&t.tokenizer);
    fg_id_list_free(&t.ids);
    fg_buffer_free(&t.text);
    fg_buffer_free(&t.print);
    return status;
}

const fg_command fg_tokenize_command = {
    .name = "tokenize",
    .arguments = "DIR [TEXT | -]",
    .least = 1,
    .most = 2,
    .complete = FG_COMPLETE_DIRECTORIES,
    .options = FG_TAKES_TEXT | FG_TAKES_JSON,
    .summary = "print the token ids of a text, or of each line of standard input",
    .about = "Prints the token ids of TEXT, or of each line of standard input, as JSON arrays. It uses the "
             "tokenizer.json in DIR; bytes that are not UTF-8 are read as U+FFFD. --json "
             "prints one object when all lines are read.",
    .example = "fgconv tokenize --special Llama-3.2-1B \"Hello, world\"",
    .check = check_tokenize,
    .run = run_tokenize,
};
