#!/usr/bin/env python3
"""Models that are large in one way: elements of a tensor, bytes of a shard, number of tensors, or all of a model of 405 billion parameters.

    big.py --fgconv build/fgconv [--long] [--large-message PROGRAM]

Weights are holes of sparse files, with random bytes at the places where a number of 31 or 32 bits would wrap around and at the ends. `--long`
also transposes a tensor of more than 2^31 elements and proves the one that is only renamed: minutes, for holes are computed with as data is.
Where the file system has no room for what fgconv would write, a part is skipped. The program large_message shares a text of more than 2 GiB.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "bench")]
import models
from checkpoint import Tally, environment, header, run

MEBIBYTE = 1 << 20
MARK = 64  # bytes
ROWS, WIDTH = 600_000, 4096  # more than 2^31 elements
MESSAGE_MEMORY = 6 << 30  # on two ranks, with what MPI needs
tally = Tally()


def marked_places(size):
    """Offsets into a tensor's bytes."""
    edges = [0, 1 << 31, 1 << 32, (1 << 32) + (1 << 20), size]
    return sorted({max(0, edge - MARK // 2) for edge in edges[1:-1] if edge < size} | {0, size - MARK})


def mark(path):
    """Writes random bfloat16 numbers, finite, at the places of every large tensor of a file."""
    entries, start = header(path)
    numbers = random.Random(1)
    with open(path, "r+b") as file:
        for entry in entries.values():
            begin, end = entry["data_offsets"]
            for place in marked_places(end - begin) if end - begin > MEBIBYTE else ():
                file.seek(start + begin + place)
                file.write(b"".join(struct.pack("<H", 0x3C00 + numbers.randrange(1 << 9)) for _ in range(MARK // 2)))


def read(path, offset, length):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def tensors_of(directory):
    """name -> (file, offset of its bytes, how many, dtype) of a checkpoint."""
    found = {}
    for path in sorted(directory.glob("*.safetensors")):
        entries, start = header(path)
        found.update((name, (path, start + e["data_offsets"][0], e["data_offsets"][1] - e["data_offsets"][0], e["dtype"])) for name, e in entries.items())
    return found


def as_float32(data):
    return b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2))


def same_marks(source, destination, widened=False):
    """Whether large tensors, in the order of sizes and first bytes, have the same bytes at all places."""
    def seen(tensor, factor):
        path, offset, size, _ = tensor
        places = marked_places(size // factor)
        return size // factor, [read(path, offset + place * factor, MARK * factor) for place in places]
    factor = 2 if widened else 1
    held = sorted(seen(t, 1) for t in tensors_of(source).values() if t[2] > MEBIBYTE)
    got = sorted(seen(t, factor) for t in tensors_of(destination).values() if t[2] > MEBIBYTE * factor)
    if widened:
        held = [(size, [as_float32(data) for data in blocks]) for size, blocks in held]
    return held == got and len(held) > 1


class Part:
    """A folder with a model, which is removed at the end."""

    def __init__(self, name, **shape):
        self.name, self.shape = name, {"layers": 1, "hidden": WIDTH, "inter": WIDTH, "heads": 32, "kv_heads": 8, "vocab": 32000, "shards": 1, **shape}

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.source, self.out = self.folder / "source", self.folder / "out"
        self.count = models.write(self.source, **self.shape)
        for path in self.source.glob("*.safetensors"):
            mark(path)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def room_for(self, factor):
        size = sum(path.stat().st_size for path in self.source.glob("*.safetensors"))
        if shutil.disk_usage(self.folder).free > factor * size + (1 << 30):
            return True
        print(f"skipped: {self.name}: {self.folder} has no room for {factor} times {size >> 30} GiB")
        return False

    def convert(self, fgconv, name, *options, ranks=2):
        shutil.rmtree(self.out, ignore_errors=True)
        code, text = run(fgconv, ["--no-fsync", *options, self.source, self.out], ranks=ranks, timeout=1800)
        return tally.check(f"{self.name}: {name}", code == 0, f"{code}: {text}")


def many_elements(fgconv, long):
    with Part("more than 2^31 elements in a tensor", vocab=ROWS) as part:
        if part.room_for(2):
            if part.convert(fgconv, "renamed", "--validate", "none"):
                tally.check(f"{part.name}: the bytes are there", same_marks(part.source, part.out))
            if part.convert(fgconv, "cast", "--validate", "none", "--dtype", "float32"):
                tally.check(f"{part.name}: each number is there as float32", same_marks(part.source, part.out, widened=True))
        if long and part.room_for(1):
            part.convert(fgconv, "proved", "--token-ids", f"1,{ROWS - 1}")
    if long:
        with Part("more than 2^31 elements to transpose", inter=ROWS) as part:
            part.room_for(1) and part.convert(fgconv, "turned, and verified byte by byte", "--validate", "bytes", "--to", "fast_llm")


def large_shard(fgconv, _):
    with Part("a shard of 25 GB", layers=50, inter=16384) as part:
        if part.room_for(1) and part.convert(fgconv, "renamed", "--validate", "none", "--max-shard-size", "60GB"):
            sizes = [path.stat().st_size for path in part.out.glob("*.safetensors")]
            tally.check("a shard of 25 GB: it stays one", len(sizes) == 1 and sizes[0] > 20e9, sizes)
            tally.check("a shard of 25 GB: the bytes are there", same_marks(part.source, part.out))


def many_tensors(fgconv, _):
    with Part("100,000 tensors", layers=11_111, hidden=8, inter=8, heads=1, kv_heads=1, vocab=32, shards=2) as part:
        if part.convert(fgconv, "renamed", "--validate", "bytes"):
            tally.check("100,000 tensors: all are there", len(tensors_of(part.out)) == part.count >= 100_000, part.count)


def planned(fgconv, part, options, seconds, mebibytes):
    """A dry run: what it takes of the processor, and of memory beyond the budget of a conversion."""
    before = os.times()
    done = subprocess.run([fgconv, "--dry-run", "--validate", "none", "--json", *options, part.source, part.out], env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    after = os.times()
    took = after.children_user - before.children_user + after.children_system - before.children_system
    planned = done.returncode == 0 or (done.returncode == 4 and " free, " in done.stderr)  # this machine's disk need not hold it
    report = json.loads(done.stdout) if planned else {}
    peak = report.get("memory", {}).get("peak_bytes_per_rank", 0) / MEBIBYTE
    name = " ".join([part.name, *options])
    tally.check(f"{name}: planned from headers", planned and len(report.get("tensors", [])) >= part.shape["layers"], done.stderr)
    tally.check(f"{name}: {seconds} s of processor time, {mebibytes} MiB", took < seconds and 0 < peak < mebibytes, f"{took:.2f} s, {peak:.0f} MiB")
    print(f"     {part.count} tensors: {took:.2f} s, {peak:.0f} MiB")


def large_models(fgconv, _):
    """One second for 100,000 tensors; 96 MiB, and 600 bytes a tensor."""
    with Part("405 billion parameters", layers=126, hidden=16384, inter=53248, heads=128, vocab=128256, shards=191) as part:
        planned(fgconv, part, [], 0.5, 96)
        planned(fgconv, part, ["--to", "fast_llm"], 0.5, 96)
    with Part("256 experts", layers=61, hidden=7168, inter=2048, heads=128, vocab=129280, shards=163, experts=256) as part:
        planned(fgconv, part, ["--to", "fast_llm"], 1, 128)


def large_message(program):
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if memory < MESSAGE_MEMORY:
        print(f"skipped: a message of more than 2 GiB: {memory >> 30} GiB of memory are free")
        return
    code, text = run(program, [])
    tally.check("a message of more than 2 GiB", code == 0 and "are the same on 2 ranks" in text, f"{code}: {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--large-message")
    options = parser.parse_args()
    fgconv = str(pathlib.Path(options.fgconv).resolve())
    for part in (large_models, many_elements, large_shard, many_tensors):  # a child's peak is at least what this process has
        part(fgconv, options.long)
    if options.large_message:
        large_message(options.large_message)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
