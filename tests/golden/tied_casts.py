#!/usr/bin/env python3
"""A tied float32 model, cast on the way: whichever directory holds embedding and head, once or twice, the result and its proof are those of rounded weights.

    tied_casts.py --fgconv build/fgconv
"""
import argparse
import json
import pathlib
import random
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, load, run, tensors, write_safetensors

IDS = ["--token-ids", "1,2,3,380,7"]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
tally = Tally()


def float32(data, seed):
    """bfloat16 numbers as float32 with other low bits, so that a cast rounds them."""
    low = random.Random(seed)
    return b"".join(struct.pack("<HH", low.randrange(1 << 16), high) for (high,) in struct.iter_unpack("<H", data))


def bfloat16(data):
    """float32 numbers to the nearest bfloat16, ties to even."""
    whole = (v for (v,) in struct.iter_unpack("<I", data))
    return b"".join(struct.pack("<H", (v + 0x7fff + (v >> 16 & 1)) >> 16) for v in whole)


def make_tied(directory, both):
    """hf, llama, tied, float32; with `both` the head lies there too."""
    source = DATA / "model/llama/hf"
    held = {name: ("float32", shape, float32(data, name)) for name, (_, shape, data) in tensors(source).items() if name != HEAD}
    if both:
        held[HEAD] = held[EMBEDDING]
    directory.mkdir()
    write_safetensors(directory / "model.safetensors", held)
    (directory / "config.json").write_text(json.dumps({**load(source / "config.json"), "tie_word_embeddings": True, "dtype": "float32"}))
    return held


def cast(fgconv, name, source, out, target, dtype, *options):
    to = ["--to", target] if target else []
    code, text = run(fgconv, [*options, *to, "--dtype", dtype, *IDS, source, out], ranks=0)
    proof = load(out / "fgconv_report.json").get("proof", {})
    tally.check(f"{name}: exit", code == 0, f"{code}: {text}")
    return tally.check(f"{name}: proved by logits, and something was rounded",
                       proof.get("passed") is True and proof["rounding"]["max_abs"] > 0, proof)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        held = make_tied(work / "hf", False)
        make_tied(work / "hf_both", True)
        for source in ("hf", "hf_both"):
            code, text = run(fgconv, ["--to", "forgather", *IDS, work / source, work / f"{source}_forgather"], ranks=0)
            tally.check(f"{source} to forgather", code == 0, text)
        code, text = run(fgconv, ["--to", "fast_llm", *IDS, work / "hf", work / "fast_llm"], ranks=0)
        tally.check("hf to fast_llm", code == 0, text)
        formats = {"hf": "hf", "hf_both": "hf", "hf_forgather": "forgather", "hf_both_forgather": "forgather", "fast_llm": "fast_llm"}
        for source in formats:
            for target in ("hf", "forgather", "fast_llm"):
                if formats[source] == target:
                    continue
                for dtype in ("bfloat16", "float16"):
                    name = f"{source} to {target} in {dtype}"
                    out = work / name.replace(" ", "-")
                    if cast(fgconv, name, work / source, out, target, dtype) and target == "hf" and dtype == "bfloat16":
                        made = tensors(out)
                        tally.check(f"{name}: bytes", made[EMBEDDING][2] == bfloat16(held[EMBEDDING][2]) and HEAD not in made)
        for command in ("finalize", "update-vocab"):
            cast(fgconv, f"{command} in bfloat16", work / "hf_both_forgather", work / command, None, "bfloat16", command)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
