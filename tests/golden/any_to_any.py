#!/usr/bin/env python3
"""Forgather and Fast-LLM, from one to the other in one go: the same bytes as through hf, on any number of ranks.

    any_to_any.py --fgconv build/fgconv CASE...      directories of tests/data/golden
"""
import argparse
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, header, load, run, tensors

tally = Tally()
LATER = ("transformers_version",)  # what a conversion stamps


def convert(fgconv, name, source, target, to, *more, ranks=2):
    code, out = run(fgconv, ["-q", source, target, "--to", to, *more], ranks=ranks)
    return tally.check(f"{name}: exit", code == 0, f"exit {code}: {out[-400:]}")


def files(directory):
    """name -> bytes, but for the report, which holds times."""
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.is_file() and p.name != "fgconv_report.json"}


def same_files(name, ours, theirs):
    a, b = files(ours), files(theirs)
    wrong = [k for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)]
    tally.check(name, not wrong, wrong)


def fast_llm_config(text):
    """The configuration's part of metadata.yaml: everything before "fast_llm_version"."""
    return text[: text.index("fast_llm_version")]


def check_case(fgconv, case, work):
    hf = DATA / "golden" / case / "hf"
    keep = ["--skip-default-tokens"]
    made = convert(fgconv, f"{case} hf to forgather", hf, work / "forgather", "forgather", *keep)
    made &= convert(fgconv, f"{case} hf to fast_llm", hf, work / "fast_llm", "fast_llm")
    if not made:
        return
    convert(fgconv, f"{case} fast_llm to forgather", work / "fast_llm", work / "forgather_2", "forgather", *keep, ranks=3)
    convert(fgconv, f"{case} forgather to fast_llm", work / "forgather", work / "fast_llm_2", "fast_llm", ranks=1)
    convert(fgconv, f"{case} forgather to hf", work / "forgather", work / "hf", "hf")
    convert(fgconv, f"{case} forgather to hf to fast_llm", work / "hf", work / "fast_llm_3", "fast_llm")
    same_files(f"{case}: forgather through fast_llm", work / "forgather_2", work / "forgather")
    same_files(f"{case}: forgather to fast_llm in one run", work / "fast_llm_2", work / "fast_llm_3")
    a, b = ((work / d / "metadata.yaml").read_text() for d in ("fast_llm", "fast_llm_2"))
    tally.check(f"{case}: configuration of Fast-LLM", fast_llm_config(a) == fast_llm_config(b), "differs")
    tally.check(f"{case}: tensors of Fast-LLM", tensors(work / "fast_llm") == tensors(work / "fast_llm_2"), "differ")
    steps = [(s["from"], s["to"]) for s in load(work / "forgather_2/fgconv_report.json")["steps"]]
    tally.check(f"{case}: steps of the report", steps == [("fast_llm", "hf"), ("hf", "forgather")], steps)
    code, out = run(fgconv, ["verify", "-q", work / "fast_llm", work / "forgather_2"], ranks=2)
    tally.check(f"{case}: verify", code == 0, out[-300:])

    convert(fgconv, f"{case} and back to hf", work / "forgather_2", work / "hf_2", "hf")
    source, found = tensors(hf) or None, tensors(work / "hf_2")
    if source:
        source.pop("lm_head.weight", None) if load(hf / "config.json").get("tie_word_embeddings") else None
        tally.check(f"{case}: tensors come back", source == found, "differ")
    before, after = load(hf / "config.json"), load(work / "hf_2/config.json")
    lost = {k: v for k, v in before.items() if v is not None and k in after and after[k] != v and k not in LATER + ("pad_token_id", "eos_token_id", "bos_token_id")}
    tally.check(f"{case}: keys come back", not lost, lost)


def check_casts_and_tokens(fgconv, case, work):
    """Casts and new rows are those of a conversion in two runs."""
    hf = DATA / "golden" / case / "hf"
    tokens = work / "tokens.yaml"
    tokens.write_text('special_tokens: ["<|one|>", "<|two|>"]\n')
    if not convert(fgconv, f"{case} hf to fast_llm", hf, work / "fast_llm", "fast_llm"):
        return
    more = ["--add-tokens", str(tokens), "--dtype", "float16"]
    convert(fgconv, f"{case} in one run", work / "fast_llm", work / "once", "forgather", *more, ranks=3)
    convert(fgconv, f"{case} in two runs, 1", work / "fast_llm", work / "hf", "hf")
    convert(fgconv, f"{case} in two runs, 2", work / "hf", work / "twice", "forgather", *more)
    same_files(f"{case}: tokens and a cast in one run", work / "once", work / "twice")
    dtypes = {entry["dtype"] for path in (work / "once").glob("*.safetensors") for entry in header(path)[0].values()}
    tally.check(f"{case}: cast", dtypes == {"F16"}, dtypes)


def check_refusals(fgconv, case, work):
    """A key that the first step or the second does not cover, a tensor too many: refused before anything is written."""
    hf = DATA / "golden" / case / "hf"
    if not convert(fgconv, f"{case} hf to forgather", hf, work / "forgather", "forgather"):
        return
    path = work / "forgather/config.json"
    config = load(path)
    for change, where in (({"novel_key": 7}, "novel_key"), ({"hidden_act": "tanh"}, "hidden_act")):
        path.write_text(json.dumps({**config, **change}))
        code, out = run(fgconv, ["-q", work / "forgather", work / "none", "--to", "fast_llm"], ranks=2)
        tally.check(f"{case}: {where} is refused", code == 3 and where in out, f"exit {code}: {out[-300:]}")
        tally.check(f"{case}: {where}: nothing is written", not list(work.glob("none*")), "there is something")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("cases", nargs="+")
    arguments = parser.parse_args()
    for case in arguments.cases:
        for check in (check_case, check_casts_and_tokens, check_refusals):
            with tempfile.TemporaryDirectory() as work:
                check(arguments.fgconv, case, pathlib.Path(work))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
