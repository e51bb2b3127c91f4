#!/usr/bin/env python3
"""What a proof says about itself: the default prompt reaches beyond sliding windows of up to 512 tokens, and the report names what no token reached.

    exercised.py --fgconv build/fgconv
"""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, load, run, run_parts

tally = Tally()


def changed(source, folder, **keys):
    """A copy of a model without a tokenizer, whose config.json has these keys."""
    folder.mkdir()
    shutil.copy(source / "model.safetensors", folder)
    (folder / "config.json").write_text(json.dumps({**load(source / "config.json"), **keys}))
    return folder


def proof(fgconv, name, source, out, *options, ranks=0):
    code, text = run(fgconv, [*options, source, out], ranks=ranks)
    tally.check(f"{name}: exit", code == 0, f"{code}: {text}")
    return load(out / "fgconv_report.json")["proof"], text


def windows(fgconv, work):
    source = DATA / "golden/mistral_window_to_fp32/hf"
    rows = [(8, [], 24, False), (24, [], 25, False), (40, [], 41, False), (512, [], 513, False), (513, [], 24, True), (None, [], 24, False),
            (8, ["--token-ids", "1,2,3"], 3, True), (8, ["--token-ids", "1,2,3,4,5,6,7,8"], 8, True), (8, ["--token-ids", "1,2,3,4,5,6,7,8,9"], 9, False),
            (8, ["--mask", "none"], 24, True)]
    for i, (window, options, tokens, untested) in enumerate(rows):
        name = f"window {window}, {options or 'the default prompt'}"
        found, text = proof(fgconv, name, changed(source, work / f"mistral{i}", sliding_window=window), work / f"window{i}", *options)
        expected = {"windows": [{"window": window, "blocks": 2}]} if untested else {}
        tally.check(f"{name}: tokens", found["tokens"] == tokens, found)
        tally.check(f"{name}: not exercised", found["not_exercised"] == expected, found)
        tally.check(f"{name}: summary", (f"untested  the sliding window of {window} tokens in 2 blocks" in text) == untested, text)


def built_in_sentence(fgconv, work):
    """A sentence is repeated until it is long enough; one that the user gives stays as it is."""
    source = DATA / "golden/mistral_window_to_fp32/hf"
    model = changed(source, work / "sentence", sliding_window=200)
    for path in source.glob("*token*"):
        shutil.copy(path, model)
    found, _ = proof(fgconv, "a sentence", model, work / "sentence_out")
    tally.check("a sentence: tokens", found["tokens"] == 201 and not found["not_exercised"], found)
    found, _ = proof(fgconv, "a prompt", model, work / "prompt_out", "--prompt", "one")
    tally.check("a prompt: tokens", found["tokens"] < 200 and "windows" in found["not_exercised"], found)


def experts(fgconv, work):
    source = DATA / "fast_llm/mixtral/experts4/hf"
    first = None
    for ranks in (0, 1, 2, 3):
        name = f"one token, {ranks} ranks"
        found, text = proof(fgconv, name, source, work / f"experts{ranks}", "--to", "fast_llm", "--token-ids", "5", ranks=ranks)
        gaps = found["not_exercised"]
        first = first or gaps
        tally.check(f"{name}: half of the experts of each block", [(g["block"], g["of"], len(g["experts"])) for g in gaps["experts"]] ==
                    [(block, 4, 2) for block in range(found["blocks"])], gaps)
        tally.check(f"{name}: the same experts", gaps == first, (gaps, first))
        tally.check(f"{name}: summary", f"{2 * found['blocks']} of {4 * found['blocks']} experts in {found['blocks']} blocks: no token was routed to them" in text, text)
    found, _ = proof(fgconv, "experts, the default prompt", source, work / "experts", "--to", "fast_llm")
    tally.check("the default prompt: all experts", found["not_exercised"] == {}, found)


def mixers(fgconv, work):
    source = DATA / "fast_llm/apriel2_text/stochastic/hf"
    found, text = proof(fgconv, "a stochastic mixer", source, work / "mixers", "--to", "fast_llm")
    gaps = found["not_exercised"].get("mixers", [])
    tally.check("a stochastic mixer: all but the main one", gaps == [{"block": b, "mixers": ["gdn", "kda"]} for b in range(2)], gaps)
    tally.check("a stochastic mixer: summary", f"untested  the mixers of {len(gaps)} stochastic block" in text and "that are not the main one" in text, text)


def verdicts(fgconv, work):
    source = DATA / "golden/mistral_window_to_fp32/hf"
    for kind, verdict, line in (("logits", "proved", "proved    89 tokens"), ("bytes", "not_proved", "proof     not proved: every byte"),
                                ("none", "not_proved", "proof     not proved (--validate none)")):
        found, text = proof(fgconv, kind, source, work / f"verdict_{kind}", "--validate", kind)
        tally.check(f"{kind}: verdict", found["kind"] == kind and found["verdict"] == verdict and line in text, (found, text))


if __name__ == "__main__":
    sys.exit(run_parts(tally, __doc__, (windows, built_in_sentence, experts, mixers, verdicts)))
