/* Waiting for what another process does, without keeping a core busy for long: between one look and the next
 * a process first yields its core, then sleeps for an eighth of the time that it has waited. So it learns of
 * the end not much later than one that looks all the time. */
#ifndef FG_MPI_PATIENCE_H
#define FG_MPI_PATIENCE_H

/* Start from zeros for each thing that is waited for. Seconds. */
typedef struct fg_patience {
    double begun;         /* of a clock; 0: not yet */
    double longest_sleep; /* 0: as suits what comes by itself */
} fg_patience;

/* Between two looks. */
void fg_patience_wait(fg_patience *patience);

#endif
