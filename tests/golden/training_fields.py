#!/usr/bin/env python3
"""What a Fast-LLM configuration says of training comes back from every way round; what it says of the model is never lost in silence.

    training_fields.py --fgconv build/fgconv
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, load, run

SOURCE = DATA / "fast_llm/llama/basic/fast_llm"
# Put behind a line of metadata.yaml; the field as the report names it, and its value.
ADDED = (("  base_model:\n", "    lr_scale: 2.0\n", "lr_scale", 2.0),
         ("        mlp:\n", "          lr_scale: 0.5\n", "decoder/block/mlp/lr_scale", 0.5),
         ("        mlp:\n", "          layer_1:\n            lr_scale: 0.25\n            apply_peft: false\n", "decoder/block/mlp/layer_1", {"lr_scale": 0.25, "apply_peft": False}),
         ("    embeddings:\n", "      dropout: 0.125\n", "embeddings/dropout", 0.125),
         ("    head:\n", "      output_weight:\n        initialization:\n          type: normal\n          std: 0.01\n", "head/output_weight", {"initialization": {"type": "normal", "std": 0.01}}))
NEUTRAL = (("    head:\n", "      cross_entropy_splits: 1\n"), ("        mlp:\n", "          recompute_level: none\n"))
# These change what the model computes.
REFUSED = (("    head:\n", "      logits_scale_factor: 2.0\n", "head/logits_scale_factor", 3), ("        mixer:\n", "          window_size: 4\n", "mixer", 10))
tally = Tally()


def edited(work, *changes):
    directory = work / "fast_llm"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(SOURCE, directory)
    path = directory / "metadata.yaml"
    text = path.read_text()
    for after, more in changes:
        assert after in text, after
        text = text.replace(after, after + more, 1)
    path.write_text(text)
    return directory


def convert(fgconv, name, source, target, *more):
    code, out = run(fgconv, ["-q", source, target, *more], ranks=2)
    return tally.check(f"{name}: exit", code == 0, f"exit {code}: {out[-400:]}")


def carried(directory):
    return {entry["key"]: entry["value"] for entry in load(directory / "fgconv_carried.json").get("fast_llm", [])}


def check_ways(fgconv, work):
    """Through hf, through Forgather, and through both: the second Fast-LLM directory leaves out the same as the first."""
    source = edited(work, *(row[:2] for row in ADDED + NEUTRAL))
    expected = {key: value for _, _, key, value in ADDED}
    ways = {"hf": ["hf"], "forgather": ["forgather"], "both": ["hf", "forgather", "hf"]}
    for name, formats in ways.items():
        at = source
        for i, to in enumerate(formats):
            target = work / f"{name}{i}"
            more = ["--model-type", "llama"] if at == source else []
            convert(fgconv, f"{name}: {at.name} to {to}", at, target, "--to", to, *more)
            tally.check(f"{name}: {to} carries the fields", carried(target) == expected, carried(target))
            at = target
        report = {entry["key"] for entry in load(work / f"{name}0/fgconv_report.json")["config"]["left_out"]}
        tally.check(f"{name}: the report names them", set(expected) <= report, report)
        convert(fgconv, f"{name}: back to fast_llm", at, work / f"{name}_back", "--to", "fast_llm")
        tally.check(f"{name}: the file is not copied", not (work / f"{name}_back/fgconv_carried.json").exists(), "it is there")
        convert(fgconv, f"{name}: and once more to hf", work / f"{name}_back", work / f"{name}_again")
        tally.check(f"{name}: everything came back", carried(work / f"{name}_again") == expected, carried(work / f"{name}_again"))


def check_neutral(fgconv, work):
    convert(fgconv, "defaults", edited(work, *NEUTRAL), work / "hf", "--model-type", "llama")
    tally.check("defaults are not carried", not (work / "hf/fgconv_carried.json").exists(), carried(work / "hf"))


def check_refused(fgconv, work):
    for after, more, where, expected in REFUSED:
        code, out = run(fgconv, ["-q", edited(work, (after, more)), work / "none", "--model-type", "llama"], ranks=2)
        tally.check(f"{more.strip()} ends in exit {expected}", code == expected and where in out, f"exit {code}: {out[-300:]}")
        tally.check(f"{more.strip()}: nothing is published", not (work / "none").exists(), "there is something")


def check_broken(fgconv, work):
    """A file that was damaged, a field that the model has no place for, one that contradicts hf."""
    convert(fgconv, "source", edited(work, *(row[:2] for row in ADDED)), work / "hf", "--model-type", "llama")
    path = work / "hf/fgconv_carried.json"
    whole = load(path)
    for name, document, code in (("no list", {"fast_llm": 3}, 3), ("no key", {"fast_llm": [{"value": 1}]}, 3),
                                 ("no place", {"fast_llm": [{"key": "decoder/blocks/x/lr_scale", "value": 1.0}]}, 0),
                                 ("no such field", {"fast_llm": [{"key": "head/novel", "value": 1.0}]}, 0),
                                 ("of another type", {"fast_llm": [{"key": "head/lr_scale", "value": "fast"}]}, 3),
                                 ("against hf", {"fast_llm": [{"key": "decoder/block/mlp/layer_1", "value": {"bias": {"enabled": True}}}]}, 3),
                                 ("whole", whole, 0)):
        path.write_text(json.dumps(document))
        found, out = run(fgconv, ["-q", work / "hf", work / "back", "--to", "fast_llm"], ranks=2)
        tally.check(f"{name}: exit {code}", found == code, f"exit {found}: {out[-300:]}")
        if name.startswith("no such") or name == "no place":
            tally.check(f"{name}: it is said", "is not restored" in out, out[-300:])
        shutil.rmtree(work / "back", ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    for check in (check_ways, check_neutral, check_refused, check_broken):
        with tempfile.TemporaryDirectory() as work:
            check(fgconv, pathlib.Path(work))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
