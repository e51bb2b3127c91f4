/* What mpirun itself prints on stderr, between what its processes print: boxes between two lines of
 * dashes, and a line for each signal that it passes on. A box that only repeats that a process ended with an
 * error is left out, as that process has said why; one about a process that a signal ended becomes one line
 * of ours. FG_EXIT_LINE is for us alone. Everything else passes, and without delay: a progress bar has no
 * ends of lines.
 */
#ifndef FG_MPI_LAUNCHER_TEXT_H
#define FG_MPI_LAUNCHER_TEXT_H

#include "base/buffer.h"

/* Behind it rank 0 prints the exit code of a run that ended in order. */
#define FG_EXIT_LINE "fgconv exits with "

/* Start from zeros. */
typedef struct fg_launcher_text {
    fg_buffer line;         /* owned; of a line that is looked at as a whole, what has come so far */
    fg_buffer box;          /* owned; of a box, what has come so far; empty: outside of boxes */
    bool passes;            /* the line is a process's, and its beginning has passed */
    bool ended;             /* FG_EXIT_LINE has come */
    int exit_code;          /* its code */
    bool lost_node;         /* mpirun says that it has lost a node, or the way to it */
    bool stopped;           /* a signal stops the run: how its processes end is no news */
    bool told;              /* rank 0 has said which one */
    char end_message[256];  /* about a rank that a signal ended */
    char stop_message[256]; /* rank 0's, about a signal; both without "fgconv: " */
} fg_launcher_text;

/* Appends to `out` what is to be printed of these bytes and those that were kept. */
fg_status fg_launcher_text_add(fg_launcher_text *text, const char *bytes, size_t size, fg_buffer *out,
                               fg_error *err);
/* The same of what was kept, and frees it: nothing follows. */
fg_status fg_launcher_text_end(fg_launcher_text *text, fg_buffer *out, fg_error *err);

#endif
