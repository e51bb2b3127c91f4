#include "launcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mpirun.h"

/* Whether the launcher that left these variables is there, and not only its variables. */
typedef bool launcher_lives(void);

/* Where PMIx's server listens: mpirun, its daemon or srun's on this machine. The names are those of PMIx's
 * versions; each has NAMESPACE.RANK;tcp4://ADDRESS:PORT. */
static const char *const servers[] = {"PMIX_SERVER_URI41", "PMIX_SERVER_URI4",  "PMIX_SERVER_URI3",
                                      "PMIX_SERVER_URI2",  "PMIX_SERVER_URI21", NULL};

static bool server_address(const char *uri, struct sockaddr_in *address) {
    static const char scheme[] = ";tcp4://";
    char host[INET_ADDRSTRLEN], *end;
    const char *from = strstr(uri, scheme), *colon = from ? strchr(from + sizeof scheme - 1, ':') : NULL;
    if (!colon) return false;
    from += sizeof scheme - 1;
    size_t length = (size_t)(colon - from);
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (length >= sizeof host || end == colon + 1 || port > UINT16_MAX) return false;
    memcpy(host, from, length);
    host[length] = '\0';
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

/* What cannot be told is left to MPI_Init, which prints its own text and ends the process. */
static bool listens(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return true;
    bool refused =
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

/* Open MPI meets its launcher by PMIx alone, and without a namespace takes the process for the only one. */
static bool pmix_lives(void) {
    struct sockaddr_in address;
    if (!getenv("PMIX_NAMESPACE")) return false;
    for (size_t i = 0; servers[i]; i++) {
        const char *uri = getenv(servers[i]);
        if (uri && server_address(uri, &address)) return listens(&address);
    }
    return true;
}

static bool always(void) {
    return true;
}

/* Where launchers leave rank and size. PMIx has no variable for the size; srun, when it offers PMIx, leaves
 * its own. */
static const struct {
    const char *rank, *size;
    launcher_lives *lives;
} variables[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", pmix_lives}, /* mpirun of Open MPI */
    {"PMIX_RANK", "SLURM_STEP_NUM_TASKS", pmix_lives},            /* srun --mpi=pmix, prterun */
    {"PMI_RANK", "PMI_SIZE", always},                             /* srun --mpi=pmi2, mpiexec of others */
};

static int number(const char *variable) {
    const char *text = getenv(variable);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* A stream of our parent's. Only a device is opened: a pipe would get another reader. */
static bool is_parents_terminal(int stream) {
    enum { PATH = 64 };
    char path[PATH];
    struct stat about;
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getppid(), stream);
    if (stat(path, &about) != 0 || !S_ISCHR(about.st_mode)) return false;
    int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    bool terminal = fd >= 0 && isatty(fd);
    if (fd >= 0) close(fd);
    return terminal;
}

/* Open MPI gives its processes pipes, or terminals of its own: what counts is where it prints itself. */
static bool is_terminal(const fg_launch *launch, int stream) {
    const char *known = launch->ours ? getenv(FG_TERMINALS_VARIABLE) : NULL;
    bool launched = launch->size != 1 || launch->watched;
    if (known) return strchr(known, '0' + stream);
    if (launched && getenv("OMPI_COMM_WORLD_RANK")) return is_parents_terminal(stream);
    return isatty(stream);
}

bool fg_launch_colours(bool terminal) {
    const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");
    return terminal && !(no_colour && *no_colour) && !(kind && strcmp(kind, "dumb") == 0);
}

/* A batch script has SLURM_NTASKS and SLURM_PROCID too, without srun: only a step has
 * SLURM_STEP_NUM_TASKS. */
static fg_launch find_launcher(void) {
    fg_launch alone = {.size = 1};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        if (!getenv(variables[i].rank)) continue;
        if (number(variables[i].size) == 1) {
            alone.watched = variables[i].lives();
            return alone;
        }
        if (variables[i].lives())
            return (fg_launch){.rank = number(variables[i].rank), .size = number(variables[i].size)};
        alone.left_over = variables[i].rank;
    }
    int tasks = number("SLURM_STEP_NUM_TASKS");
    if (tasks > 1 && !alone.left_over) alone.unrelated = tasks;
    return alone;
}

fg_launch fg_launch_read(void) {
    fg_launch launch = find_launcher();
    launch.ours = getenv(FG_TERMINALS_VARIABLE) && (launch.size != 1 || launch.watched);
    launch.stdout_terminal = is_terminal(&launch, STDOUT_FILENO);
    launch.stderr_terminal = is_terminal(&launch, STDERR_FILENO);
    return launch;
}
