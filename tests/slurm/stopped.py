#!/usr/bin/env python3
"""A batch script that is stopped says so in its log, whatever becomes of what fgconv prints; without Slurm, as `sbatch --signal=B:TERM@60` signals it.

    stopped.py --fgconv build/fgconv
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "mpi")]
from checkpoint import DATA, ROOT, Tally, environment
from signals import LAUNCHER, ranks_of, wait_until

LONG = ["--token-ids", ",".join(str(i % 300) for i in range(30000))]  # the proof is not over before the signal comes
CASE = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
PASSED_ON = 6  # seconds after which the script passes the signal on to mpirun
tally = Tally()


def stopped(fgconv, work, name, options, said):
    """The ranks are halted: what they say comes late, if mpirun passes it on at all."""
    out, log = work / name, work / f"{name}.log"
    partial = work / f"{name}.partial"
    with open(log, "w") as printed:
        job = subprocess.Popen(["bash", ROOT / "slurm/convert.sbatch", CASE, out, *LONG, *options], cwd=work, stdout=printed, stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL, env=environment(FGCONV=str(fgconv), TMPDIR=str(work)))
        met = wait_until(lambda: any(partial.glob("*.safetensors")), job)  # it is written after the journal
        for rank in ranks_of(out).values():
            os.kill(rank, signal.SIGSTOP)
        job.send_signal(signal.SIGTERM)
        try:
            code = job.wait(PASSED_ON + 10 * LAUNCHER + 20)
        except subprocess.TimeoutExpired:
            job.kill()
            code = "hangs"
    text = log.read_text()
    tally.check(f"{name}: it ends with an error", met and code not in (0, "hangs"), f"met {met}, exit {code}: {text}")
    tally.check(f"{name}: the log says why", f"convert.sbatch: stopped by SIGTERM (exit status {code}); {said}" in text, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = pathlib.Path(parser.parse_args().fgconv).resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        stopped(fgconv, work, "without a journal", ["--no-fsync"], "nothing was published")
        stopped(fgconv, work, "with a journal", [], f"{work / 'with a journal'}.partial is kept")
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
