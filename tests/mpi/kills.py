#!/usr/bin/env python3
"""kill -9 at random moments: nothing is ever half published, and --resume loses no more than was in flight.

    kills.py --fgconv build/fgconv [--count 20] [--seed 0]

One rank, all ranks, or mpirun are killed, of 1 to 8 ranks: while tensors are written, in fsync, while the models run, while the result is
published, and while a directory is replaced in place. What is left is continued by another number of ranks, and compared with the result of an
uninterrupted run.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm"), str(TESTS / "faults"), str(TESTS / "mpi")]
from big_model import write_model
from checkpoint import DATA, Tally, environment, header, run
from resume import RECORD, files, split_journal
from signals import Run, in_fsync, ranks_of, wait_until, written

BLOCK = 32 << 20
WRITE = ["-q", "--resume", "--dtype", "float32", "--max-shard-size", "60MB", "--validate", "none"]
PROVE = ["-q", "--resume", "--dtype", "float32", "--max-shard-size", "60MB", "--token-ids", ",".join(str(i % 4000) for i in range(600))]
MOMENTS = ["writing", "writing", "fsync", "proof", "publishing", "in place"]
tally = Tally()
totals = {"tried": 0, "held": 0, "written": 0, "lost": 0, "published": 0, "continued": 0}


def block_sizes(whole):
    """Of each checksum block, in order, from an uninterrupted result."""
    size_of = {}
    for shard in whole.glob("*.safetensors"):
        size_of.update({name: entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in header(shard)[0].items()})
    return [min(size_of[t["name"]] - at, BLOCK) for t in json.loads((whole / "fgconv_report.json").read_text())["tensors"]
            for at in range(0, size_of[t["name"]], BLOCK)]


def recorded(partial, sizes):
    """Bytes of the blocks that the journal has, if whole items of it count."""
    tails = [split_journal(partial)[1]] + [p.read_bytes() for p in partial.glob("journal.[0-9]*")]
    held = {}
    for tail in tails:
        for i in range(0, len(tail) - RECORD + 1, RECORD):
            block, first, count = (int.from_bytes(tail[i + k:i + k + 4], "little") for k in (0, 4, 8))
            held[block] = (first, count)
    return sum(sizes[b] for b, (first, count) in held.items() if all(held.get(k) == (first, count) for k in range(first, first + count)))


def reach(moment, cut, total, draw):
    """Waits for the moment; False: the run ended before."""
    if moment == "writing":
        wanted = draw.random() * 0.95 * total
        return wait_until(lambda: written(cut.partial) > wanted, cut.process, step=0.002)
    if moment == "fsync":
        return wait_until(lambda: written(cut.partial) > draw.random() * total / 2 and in_fsync(cut.destination), cut.process, step=0.002)
    if moment == "proof":
        met = wait_until(lambda: written(cut.partial) > total - (1 << 20), cut.process)
        time.sleep(draw.random() * 0.6)
        return met
    met = wait_until(lambda: (cut.partial / "fgconv_report.json").exists() or cut.destination.exists(), cut.process, step=0)
    time.sleep(draw.random() * 0.004)
    return met


def kill(cut, ranks, victims, draw):
    found = ranks_of(cut.destination) if ranks else {}
    if victims == "mpirun" or not found:
        chosen = [cut.process.pid]
    else:
        chosen = list(found.values()) if victims == "all ranks" else [draw.choice(list(found.values()))]
    for pid in chosen:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def judge(good, what, detail):
    if not good:
        tally.check(what, False, detail)
    return good


def continued(fgconv, source, cut, options, name, whole, sizes, draw):
    """What a kill left is continued, and is then what it ought to be."""
    done, kept = written(cut.partial), recorded(cut.partial, sizes)
    ranks = draw.choice([0, 1, 2, 3, 5])
    code, text = run(fgconv, [*options, source, cut.destination], ranks=ranks)
    good = judge(code == 0 and files(cut.destination) == files(whole), f"{name}: continued by {ranks or 1}", (code, text))
    if good:
        resumed = json.loads((cut.destination / "fgconv_report.json").read_text()).get("resumed", {"kept_bytes": 0})["kept_bytes"]
        good = judge(resumed == kept, f"{name}: all that is in the journal is kept", (resumed, kept))
        totals["written"] += done
        totals["lost"] += max(0, done - kept)
        totals["continued"] += 1
    return good


def killed(fgconv, source, whole, sizes, number, draw):
    ranks, victims, moment = draw.choice([0, 1, 2, 2, 3, 4, 8]), draw.choice(["one rank", "all ranks", "mpirun"]), MOMENTS[number % (len(MOMENTS) - 1)]
    name = f"{number}: kill -9 of {victims} of {ranks or 1}, {moment}"
    options = PROVE if moment == "proof" else WRITE
    with tempfile.TemporaryDirectory() as folder:
        cut = Run(fgconv, source, folder, ranks, options)
        reach(moment, cut, sum(sizes), draw)
        kill(cut, ranks, victims, draw)
        cut.end()
        good = judge(not cut.strays(), f"{name}: no process is left", cut.strays())
        if cut.destination.exists():
            totals["published"] += 1
            good &= judge(files(cut.destination) == files(whole) and not cut.partial.exists(), f"{name}: DST is whole", cut.text())
        elif cut.partial.exists() and ((cut.partial / "journal").exists() or pathlib.Path(f"{cut.partial}.journal").exists()):
            if not (cut.partial / "journal").exists():
                pathlib.Path(f"{cut.partial}.journal").rename(cut.partial / "journal")  # so that it can be read here
            good &= continued(fgconv, source, cut, options, name, whole, sizes, draw)
        left = [p.name for p in pathlib.Path(folder).iterdir() if p.name not in ("out", "output") and not p.name.endswith(".journal")]
        good &= judge(not cut.destination.exists() or not left, f"{name}: nothing is left", left)
    return good


def replaced(fgconv, number, draw):
    """A directory that is replaced is the old one or the new one, under a name that the next run gives."""
    ranks, case = draw.choice([0, 1, 2, 4]), DATA / "golden/qwen3_add_tokens_fp32"
    name = f"{number}: kill -9 of {ranks or 1}, in place"
    with tempfile.TemporaryDirectory() as folder:
        old, new, there = (pathlib.Path(folder) / n for n in ("old", "new", "out"))
        shutil.copytree(case / "hf", old)
        shutil.copytree(case / "hf", there)
        add = ["update-vocab", "-q", "--add-tokens", str(case / "tokens.yaml"), "--validate", "none"]
        code, text = run(fgconv, [*add, old, new], ranks=0)
        if not judge(code == 0, f"{name}: what is to come", text):
            return False
        whole = (files(old), files(new))
        arguments = [*add, "--in-place", there]
        process = in_place(fgconv, ranks, arguments)
        partial, reserve = pathlib.Path(f"{there}.partial"), pathlib.Path(f"{there}.old")
        wait_until(lambda: (partial / "fgconv_report.json").exists(), process, step=0)
        time.sleep(draw.random() * 0.003)
        kill_all(process, there)
        found = {p: files(p) for p in (there, partial, reserve) if p.exists()}
        good = judge(any(f in whole for f in found.values()), f"{name}: a whole one is there", list(found))
        if there.exists():
            return judge(found[there] in whole, f"{name}: it is the old one or the new one", sorted(found[there])) and good
        code, text = run(fgconv, arguments, ranks=0)
        return judge(code == 2 and "mv " in text, f"{name}: the next run says where", text) and good


def in_place(fgconv, ranks, arguments):
    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
    return subprocess.Popen([*launcher, fgconv, *map(str, arguments)], env=environment(), stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_all(process, mark):
    for pid in [*ranks_of(mark).values(), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait(20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    fgconv, draw = str(pathlib.Path(arguments.fgconv).resolve()), random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        source, whole = pathlib.Path(folder) / "big", pathlib.Path(folder) / "whole"
        write_model(source, 2, 2)
        code, text = run(fgconv, [*(o for o in WRITE if o != "--resume"), source, whole], ranks=0)
        tally.check("an uninterrupted run", code == 0, text)
        sizes = block_sizes(whole)
        for number in range(arguments.count):
            in_its_place = MOMENTS[number % len(MOMENTS)] == "in place"
            good = replaced(fgconv, number, draw) if in_its_place else killed(fgconv, source, whole, sizes, number, draw)
            totals["tried"] += 1
            totals["held"] += good
            tally.check(f"kill {number}", good)
    code = tally.end()
    megabytes = {key: totals[key] // 1000000 for key in ("written", "lost")}
    print(f"kills: {totals['published']} came after publishing, {totals['continued']} were continued; of {megabytes['written']} MB that these had "
          f"written {megabytes['lost']} MB were not in the journal")
    print(f"kills: {totals['tried']} tried, {totals['held']} held")
    return code


if __name__ == "__main__":
    sys.exit(main())
