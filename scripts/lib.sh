# Shared by the scripts of this folder; sourced, not run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${FGCONV_BUILD:-$root/build}

# Open MPI refuses to run as root unless it is told twice; containers and CI machines often are root.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Ranks on one machine talk through shared memory; without this, Open MPI complains in containers that lack ptrace rights.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
# hwloc, which mpirun asks about the machine, looks for graphics cards on ten X displays; where "localhost" is not in /etc/hosts, each look waits
# for a name server.
export HWLOC_COMPONENTS=${HWLOC_COMPONENTS:--gl}

# Where ccache is installed, what was once compiled in any checkout is not compiled again.
if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
fi

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# ranks N COMMAND...: under mpirun, more ranks than cores allowed
ranks() {
  local n=$1
  shift
  mpirun --oversubscribe -n "$n" "$@"
}
