#!/usr/bin/env python3
"""Models with a vision encoder: logits of a text and of an image against the real programs', proofs that run both, damage that is seen, images
that are refused.

    vision.py --fgconv build/fgconv
"""
import json
import pathlib
import re
import shutil
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, hdf5_floats, load, npy, run, run_parts, tensors, write_npy, write_safetensors
from damage import exchange, swap

CASES = {name: DATA / "golden_fast_llm" / name for name in ("llava/basic", "apriel2/vision")}
TOLERANCE = 2e-5
tally = Tally()


# ---- numbers ----

def widened(dtype, data):
    if dtype == "float32":
        return struct.unpack(f"<{len(data) // 4}f", data)
    assert dtype == "bfloat16", dtype
    return struct.unpack(f"<{len(data) // 2}f", b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2)))


def times(source, target, factor):
    """A copy of a model with every number in float32 and multiplied."""
    shutil.copytree(source, target)
    for path in target.glob("*.safetensors"):
        held = {}
        for name, (dtype, shape, data) in tensors(source).items():
            numbers = [factor * x for x in widened(dtype, data)]
            held[name] = ("float32", shape, struct.pack(f"<{len(numbers)}f", *numbers))
        write_safetensors(path, held)
    return target


# ---- against the real programs ----

def logits_of(fgconv, model, ids, work, *options, ranks=0):
    dump = work / "dump.h5"
    dump.unlink(missing_ok=True)
    code, text = run(fgconv, ["validate", "--token-ids", ",".join(map(str, ids)), "--dump", dump, *options, model, model], ranks=ranks)
    return hdf5_floats(dump, "/source/logits", work) if code == 0 else text


def references(fgconv, work):
    for name, case in CASES.items():
        known = load(case / "logits.json")
        for side in ("hf", "fast_llm"):
            for suffix, factor in (("", 1), ("_x8", 8)):
                model = times(case / side, work / f"{case.name}_{side}{suffix}", factor)
                for kind, ids, options in (("", "input_ids", []), ("_image", "input_ids_image", ["--image", case / "pixel_values.npy"])):
                    label = f"{name}, {side}{suffix}{kind}"
                    _, want = npy(case / f"logits{kind}{suffix}.npy")
                    got = [logits_of(fgconv, model, known[ids], work, *options, ranks=ranks) for ranks in ((0, 2, 3) if factor == 8 else (0,))]
                    good = len(got[0]) == len(want)
                    worst = max(abs(a - b) for a, b in zip(got[0], want)) / max(map(abs, want)) if good else got[0]
                    tally.check(f"{label}: the real program's logits", good and worst <= TOLERANCE, worst)
                    tally.check(f"{label}: the same for every number of ranks", all(other == got[0] for other in got[1:]))


# ---- proofs ----

def proofs(fgconv, work):
    """A conversion runs a text and a made-up image."""
    for name, case in CASES.items():
        family = case.parent.name
        for to, source, more in (("fast_llm", case / "hf", []), ("hf", case / "fast_llm", ["--model-type", family])):
            out = work / f"{family}_{to}"
            code, text = run(fgconv, ["--to", to, *more, source, out], ranks=2)
            proof = load(out / "fgconv_report.json").get("proof", {})
            prompts = proof.get("prompts", [])
            tally.check(f"{name} to {to}: proved", code == 0 and proof.get("verdict") == "proved" and not proof["not_exercised"], f"{code}: {text}")
            tally.check(f"{name} to {to}: a text and an image", [p["kind"] for p in prompts] == ["text", "image"] and all(p["max_abs"] == 0 and p["passed"] for p in prompts), prompts)
            tally.check(f"{name} to {to}: the image", prompts and prompts[1]["image"] == {"height": 12, "width": 16, "patches": 12} and prompts[1]["tokens"] == prompts[0]["tokens"] == 24, prompts)
            tally.check(f"{name} to {to}: summary", "with an image of 12 x 16 (12 patches): 24 tokens, logits equal bit for bit" in text, text)
    case = CASES["llava/basic"]
    code, text = run(fgconv, ["validate", "--dump", work / "both.h5", case / "fast_llm", work / "llava_hf"], ranks=3)
    tally.check("validate: both prompts", code == 0 and "with text alone: 24 tokens" in text and "with an image" in text, text)
    for path, count in (("source/logits", 24 * 160), ("source/image/logits", 24 * 160), ("destination/vision/embedding", 12 * 24), ("destination/vision/adapter", 12 * 32),
                        ("source/vision/blocks/0001/mixer", 12 * 24), ("source/image/blocks/0000/output", 24 * 32)):
        tally.check(f"dump: {path}", len(hdf5_floats(work / "both.h5", f"/{path}", work)) == count)
    seen = set()
    for ranks in (0, 3, 5, 8):
        dump = work / f"ranks{ranks}.h5"
        run(fgconv, ["validate", "--dump", dump, CASES["apriel2/vision"] / "hf", CASES["apriel2/vision"] / "fast_llm"], ranks=ranks)
        seen.add(hdf5_floats(dump, "/destination/image/logits", work))
    tally.check("an image: the same logits for every number of ranks", len(seen) == 1)
    code, text = run(fgconv, ["validate", "--token-ids", "1,2,3", case / "hf", case / "hf"], ranks=0)
    tally.check("a short text: around the image", code == 0 and "with text alone: 3 tokens" in text and "(12 patches): 15 tokens" in text, text)
    first, second = (hdf5_floats(work / "both.h5", f"/{side}/vision/adapter", work) for side in ("source", "destination"))
    tally.check("dump: the adapter's rows replace embeddings", first == second and hdf5_floats(work / "both.h5", "/source/image/embedding", work)[5 * 32:17 * 32] == first)


# ---- damage ----

def rows_exchanged(held, name, a, b, count=1):
    exchange(held, name, [count] * (held[name][1][0] // count), a, b)


def damage(fgconv, work):
    """Changes that keep every shape: each is seen, and named by the part in which it is."""
    case = CASES["llava/basic"] / "fast_llm"
    block = "vision_encoder.encoder.1."
    encoder = " of block 1 of the vision encoder"
    changes = [
        ("rows of the patch embedding", lambda h: rows_exchanged(h, "vision_encoder.embeddings.patch_embeddings.weight/weights", 3, 4), "the embedding of patches"),
        ("the adapter's first layer", lambda h: rows_exchanged(h, "vision_encoder.adapter.layer_1.weight/weights", 0, 1), "the adapter of the vision encoder"),
        ("the adapter's second layer", lambda h: rows_exchanged(h, "vision_encoder.adapter.layer_2.weight/weights", 0, 1), "the adapter of the vision encoder"),
        ("norms of a block", lambda h: swap(h, f"{block}norm_1.weight/weights", f"{block}norm_2.weight/weights"), "the mixer" + encoder),
        ("gate and up", lambda h: rows_exchanged(h, f"{block}mlp.layer_1.weight/weights", 0, 1, 40), "the feed-forward layer" + encoder),
        ("keys and values", lambda h: rows_exchanged(h, f"{block}mixer.key_value.weight/weights", 0, 1, 24), "the mixer" + encoder),
        ("blocks", lambda h: swap(h, "vision_encoder.encoder.0.mixer.dense.weight/weights", f"{block}mixer.dense.weight/weights"), "the mixer of block 0 of the vision encoder"),
        ("a text block", lambda h: swap(h, "decoder.1.norm_1.weight/weights", "decoder.1.norm_2.weight/weights"), "the mixer of block 1)"),
    ]
    for i, (name, change, place) in enumerate(changes):
        bad = work / f"bad{i}"
        shutil.copytree(case, bad)
        held = tensors(bad)
        change(held)
        write_safetensors(bad / "model_0.safetensors", held)
        code, text = run(fgconv, ["validate", case, bad], ranks=2 * (i % 2))
        tally.check(f"damage: {name}", code == 10 and f"first difference: {place}" in text, f"{code}: {text}")
    settings = [("image_token_index: 150", "image_token_index: 149", "the image tokens 150 and 149"), ("theta: 10000.0\n              type: default_2d", "theta: 9000.0\n              type: default_2d", "the mixer of block 0 of the vision encoder"),
                ("type: default_2d", "type: default", "the mixer of block 0 of the vision encoder"), ("causal: false", "causal: true", "the mixer of block 0 of the vision encoder"),
                ("activation: gelu", "activation: relu", "the adapter of the vision encoder")]
    for i, (old, new, message) in enumerate(settings):
        bad = work / f"set{i}"
        shutil.copytree(case, bad)
        text = (bad / "metadata.yaml").read_text()
        (bad / "metadata.yaml").write_text(text.replace(old, new))
        code, said = run(fgconv, ["validate", case, bad], ranks=0)
        tally.check(f"damage: {new.split()[0]} {new.split()[1]}", old in text and code == 10 and message in said, f"{code}: {said}")


# ---- images ----

def refusals(fgconv, work):
    case = CASES["llava/basic"]
    shape, pixels = npy(case / "pixel_values.npy")
    ids = load(case / "logits.json")["input_ids_image"]
    good = case / "pixel_values.npy"
    rows = [
        (work / "none.npy", [], 2, "there is no such file"),
        (write_npy(work / "channels.npy", (1, 12, 16), pixels[:192]), [], 2, "the image has 1 channels, but the model expects 3"),
        (write_npy(work / "size.npy", (3, 12, 15), pixels[:540]), [], 2, "12 x 15 numbers (height x width) are no multiple of the patch, 4 x 4"),
        (write_npy(work / "batch.npy", (1, *shape), pixels), [], 3, "expected [channels, height, width]"),
        (write_npy(work / "double.npy", shape, pixels, "<f8", letter="d"), [], 3, 'found numbers of type "<f8", expected "<f4" (float32)'),
        (write_npy(work / "fortran.npy", shape, pixels, fortran=True), [], 3, "Fortran order"),
        (good, ["--token-ids", ",".join(map(str, ids[:-8]))], 2, "the image has 12 patches, but the prompt has 11 image tokens (id 150)"),
        (good, ["--token-ids", "1,2,3"], 2, "the image has 12 patches, but the prompt has 0 image tokens"),
        (good, ["--token-ids", ",".join(map(str, ids)), "-g"], 2, "-g continues a text"),
    ]
    for image, options, want, message in rows:
        code, text = run(fgconv, ["validate", "--image", image, *options, case / "hf", case / "hf"], ranks=0)
        tally.check(f"--image: {message}", code == want and message in text, f"{code}: {text}")
    plain = DATA / "golden_fast_llm/llama/basic/hf"
    code, text = run(fgconv, ["validate", "--image", good, plain, plain], ranks=2)
    tally.check("--image: no vision encoder", code == 2 and "have no vision encoder" in text, f"{code}: {text}")
    blind = work / "blind"
    shutil.copytree(CASES["apriel2/vision"] / "fast_llm", blind)
    meta = blind / "metadata.yaml"
    meta.write_text(re.sub(r"image_token_index: \d+", "image_token_index: null", meta.read_text()))
    code, text = run(fgconv, ["validate", blind, blind], ranks=0)
    tally.check("no image token: said", code == 0 and "untested  the vision encoder: the configuration names no image token" in text, text)
    code, text = run(fgconv, ["validate", "--image", good, blind, blind], ranks=0)
    tally.check("no image token: refused", code == 2 and "names no image token" in text, text)
    code, text = run(fgconv, ["validate", "--json", "--image", good, case / "hf", case / "hf"], ranks=0)
    tally.check("an image of one's own", code == 0 and json.loads(text[text.index("{"):])["proof"]["prompts"][1]["image"]["patches"] == 12, text)


def settings_of_hf(fgconv, work):
    """What the real llava computes otherwise is refused."""
    source = CASES["llava/basic"] / "hf"
    config = load(source / "config.json")
    rows = [({"vision_feature_layer": -2}, "vision_feature_layer is not -1"), ({"vision_feature_select_strategy": "default"}, "vision_feature_select_strategy"),
            ({"tie_word_embeddings": True}, "tie_word_embeddings is true here"), ({"vision_config": {**config["vision_config"], "model_type": "clip_vision_model"}}, "not a pixtral"),
            ({"vision_config": {**config["vision_config"], "patch_size": 2}}, "vision_tower.patch_conv.weight: found shape [24, 3, 4, 4], expected [24, 3, 2, 2]"),
            ({"text_config": {**config["text_config"], "model_type": "llama", "sliding_window": 8}}, "a sliding window in a llama"),
            ({"text_config": {**config["text_config"], "model_type": "gemma2"}}, "model_type")]
    for i, (change, message) in enumerate(rows):
        model = work / f"hf{i}"
        shutil.copytree(source, model)
        (model / "config.json").write_text(json.dumps({**config, **change}))
        code, text = run(fgconv, ["validate", model, model], ranks=0)
        tally.check(f"refused: {message}", code == 3 and message in text, f"{code}: {text}")


if __name__ == "__main__":
    sys.exit(run_parts(tally, __doc__, (references, proofs, damage, refusals, settings_of_hf)))
