#define _GNU_SOURCE /* pipe2 */
#include "mpirun.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "interrupt.h"
#include "launcher_text.h"
#include "open_mpi_settings.h" /* of slurm/open-mpi.env */
#include "ranks.h"

enum { CHUNK = 4096, NUMBER = 24, NAME = 128 };

/* Milliseconds between two looks whether a signal is due. */
enum { LOOK = 20 };

/* Seconds in which Slurm's own signal to mpirun, which a job that is cancelled gets everywhere, has
 * worked. mpirun takes a second one within 5 seconds for haste, and ends without waiting for its ranks. */
static const double SLURM_WORKS = 6;

/* What mpirun returns when it fails itself: 1, or, of Open MPI 5, what is above 128 + the number of any
 * signal. Open MPI 4 returns 205 when a node is lost, which the batch scripts know. */
enum { MPIRUN_FAILED = 1, HIGHEST_OF_RANKS = 128 + 64, NODE_LOST = 205 };

typedef struct launching {
    char *directory; /* owned; Open MPI's session directory, removed at the end; NULL: not ours */
    char *program;   /* owned; this one */
    sigset_t signals, before;
    int stderr_pipe[2], signal_fd;
    pid_t child;
    int passed;    /* a signal for mpirun; 0: none */
    double due;    /* when it is sent, on fg_clock_seconds; 0: it was, or none */
    int wait_code; /* of waitpid, once the child has ended */
    fg_launcher_text text;
} launching;

/* ---- before ---- */

static fg_status find_mpirun(fg_error *err) {
    const char *path = getenv("PATH");
    fg_status status = FG_OK;
    while (path && *path) {
        size_t length = strcspn(path, ":");
        char name[CHUNK];
        snprintf(name, sizeof name, "%.*s/mpirun", (int)length, path);
        if (length && access(name, X_OK) == 0) return FG_OK;
        path += length + (path[length] == ':');
    }
    status = fg_fail(err, FG_ERR_USAGE, "--ranks: there is no program mpirun on the PATH");
    fg_hint(err, "install Open MPI or load its module; without --ranks fgconv runs as one process");
    return status;
}

/* Of a launcher that has ended: mpirun would take itself for one of its processes. */
static void clear_left_over(void) {
    static const char *const prefixes[] = {"OMPI_COMM_WORLD_", "OMPI_UNIVERSE_SIZE", "PMIX_", "OMPI_MCA_ess",
                                           "OMPI_MCA_orte_ess"};
    enum { PREFIXES = sizeof prefixes / sizeof *prefixes };
    for (char **at = environ; *at;) {
        char name[NAME];
        bool theirs = false;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*at, "="), *at);
        for (int i = 0; i < PREFIXES; i++) theirs = theirs || fg_starts_with(name, prefixes[i]);
        if (!theirs || unsetenv(name) != 0) at++; /* else another one has its place */
    }
}

static void set_variables(const char *directory) {
    static const struct {
        const char *name, *value;
    } settings[] = {FG_OPEN_MPI_SETTINGS,
                    /* in containers without the right to read another process's memory it complains */
                    {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
                    {"HWLOC_COMPONENTS", FG_HWLOC_COMPONENTS},
                    {"HOME", FG_NO_HOME}};
    char terminals[NUMBER];
    clear_left_over();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setenv(settings[i].name, settings[i].value, 0);
    if (directory) {
        setenv("OMPI_MCA_orte_tmpdir_base", directory, 0);
        setenv("PRTE_MCA_prte_tmpdir_base", directory, 0);
    }
    if (geteuid() == 0) {
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    snprintf(terminals, sizeof terminals, "%s%s", isatty(STDOUT_FILENO) ? "1" : "",
             isatty(STDERR_FILENO) ? "2" : "");
    setenv(FG_TERMINALS_VARIABLE, terminals, 1);
}

/* On several nodes the directory would stay on the others. Where none can be made Open MPI says so itself. */
static fg_status make_directory(launching *l, fg_error *err) {
    const char *parent = getenv("TMPDIR"), *nodes = getenv("SLURM_JOB_NUM_NODES");
    char name[NUMBER + 8];
    fg_error failure = {0};
    if (getenv("OMPI_MCA_orte_tmpdir_base") || (nodes && strcmp(nodes, "1") != 0)) return FG_OK;
    snprintf(name, sizeof name, "fgconv-%ld", (long)getpid());
    l->directory = fg_path_join(parent && *parent ? parent : "/tmp", name, err);
    if (!l->directory) return FG_ERR_MEMORY;
    if (fg_directory_create(l->directory, &failure) == FG_OK) return FG_OK;
    fg_free(l->directory);
    l->directory = NULL;
    return FG_OK;
}

static fg_status open_streams(launching *l, fg_error *err) {
    static const int numbers[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
                                  SIGUSR2, SIGALRM, SIGXCPU, SIGCHLD};
    sigemptyset(&l->signals);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) sigaddset(&l->signals, numbers[i]);
    sigprocmask(SIG_BLOCK, &l->signals, &l->before);
    l->signal_fd = signalfd(-1, &l->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signal_fd < 0 || pipe2(l->stderr_pipe, O_CLOEXEC))
        return fg_fail_errno(err, errno, "cannot start mpirun");
    fcntl(l->stderr_pipe[0], F_SETFL, O_NONBLOCK);
    return FG_OK;
}

/* In the child: mpirun in a process group of its own, so that a signal of the terminal reaches it once,
 * through us. No command on several ranks reads stdin. */
static void become_mpirun(const launching *l, uint64_t ranks, char **argv, size_t count, char **words) {
    char number[NUMBER];
    size_t at = 0;
    snprintf(number, sizeof number, "%llu", (unsigned long long)ranks);
    words[at++] = "mpirun";
    words[at++] = "--oversubscribe";
    words[at++] = "--bind-to";
    words[at++] = "none";
    words[at++] = "-n";
    words[at++] = number;
    words[at++] = l->program;
    memcpy(words + at, argv + 1, count * sizeof *words);
    words[at + count] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0);
    sigprocmask(SIG_SETMASK, &l->before, NULL);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    dup2(l->stderr_pipe[1], STDERR_FILENO);
    execvp(words[0], words);
    fprintf(stderr, "fgconv: cannot run mpirun: %s\n", strerror(errno));
    _exit(FG_ERR_SYSTEM);
}

static fg_status start(launching *l, uint64_t ranks, char **argv, fg_error *err) {
    enum { WORDS = 8 };
    size_t count = 0;
    while (argv[1 + count]) count++;
    char **words = fg_alloc(count + WORDS, sizeof *words, err);
    if (!words) return FG_ERR_MEMORY;
    fflush(NULL);
    l->child = fork();
    if (l->child == 0) become_mpirun(l, ranks, argv, count, words);
    int failed = errno;
    signal(SIGPIPE, SIG_IGN); /* a reader of stderr that went away does not stop the run */
    fg_free(words);
    close(l->stderr_pipe[1]);
    l->stderr_pipe[1] = -1;
    return l->child < 0 ? fg_fail_errno(err, failed, "cannot start mpirun") : FG_OK;
}

/* ---- meanwhile ---- */

static void print(const fg_buffer *out) {
    if (out->length) fwrite(out->data, 1, out->length, stderr);
    fflush(stderr);
}

/* What there is now. *open: whether more can come. */
static fg_status pass_text(launching *l, bool *open, fg_error *err) {
    char bytes[CHUNK];
    fg_status status = FG_OK;
    fg_buffer out = {0};
    for (;;) {
        ssize_t size = read(l->stderr_pipe[0], bytes, sizeof bytes);
        *open = size != 0;
        if (size <= 0) break;
        FG_TRY(fg_launcher_text_add(&l->text, bytes, (size_t)size, &out, err));
        print(&out);
        fg_buffer_clear(&out);
    }
done:
    fg_buffer_free(&out);
    return status;
}

static void take_signals(launching *l, bool *ended) {
    struct signalfd_siginfo signal;
    while (read(l->signal_fd, &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo == SIGCHLD) {
            *ended = *ended || waitpid(l->child, &l->wait_code, WNOHANG) == l->child;
        } else {
            if (l->due <= 0) l->due = fg_clock_seconds() + (getenv("SLURM_JOB_ID") ? SLURM_WORKS : 0);
            l->passed = (int)signal.ssi_signo;
            l->text.stopped = true;
        }
    }
}

static fg_status stay(launching *l, fg_error *err) {
    bool ended = false, open = true;
    while (!ended) {
        struct pollfd sources[] = {{.fd = l->signal_fd, .events = POLLIN},
                                   {.fd = open ? l->stderr_pipe[0] : -1, .events = POLLIN}};
        poll(sources, 2, l->due > 0 ? LOOK : -1);
        take_signals(l, &ended);
        if (open) FG_CALL(pass_text(l, &open, err));
        if (!ended && l->due > 0 && fg_clock_seconds() >= l->due) {
            kill(l->child, l->passed);
            l->due = 0;
        }
    }
    return FG_OK;
}

/* ---- afterwards ---- */

static fg_status print_rest(launching *l, fg_error *err) {
    fg_buffer out = {0};
    fg_status status = fg_launcher_text_end(&l->text, &out, err);
    print(&out);
    fg_buffer_free(&out);
    return status;
}

/* Open MPI 5 hears nothing more of its ranks once it ends them. */
static void say_stopped(const launching *l, int code) {
    if (l->passed && code == 128 + l->passed && !l->text.told)
        fprintf(stderr, "\nfgconv: stopped by %s\n", fg_interrupt_name(l->passed));
}

/* Open MPI 5 returns 0, too, when it has lost a node. */
static fg_status judge_end(const launching *l, int *code, fg_error *err) {
    *code = l->text.ended ? l->text.exit_code : MPIRUN_FAILED;
    if (l->text.ended || l->text.lost_node || l->passed) return FG_OK;
    fg_fail(err, FG_ERR_SYSTEM, "mpirun ended before fgconv did");
    return fg_hint(err,
                   "look at what mpirun has printed: a node or the network between nodes may have failed");
}

/* mpirun fails, too, when a signal stops it; else it has said why. */
static fg_status judge(const launching *l, int *code, fg_error *err) {
    if (WIFSIGNALED(l->wait_code)) {
        if (!l->passed)
            return fg_fail(err, FG_ERR_SYSTEM, "mpirun ended by signal %d (%s)", WTERMSIG(l->wait_code),
                           strsignal(WTERMSIG(l->wait_code)));
        *code = 128 + l->passed;
        return FG_OK;
    }
    *code = WEXITSTATUS(l->wait_code);
    if (*code == 0) FG_CALL(judge_end(l, code, err));
    bool failed = *code == MPIRUN_FAILED || (*code > HIGHEST_OF_RANKS && *code != NODE_LOST);
    if (failed) *code = l->passed ? 128 + l->passed : l->text.lost_node ? NODE_LOST : FG_ERR_SYSTEM;
    return FG_OK;
}

/* What a signal or a lost node stopped says nothing itself. */
static void tell_what(const launching *l, fg_mpirun_end *end) {
    const fg_launcher_text *t = &l->text;
    const char *said = t->end_message[0] ? t->end_message : t->stop_message;
    if (t->ended || end->code <= 128) return;
    if (*said)
        snprintf(end->what, sizeof end->what, "%s", said);
    else if (l->passed)
        snprintf(end->what, sizeof end->what, "stopped by %s", fg_interrupt_name(l->passed));
    else
        snprintf(end->what, sizeof end->what, "a node or the network between nodes was lost");
}

static void close_all(launching *l) {
    fg_error unimportant = {0};
    const int files[] = {l->signal_fd, l->stderr_pipe[0], l->stderr_pipe[1]};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] >= 0) close(files[i]);
    if (l->directory) fg_directory_remove(l->directory, &unimportant);
    fg_free(l->directory);
    fg_free(l->program);
    fg_buffer_free(&l->text.line);
    fg_buffer_free(&l->text.box);
}

fg_status fg_mpirun(uint64_t ranks, char **argv, fg_mpirun_end *end, fg_error *err) {
    fg_status status = FG_OK;
    *end = (fg_mpirun_end){0};
    launching l = {.stderr_pipe = {-1, -1}, .signal_fd = -1};
    FG_TRY(find_mpirun(err));
    FG_TRY(fg_path_real("/proc/self/exe", &l.program, err));
    FG_TRY(make_directory(&l, err));
    set_variables(l.directory);
    FG_TRY(open_streams(&l, err));
    FG_TRY(start(&l, ranks, argv, err));
    FG_TRY(stay(&l, err));
    FG_TRY(print_rest(&l, err));
    FG_TRY(judge(&l, &end->code, err));
    say_stopped(&l, end->code);
    tell_what(&l, end);
done:
    if (l.child > 0 && status == FG_ERR_MEMORY) kill(l.child, SIGTERM);
    close_all(&l);
    return status;
}
