#!/usr/bin/env python3
"""Converts the tiny models of tests/data/families to other formats and back.

    family_round_trips.py --fgconv build/fgconv [FAMILY/CASE...]

To Forgather, with a proof, and back: the same tensors, bit for bit, and a config.json that means the same (it becomes the same config.json of
Forgather), in the older spelling and with --hf-version 5. To Fast-LLM: proved, and back the same; or refused, naming settings that it cannot hold.
"""
import argparse
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, digests, load, run

FAMILIES = DATA / "families"
PROVED = "logits equal bit for bit"
# What a refusal towards Fast-LLM names. gelu is its tanh form there, so the proof finds other logits.
REFUSED = {
    "gemma2": (3, '"attn_logit_softcapping"'), "gemma3_text": (3, '"query_pre_attn_scalar"'), "olmo2": (3, '"q_norm, k_norm"'), "granite": (3, '"residual_multiplier"'),
    "phi3": (3, '"partial_rotary_factor"'), "glm4": (3, '"partial_rotary_factor"'), "qwen2/last_layers": (3, '"linear"'), "qwen2/types": (3, '"dynamic"'),
    "smollm3/interval": (10, "approximated with tanh"),
}
tally = Tally()


def convert(fgconv, name, work, *arguments):
    code, out = run(fgconv, [*arguments, str(work)], ranks=0)
    if "--to" not in arguments:
        tally.check(f"{name}: {work.name}: nothing is left out", "left out" not in out, out)
    return tally.check(f"{name}: {work.name}", code == 0 and PROVED in out, f"exit {code}: {out[-600:]}")


def same_tensors(name, source, back):
    tally.check(f"{name}: the tensors of {back.name}", digests(source) == digests(back))


def settings(directory):
    """config.json, without the older name of rope_type."""
    config = load(directory / "config.json")
    scaling = config.get("rope_scaling") or {}
    if scaling.get("type") == scaling.get("rope_type"):
        scaling.pop("type", None)
    return config


def check_forgather(fgconv, name, source, work):
    if not convert(fgconv, name, work / "fg", "--to", "forgather", "--skip-default-tokens", str(source)):
        return
    for label, arguments in (("back", []), ("back5", ["--hf-version", "5"])):
        if convert(fgconv, name, work / label, *arguments, str(work / "fg")):
            same_tensors(name, source, work / label)
            if convert(fgconv, name, work / f"{label}_fg", "--to", "forgather", "--skip-default-tokens", str(work / label)):
                tally.check(f"{name}: {label} means the same", settings(work / "fg") == settings(work / f"{label}_fg"))


def check_fast_llm(fgconv, name, source, work):
    family = name.split("/")[0]
    expected = REFUSED.get(name) or REFUSED.get(family)
    if expected:
        code, out = run(fgconv, ["--to", "fast_llm", str(source), str(work / "fl")], ranks=0)
        tally.check(f"{name}: refused towards Fast-LLM", (code, expected[1] in out) == (expected[0], True), f"exit {code}: {out[-600:]}")
    elif convert(fgconv, name, work / "fl", "--to", "fast_llm", str(source)):
        if convert(fgconv, name, work / "fl_back", "--model-type", family, str(work / "fl")):
            same_tensors(name, source, work / "fl_back")
            held, back = load(source / "config.json"), load(work / "fl_back/config.json")
            wrong = {k: back.get(k) for k in held if k in back and k != "rope_scaling" and back[k] != held[k]}
            tally.check(f"{name}: the settings come back from Fast-LLM", not wrong, wrong)


def check_case(fgconv, name):
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        source = work / "source"
        source.mkdir()
        for file in ("config.json", "model.safetensors"):
            shutil.copy(FAMILIES / name / file, source / file)
        check_forgather(fgconv, name, source, work)
        check_fast_llm(fgconv, name, source, work)


def cases():
    return sorted(str(path.parent.relative_to(FAMILIES)) for path in FAMILIES.glob("*/*/config.json"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv", default=str(ROOT / "build/fgconv"))
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    for name in arguments.cases or cases():
        check_case(arguments.fgconv, name)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
