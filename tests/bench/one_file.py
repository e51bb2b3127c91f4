#!/usr/bin/env python3
"""How fast many processes write one file, by the ways that there are, next to a file for each: for the choice of how ranks share shards.

    one_file.py [--work DIR] [--ranks 1,4,8,16] [--gigabytes 4]

Each process writes blocks of 256 KiB that take turns with those of the others, as ranks do that take blocks from a common queue. The bytes
come from memory that stays in the processor's cache.
"""
import argparse
import mmap
import multiprocessing
import os
import pathlib
import time

BLOCK = 256 << 10


def by_pwrite(fd, rank, count, blocks):
    data = bytes([rank]) * BLOCK
    for i in range(rank, blocks, count):
        os.pwrite(fd, data, i * BLOCK)


def by_mapping(fd, rank, count, blocks):
    data = bytes([rank]) * BLOCK
    with mmap.mmap(fd, blocks * BLOCK) as memory:
        for i in range(rank, blocks, count):
            memory[i * BLOCK:(i + 1) * BLOCK] = data


def alone(fd, rank, count, blocks):
    by_pwrite(fd, 0, 1, blocks // count)


def work(job):
    way, path, rank, count, blocks, begin = job
    fd = os.open(path if way is not alone else f"{path}.{rank}", os.O_RDWR | os.O_CREAT)
    while time.time() < begin:
        pass
    way(fd, rank, count, blocks)
    os.close(fd)
    return time.time() - begin


def seconds(way, allocated, path, count, blocks):
    with open(path, "wb") as file:
        if allocated:
            os.posix_fallocate(file.fileno(), 0, blocks * BLOCK)
        else:
            file.truncate(blocks * BLOCK)
    with multiprocessing.Pool(count) as pool:
        took = max(pool.map(work, [(way, path, rank, count, blocks, time.time() + 0.5) for rank in range(count)], 1))
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/dev/shm"))
    parser.add_argument("--ranks", default="1,4,8,16")
    parser.add_argument("--gigabytes", type=float, default=4)
    options = parser.parse_args()
    blocks = int(options.gigabytes * 1e9) // BLOCK // 240 * 240  # whole numbers of blocks for each process
    for name, way, allocated in (("pwrite", by_pwrite, False), ("pwrite, allocated before", by_pwrite, True), ("mapped", by_mapping, False),
                                 ("mapped, allocated before", by_mapping, True), ("a file for each", alone, False)):
        speeds = []
        for count in map(int, options.ranks.split(",")):
            speeds.append(blocks * BLOCK / 1e9 / seconds(way, allocated, options.work / "fgconv-one-file", count, blocks))
        print(f"{name:26}" + "".join(f"{count:>4} processes {speed:5.1f} GB/s " for count, speed in zip(options.ranks.split(","), speeds)), flush=True)


if __name__ == "__main__":
    main()
