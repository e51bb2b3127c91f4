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
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, hdf5_floats, load, npy, run, tensors, write_safetensors

CASES = sorted(p.parent for folder in ("golden_fast_llm", "fast_llm") for p in (DATA / folder).rglob("logits.json"))
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
    tally.check("dream: masks of their own differ", code == 10 and proof["first_difference"] == {"part": "mixer", "block": 0}, f"{code}: {text}")
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
            tally.check(f"a damaged head is seen, {ranks} ranks", code == 10 and proof["first_difference"] == {"part": "mixer", "block": 3}, f"{code}: {text}")
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


def with_biases(case, folder, change, layers):
    """A copy of a model of apriel2_text whose blocks of attention have biases of these layers, too."""
    shutil.copytree(case, folder)
    config = load(folder / "config.json")
    change(config["decoder"]["blocks"]["attn"])
    (folder / "config.json").write_text(json.dumps(config))
    held = tensors(case)
    for block in range(0, config["decoder"]["num_blocks"], len(config["decoder"]["pattern"])):
        for layer in layers:
            rows = held[f"model.decoder.blocks.{block}.{layer}.weight"][1][0]
            values = struct.pack(f"<{rows}f", *(0.1 * (k - rows / 3) for k in range(rows)))
            held[f"model.decoder.blocks.{block}.{layer}.bias"] = ("float32", [rows], values)
    write_safetensors(folder / "model.safetensors", held)


def biases_of_apriel2(fgconv):
    """Biases of attention that no key names, as Fast-LLM writes it, and of a gated MLP, which Apriel2's own code leaves out: they count, with a warning."""
    case = DATA / "fast_llm/apriel2_text/hybrid/hf"
    rows = [("no key", lambda block: block["mixer"].pop("add_linear_biases"), [f"mixer.{one}_proj" for one in "qkvo"], ["", "add_linear_biases is true"]),
            ("a gated MLP", lambda block: block["mlp"].update(add_linear_biases=True), [f"mlp.{one}_proj" for one in ("gate", "up", "down")], ["a gated MLP has biases"] * 2)]
    for name, change, layers, warnings in rows:
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            with_biases(case, work / "hf", change, layers)
            for source, target, to, said in (("hf", "there", "fast_llm", warnings[0]), ("there", "back", "hf", warnings[1])):
                code, text = run(fgconv, ["convert", "--to", to, work / source, work / target], ranks=0)
                tally.check(f"biases, {name}, to {to}", code == 0 and said in text and "equal bit for bit" in text, f"{code}: {text}")
            tally.check(f"biases, {name}: every bit comes back", tensors(work / "back") == tensors(work / "hf"))
            code, text, _ = validate(fgconv, case, work / "there", 0)
            tally.check(f"biases, {name}: they are computed", code == 10, f"{code}: {text}")


def two_thetas(fgconv):
    """Images have rotary embeddings of their own."""
    theta = lambda model: model.get("rope_parameters", model)["rope_theta"]
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        shutil.copytree(DATA / "fast_llm/llava_hybrid_ssm/attention/hf", work / "hf")
        config = load(work / "hf/config.json")
        config["vision_config"]["rope_parameters"]["rope_theta"] = 100.0
        config["text_config"]["rope_parameters"]["rope_theta"] = 500.0
        (work / "hf/config.json").write_text(json.dumps(config))
        for source, target, to in (("hf", "there", "fast_llm"), ("there", "back", "hf")):
            code, text = run(fgconv, ["convert", "--to", to, work / source, work / target], ranks=0)
            if not tally.check(f"two thetas, to {to}", code == 0, f"{code}: {text}"):
                return
        found = sorted(re.findall(r"theta: (\S+)", (work / "there/metadata.yaml").read_text()))
        back = load(work / "back/config.json")
        tally.check("two thetas are kept", found == ["100.0", "500.0"] and [theta(back[k]) for k in ("text_config", "vision_config")] == [500.0, 100.0], f"{found}: {back}")


def own_epsilons(fgconv):
    """An epsilon of a block that is not the head's counts, and there is a warning for the model's own code, which takes the head's."""
    for name, family, count in (("fast_llm/apriel2_text/hybrid", "apriel2_text", 1), ("golden_fast_llm/apriel2/vision", "apriel2", 2)):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            shutil.copytree(DATA / name / "fast_llm", work / "one")
            meta = work / "one/metadata.yaml"
            number = iter(range(1, 99))
            meta.write_text(re.sub(r"epsilon: 1.0e-05", lambda found: f"epsilon: 0.00{next(number)}", meta.read_text()))
            for source, target, to in (("one", "there", "hf"), ("there", "back", "fast_llm")):
                code, text = run(fgconv, ["convert", "--to", to, "--model-type", family, work / source, work / target], ranks=0)
                tally.check(f"{name}, own epsilons, to {to}", code == 0 and "equal bit for bit" in text and text.count("it computes another model") == count, f"{code}: {text}")
            for one in ("there", "back"):
                code, text, _ = validate(fgconv, DATA / name / "hf", work / one, 0)
                tally.check(f"{name}, own epsilons are computed, {one}", code == 10, f"{code}: {text}")


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
            ("format: fast_llm", "format: llama", "format: found \"llama\""),
            ("model_0.safetensors", "../model_0.safetensors", "expected the name of a file in the same directory"),
            ("model_0.safetensors", "model_1.safetensors", "which is missing"),
            ("      type: fixed", "      type: [fixed", "not valid YAML"),
            ("          type: rms_norm", "          type: gated_rms_norm", "expected one of \"none\" \"rms_norm\""),
            ("          type: rms_norm", "          type: layer_norm", "no tensor decoder.0.norm_1.bias among the weights"),
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
    biases_of_apriel2(fgconv)
    two_thetas(fgconv)
    own_epsilons(fgconv)
    commands(fgconv)
    refused(fgconv)
    return tally.end()


sys.exit(main())
