#!/usr/bin/env python3
"""Converts a synthetic training checkpoint of Fast-LLM to hf, and compares the time with `cp -r` of what was written.

    distributed.py --fgconv build/fgconv [--billions 3] [--ranks 4] [--folder DIR] [--repeat 3]

A llama of about that many float32 parameters over 8 rank files (tensor 2 x pipeline 2 x data 2), of random numbers. Prints for each round the
seconds of both, their ratio, and the peak memory of a rank. With the files in the page cache: they were written just before. Standard library only.
"""
import argparse
import array
import collections
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from checkpoint import environment

TENSOR = PIPELINE = DATA = 2
RANKS = TENSOR * PIPELINE * DATA
HEADS, GROUPS, HEAD_SIZE, VOCAB = 32, 8, 80, 32000
HIDDEN, INNER = HEADS * HEAD_SIZE, 6912
Sizes = collections.namedtuple("Sizes", "blocks vocab inner", defaults=(VOCAB, INNER))
METADATA = """config:
  base_model:
    decoder:
      block:
        mixer: {{add_linear_biases: false, head_groups: {groups}, head_size: {head_size}, heads: {heads}, rotary: {{theta: 10000.0, type: default}}, type: attention}}
        mlp: {{activation: silu, add_linear_biases: false, gated: true, intermediate_size: {inner}, type: mlp}}
        normalization: {{epsilon: 1.0e-05, type: rms_norm}}
        type: decoder
      num_blocks: {blocks}
      type: fixed
    embeddings: {{vocab_size: {vocab}}}
    head: {{normalization: {{epsilon: 1.0e-05, type: rms_norm}}}}
    hidden_size: {hidden}
    tied_embedding_weight: false
  distributed: {{local_world_size: {ranks}, pipeline_parallel: {pipeline}, rank: 0, tensor_parallel: {tensor}, world_size: {ranks}}}
  type: gpt
fast_llm_version: 0.4.0
format: distributed
metadata: {{completed_steps: 1000, documents_seen: 1000}}
model: gpt
shards: [weights]
"""


def piece(elements):
    """Of one rank, of a stage with this many elements on a tensor rank: padding makes it whole."""
    return (elements + -elements % (32 * DATA)) // DATA


def vector(pipeline, sizes):
    """Elements of the vector of a rank: the stages, one a layer, go round the pipeline ranks."""
    block = 2 * HIDDEN + (2 * HIDDEN * HEADS * HEAD_SIZE + 2 * GROUPS * HEAD_SIZE * HIDDEN + 3 * sizes.inner * HIDDEN) // TENSOR
    stages = [sizes.vocab * HIDDEN // TENSOR, *[block] * sizes.blocks, HIDDEN + sizes.vocab * HIDDEN // TENSOR]
    return sum(piece(n) for n in stages[pipeline::PIPELINE])


def make(folder, sizes):
    folder.mkdir()
    facts = dict(sizes._asdict(), groups=GROUPS, head_size=HEAD_SIZE, heads=HEADS, hidden=HIDDEN, ranks=RANKS, pipeline=PIPELINE, tensor=TENSOR)
    (folder / "metadata.yaml").write_text(METADATA.format(**facts))
    chance = random.Random(0)
    noise = array.array("f", (chance.gauss(0, 0.02) for _ in range(1 << 18))).tobytes()
    for rank in range(RANKS):
        elements = vector(rank // (TENSOR * DATA), sizes)
        header = json.dumps({"weights_shard": {"dtype": "F32", "shape": [elements], "data_offsets": [0, 4 * elements]}}).encode()
        header += b" " * (-len(header) % 8)
        with open(folder / f"rank_{rank}.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            for begin in range(0, 4 * elements, len(noise)):
                shift = 4 * chance.randrange(1 << 18)
                file.write((noise[shift:] + noise[:shift])[:4 * elements - begin])
    (folder / "ok").touch()


def measured(command, env=None):
    os.sync()
    begun = time.monotonic()
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv", required=True, type=pathlib.Path)
    parser.add_argument("--billions", type=float, default=3)
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    block = 2 * HIDDEN + 2 * HIDDEN * HEADS * HEAD_SIZE + 2 * GROUPS * HEAD_SIZE * HIDDEN + 3 * INNER * HIDDEN
    blocks = max(PIPELINE, round((args.billions * 1e9 - 2 * VOCAB * HIDDEN) / block))
    with tempfile.TemporaryDirectory(dir=args.folder) as work:
        work = pathlib.Path(work)
        make(work / "source", Sizes(blocks))
        for _ in range(args.repeat):
            (work / "peaks").mkdir()
            ours = measured(["mpirun", "--oversubscribe", "-n", str(args.ranks), sys.executable, HERE / "peak.py", work / "peaks", args.fgconv.resolve(), "--quiet",
                             "--no-fsync", "--validate", "none", "--model-type", "llama", work / "source", work / "made"], environment())
            copy = measured(["cp", "-r", work / "made", work / "copy"])
            peak = max(int(p.read_text()) for p in (work / "peaks").iterdir())
            size = sum(p.stat().st_size for p in (work / "made").iterdir())
            print(f"{blocks} blocks, {size / 1e9:.2f} GB: {ours:.2f} s, cp -r {copy:.2f} s, ratio {ours / copy:.2f}, {peak / 2**20:.0f} MiB a rank", flush=True)
            for name in ("peaks", "made", "copy"):
                shutil.rmtree(work / name)


if __name__ == "__main__":
    main()
