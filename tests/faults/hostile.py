#!/usr/bin/env python3
"""Hostile inputs of every kind that fgconv reads: each is refused with its reason, or gives a right result, in 2 s and 512 MiB; nothing that is not its own
is opened, and nothing is executed (strace, for every tenth input). No input is stored: code makes them.

    hostile.py --fgconv build/fgconv [--only WORDS] [--trace-every N]
"""
import argparse
import importlib
import pathlib
import shutil
import sys

from hostile_run import Hostile

PARTS = ("hostile_weights", "hostile_text", "hostile_tokenizers", "hostile_distributed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--only", default="", help="only inputs whose name has these words")
    parser.add_argument("--parts", nargs="*", default=PARTS)
    parser.add_argument("--trace-every", type=int, default=10, help="which inputs run under strace, if it is installed; 0: none")
    given = parser.parse_args()
    hostile = Hostile(str(pathlib.Path(given.fgconv).resolve()), given.only, given.trace_every if shutil.which("strace") else 0)
    for part in given.parts:
        importlib.import_module(part).parts(hostile)
    status = hostile.tally.end()
    print(f"hostile inputs: {hostile.tried} tried, {hostile.tally.passed} held; {hostile.traced} under strace; {hostile.slowest[0]:.1f} s at most ({hostile.slowest[1]})")
    return status


if __name__ == "__main__":
    sys.exit(main())
