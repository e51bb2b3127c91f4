/* The program: options, MPI where it is needed, one command, one message, one exit code. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/command_table.h"
#include "cli/commands.h"
#include "commands/run.h"
#include "dump.h"
#include "interrupt.h"
#include "launcher.h"
#include "device/blas_core.h"
#include "device/device.h"

/* Milliseconds that rank 0 has for cleaning up before another rank ends and the launcher ends them all. */
enum { OTHERS_DELAY = 400 };

static void sleep_ms(long milliseconds) {
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000},
              NULL);
}

static bool uses_ranks(fg_command command) {
    const fg_command_entry *entry = fg_command_entry_of(command);
    return entry && entry->parallel;
}

/* Commands that need one process; under mpirun rank 0 carries them out. */
static fg_status run_alone(const fg_options *options, fg_catalogue *catalogue, fg_error *err) {
    switch (options->command) {
    case FG_COMMAND_HELP:
        fg_options_print_help(options, stdout);
        return fg_cli_flush(stdout, err);
    case FG_COMMAND_VERSION:
        printf("fgconv %s\n", FG_VERSION);
        return fg_cli_flush(stdout, err);
    case FG_COMMAND_CONFIG:
        return fg_command_config(options, catalogue, FG_VERSION, stdout, err);
    case FG_COMMAND_INSPECT:
        return fg_command_inspect(options, stdout, err);
    case FG_COMMAND_DIFF:
        return fg_command_diff(options, stdout, err);
    case FG_COMMAND_LIST:
        return fg_command_list(options, catalogue, stdout, err);
    case FG_COMMAND_LINT:
        return fg_command_lint(options, catalogue, stdout, err);
    case FG_COMMAND_TOKENIZE:
        return fg_command_tokenize(options, stdin, stdout, err);
    case FG_COMMAND_COMPLETION:
        return fg_command_completion(options, stdout, err);
    default:
        return fg_fail(err, FG_ERR_BUG, "no handler for command %d", (int)options->command);
    }
}

static fg_status run_together(const fg_run *run, fg_error *err) {
    switch (run->options->command) {
    case FG_COMMAND_VALIDATE:
        return fg_run_validate(run, err);
    case FG_COMMAND_VERIFY:
        return fg_run_verify(run, err);
    default:
        return fg_run_convert(run, err);
    }
}

static void print_error(const fg_error *err) {
    char message[FG_ERROR_TEXT + FG_ERROR_WHERE + FG_ERROR_HINT + 64];
    fg_error_message(err, message, sizeof message);
    fprintf(stderr, "fgconv: error: %s\n", message);
    if (err->status == FG_ERR_BUG)
        fprintf(stderr,
                "fgconv: this is a defect of fgconv itself; please report it with the command line\n");
}

static fg_status start(fg_ranks *ranks, const fg_launch *launch, const fg_options *options, int *argc,
                       char ***argv, fg_error *err) {
    fg_status status = FG_OK;
    FG_TRY(fg_interrupt_start(err));
    if (options->dump) FG_TRY(fg_dump_prepare(err));
    FG_TRY(fg_ranks_start(ranks, launch, argc, argv, err));
done:
    return status;
}

/* srun without MPI is right for processes that do different things, and wrong for one run on several
 * ranks. */
static void warn_unrelated(int processes) {
    fg_warn("srun started %d processes without MPI, and each does the whole work; for one run on all of them "
            "use mpirun or srun --mpi=pmix",
            processes);
}

/* Rank 0 prints the error before any rank ends: a launcher kills the others when one ends with an error. */
static fg_status with_ranks(int argc, char **argv, const fg_options *options, fg_catalogue *catalogue,
                            const fg_launch *launch, fg_error *err) {
    fg_ranks ranks;
    bool first = launch->rank == 0;
    if (!first) fg_interrupt_delay(OTHERS_DELAY);
    fg_status status = start(&ranks, launch, options, &argc, &argv, err);
    if (status != FG_OK) {
        if (first) print_error(err);
        return status;
    }
    fg_run run = {.ranks = &ranks,
                  .options = options,
                  .catalogue = catalogue,
                  .version = FG_VERSION,
                  .argc = argc,
                  .argv = argv};
    first = ranks.rank == 0;
    if (ranks.size == 1 && launch->size > 1)
        warn_unrelated(launch->size); /* PMI 2, of which this MPI knows nothing */
    if (!first) {
        fg_log_silence();
        fg_interrupt_delay(OTHERS_DELAY);
    }
    /* Measured: products of a panel with some 24 tokens are bound by memory; a second thread of BLAS makes
     * them slower. Cores are used by ranks. */
    fg_device_cpu_threads(1);
    if (uses_ranks(options->command)) {
        status = run_together(&run, err);
    } else {
        if (first) run_alone(options, catalogue, err);
        status = fg_ranks_agree(&ranks, err);
    }
    if (status != FG_OK && first) print_error(err);
    fg_interrupt_finish(status);
    fg_ranks_stop(&ranks);
    return status;
}

/* A command line that is wrong ends every rank in the same way, without MPI. */
static fg_status parse_command_line(fg_options *options, fg_catalogue *catalogue, int argc, char **argv,
                                    fg_error *err) {
    static const char *const built_in[] = {FG_SOURCE_CONVERTERS, FG_INSTALLED_CONVERTERS, NULL};
    fg_status status = fg_options_parse(options, argc, argv, err);
    if (status == FG_OK) {
        fg_log_level_set(options->verbosity < 0   ? FG_LOG_QUIET
                         : options->verbosity > 0 ? FG_LOG_VERBOSE
                                                  : FG_LOG_NORMAL);
        status = fg_cli_catalogue(options, built_in, catalogue, err);
    }
    return status;
}

/* Tests set FGCONV_CHECK_LEAKS: a sanitizer cannot tell our leaks from those of Open MPI's unloaded
 * modules. */
static bool check_leaks(void) {
    uint64_t live = fg_alloc_live();
    if (!getenv("FGCONV_CHECK_LEAKS") || live == 0) return true;
    fprintf(stderr, "fgconv: %llu bytes were not freed\n", (unsigned long long)live);
    return false;
}

/* A stream that the caller closed would lend its number to the next file, and what is printed would go there.
 * It stays a failure to use it: what is printed to stands open for reading, and the other way about. */
static void keep_streams_apart(void) {
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0) open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* OpenBLAS chose its kernels before main. To have others the program begins again, under the same process
 * number and with the same launcher; the variable, now set, makes that happen once. If it cannot, the run is
 * slower. */
static void choose_blas_core(char **argv) {
    const char *core = fg_blas_core_advice();
    if (core && setenv(FG_BLAS_CORE_VARIABLE, core, 1) == 0) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv) {
    fg_error err = {0};
    fg_options options = {0};
    fg_catalogue catalogue = {0};
    keep_streams_apart();
    choose_blas_core(argv);
    fg_launch launch = fg_launch_read();
    fg_alloc_init();
    if (launch.rank != 0) fg_log_silence();
    fg_status status = parse_command_line(&options, &catalogue, argc, argv, &err);
    if (status == FG_OK && (uses_ranks(options.command) || launch.size != 1)) {
        if (launch.unrelated) warn_unrelated(launch.unrelated);
        status = with_ranks(argc, argv, &options, &catalogue, &launch, &err);
    } else {
        if (status == FG_OK) status = run_alone(&options, &catalogue, &err);
        if (status == FG_OK) status = fg_alloc_check(&err);
        if (status != FG_OK && launch.rank == 0) print_error(&err);
        /* without MPI nothing else gives rank 0 the time to print the error before the launcher kills it */
        if (status != FG_OK && launch.rank != 0) sleep_ms(OTHERS_DELAY);
    }
    fg_catalogue_free(&catalogue);
    fg_options_free(&options);
    fg_log_reset();
    return check_leaks() ? (int)status : FG_ERR_BUG;
}
