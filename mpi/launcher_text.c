#include "launcher_text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lines as Open MPI 4 and 5 print them. */
static const char FRAME[] = "--------------------------------------------------------------------------\n";
static const char FORWARDS[] = "mpirun: Forwarding signal ";
static const char LOST[] = "has lost communication with a remote daemon";
static const char STOPPED[] = "fgconv: stopped by "; /* of a rank */
static const char *const repeats[] = {
    "a non-zero exit code. Per user-direction, the job has been aborted.",
    "one or more processes exited with non-zero status",
    "MPI_ABORT was invoked on rank",
    "MPI_Abort was invoked on rank",
};

/* "mpirun noticed that process rank 3 with PID 0 on node a1 exited on signal 9 (Killed).", on one line or,
 * as Open MPI 5 prints it, on two. */
static bool ended_by_signal(const char *box, int *rank, char node[64], int *number) {
    static const char NOTICED[] = "noticed that process rank ", NODE[] = " on node ", EXITED[] = " exited on",
                      SIGNALLED[] = "signal ";
    const char *who = strstr(box, NOTICED), *where = who ? strstr(who, NODE) : NULL,
               *how = where ? strstr(where, EXITED) : NULL, *which = how ? how + sizeof EXITED - 1 : "";
    which += strspn(which, " \n");
    if (!fg_starts_with(which, SIGNALLED)) return false;
    where += sizeof NODE - 1;
    *rank = (int)strtol(who + sizeof NOTICED - 1, NULL, 10);
    *number = (int)strtol(which + sizeof SIGNALLED - 1, NULL, 10);
    snprintf(node, 64, "%.*s", (int)(how - where), where);
    return *number > 0;
}

static fg_status say_ended(fg_launcher_text *text, int rank, const char *node, int number, fg_buffer *out,
                           fg_error *err) {
    if (number == SIGKILL)
        snprintf(text->end_message, sizeof text->end_message,
                 "rank %d on node %s was killed (out of memory?)", rank, node);
    else
        snprintf(text->end_message, sizeof text->end_message, "rank %d on node %s ended by signal %d (%s)",
                 rank, node, number, strsignal(number));
    return fg_buffer_printf(out, err, "fgconv: %s\n", text->end_message);
}

static void note_stop(fg_launcher_text *text, const char *line) {
    const char *said = line + strlen("fgconv: ");
    if (!fg_starts_with(line, STOPPED)) return;
    text->told = true;
    snprintf(text->stop_message, sizeof text->stop_message, "%.*s", (int)strcspn(said, "\n"), said);
}

static fg_status end_box(fg_launcher_text *text, fg_buffer *out, fg_error *err) {
    const char *box = text->box.data;
    char node[64];
    int rank, number;
    bool repeated = false;
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++)
        repeated = repeated || strstr(box, repeats[i]);
    text->lost_node = text->lost_node || strstr(box, LOST);
    if (ended_by_signal(box, &rank, node, &number)) {
        if (!text->stopped) FG_CALL(say_ended(text, rank, node, number, out, err));
    } else if (!repeated) {
        FG_CALL(fg_buffer_put(out, box, err));
    }
    fg_buffer_clear(&text->box);
    return FG_OK;
}

static fg_status end_line(fg_launcher_text *text, fg_buffer *out, fg_error *err) {
    const char *line = text->line.data;
    size_t length = text->line.length, bar = length > sizeof FRAME - 1 ? length - (sizeof FRAME - 1) : 0;
    if (bar && strcmp(line + bar, FRAME) == 0) {
        FG_CALL(fg_buffer_printf(out, err, "%.*s\n", (int)bar, line)); /* a bar's line ends here */
        line += bar;
        length -= bar;
    }
    bool frame = strcmp(line, FRAME) == 0, opened = text->box.length > 0;
    if (opened || frame) {
        FG_CALL(fg_buffer_add(&text->box, line, length, err));
        if (opened && frame) FG_CALL(end_box(text, out, err));
    } else if (fg_starts_with(line, FG_EXIT_LINE)) {
        text->ended = true;
        text->exit_code = (int)strtol(line + sizeof FG_EXIT_LINE - 1, NULL, 10);
    } else if (!fg_starts_with(line, FORWARDS)) {
        note_stop(text, line);
        FG_CALL(fg_buffer_add(out, line, length, err));
    }
    fg_buffer_clear(&text->line);
    return FG_OK;
}

/* Whether the whole of a line that begins so is looked at. */
static bool may_matter(const fg_buffer *line) {
    static const char *const beginnings[] = {FRAME, FORWARDS, FG_EXIT_LINE, STOPPED};
    bool may = false;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        may = may || fg_starts_with(beginnings[i], line->data) || fg_starts_with(line->data, beginnings[i]);
    return may;
}

static fg_status add_part(fg_launcher_text *text, const char *bytes, size_t size, bool whole, fg_buffer *out,
                          fg_error *err) {
    size_t frame = sizeof FRAME - 1;
    bool opens = text->passes && size > frame && memcmp(bytes + size - frame, FRAME, frame) == 0;
    if (text->passes) {
        text->passes = !whole;
        FG_CALL(fg_buffer_add(out, bytes, opens ? size - frame : size, err));
        if (!opens) return FG_OK;
        FG_CALL(fg_buffer_put(out, "\n", err)); /* a bar's line ends here */
        bytes += size - frame;
        size = frame;
    }
    FG_CALL(fg_buffer_add(&text->line, bytes, size, err));
    if (whole) return end_line(text, out, err);
    if (text->box.length || may_matter(&text->line)) return FG_OK;
    text->passes = true;
    FG_CALL(fg_buffer_add(out, text->line.data, text->line.length, err));
    fg_buffer_clear(&text->line);
    return FG_OK;
}

fg_status fg_launcher_text_add(fg_launcher_text *text, const char *bytes, size_t size, fg_buffer *out,
                               fg_error *err) {
    for (const char *end = bytes + size; bytes < end;) {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t length = stop ? (size_t)(stop + 1 - bytes) : (size_t)(end - bytes);
        FG_CALL(add_part(text, bytes, length, stop != NULL, out, err));
        bytes += length;
    }
    return FG_OK;
}

fg_status fg_launcher_text_end(fg_launcher_text *text, fg_buffer *out, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_buffer_add(out, text->box.data, text->box.length, err));
    FG_TRY(fg_buffer_add(out, text->line.data, text->line.length, err));
done:
    fg_buffer_free(&text->box);
    fg_buffer_free(&text->line);
    return status;
}
