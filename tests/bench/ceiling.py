#!/usr/bin/env python3
"""What a machine gives to processes that share nothing: products of matrices and reading of memory by so many at once, as multiples of one.

    ceiling.py [--ranks 1,2,4,8,16]

No program that computes scales better. Products are numpy's, of one thread each, of about the size that a rank multiplies at 512 tokens.
"""
import argparse
import multiprocessing
import os
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
import numpy as np  # noqa: E402

SECONDS = 1.5


def product():
    a, b = np.random.rand(512, 2048).astype(np.float32), np.random.rand(2048, 512).astype(np.float32)
    return lambda: a @ b, 2 * 512 * 2048 * 512


def memory():
    numbers = np.ones(64 << 20, dtype=np.float32)
    return numbers.max, numbers.nbytes


def work(job):
    """Amount a second, from a moment on that is the same for all."""
    make, begin = job
    call, amount = make()
    call()
    while time.time() < begin:
        pass
    count, end = 0, time.time() + SECONDS
    while time.time() < end:
        call()
        count += 1
    return count * amount / SECONDS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ranks", default="1,2,4,8,16")
    ranks = [int(n) for n in parser.parse_args().ranks.split(",")]
    for name, make, unit in (("products", product, "GFLOP/s"), ("reading memory", memory, "GB/s")):
        first = None
        for count in ranks:
            with multiprocessing.Pool(count) as pool:
                speed = sum(pool.map(work, [(make, time.time() + 2)] * count, 1)) / 1e9
            first = first or speed / count
            print(f"{name}, {count:2} processes: {speed:8.1f} {unit}, {speed / first:5.2f} x", flush=True)


if __name__ == "__main__":
    main()
