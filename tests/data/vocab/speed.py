#!/usr/bin/env python3
"""How fast fgconv tokenizes, next to HF tokenizers on one core: speed.py --fgconv build/fgconv [TEXT_FILE]

For each tokenizer that lies here: MB/s of both for a text of 1 MB (by default the sources of Python's standard library). fgconv
is timed on 1 and on 5 different cuts of it, so that starting and reading tokenizer.json do not count. Exit 1 if it is slower
than HF. Needs the package tokenizers.
"""
import argparse
import glob
import json
import lzma
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE, CUTS = 1_000_000, 5
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def texts(path):
    files = [path] if path else sorted(glob.glob(os.path.join(os.path.dirname(os.__file__), "*.py")))
    whole = "".join(open(f, encoding="utf-8", errors="replace").read() for f in files)
    return [whole[i * SIZE // 2:][:SIZE] for i in range(CUTS)]


def timed(action):
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main():
    import tokenizers
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("text", nargs="?")
    args = parser.parse_args()
    cuts = texts(args.text)
    megabytes = sum(len(c.encode()) for c in cuts[1:]) / 1e6
    slower = False
    for packed in sorted(glob.glob(os.path.join(HERE, "*", "tokenizer.json.xz"))):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "tokenizer.json"), "wb") as f:
                f.write(lzma.open(packed).read())
            theirs = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
            theirs.encode(cuts[0])
            hf = timed(lambda: [theirs.encode(c) for c in cuts[1:]])

            def run(some):
                lines = "".join(json.dumps(c) + "\n" for c in some).encode()
                command = [args.fgconv, "tokenize", folder, "--jsonl"]
                return min(timed(lambda: subprocess.run(command, input=lines, stdout=subprocess.DEVNULL, check=True)) for _ in range(3))

            ours = run(cuts) - run(cuts[:1])
        name = os.path.basename(os.path.dirname(packed))
        print(f"{name:8} fgconv {megabytes / ours:6.1f} MB/s   HF {megabytes / hf:5.1f} MB/s   {hf / ours:5.1f} times as fast")
        slower |= ours > hf
    return int(slower)


sys.exit(main())
