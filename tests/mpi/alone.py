#!/usr/bin/env python3
"""A process that no launcher started does not start MPI: any number of them run at a time.

    alone.py --fgconv build/fgconv [--streams 4] [--runs 150]

That MPI is not started is seen by a TMPDIR in which it could not make its session directory. What a batch system leaves in the environment
counts as a launcher only if it started several processes that can find each other.
"""
import argparse
import ast
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, environment, hdf5_floats, hdf5_texts, run, tensors

CASE = DATA / "golden/llama_tied_rope3_bf16_sharded"
BATCH = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
# Environments without MPI, and what is warned of.
ALONE = [
    ("no launcher", {}, None),
    ("a batch script outside of srun", BATCH, None),
    ("srun with one task", {**BATCH, "SLURM_STEP_NUM_TASKS": "1"}, None),
    ("srun with one task, PMIx", {**BATCH, "SLURM_STEP_NUM_TASKS": "1", "PMIX_RANK": "0"}, None),
    ("srun with one task, PMI 2", {**BATCH, "PMI_RANK": "0", "PMI_SIZE": "1"}, None),
    ("srun with four tasks and without MPI", {**BATCH, "SLURM_STEP_NUM_TASKS": "4"}, "srun started 4 processes without MPI"),
]
tally = Tally()


def without_mpi(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        blocked = folder / "blocked"
        blocked.write_text("")
        expected = digests(CASE / "hf")
        for number, (name, variables, warning) in enumerate(ALONE):
            there, back = folder / f"there{number}", folder / f"back{number}"
            code, text = run(fgconv, [CASE / "hf", there], ranks=0, TMPDIR=str(blocked), **variables)
            tally.check(f"{name}: convert and prove", code == 0 and "equal" in text, f"{code}: {text}")
            tally.check(f"{name}: warning", (warning or "warning") in text if warning else "warning: srun" not in text, text)
            for command in ("validate", "verify"):
                code, text = run(fgconv, [command, CASE / "hf", there], ranks=0, TMPDIR=str(blocked), **variables)
                tally.check(f"{name}: {command}", code == 0, f"{code}: {text}")
            code, text = run(fgconv, [there, back], ranks=0, TMPDIR=str(blocked), **variables)
            tally.check(f"{name}: the way back", code == 0 and digests(back) == expected, f"{code}: {text}")


def launcher_that_mpi_does_not_know(fgconv):
    """srun --mpi=pmi2 starts several processes, and an MPI without PMI 2 takes each for the only one."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {**BATCH, "SLURM_STEP_NUM_TASKS": "2", "PMI_RANK": "0", "PMI_SIZE": "2"}
        for command in (["--dry-run", CASE / "hf", "out"], ["validate", CASE / "hf", CASE / "hf"]):
            code, text = run(fgconv, command, ranks=0, cwd=folder, **variables)
            tally.check(f"PMI 2 that MPI does not know: {command[0]}", code == 0 and text.count("srun started 2 processes without MPI") == 1, f"{code}: {text}")
            code, text = run(fgconv, command, ranks=0, cwd=folder, PMI_RANK="0", PMI_SIZE="2")
            tally.check(f"mpiexec of another MPI: {command[0]}", code == 0 and text.count("a launcher started 2 processes without MPI") == 1, f"{code}: {text}")


def launcher_that_has_ended(fgconv):
    """A shell that mpirun started outlives it, or a script saves its environment: every variable of the launcher is there, and nobody answers."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        saved = "import os; open(os.path.join(%r, os.environ['OMPI_COMM_WORLD_RANK']), 'w').write(repr(dict(os.environ)))" % str(folder)
        subprocess.run(["mpirun", "--oversubscribe", "-n", "2", sys.executable, "-c", saved], env=environment(), check=True, stdin=subprocess.DEVNULL)
        for rank in ("0", "1"):
            left = {k: v for k, v in ast.literal_eval((folder / rank).read_text()).items() if k.startswith(("OMPI_", "PMIX_")) and k not in environment()}
            tally.check(f"left of rank {rank}: a launcher's variables", left.get("OMPI_COMM_WORLD_SIZE") == "2" and "PMIX_NAMESPACE" in left, left)
            for name, variables in (("left", left), ("left, without PMIx's", {k: v for k, v in left.items() if not k.startswith("PMIX_")})):
                code, text = run(fgconv, [CASE / "hf", folder / f"out{name}{rank}"], ranks=0, **variables)
                tally.check(f"{name} of rank {rank}: convert and prove, with a warning", code == 0 and "equal" in text and "left of a launcher" in text, f"{code}: {text}")
                code, text = run(fgconv, ["nothing", "out"], ranks=0, **variables)
                tally.check(f"{name} of rank {rank}: a message", code == 2 and text.startswith("fgconv: error: ") and text.count("fgconv: ") == 1, f"{code}: {text}")


def dump_without_mpi(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        blocked = folder / "blocked"
        blocked.write_text("")
        for name, ranks, more in (("alone", 0, {"TMPDIR": str(blocked)}), ("two", 2, {})):
            code, text = run(fgconv, ["--dump", folder / f"{name}.h5", CASE / "hf", folder / name], ranks=ranks, **more)
            tally.check(f"--dump, {name}", code == 0, f"{code}: {text}")
        for dataset in ("source/logits", "destination/logits", "source/blocks/0001/mixer", "destination/final_norm"):
            alone, two = (hdf5_floats(folder / f"{name}.h5", dataset, folder) for name in ("alone", "two"))
            tally.check(f"--dump, alone and with two ranks: {dataset}", alone == two and any(alone))
        alone, two = ([hdf5_texts(folder / f"{name}.h5", f"name_map/{column}") for column in ("source", "destination", "dtype", "shape")] for name in ("alone", "two"))
        tally.check("--dump, alone and with two ranks: names", alone == two and any(alone), (alone, two))
        written = {name: [dtype, str(shape)] for name, (dtype, shape, _) in tensors(folder / "alone").items()}
        tally.check("--dump: every tensor of the destination is named", dict(zip(alone[1], map(list, zip(*alone[2:])))) == written, (alone, written))
        tally.check("--dump: made of tensors of the source", set(alone[0]) == set(tensors(CASE / "hf")), alone)


def at_once(fgconv, streams, runs):
    with tempfile.TemporaryDirectory() as folder:
        command = [str(pathlib.Path(fgconv).resolve()), "--dry-run", "-q", "--validate", "none", "--to", "forgather", str(CASE / "hf"), f"{folder}/out"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

        def stream(_):
            return sum(subprocess.run(command, env=environment(TMPDIR=folder), **quiet).returncode != 0 for _ in range(runs))

        with concurrent.futures.ThreadPoolExecutor(streams) as pool:
            failed = sum(pool.map(stream, range(streams)))
        tally.check(f"{streams} at a time, {streams * runs} processes", failed == 0, f"{failed} failed")
        tally.check("no process leaves anything in TMPDIR", not os.listdir(folder), os.listdir(folder))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--streams", type=int, default=4)
    parser.add_argument("--runs", type=int, default=150)
    options = parser.parse_args()
    without_mpi(options.fgconv)
    launcher_that_mpi_does_not_know(options.fgconv)
    launcher_that_has_ended(options.fgconv)
    dump_without_mpi(options.fgconv)
    at_once(options.fgconv, options.streams, options.runs)
    return tally.end()


sys.exit(main())
