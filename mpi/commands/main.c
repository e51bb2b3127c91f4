/* The program: options, MPI where it is needed, one command, one message, one exit code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error_json.h"
#include "base/log.h"
#include "cli/command_line.h"
#include "commands/command_table.h"
#include "commands/converter_search.h"
#include "commands/failure.h"
#include "commands/run.h"
#include "commands/start.h"
#include "commit.h" /* which the build writes */
#include "device/device.h"
#include "interrupt.h"
#include "launcher.h"
#include "mpirun.h"

/* srun without MPI, or the launcher of another MPI, is right for processes that do different things, and
 * wrong for one run on several ranks. */
static void warn_unrelated(int processes) {
    fg_warn("%s started %d processes without MPI, and each does the whole work; for one run on all of them "
            "use mpirun or srun --mpi=pmix",
            getenv("SLURM_STEP_NUM_TASKS") ? "srun" : "a launcher", processes);
}

static void warn_left_over(const char *variable) {
    fg_warn("%s is left of a launcher that has ended: this process runs alone", variable);
}

/* Whether the command line asks for JSON, also one that could not be read. */
static bool asks_for_json(const fg_run *run) {
    bool found = run->options->json;
    for (int i = 1; !found && i < run->argc && strcmp(run->argv[i], "--") != 0; i++)
        found = strcmp(run->argv[i], "--json") == 0;
    return found;
}

static void tell(const fg_run *run, const fg_error *err) {
    fg_failure_print(err);
    if (!*run->printed && asks_for_json(run)) fg_error_json(err, run->out);
}

/* A command that is not collective is rank 0's. */
static fg_status carry_out(const fg_run *run, fg_error *err) {
    const fg_command *command = run->options->command;
    fg_status status = FG_OK;
    if (command->collective || run->ranks->rank == 0) status = fg_failure_said(command->run(run, err), err);
    return command->collective ? status : fg_ranks_agree(run->ranks, err);
}

/* With an error of the command line, which a rank may have alone: a path need not be there on every node.
 * Rank 0 prints the error before any rank ends: a launcher kills the others when one ends with an error. */
static fg_status with_ranks(const fg_run *alone, const fg_launch *launch, fg_error *err) {
    fg_ranks ranks = {0};
    fg_run run = *alone;
    fg_error failure = {0}; /* of starting, whatever `err` holds already */
    bool first = launch->rank == 0;
    if (!first) fg_interrupt_delay(FG_OTHERS_DELAY);
    fg_status status = fg_start_ranks(&ranks, launch, run.options->dump, &run.argc, &run.argv, &failure);
    if (status != FG_OK) {
        if (!fg_ranks_failed(&ranks)) fg_failure_exit(&failure, launch->rank);
        tell(&run, &failure);
        fg_ranks_stop(&ranks);
        return status;
    }
    run.ranks = &ranks;
    first = ranks.rank == 0;
    if (ranks.size == 1 && launch->size > 1)
        warn_unrelated(launch->size); /* PMI 2, of which this MPI knows nothing */
    if (!first) {
        fg_log_silence();
        fg_interrupt_delay(FG_OTHERS_DELAY);
    }
    /* Measured: products of a panel with some 24 tokens are bound by memory; a second thread of BLAS makes
     * them slower. Cores are used by ranks. */
    fg_device_cpu_threads(1);
    status = fg_ranks_agree(&ranks, err);
    if (status == FG_OK) status = carry_out(&run, err);
    if (status != FG_OK && (first || fg_ranks_failed(&ranks))) {
        tell(&run, err);
        if (ranks.size > 1 && !launch->ours) fg_failure_close();
    }
    if (launch->ours && !fg_ranks_failed(&ranks)) {
        if (first) fg_failure_send(status);
        status = FG_OK;
    }
    fg_interrupt_finish(status);
    fg_ranks_stop(&ranks);
    return status;
}

/* --ranks counts before a launcher did. */
static fg_status check_ranks(const fg_options *options, const fg_launch *launch, fg_error *err) {
    bool launched = launch->size != 1 || launch->watched || launch->unrelated;
    if (!options->ranks || launch->ours || !launched) return FG_OK;
    fg_fail(err, FG_ERR_USAGE, "--ranks starts mpirun, but mpirun or srun has started this process already");
    return fg_hint(err, "remove --ranks; the launcher has the number (mpirun -n, srun --ntasks)");
}

/* One process is this one. */
static bool starts_ranks(const fg_options *options, const fg_launch *launch) {
    return options->ranks > 1 && !launch->ours;
}

/* What stops all ranks at once is told here: none of them knows why. */
static fg_status stay_with_ranks(const fg_run *run, int *code, fg_error *err) {
    fg_mpirun_end end;
    fg_error stopped = {0};
    FG_CALL(fg_mpirun(run->options->ranks, run->argv, &end, err));
    *code = end.code;
    if (!end.what[0] || !asks_for_json(run)) return FG_OK;
    fg_fail(&stopped, (fg_status)end.code, "%s", end.what);
    fg_error_json(&stopped, run->out);
    return FG_OK;
}

/* *code: how mpirun ended, if this process only started it. */
static fg_status on_one_process(const fg_run *run, int *code, fg_error *err) {
    if (starts_ranks(run->options, run->launch)) return stay_with_ranks(run, code, err);
    fg_start_alone(run->options->command->writes);
    FG_CALL(fg_failure_said(run->options->command->run(run, err), err));
    return fg_alloc_check(err);
}

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

int main(int argc, char **argv) {
    fg_error err = {0};
    fg_options options = {0};
    fg_catalogue catalogue = {0};
    bool printed = false;
    fg_start_process();
    fg_launch launch = fg_launch_read();
    fg_alloc_init();
    fg_log_colours_set(fg_launch_colours(launch.stderr_terminal));
    if (launch.rank != 0) fg_log_silence();
    fg_run run = {.launch = &launch,
                  .options = &options,
                  .catalogue = &catalogue,
                  .version = FG_VERSION,
                  .commit = FG_COMMIT,
                  .in = stdin,
                  .out = stdout,
                  .printed = &printed,
                  .argc = argc,
                  .argv = argv};
    if (launch.rank == 0 && !launch.ours && asks_for_json(&run)) fg_interrupt_document(run.out, run.printed);
    int code = FG_OK; /* of mpirun */
    fg_status status = parse_command_line(&options, &catalogue, argc, argv, &err);
    if (status == FG_OK) status = check_ranks(&options, &launch, &err);
    if (launch.size != 1 ||
        (status == FG_OK && options.command->collective && !starts_ranks(&options, &launch))) {
        if (launch.unrelated) warn_unrelated(launch.unrelated);
        if (launch.left_over) warn_left_over(launch.left_over);
        status = with_ranks(&run, &launch, &err);
    } else {
        if (status == FG_OK) status = on_one_process(&run, &code, &err);
        if (status != FG_OK) tell(&run, &err);
    }
    fg_catalogue_free(&catalogue);
    fg_options_free(&options);
    fg_log_end();
    return !check_leaks() ? FG_ERR_BUG : status != FG_OK ? (int)status : code;
}
