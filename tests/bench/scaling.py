#!/usr/bin/env python3
"""How the proof, generation and writing scale with ranks, on a machine with many cores: a table without budgets. Needs numpy and h5diff.

    scaling.py --fgconv FGCONV [--work DIR] [--layers 8] [--ranks 1,2,4,8,16] [--rows proof,generate,write,ceiling,one-file]
    scripts/bench scaling [...]

"ceiling" is what processes that share nothing reach on the machine (ceiling.py): more is not to be had. "one-file" is how fast they write one
file, whatever the way (one_file.py).

The model is a Llama with the blocks of the 8B one, so many of them. Times of the proof are those of its report; logits are compared with
those of one rank, bit by bit. Writing is compared with as many `cp` at once as there are ranks, page cache warm, less what mpirun takes.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from measure import Failed, machine, mpirun, run, start_of, warm  # noqa: E402

FEW, MANY = ",".join(map(str, range(1000, 1024))), ",".join(map(str, range(1000, 1512)))


def ranks_of(count, *command):
    return [str(part) for part in (command if count == 1 else mpirun(count, "--bind-to", "none", *command))]


def report_of(ranks, *command):
    done = subprocess.run(ranks_of(ranks, *command, "-q", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(f"{command}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def prove(fgconv, models, ranks):
    for name, tokens in (("24 tokens", FEW), ("512 tokens", MANY)):
        first = None
        for count in ranks:
            report = report_of(count, fgconv, "validate", "--token-ids", tokens, *models)
            seconds = report["proof"]["seconds"]
            first = first or seconds
            print(f"proof of {name}, {count:2} ranks: {seconds:7.2f} s, {first / seconds:5.2f} x, difference {report['proof']['max_abs']}", flush=True)


def same_bits(fgconv, models, ranks, work):
    if not shutil.which("h5diff"):
        print("no h5diff (hdf5-tools): bits were not compared")
        return
    dumps = []
    for count in (ranks[0], ranks[-1]):
        dumps.append(work / f"dump-{count}.h5")
        dumps[-1].unlink(missing_ok=True)
        report_of(count, fgconv, "validate", "--token-ids", FEW, "--dump", dumps[-1], *models)
    equal = subprocess.run(["h5diff", *map(str, dumps)], check=False).returncode == 0
    print(f"hidden states and logits of {ranks[0]} and {ranks[-1]} ranks: {'the same bits' if equal else 'DIFFERENT BITS'}", flush=True)
    for path in dumps:
        path.unlink()


def generate(fgconv, models, ranks, tokens=32):
    first = None
    for count in ranks:
        report = report_of(count, fgconv, "validate", "--token-ids", FEW, "-g", "--max-new-tokens", tokens, *models)
        speed = tokens / report["generation"]["seconds"]
        first = first or speed
        print(f"-g, {count:2} ranks: {speed:6.1f} tokens/s with both models, {speed / first:5.2f} x", flush=True)


def write(fgconv, source, ranks, work):
    size = sum(p.stat().st_size for p in source.iterdir())
    for shard in ("5GB", "1GB"):
        for count in ranks:
            start, out, copies = start_of(count, 3) if count > 1 else 0, work / "out", work / "copies"
            shutil.rmtree(out, ignore_errors=True)
            ours = run(ranks_of(count, fgconv, "-q", "--to", "forgather", "--validate", "none", "--no-fsync", "--skip-default-tokens",
                                "--max-shard-size", shard, source, out)) - start
            shutil.rmtree(out)
            theirs = copy_at_once(source, copies, count)
            print(f"rename into shards of {shard}, {count:2} ranks: {ours:6.2f} s, {size / ours / 1e9:5.1f} GB/s; {count} x cp {theirs:6.2f} s; "
                  f"ratio {ours / theirs:4.2f}", flush=True)


def copy_at_once(source, to, count):
    """The seconds of so many `cp`, each of a part of the files."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    files = sorted(p for p in source.iterdir() if p.is_file())
    groups = [files[i::count] for i in range(count) if files[i::count]]
    command = " & ".join("cp " + " ".join(f"'{p}'" for p in group) + f" '{to}'" for group in groups) + " & wait"
    seconds = run(["bash", "-c", command])
    shutil.rmtree(to)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/dev/shm/fgconv-scaling"))
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--ranks", default="1,2,4,8,16")
    parser.add_argument("--rows", default="proof,generate,write,ceiling,one-file")
    options = parser.parse_args()
    ranks, rows = [int(n) for n in options.ranks.split(",")], options.rows.split(",")
    source, other = options.work / "hf", options.work / "forgather"
    options.work.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        run([sys.executable, HERE / "make_llama.py", source, "--layers", str(options.layers)])
    if not other.exists():
        run(ranks_of(min(8, ranks[-1]), options.fgconv, "-q", "--to", "forgather", "--validate", "none", "--no-fsync", "--skip-default-tokens",
                     source, other))
    for folder in (source, other):
        warm(folder)
    print(machine(options.fgconv, options.work))
    print(f"a Llama with {options.layers} blocks of the 8B shape, {sum(p.stat().st_size for p in source.iterdir()) / 1e9:.1f} GB", flush=True)
    if "proof" in rows:
        prove(options.fgconv, (source, other), ranks)
        same_bits(options.fgconv, (source, other), ranks, options.work)
    if "ceiling" in rows:
        subprocess.run([sys.executable, HERE / "ceiling.py", "--ranks", options.ranks], check=True)
    if "one-file" in rows:
        subprocess.run([sys.executable, HERE / "one_file.py", "--ranks", options.ranks, "--work", options.work], check=True)
    if "generate" in rows:
        generate(options.fgconv, (source, other), ranks)
    if "write" in rows:
        write(options.fgconv, source, ranks, options.work)


if __name__ == "__main__":
    main()
