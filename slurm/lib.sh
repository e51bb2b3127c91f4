# Shared by the batch scripts of this folder; sourced, not run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fgconv=${FGCONV:-$(command -v fgconv || echo "$here/../build/fgconv")}
[[ -x $fgconv ]] || { echo "fgconv was not found: set FGCONV to the program" >&2; exit 2; }

# A job that Slurm requeued after its node was lost finds what the first try left behind: only then is DST.partial removed.
clear_partial() { # SRC DST OPTIONS...
  local destination=${2%/}
  if ((${SLURM_RESTART_COUNT:-0} > 0)) && [[ -n $destination && -d $destination.partial && ! -e $destination ]]; then
    echo "requeued (try $((SLURM_RESTART_COUNT + 1))): removing $destination.partial of the try before"
    rm -rf -- "$destination.partial"
  fi
}

# scancel signals every process of the job, this shell too; it must live on until mpirun has ended, or its exit status and the clean-up
# are lost. mpirun waits 8 s for the ranks to clean up before it kills them.
launch() { # fgconv arguments...
  trap 'stopped=1' TERM INT
  mpirun --mca odls_base_sigkill_timeout 8 "$fgconv" "$@" &
  local child=$! status
  wait "$child"
  status=$?
  while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
  done
  exit "$status"
}
