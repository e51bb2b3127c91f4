#!/usr/bin/env python3
"""A checkpoint that changes while it is read is refused, whatever changed: weights, configuration, tokenizer, side files, index, a training checkpoint.

    changed.py --fgconv build/fgconv --library libhalt_reads.so

The run is stopped in the middle of the weights (halt_reads.c), a file is changed, and the run goes on. It must end with exit 3, one message that names
the file, and nothing made. A file that the run does not read may change.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "golden")]
from checkpoint import DATA, Tally, digests, environment, run
from update import make_older

WEIGHTS = "model.safetensors"
tally = Tally()


def times(path):
    info = path.stat()
    return info.st_atime_ns, info.st_mtime_ns


def rewritten(path):
    """Another byte, with the times of before: only ctime tells."""
    before, data = times(path), bytearray(path.read_bytes())
    data[-2] ^= 1
    with open(path, "r+b") as f:
        f.write(data)
    os.utime(path, ns=before)


def replaced(path):
    """Another file of the same name, size, times and contents but for a byte."""
    other = path.with_name("other.tmp")
    shutil.copy2(path, other)
    rewritten(other)
    other.rename(path)


def appended(path):
    with open(path, "ab") as f:
        f.write(b"\n")


def truncated(path):
    os.truncate(path, path.stat().st_size - 1)


def touched(path):
    path.touch()


CHANGES = [rewritten, replaced, appended, truncated, touched, pathlib.Path.unlink]


class Halt:
    def __init__(self, fgconv, library, work):
        self.fgconv, self.library, self.work = fgconv, library, work

    def run(self, arguments, change, ranks=0, file=WEIGHTS, nth=4):
        """Exit code, text, and whether the run was stopped and the change made."""
        launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
        # the library is for fgconv alone
        process = subprocess.Popen([*launcher, "env", f"LD_PRELOAD={self.library}", self.fgconv, *map(str, arguments)], cwd=self.work, stdout=subprocess.PIPE,
                                   env=environment(HALT_FILE=file, HALT_NTH=str(nth), HALT_RANK="0", OPENBLAS_CORETYPE="Haswell"), stderr=subprocess.STDOUT,
                                   text=True, stdin=subprocess.DEVNULL)
        pid = self.wait(process)
        if pid:
            change()
            os.kill(pid, signal.SIGCONT)
        try:
            text = process.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return "hangs", process.communicate()[0], bool(pid)
        return process.returncode, text, bool(pid)

    def wait(self, process):
        """The stopped process among this one and its children."""
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
                try:
                    fields = path.read_text().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if fields[0] == "T" and process.pid in (int(path.parent.name), int(fields[1])):
                    return int(path.parent.name)
            time.sleep(0.002)
        return None

    def refused(self, name, arguments, path, change, ranks=0, **how):
        """`path` is a copy that may be changed; it is put back."""
        kept = self.work / "kept"
        shutil.copy2(path, kept)
        code, text, met = self.run(arguments, lambda: change(path), ranks, **how)
        shutil.move(kept, path)
        left = [out for out in ("out", "out.partial") if (self.work / out).exists()]
        tally.check(name, met and code == 3 and str(path.name) in text and text.count("error:") == 1 and not left, f"met {met}, exit {code}, {left}: {text}")
        for out in left:
            shutil.rmtree(self.work / out)


def conversions(halt):
    work = halt.work
    sides = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "chat_template.jinja"]
    for change in CHANGES:
        for name in (WEIGHTS, *sides[:2]):
            halt.refused(f"convert: {name} {change.__name__}", ["hf", "out"], work / "hf" / name, change)
    for name in sides[2:]:
        halt.refused(f"convert: {name} rewritten", ["hf", "out"], work / "hf" / name, rewritten)
    for name in (WEIGHTS, *sides[:2]):
        halt.refused(f"convert --validate bytes: {name}", ["--validate", "bytes", "hf", "out"], work / "hf" / name, rewritten)
        halt.refused(f"convert --validate none: {name}", ["--validate", "none", "hf", "out"], work / "hf" / name, replaced)
        halt.refused(f"convert --dry-run: {name}", ["--dry-run", "hf", "out"], work / "hf" / name, rewritten)
    for name in (WEIGHTS, "tokenizer.json"):
        halt.refused(f"3 ranks: convert: {name}", ["hf", "out"], work / "hf" / name, rewritten, ranks=3, nth=3)
    for name in ("model.safetensors.index.json", "config.json", "model-00002-of-00003.safetensors"):
        halt.refused(f"convert, an index: {name}", ["sharded", "out"], work / "sharded" / name, rewritten, file="model-00001-of-00003.safetensors")
    for name in ("config.json", "fgconv_causal_lm.py", "tokenizer.json"):
        halt.refused(f"update-vocab: {name}", ["update-vocab", "fg", "out"], work / "fg" / name, touched)
    (work / "fg/notes.txt").write_text("mine")
    halt.refused("update-vocab: notes.txt, which it copies", ["update-vocab", "fg", "out"], work / "fg/notes.txt", rewritten)
    halt.refused("update-vocab --in-place: tokenizer.json", ["update-vocab", "--in-place", "fg"], work / "fg/tokenizer.json", rewritten)


def derivations(halt):
    """Commands that make one directory of another of the same format."""
    work = halt.work
    for name in (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja", "fgconv_causal_lm.py"):
        for change in (rewritten, replaced) if name == WEIGHTS else (rewritten,):
            halt.refused(f"finalize: {name} {change.__name__}", ["finalize", "fg", "out"], work / "fg" / name, change)
    for name in (WEIGHTS, "tokenizer_config.json", "special_tokens_map.json"):
        halt.refused(f"update-vocab: {name} rewritten", ["update-vocab", "fg", "out"], work / "fg" / name, rewritten)
    halt.refused("update-vocab --in-place: weights", ["update-vocab", "--in-place", "fg"], work / "fg" / WEIGHTS, rewritten)
    halt.refused("finalize, 3 ranks", ["finalize", "fg", "out"], work / "fg" / WEIGHTS, rewritten, ranks=3, nth=3)
    weights = "pytorch_model-00001-of-00001.bin"
    for name in (f"checkpoints/checkpoint-100/{weights}", "checkpoints/checkpoint-100/pytorch_model.bin.index.json", "config.json", "tokenizer.json"):
        halt.refused(f"finalize of a training checkpoint: {name}", ["finalize", "-c", "100", "trained", "out"], work / "trained" / name, rewritten, file=weights, nth=2)
    older = ["update", "--converter-path", DATA / "update", "older", "out"]
    for name in (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json"):
        halt.refused(f"update: {name}", older, work / "older" / name, rewritten)
    halt.refused("update, 3 ranks", older, work / "older" / WEIGHTS, rewritten, ranks=3, nth=3)


def comparisons(halt):
    work = halt.work
    for name in (WEIGHTS, "config.json", "tokenizer.json"):
        for side in ("hf", "fg"):
            halt.refused(f"validate: {side}/{name}", ["validate", "hf", "fg"], work / side / name, rewritten)
            if name == WEIGHTS or side == "hf":
                halt.refused(f"verify: {side}/{name}", ["verify", "hf", "fg"], work / side / name, rewritten)
        halt.refused(f"diff: {name}", ["diff", "hf", "fg"], work / "fg" / name, touched)
    halt.refused("validate, 3 ranks", ["validate", "hf", "fg"], work / "fg" / WEIGHTS, rewritten, ranks=3, nth=3)
    halt.refused("verify, 3 ranks", ["verify", "hf", "fg"], work / "hf" / WEIGHTS, rewritten, ranks=3, nth=3)


def what_does_not_matter(halt):
    (halt.work / "hf/README.md").write_text("mine")
    for name in ("README.md", "new.json"):
        code, text, met = halt.run(["hf", "out"], lambda: (halt.work / "hf" / name).write_text("more"))
        tally.check(f"convert: {name} is not read", met and code == 0 and digests(halt.work / "out") == digests(halt.work / "fg"), (met, code, text))
        shutil.rmtree(halt.work / "out", ignore_errors=True)
    code, text, met = halt.run(["hf", "out"], lambda: None)
    tally.check("convert: nothing changes", met and code == 0, (met, code, text))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--library", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        shutil.copytree(DATA / "golden/llama_untied_fp32/hf", work / "hf")
        shutil.copytree(DATA / "golden/llama_tied_rope3_bf16_sharded/hf", work / "sharded")
        code, text = run(options.fgconv, ["-q", "hf", "fg"], ranks=0, cwd=work)
        tally.check("a conversion", code == 0, text)
        shutil.copytree(DATA / "golden/llama_checkpoints/forgather", work / "trained")
        make_older(work / "fg", work / "older", "0.1")
        halt = Halt(str(pathlib.Path(options.fgconv).resolve()), str(pathlib.Path(options.library).resolve()), work)
        for part in (conversions, derivations, comparisons, what_does_not_matter):
            part(halt)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
