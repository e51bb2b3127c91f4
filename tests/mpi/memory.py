#!/usr/bin/env python3
"""Memory of long prompts and large images: memory.py --fgconv build/fgconv [--tokens 4096]

The peak of a rank grows with the number of tokens or patches, not with its square; and a prompt that a rank cannot hold is refused before anything
is written.
"""
import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "slurm")]
from big_model import write_model
from checkpoint import DATA, Tally, environment, load, write_npy

PEAK = TESTS / "bench/peak.py"
LLAMA = DATA / "golden/llama_tied_rope3_bf16_sharded/hf"
VISION = DATA / "fast_llm/apriel2/vision/hf"
EMPTY = 24 << 20  # a proof of a few tokens takes less
tally = Tally()


def peak_of(fgconv, arguments, ranks=0):
    """The largest resident size of a rank, and what was said; None: it failed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(PEAK), folder, str(pathlib.Path(fgconv).resolve()), *map(str, arguments)]
        if ranks:
            command = ["mpirun", "--oversubscribe", "-n", str(ranks), *command]
        done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=250,
                              stdin=subprocess.DEVNULL)
        return max(int(p.read_text()) for p in pathlib.Path(folder).iterdir()) if done.returncode == 0 else None, done.stdout


def expect(name, found, text, most):
    tally.check(f"{name}: at most {most >> 20} MiB", found is not None and found <= most, f"{(found or 0) >> 20} MiB: {text}")


def token_ids(count):
    return ",".join(str(7 * i % 10) for i in range(count))


def long_prompts(fgconv, count):
    """Scores of all tokens would take 4 n^2 bytes a head: 64 MiB for 4096; what may grow are a few KiB a token."""
    most = EMPTY + count * 6144
    for ranks in (0, 2):
        found, text = peak_of(fgconv, ["validate", "--token-ids", token_ids(count), LLAMA, LLAMA], ranks)
        expect(f"{count} tokens, {ranks or 'no'} ranks", found, text, most + (ranks > 0) * (12 << 20))
    found, text = peak_of(fgconv, ["validate", "--mask", "none", "--token-ids", token_ids(count), LLAMA, LLAMA])
    expect(f"{count} tokens without a mask", found, text, most)
    found, text = peak_of(fgconv, ["validate", "-g", "--max-new-tokens", "2", "--token-ids", token_ids(count), LLAMA, LLAMA])
    expect(f"generation after {count} tokens", found, text, most)


def large_image(fgconv, patches):
    vision = load(VISION / "config.json")["vision_encoder"]
    size = (vision.get("embeddings") or vision)["patch_height"]
    height, width = 32 * size, patches // 32 * size
    with tempfile.TemporaryDirectory() as folder:
        image = write_npy(pathlib.Path(folder) / "image.npy", (3, height, width), [(i % 29 - 14) / 9 for i in range(3 * height * width)])
        found, text = peak_of(fgconv, ["validate", "--image", image, VISION, VISION])
    expect(f"an image of {patches} patches", found, text, EMPTY + patches * 6144)


def too_long(fgconv):
    """Hidden states of two models take 256 MiB, keys and values of a block 128 MiB; without them the program takes some 400 MiB of addresses."""
    tokens, limit = 32768, 520 << 20
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "hf"
        write_model(source, layers=1)
        for count, code in ((3, 0), (tokens, 5)):
            out = pathlib.Path(folder) / f"out{count}"
            done = subprocess.run([str(fgconv), "--token-ids", token_ids(count), str(source), str(out)], env=environment(), stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=100, stdin=subprocess.DEVNULL,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            tally.check(f"{count} tokens in {limit >> 20} MiB of address space", done.returncode == code, f"{done.returncode}: {done.stdout}")
        tally.check("the message has tokens and bytes", f"{tokens} tokens needs " in done.stdout and "--token-ids" in done.stdout, done.stdout)
        tally.check("nothing is written", sorted(p.name for p in pathlib.Path(folder).iterdir()) == ["hf", "out3"], done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--tokens", type=int, default=4096)
    arguments = parser.parse_args()
    long_prompts(arguments.fgconv, arguments.tokens)
    large_image(arguments.fgconv, arguments.tokens)
    too_long(arguments.fgconv)
    return tally.end()


sys.exit(main())
