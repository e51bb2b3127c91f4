#!/usr/bin/env python3
"""Compare fgconv's Fast-LLM directories with the real transformers: fast_llm.py --fgconv build/fgconv

Tiny models of every family that transformers has and Fast-LLM too go to Fast-LLM and back to Hugging Face. The real class must load what
came back and give the logits of the source, bit for bit; tensors, config.json, generation_config.json and tokenizer must be unchanged.
Where FAST_LLM_PYTHON is a python that has Fast-LLM (FAST_LLM_PATH: its PYTHONPATH), the real program also converts fgconv's directory to
Hugging Face, which must give the source's tensors. Prints a line a check and "N passed, N failed"; the exit status is 1 if anything failed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import torch
import transformers
from interop import Failure, Inputs, Tally, convert, load, read_tensors
from make_models import FAST_LLM_MODELS, MODELS, make_models

REAL_FORMATS = ("llama", "mistral", "qwen2", "mixtral")  # qwen3 is a format of fgconv alone
DATA = pathlib.Path(__file__).resolve().parent.parent / "data/fast_llm"
GOLDEN = ("gemma4/dense", "gemma4/moe", "gemma4/shared", "llava/basic")
# Rewritten by whoever writes the file.
OF_THE_FILE = ("transformers_version",)
SIDE_FILES = ("generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def check_tensors(source: pathlib.Path, back: pathlib.Path):
    found, expected = read_tensors(back), read_tensors(source)
    if found.keys() != expected.keys():
        raise Failure(f"tensor names differ: {sorted(found.keys() ^ expected.keys())[:4]}")
    wrong = [k for k, v in expected.items() if found[k].dtype != v.dtype or not torch.equal(found[k], v)]
    if wrong:
        raise Failure(f"{len(wrong)} tensors differ: {wrong[:4]}")
    return f"{len(found)} tensors"


def check_config(source: pathlib.Path, back: pathlib.Path):
    found, expected = (json.loads((d / "config.json").read_text()) for d in (back, source))
    wrong = {k: (found.get(k, "(absent)"), v) for k, v in expected.items() if k not in OF_THE_FILE and found.get(k, "(absent)") != v}
    if wrong:
        raise Failure(f"config.json: found, expected: {wrong}")


def check_side_files(source: pathlib.Path, back: pathlib.Path):
    wrong = [f for f in SIDE_FILES if (source / f).exists() and (source / f).read_bytes() != (back / f).read_bytes()]
    if wrong:
        raise Failure(f"changed: {wrong}")


def check_logits(source: pathlib.Path, back: pathlib.Path):
    expected, found = (load(d, "eager", own_code=False) for d in (source, back))
    inputs = Inputs(source, expected.config.vocab_size)
    with torch.no_grad():
        a, b = found(inputs.ids).logits, expected(inputs.ids).logits
    if not torch.equal(a, b):
        raise Failure(f"logits differ by {(a - b).abs().max().item():.3g}")
    if not a.isfinite().all():
        raise Failure("logits are not finite")


def family_of(source: pathlib.Path) -> str:
    return json.loads((source / "config.json").read_text())["model_type"]


def check_real_fast_llm(python: str, source: pathlib.Path, made: pathlib.Path, work: pathlib.Path):
    """The real Fast-LLM reads what fgconv wrote and writes Hugging Face's tensors."""
    command = [python, "-m", "fast_llm.cli", "convert", "gpt", "use_cpu=True", "input.format=fast_llm", f"input.path={made}"]
    command += [f"output.format={family_of(source)}", f"output.path={work}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.environ.get("FAST_LLM_PATH", "")})
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    found, expected = read_tensors(work), read_tensors(source)
    wrong = [k for k, v in expected.items() if k not in found or not torch.equal(found[k].float(), v.float())]
    if wrong or found.keys() != expected.keys():
        raise Failure(f"{len(wrong)} tensors differ: {wrong[:4]}, {sorted(found.keys() ^ expected.keys())[:4]}")


def check_text_logits(source: pathlib.Path, back: pathlib.Path):
    """By the class that config.json names; a model with a vision encoder gets text alone."""
    logits = []
    for directory in (source, back):
        name = json.loads((directory / "config.json").read_text())["architectures"][0]
        model, info = getattr(transformers, name).from_pretrained(directory, dtype=torch.float32, output_loading_info=True)
        unused = {key: list(value)[:3] for key, value in info.items() if value}
        if unused:
            raise Failure(f"{directory.name}: {unused}")
        with torch.no_grad():
            logits.append(model(input_ids=torch.arange(3, 19).view(1, -1)).logits)
    if not torch.equal(*logits) or not logits[0].isfinite().all():
        raise Failure(f"logits differ by {(logits[0] - logits[1]).abs().max().item():.3g}")


def spelling(source: pathlib.Path) -> list:
    """The options for config.json to come back as transformers has written it: Fast-LLM keeps nothing of its spelling."""
    return ["--hf-version", "5" if "rope_parameters" in json.loads((source / "config.json").read_text()) else "4"]


def check_golden(tally: Tally, args, case: str, work: pathlib.Path):
    """A model that fgconv proves by its bytes alone: here the real class runs it."""
    source, name = DATA / case / "hf", case.replace("/", "-")
    if not hasattr(transformers, json.loads((source / "config.json").read_text())["architectures"][0]):
        print(f"{case}: this transformers has no class for it")
        return
    there, back = work / f"{name}-fast_llm", work / f"{name}-back"
    if tally.run(f"{case}: to Fast-LLM", convert, args, source, there, "--to", "fast_llm") and tally.run(f"{case}: and back", convert, args, there, back):
        for what, check in (("tensors", check_tensors), ("config.json", check_config), ("logits", check_text_logits)):
            tally.run(f"{case}: {what}", check, source, back)


def check_model(tally: Tally, args, source: pathlib.Path, work: pathlib.Path):
    there, back = work / f"{source.name}-fast_llm", work / f"{source.name}-back"
    if not tally.run(f"{source.name}: to Fast-LLM", convert, args, source, there, "--to", "fast_llm"):
        return
    if tally.run(f"{source.name}: and back", convert, args, there, back, *spelling(source)):
        for name, check in (("tensors", check_tensors), ("config.json", check_config), ("other files", check_side_files), ("logits", check_logits)):
            tally.run(f"{source.name}: {name}", check, source, back)
    if args.python and family_of(source) in REAL_FORMATS:
        tally.run(f"{source.name}: the real Fast-LLM reads it", check_real_fast_llm, args.python, source, there, work / f"{source.name}-real")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fgconv", required=True, type=lambda text: str(pathlib.Path(text).resolve()))
    parser.add_argument("--launcher", default="", help='put before fgconv, such as "mpirun -n 2"')
    args = parser.parse_args()
    args.option, args.converters, args.python = [], [], os.environ.get("FAST_LLM_PYTHON")
    if not args.python:
        print("the real Fast-LLM is left out: set FAST_LLM_PYTHON to a python that has it")
    transformers.utils.logging.disable_progress_bar()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="fgconv-fast-llm-") as work:
        work = pathlib.Path(work)
        for source in make_models(work, {**MODELS, **FAST_LLM_MODELS}):
            check_model(tally, args, source, work)
        for case in GOLDEN:
            check_golden(tally, args, case, work)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main())
