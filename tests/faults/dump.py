#!/usr/bin/env python3
"""A dump that cannot be written stops the run with exit 4 and one message, without a signal, and leaves neither dump nor DST.

    dump.py --fgconv build/fgconv

Without a launcher a limit on the size of files stops the dump (of other files only those of the model count, which are smaller). With ranks a
small file system does, which needs root: the limit would stop MPI itself.
"""
import argparse
import contextlib
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, environment, run

MODEL = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
PROMPT = ["--token-ids", ",".join(str(i % 100 + 1) for i in range(150))]  # for a dump that is larger than the model
tally = Tally()


@contextlib.contextmanager
def small_file_system(kibibytes):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", folder], check=True)
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def check_end(name, code, text, dump, out):
    tally.check(f"{name}: exit 4", code == 4, f"{code}: {text}")
    tally.check(f"{name}: one message that names the dump", text.count("fgconv: error:") == 1 and f"--dump {dump}" in text, text)
    tally.check(f"{name}: no signal", "ignal" not in text, text)
    left = [p for p in (dump, out, out.with_name(out.name + ".partial")) if p.exists()]
    tally.check(f"{name}: nothing is left", not left, left)


def limited(fgconv, kibibytes):
    with tempfile.TemporaryDirectory() as folder:
        dump, out = pathlib.Path(folder) / "x.h5", pathlib.Path(folder) / "out"
        size = kibibytes * 1024
        done = subprocess.run([str(pathlib.Path(fgconv).resolve()), *PROMPT, "--dump", str(dump), str(MODEL), str(out)], env=environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, timeout=120,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        check_end(f"alone, files of {kibibytes} KiB at most", done.returncode, done.stdout, dump, out)


def full(fgconv, kibibytes, ranks):
    with small_file_system(kibibytes) as small, tempfile.TemporaryDirectory() as folder:
        dump, out = small / "x.h5", pathlib.Path(folder) / "out"
        try:
            code, text = run(fgconv, [*PROMPT, "--dump", dump, MODEL, out], ranks=ranks, timeout=60)
        except subprocess.TimeoutExpired:
            code, text = "no end after 60 s", ""
        check_end(f"{ranks or 'no'} ranks, {kibibytes} KiB of disk", code, text, dump, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    limited(fgconv, 500)
    if os.geteuid() == 0:
        for ranks in (0, 2, 4):
            for kibibytes in (4, 16, 64, 600):
                full(fgconv, kibibytes, ranks)
    return tally.end()


sys.exit(main())
