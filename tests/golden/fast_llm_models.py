#!/usr/bin/env python3
"""Models of Fast-LLM's formats as directories: both sides compute the same logits to the bit, for every number of ranks.

    fast_llm_models.py --fgconv build/fgconv

Also what inspect and diff say of Fast-LLM directories, masks, prediction heads, and how other directories of Fast-LLM are refused.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, hdf5_floats, load, npy, run, tensors, write_safetensors

CASES = sorted(p.parent for p in (DATA / "golden_fast_llm").rglob("logits.json"))
tally = Tally()


def validate(fgconv, a, b, ranks, *options):
    """The exit code, what was printed and the proof of the report."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        code, text = run(fgconv, ["validate", "--progress", "none", "--report", report, *options, a, b], ranks=ranks)
        return code, text, load(report)["proof"] if report.exists() else {}


def both_sides(fgconv):
    for case in CASES:
        name = f"{case.parent.name}/{case.name}"
        for ranks in (0, 2, 3):
            code, text, proof = validate(fgconv, case / "hf", case / "fast_llm", ranks, "--mask", "causal")
            tally.check(f"{name}, {ranks} ranks: equal to the bit", code == 0 and proof.get("max_abs") == 0 and proof.get("passed") is True, f"{code}: {text}")
            heads = 3 if name == "mtp_llama/heads3" else None
            tally.check(f"{name}, {ranks} ranks: heads", proof.get("prediction_heads") == heads, proof)


def masks(fgconv):
    case = DATA / "golden_fast_llm/dream/basic"
    code, text, proof = validate(fgconv, case / "hf", case / "fast_llm", 2)
    tally.check("dream: masks of their own differ", code == 10 and proof["first_difference"] == {"sublayer": "the mixer (attention)", "block": 0}, f"{code}: {text}")
    tally.check("dream: a word about it", "--mask causal or --mask none" in text, text)
    code, text, proof = validate(fgconv, case / "hf", case / "fast_llm", 3, "--mask", "none")
    tally.check("dream: without a mask", code == 0 and proof["max_abs"] == 0, f"{code}: {text}")
    code, text, _ = validate(fgconv, case / "hf", case / "hf", 2)
    tally.check("dream: its own mask", code == 0 and "--mask" not in text, f"{code}: {text}")


def dump(fgconv):
    """All prediction heads are written, by the ranks that have their slices."""
    case = DATA / "golden_fast_llm/mtp_llama/heads3"
    shape, want = npy(case / "logits.npy")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "dump.h5"
        ids = ",".join(map(str, load(case / "logits.json")["input_ids"]))
        code, text, _ = validate(fgconv, case / "hf", case / "fast_llm", 3, "--token-ids", ids, "--dump", file)
        if not tally.check("dump", code == 0 and tuple(shape) == (3, 24, 160), f"{code}: {text}"):
            return
        for side in ("source", "destination"):
            got = hdf5_floats(file, f"/{side}/logits", pathlib.Path(folder))
            worst = max(abs(a - b) for a, b in zip(got, want)) / max(map(abs, want)) if len(got) == len(want) else None
            tally.check(f"dump: {side}'s logits of all heads", worst is not None and worst < 1e-5, worst)
            tally.check(f"dump: {side}'s final norms", len(hdf5_floats(file, f"/{side}/final_norm", pathlib.Path(folder))) == 3 * 24 * 32)


def damage(fgconv):
    """A changed element of the last prediction head's block, and a changed setting, are seen."""
    case = DATA / "golden_fast_llm/mtp_llama/heads3"
    with tempfile.TemporaryDirectory() as folder:
        bad = pathlib.Path(folder) / "bad"
        shutil.copytree(case / "fast_llm", bad)
        file = bad / "model_0.safetensors"
        data = bytearray(file.read_bytes())
        size = int.from_bytes(data[:8], "little")
        begin = json.loads(data[8:8 + size])["multi_token_prediction.blocks.1.mixer.query.weight/weights"]["data_offsets"][0]
        data[8 + size + begin + 2] ^= 0x40
        file.write_bytes(data)
        for ranks in (0, 2):
            code, text, proof = validate(fgconv, case / "hf", bad, ranks)
            tally.check(f"a damaged head is seen, {ranks} ranks", code == 10 and proof["first_difference"] == {"sublayer": "the mixer (attention)", "block": 3}, f"{code}: {text}")
        shutil.copy(case / "fast_llm/metadata.yaml", bad / "metadata.yaml")
        shutil.copy(case / "fast_llm/model_0.safetensors", file)
        text = (bad / "metadata.yaml").read_text()
        (bad / "metadata.yaml").write_text(text.replace("theta: 10000.0", "theta: 10100.0"))
        code, text, proof = validate(fgconv, case / "hf", bad, 2)
        tally.check("a changed setting is seen", code == 10 and proof["first_difference"]["block"] == 0, f"{code}: {text}")
        one = bad / "metadata.yaml"
        one.write_text(one.read_text().replace("prediction_heads: 3", "prediction_heads: 2"))
        code, text, _ = validate(fgconv, case / "hf", bad, 2)
        tally.check("weights of a head that the configuration does not have", code == 3 and 'does not read 8 of the tensors: "multi_token_prediction.blocks.1.' in text, f"{code}: {text}")
        held = tensors(bad)
        write_safetensors(file, {name: held[name] for name in held if not re.match(r"multi_token_prediction\.[a-z_]+\.1\.", name)})
        code, text, _ = validate(fgconv, case / "hf", bad, 2)
        tally.check("another number of heads", code == 10 and "3 and 2 prediction heads" in text, f"{code}: {text}")


def commands(fgconv):
    a, b = (DATA / "golden_fast_llm" / name / "fast_llm" for name in ("llama/basic", "mistral/window"))
    code, text = run(fgconv, ["inspect", "--json", a], ranks=0)
    seen = json.loads(text)
    tally.check("inspect", code == 0 and seen["format"] == "fast_llm" and seen["architecture"] == "gpt" and seen["model_type"] is None
                and seen["parameters"] == 25760 and not seen["side_files"] and not seen["other_files"]
                and seen["tensors"][0]["name"] == "decoder.0.mixer.dense.weight", text)
    code, text = run(fgconv, ["diff", a, a], ranks=0)
    tally.check("diff of one with itself", code == 0 and "17 equal" in text, text)
    code, text = run(fgconv, ["diff", a, b], ranks=0)
    tally.check("diff of two", code == 10 and "base_model/decoder/block/mixer/window_size only in" in text and "decoder.1.norm_2.weight: 32 of 32 elements differ" in text, text)


def refused(fgconv):
    with tempfile.TemporaryDirectory() as folder:
        bad = pathlib.Path(folder) / "bad"
        shutil.copytree(DATA / "golden_fast_llm/llama/basic/fast_llm", bad)
        meta = bad / "metadata.yaml"
        text = meta.read_text()
        changes = [
            ("format: fast_llm", "format: distributed", "fast-llm convert gpt input.format=distributed"),
            ("format: fast_llm", "format: llama", "format: found \"llama\""),
            ("model_0.safetensors", "../model_0.safetensors", "expected the name of a file in the same directory"),
            ("model_0.safetensors", "model_1.safetensors", "which is missing"),
            ("      type: fixed", "      type: [fixed", "not valid YAML"),
            ("          type: rms_norm", "          type: layer_norm", "expected one of \"rms_norm\""),
            ("        mixer:\n", "        mixer: *mixer\n        other:\n", "an alias of an unknown anchor"),
        ]
        for old, new, message in changes:
            assert old in text, old
            meta.write_text(text.replace(old, new, 1) if "norm" in old or "mixer" in old else text.replace(old, new))
            for ranks in (0, 2):
                code, said = run(fgconv, ["validate", bad, bad], ranks=ranks)
                good = (code == 3 or ranks) and code not in (0, None) and message in said
                tally.check(f"refused: {new.strip()}, {ranks} ranks", good, f"{code}: {said}")
        meta.write_text(text)
        (bad / "ok").unlink()
        code, said = run(fgconv, ["validate", bad, bad], ranks=0)
        tally.check("no ok is a warning", code == 0 and "no file \"ok\"" in said, f"{code}: {said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = parser.parse_args().fgconv
    both_sides(fgconv)
    masks(fgconv)
    dump(fgconv)
    damage(fgconv)
    commands(fgconv)
    refused(fgconv)
    return tally.end()


sys.exit(main())
