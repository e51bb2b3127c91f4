#!/usr/bin/env python3
"""OpenBLAS's kernels: better ones where it chose those of old processors, and the same on all ranks of a run.

    kernels.py --fgconv build/fgconv --cc cc

OpenBLAS looks at OPENBLAS_CORETYPE when it is loaded. A library that then takes the variable away leaves what a processor that OpenBLAS does
not know leaves: old kernels, and no choice of the user's.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, environment, run

MODEL = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
FORGET = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
__attribute__((constructor)) static void forget(void) {
    if (strcmp(program_invocation_short_name, "fgconv") == 0) unsetenv("OPENBLAS_CORETYPE"); /* not mpirun */
}
"""
tally = Tally()


def kernels(out):
    return json.loads((out / "fgconv_report.json").read_text())["hardware"].get("kernels")


def check_one_choice(options, folder):
    """The same variable for all ranks: kept if the user set it, mended if OpenBLAS chose by itself."""
    forget = {"LD_PRELOAD": str(folder / "forget.so")}
    for ranks in (0, 2):
        for name, more, expected in (("an unknown processor", {"OPENBLAS_CORETYPE": "Prescott", **forget}, options.best),
                                     ("the user's choice", {"OPENBLAS_CORETYPE": "Prescott"}, "Prescott")):
            out = folder / f"out{ranks}{expected}"
            code, text = run(options.fgconv, [MODEL, out], ranks=ranks, **more)
            tally.check(f"{name}, {ranks or 'no'} ranks: convert and prove", code == 0 and "equal" in text, f"{code}: {text}")
            tally.check(f"{name}, {ranks or 'no'} ranks: kernels", code == 0 and kernels(out) == expected)


def check_different_ranks(options, folder):
    """Ranks that began with different kernels end with the same bits as ranks that have those in common."""
    dumps, best = {}, options.best
    for cores in ((best, best, best), ("Haswell", "Prescott", "Nehalem")):
        out, dump = folder / "same", folder / f"{'-'.join(cores)}.h5"  # a dump names the folders
        shutil.rmtree(out, ignore_errors=True)
        command = ["mpirun", "--oversubscribe"]
        for core in cores:
            command += ["-n", "1", "-x", f"OPENBLAS_CORETYPE={core}", options.fgconv, MODEL, out, "--dump", dump, ":"]
        found = subprocess.run([str(word) for word in command[:-1]], env=environment(), capture_output=True, text=True, check=False)
        tally.check(f"{cores}: convert and prove", found.returncode == 0, found.stdout + found.stderr)
        tally.check(f"{cores}: kernels", found.returncode == 0 and kernels(out) == best)
        dumps[cores] = dump
    same = subprocess.run(["h5diff", *dumps.values()], capture_output=True, text=True, check=False)
    tally.check("different ranks compute the same bits", same.returncode == 0, same.stdout + same.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--cc", required=True)
    options = parser.parse_args()
    flags = pathlib.Path("/proc/cpuinfo").read_text() if platform.machine() == "x86_64" else ""
    if " avx2 " not in flags or " fma " not in flags:
        print("skipped: this processor has no AVX2")
        return 77
    options.best = "SkylakeX" if all(f" avx512{part} " in flags for part in ("f", "cd", "bw", "dq", "vl")) else "Haswell"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "forget.c").write_text(FORGET)
        subprocess.run([options.cc, "-shared", "-fPIC", "-o", folder / "forget.so", folder / "forget.c"], check=True)
        os.environ.pop("OPENBLAS_CORETYPE", None)
        check_one_choice(options, folder)
        check_different_ranks(options, folder)
    return tally.end()


sys.exit(main())
