/* The program: options, MPI where it is needed, one command, one message, one exit code. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/command_line.h"
#include "commands/command_table.h"
#include "commands/converter_search.h"
#include "commands/run.h"
#include "device/blas_core.h"
#include "device/device.h"
#include "dump.h"
#include "interrupt.h"
#include "launcher.h"

/* Milliseconds that rank 0 has for cleaning up before another rank ends and the launcher ends them all. */
enum { OTHERS_DELAY = 400 };

static void sleep_ms(long milliseconds) {
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000},
              NULL);
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
    FG_CALL(fg_interrupt_start(err));
    if (options->dump) FG_CALL(fg_dump_prepare(err));
    return fg_ranks_start(ranks, launch, argc, argv, err);
}

/* srun without MPI is right for processes that do different things, and wrong for one run on several
 * ranks. */
static void warn_unrelated(int processes) {
    fg_warn("srun started %d processes without MPI, and each does the whole work; for one run on all of them "
            "use mpirun or srun --mpi=pmix",
            processes);
}

/* Rank 0 prints the error before any rank ends: a launcher kills the others when one ends with an error. */
static fg_status with_ranks(const fg_run *alone, const fg_launch *launch, fg_error *err) {
    fg_ranks ranks = {0};
    fg_run run = *alone;
    const fg_command *command = run.options->command;
    bool first = launch->rank == 0;
    if (!first) fg_interrupt_delay(OTHERS_DELAY);
    fg_status status = start(&ranks, launch, run.options, &run.argc, &run.argv, err);
    if (status != FG_OK) {
        if (first || fg_ranks_failed(&ranks)) print_error(err);
        if (fg_ranks_failed(&ranks)) fg_ranks_stop(&ranks);
        return status;
    }
    run.ranks = &ranks;
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
    if (command->collective || first) status = command->run(&run, err);
    if (!command->collective) status = fg_ranks_agree(&ranks, err);
    if (status != FG_OK && (first || fg_ranks_failed(&ranks))) print_error(err);
    fg_interrupt_finish(status);
    fg_ranks_stop(&ranks);
    return status;
}

/* A command line that is wrong ends every rank in the same way, without MPI. */
static fg_status parse_command_line(fg_options *options, fg_catalogue *catalogue, int argc, char **argv,
                                    fg_error *err) {
    static const char *const built_in[] = {FG_SOURCE_CONVERTERS, FG_INSTALLED_CONVERTERS, NULL};
    fg_status status = fg_command_line_parse(options, &fg_command_table, argc, argv, err);
    if (status != FG_OK) return status;
    fg_log_level_set(options->verbosity < 0   ? FG_LOG_QUIET
                     : options->verbosity > 0 ? FG_LOG_VERBOSE
                                              : FG_LOG_NORMAL);
    if (options->command->bare) return FG_OK;
    return fg_converter_search(options->converter_paths, options->converter_path_count, built_in, catalogue,
                               err);
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
    fg_run run = {.options = &options,
                  .catalogue = &catalogue,
                  .version = FG_VERSION,
                  .in = stdin,
                  .out = stdout,
                  .argc = argc,
                  .argv = argv};
    fg_status status = parse_command_line(&options, &catalogue, argc, argv, &err);
    if (status == FG_OK && (options.command->collective || launch.size != 1)) {
        if (launch.unrelated) warn_unrelated(launch.unrelated);
        status = with_ranks(&run, &launch, &err);
    } else {
        if (status == FG_OK) status = options.command->run(&run, &err);
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
