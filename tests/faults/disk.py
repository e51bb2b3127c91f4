#!/usr/bin/env python3
"""Disk and memory that fail: DST appears whole or not at all, with one message and the right exit code.

    disk.py --fgconv build/fgconv

Fails the N-th file call (FGCONV_FAIL_IO) and all allocations from the N-th on (FGCONV_FAIL_ALLOC) in every rank, for N from 1 until the run no
longer notices; then full, read-only and unreadable places, files that come and go meanwhile, and a rank that dies. Parts that need root are
skipped without it.
"""
import argparse
import hashlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import DATA, Tally, environment, run
from halted import Halted

MODEL = DATA / "golden/llama_checkpoints/hf"
NOBODY = 65534
LONG = ["--token-ids", ",".join(str(i % 8000) for i in range(200))]
GENERATION = ["--validate", "none", "-g", "--max-new-tokens", "3", "--seed", "1"]
tally = Tally()


def contents(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.iterdir()) if p.name != "fgconv_report.json"}


def tries(ranks):
    """1, 2, 3, ... with growing steps; larger ones under mpirun, which takes a second or two to end when a rank has failed."""
    n = 1
    while n < 10 ** 7:
        yield n
        n += 1 + n // 12 if ranks == 0 else 3 + n // 3


def ends_well(out, control, code, text, allowed):
    """What is wrong about the end of a run in which something may have failed; nothing: an empty text."""
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        return "DST.partial is left"
    if "signal" in text:
        return "a rank was ended by a signal"
    if code == 0:
        return "" if out.exists() and contents(out) == control and "fgconv: error:" not in text else "exit 0, but DST is not the control"
    if code not in allowed:
        return f"exit {code}, expected {allowed}"
    if text.count("fgconv: error:") != 1:
        return "not exactly one message"
    if out.exists():
        return "" if contents(out) == control and "is complete" in text else "a failure, but DST is there"
    return ""


class Failing:
    """One way of failing, tried at different calls."""

    def __init__(self, fgconv, variable, allowed, ranks, options, source, folder):
        self.fgconv, self.variable, self.allowed, self.ranks, self.options = fgconv, variable, allowed, ranks, options
        self.source, self.folder, self.wrong, self.failures = source, folder, [], 0
        code, text = run(fgconv, [*options, source, folder / "control"], ranks=ranks)
        tally.check(f"control: {variable} {' '.join(options)} {ranks or 'alone'}", code == 0, text)
        self.control = contents(folder / "control")

    def fails_at(self, n):
        """Whether the run noticed that call `n` failed; what ends badly is kept in `wrong`."""
        out = self.folder / f"out{n}"
        try:
            code, text = run(self.fgconv, [*self.options, self.source, out], ranks=self.ranks, timeout=60, **{self.variable: str(n)})
        except subprocess.TimeoutExpired:
            code, text = "hangs", ""
        what = ends_well(out, self.control, code, text, self.allowed)
        if what:
            self.wrong.append((n, code, what, text[-600:]))
        shutil.rmtree(out, ignore_errors=True)
        self.failures += code != 0
        return code != 0


def fail_every_call(fgconv, variable, allowed, ranks, options, source=MODEL):
    with tempfile.TemporaryDirectory() as folder:
        failing = Failing(fgconv, variable, allowed, ranks, options, source, pathlib.Path(folder))
        noticed, unnoticed = 0, 0
        for n in tries(ranks):
            if not failing.fails_at(n):
                unnoticed = n
                break
            noticed = n
        while unnoticed - noticed > 1:  # the last call that matters: those around publishing are before it
            middle = (noticed + unnoticed) // 2
            noticed, unnoticed = (middle, unnoticed) if failing.fails_at(middle) else (noticed, middle)
        for n in range(max(1, noticed - (12 if ranks == 0 else 5)), noticed):
            failing.fails_at(n)
        name = f"{variable} {' '.join(options)} {ranks or 'alone'}: {failing.failures} failures up to call {noticed}"
        tally.check(name, not failing.wrong and failing.failures > 10, failing.wrong[:6])


def damaged_and_failing(fgconv):
    """A failing read never makes two different models equal."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        code, text = run(fgconv, [MODEL, out])
        tally.check("control: a conversion to be damaged", code == 0, text)
        shard = out / "model.safetensors"
        with open(shard, "r+b") as f:
            f.seek(-1000, os.SEEK_END)
            f.write(b"\x41" * 400)
        for command in ("validate", "verify"):
            codes = [run(fgconv, [command, MODEL, out], ranks=0, FGCONV_FAIL_IO=str(n))[0] for n in (1, 5, 10, 15, 20, 25, 30, 40, 60, 80, 1000000)]
            tally.check(f"{command} of a damaged result: exit 4 or 10", set(codes) == {4, 10} and codes[-1] == 10, codes)


# ---- places ----


class Mount:
    """A tmpfs of some MB, or a read-only one."""

    def __init__(self, options):
        self.options = options

    def __enter__(self):
        self.folder = tempfile.mkdtemp()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", self.options, "tmpfs", self.folder], capture_output=True)
        if done.returncode:
            os.rmdir(self.folder)
            return None
        return pathlib.Path(self.folder)

    def __exit__(self, *_):
        if os.path.ismount(self.folder):
            subprocess.run(["umount", "-l", self.folder], check=True)
            os.rmdir(self.folder)


def refused(name, code, text, expected, words, *gone):
    good = code == expected and text.count("fgconv: error:") == 1 and all(w in text for w in words) and not any(os.path.lexists(p) for p in gone)
    tally.check(f"{name}: exit {expected}, {', '.join(words)}, nothing left", good, f"{code}: {text}")


def full_disk(fgconv, ranks):
    who = f"{ranks} ranks" if ranks else "alone"
    with Mount("size=16m") as place:
        if not place:
            print("skip: no tmpfs can be mounted here")
            return
        code, text = run(fgconv, [MODEL, place / "out"], ranks=ranks)
        refused(f"too small a disk, {who}", code, text, 4, ["free", "needed", str(place)], place / "out", place / "out.partial")
    with tempfile.TemporaryDirectory() as folder, Mount("size=160m") as place:
        write_model(pathlib.Path(folder) / "source", layers=1)
        with Halted(fgconv, ["--validate", "none"], pathlib.Path(folder) / "source", place / "out", ranks) as cut:
            filling = fill(place)
        tally.check(f"a disk that fills up, {who}: the moment was met", cut.met and filling > 1 << 20, cut.text)
        refused(f"a disk that fills up, {who}", cut.code, cut.text, 4, ["cannot write", "No space left"], place / "out", place / "out.partial")
    with Mount("size=16m,ro") as place:
        code, text = run(fgconv, [MODEL, place / "out"], ranks=ranks)
        refused(f"a read-only disk, {who}", code, text, 4, [str(place)], place / "out", place / "out.partial")


def fill(place):
    written = 0
    with open(place / "filler", "wb", buffering=0) as f:
        try:
            while True:
                written += f.write(b"\0" * 65536)
        except OSError:
            return written


def as_nobody(fgconv, arguments):
    done = subprocess.run([fgconv, *map(str, arguments)], env=environment(), user=NOBODY, group=NOBODY, extra_groups=[], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, cwd="/tmp")
    return done.returncode, done.stdout


def permissions(fgconv):
    """Without root's rights: a shard that cannot be read, a parent that cannot be written to."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        shutil.copytree(DATA / "golden/llama_tied_rope3_bf16_sharded/hf", folder / "source")
        shutil.copy(fgconv, folder / "fgconv")
        (folder / "mine").mkdir()
        os.chown(folder / "mine", NOBODY, NOBODY)
        program, shard = str(folder / "fgconv"), folder / "source/model-00002-of-00003.safetensors"
        code, text = as_nobody(program, [folder / "source", folder / "mine/first"])
        tally.check("control: an unprivileged user converts", code == 0, text)
        code, text = as_nobody(program, [folder / "source", folder / "out"])
        refused("a parent without write permission", code, text, 4, ["Permission denied", str(folder / "out")], folder / "out", folder / "out.partial")
        shard.chmod(0)
        code, text = as_nobody(program, [folder / "source", folder / "mine/out"])
        refused("a shard without read permission", code, text, 4, ["Permission denied", shard.name], folder / "mine/out", folder / "mine/out.partial")
        shard.chmod(0o644)
        (folder / "source/config.json").chmod(0)
        code, text = as_nobody(program, [folder / "source", folder / "mine/out"])
        refused("a config.json without read permission", code, text, 4, ["Permission denied", "config.json"], folder / "mine/out", folder / "mine/out.partial")
        (folder / "source/config.json").chmod(0o644)
        (folder / "source/tokenizer.json").chmod(0)
        code, text = as_nobody(program, [folder / "source", folder / "mine/out"])
        refused("a tokenizer without read permission", code, text, 4, ["Permission denied", "tokenizer.json"], folder / "mine/out", folder / "mine/out.partial")


def file_size_limit(fgconv):
    """`ulimit -f`: a failed write like any other, not the end by SIGXFSZ. The limit is large enough for MPI's own files."""
    with tempfile.TemporaryDirectory() as folder:
        out, limit = pathlib.Path(folder) / "out", 40 << 20
        write_model(pathlib.Path(folder) / "source", layers=1)
        done = subprocess.run([fgconv, "--validate", "none", f"{folder}/source", str(out)], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        refused("a limit of file sizes", done.returncode, done.stdout, 4, ["File too large"], out, pathlib.Path(f"{out}.partial"))


def nobody_reads(fgconv):
    """Output into a pipe that was closed (fgconv ... | head) does not stop a conversion half-way."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        reading, writing = os.pipe()
        os.close(reading)
        code = subprocess.run([fgconv, "-v", "--debug-params", str(MODEL), str(out)], env=environment(), stdin=subprocess.DEVNULL, stdout=writing,
                              stderr=writing, timeout=120).returncode
        os.close(writing)
        left = pathlib.Path(f"{out}.partial").exists()
        tally.check("a closed pipe: whole or nothing", not left and (code == 0) == out.exists() and code in (0, 4), (code, left, out.exists()))


# ---- meanwhile ----


def taken_meanwhile(fgconv, source, ranks, kind):
    name = f"a {kind} with DST's name appears, {f'{ranks} ranks' if ranks else 'alone'}"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        with Halted(fgconv, LONG, source, out, ranks) as taken:
            if kind == "file":
                out.write_text("not ours")
            elif kind == "link":
                out.symlink_to("nowhere")
            else:
                out.mkdir()
        tally.check(f"{name}: the moment was met", taken.met, taken.text)
        refused(name, taken.code, taken.text, 2, ["exists already"], taken.partial)
        kept = out.read_text() == "not ours" if kind == "file" else out.is_symlink() if kind == "link" else list(out.iterdir()) == []
        tally.check(f"{name}: it is as it was", kept)


def removed_meanwhile(fgconv, source, ranks):
    name = f"DST.partial is removed, {f'{ranks} ranks' if ranks else 'alone'}"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        with Halted(fgconv, LONG, source, out, ranks) as run_:
            shutil.rmtree(run_.partial)
        tally.check(f"{name}: the moment was met", run_.met, run_.text)
        refused(name, run_.code, run_.text, 4, ["out.partial"], out, run_.partial)


def dies(fgconv, source, ranks, chosen):
    """kill -9 of a rank: never DST, and the others end."""
    name = f"kill -9 of rank {chosen} of {ranks}"
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        with Halted(fgconv, LONG, source, out, ranks) as run_:
            for pid in run_.pids:
                entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if f"OMPI_COMM_WORLD_RANK={chosen}".encode() in entries:
                    os.kill(pid, signal.SIGKILL)
        tally.check(f"{name}: the moment was met", run_.met, run_.text)
        tally.check(f"{name}: no DST, no exit 0, no hanging", run_.code not in (0, "hangs") and not out.exists(), f"{run_.code}: {run_.text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    for ranks in (0, 2):
        fail_every_call(fgconv, "FGCONV_FAIL_IO", (4,), ranks, ["--max-shard-size", "90kB"])
        fail_every_call(fgconv, "FGCONV_FAIL_ALLOC", (5,), ranks, ["--max-shard-size", "90kB"])
    for ranks in (0, 3):
        fail_every_call(fgconv, "FGCONV_FAIL_IO", (4,), ranks, GENERATION)
        fail_every_call(fgconv, "FGCONV_FAIL_ALLOC", (5,), ranks, GENERATION)
    fail_every_call(fgconv, "FGCONV_FAIL_IO", (4,), 0, ["--validate", "bytes"], DATA / "golden/llama_checkpoints/forgather")
    tokens = DATA / "golden/qwen3_add_tokens_fp32"
    for variable, code in (("FGCONV_FAIL_IO", 4), ("FGCONV_FAIL_ALLOC", 5)):
        fail_every_call(fgconv, variable, (code,), 0, ["--validate", "none", "--add-tokens", str(tokens / "tokens.yaml")], tokens / "hf")
    damaged_and_failing(fgconv)
    file_size_limit(fgconv)
    nobody_reads(fgconv)
    if os.geteuid() == 0:
        permissions(fgconv)
        for ranks in (0, 2):
            full_disk(fgconv, ranks)
    else:
        print("skip: permissions and mounts need root")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "big"
        write_model(source, layers=1, shards=2)
        for ranks in (0, 2):
            for kind in ("directory", "file", "link"):
                taken_meanwhile(fgconv, source, ranks, kind)
            removed_meanwhile(fgconv, source, ranks)
        dies(fgconv, source, 2, 0)
        dies(fgconv, source, 2, 1)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
