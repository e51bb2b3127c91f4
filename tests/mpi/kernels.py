#!/usr/bin/env python3
"""Where OpenBLAS chose kernels of old processors, the program begins again with better ones, alone and under mpirun.

    kernels.py --fgconv build/fgconv --cc cc

A library that is loaded before OpenBLAS says what OpenBLAS says on a processor that it does not know, and writes down what each start of the
program was told to take.
"""
import argparse
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, run

MODEL = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
UNKNOWN = r"""
#include <stdio.h>
#include <stdlib.h>
char *openblas_get_corename(void) { return "Prescott"; }
__attribute__((constructor)) static void note(void) {
    FILE *file = fopen(getenv("STARTS"), "a");
    char name[64] = "";
    FILE *self = fopen("/proc/self/comm", "r");
    if (self) fscanf(self, "%63s", name);
    const char *core = getenv("OPENBLAS_CORETYPE");
    fprintf(file, "%s %s\n", name, core ? core : "-");
    fclose(file);
    if (self) fclose(self);
}
"""
tally = Tally()


def starts(path):
    """What each start of fgconv was told; the processes that start it are not counted, and exec from /proc/self/exe is named "exe"."""
    lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(core for name, core in lines if name in ("fgconv", "exe"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--cc", required=True)
    options = parser.parse_args()
    flags = pathlib.Path("/proc/cpuinfo").read_text() if platform.machine() == "x86_64" else ""
    if " avx2 " not in flags or " fma " not in flags:
        print("skipped: this processor has no AVX2")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "unknown.c").write_text(UNKNOWN)
        subprocess.run([options.cc, "-shared", "-fPIC", "-o", folder / "unknown.so", folder / "unknown.c"], check=True)
        os.environ.pop("OPENBLAS_CORETYPE", None)
        record = folder / "starts"
        for ranks, users, expected in ((0, None, ["-", "Haswell"]), (2, None, ["-", "-", "Haswell", "Haswell"]), (0, "Prescott", ["Prescott"]),
                                       (2, "Prescott", ["Prescott", "Prescott"])):
            more = {"OPENBLAS_CORETYPE": users} if users else {}
            name = f"{ranks or 'no'} ranks, the user chose {users or 'nothing'}"
            code, text = run(options.fgconv, [MODEL, folder / f"out{ranks}{users}"], ranks=ranks, LD_PRELOAD=str(folder / "unknown.so"),
                             STARTS=str(record), **more)
            tally.check(f"{name}: convert and prove", code == 0 and "equal" in text, f"{code}: {text}")
            found = starts(record)
            tally.check(f"{name}: starts", found == expected, found)
    return tally.end()


sys.exit(main())
