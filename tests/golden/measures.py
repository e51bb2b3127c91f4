#!/usr/bin/env python3
"""The measures of a proof against those of its own dump, read by h5dump: measures.py --fgconv build/fgconv

Half-block by half-block and over all tokens, on several numbers of ranks.
"""
import array
import json
import math
import random
import re
import shutil
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, hdf5_floats, header, load, run, run_parts, tensors, write_safetensors

SOURCE = DATA / "model/llama/hf"
SEES = DATA / "fast_llm/llava/basic/hf"
tally = Tally()


def damaged(folder, changes, source=SOURCE):
    """A copy of the model with the first bytes of tensors changed: name -> bytes."""
    other = folder / "other"
    shutil.copytree(source, other, copy_function=shutil.copyfile)
    held = tensors(other)
    for name, change in changes.items():
        dtype, shape, data = held[name]
        held[name] = (dtype, shape, change + data[len(change):])
    for path in other.glob("*.safetensors"):
        write_safetensors(path, {name: held[name] for name in header(path)[0]})
    return other


def cosine(a, b):
    product = math.fsum(x * y for x, y in zip(a, b))
    return product / math.sqrt(math.fsum(x * x for x in a) * math.fsum(y * y for y in b))


def expected(a, b):
    most = max(abs(x - y) for x, y in zip(a, b))
    return {"max_abs": most, "relative": most / max(abs(x) for x in a), "cosine": cosine(a, b)}


def near(found, wanted):
    return all(math.isclose(found[key], value, rel_tol=1e-9, abs_tol=1e-12) for key, value in wanted.items())


def path_of(entry):
    return f"blocks/{entry['block']:04}/{entry['part']}" if "block" in entry else entry["part"]


def log_softmax(row):
    most = max(row)
    total = most + math.log(math.fsum(math.exp(x - most) for x in row))
    return [x - total for x in row]


def logit_measures(a, b, tokens):
    width, divergences, top = len(a) // tokens, [], 0
    for t in range(tokens):
        rows = a[t * width:(t + 1) * width], b[t * width:(t + 1) * width]
        p, q = map(log_softmax, rows)
        divergences.append(max(0, math.fsum(math.exp(x) * (x - y) for x, y in zip(p, q))))
        best = [set(sorted(range(width), key=lambda i: (-row[i], i))[:5]) for row in rows]
        top += len(best[0] & best[1]) / 5 / tokens
    divergences.sort()
    return {"kl_p95": divergences[math.ceil(0.95 * tokens) - 1], "kl_max": divergences[-1], "kl": math.fsum(divergences) / tokens,
            "top5_agreement": top, "cosine": cosine(a, b)}


def against_the_dump(fgconv, folder):
    other = damaged(folder, {"model.layers.1.mlp.up_proj.weight": bytes(64)})
    found = []
    for ranks in (0, 2, 3):
        dump, report = folder / f"{ranks}.h5", folder / f"{ranks}.json"
        code, text = run(fgconv, ["validate", "--dump", dump, "--report", report, SOURCE, other], ranks=ranks)
        tally.check(f"{ranks} ranks: they differ", code == 10, f"{code}: {text}")
        found.append(load(report)["proof"])
    proof = found[0]
    tally.check("the same figures on any number of ranks", all(f["half_blocks"] == proof["half_blocks"] for f in found), found)
    names = [path_of(entry) for entry in proof["half_blocks"]]
    blocks = [f"blocks/{b:04}/{part}" for b in range(proof["blocks"]) for part in ("mixer", "mlp", "output")]
    tally.check("each half-block is there", names == ["embedding", *blocks, "final_norm"], names)
    for entry in proof["half_blocks"]:
        a, b = (hdf5_floats(folder / "0.h5", f"{side}/{path_of(entry)}", folder) for side in ("source", "destination"))
        tally.check(f"{path_of(entry)}: as in the dump", near(entry, expected(a, b)), (entry, expected(a, b)))
        reached = path_of(entry) in blocks[4:] or path_of(entry) == "final_norm"
        tally.check(f"{path_of(entry)}: {'differs' if reached else 'is equal'}", (entry["max_abs"] > 0) == reached, entry)
    a, b = (hdf5_floats(folder / "0.h5", f"{side}/logits", folder) for side in ("source", "destination"))
    wanted = logit_measures(a, b, proof["tokens"])
    tally.check("logits: as in the dump", all(math.isclose(proof[k], v, rel_tol=1e-6, abs_tol=1e-12) for k, v in wanted.items()), (proof, wanted))
    tally.check("logits: each token is in the histogram", sum(proof["kl_histogram"]) == proof["tokens"], proof["kl_histogram"])


def vision(fgconv, folder):
    """A vision encoder is measured as the text model is: in the report, with -v, on the page, on any number of ranks."""
    changed = [name for name in tensors(SEES) if "vision" in name and "layers.1." in name and "up_proj" in name][0]
    other = damaged(folder, {changed: bytes(64)}, SEES)
    found = []
    for ranks in (0, 2, 3):
        dump, report, page = folder / f"{ranks}.h5", folder / f"{ranks}.json", folder / f"{ranks}.html"
        code, text = run(fgconv, ["validate", "-v", "--dump", dump, "--report", report, "--html", page, SEES, other], ranks=ranks)
        tally.check(f"vision, {ranks} ranks: they differ", code == 10, f"{code}: {text}")
        tally.check(f"vision, {ranks} ranks: -v names the half-blocks", "vision encoder, patches: at most 0 " in text and "vision encoder, block 1, mlp: at most" in text, text)
        found.append([prompt.get("vision_half_blocks") for prompt in load(report)["proof"]["prompts"]])
    tally.check("vision: the same figures on any number of ranks", found[0] == found[1] == found[2] and found[0][0] is None, found)
    entries = found[0][-1]
    blocks = 1 + max(entry.get("block", 0) for entry in entries)
    names = ["patches", *(f"blocks/{b:04}/{part}" for b in range(blocks) for part in ("mixer", "mlp", "output")), "adapter"]
    tally.check("vision: each half-block is there", [path_of(entry) for entry in entries] == names and blocks > 1, entries)
    for name, entry in zip(names, entries):
        path = "vision/" + name.replace("patches", "embedding")
        a, b = (hdf5_floats(folder / "0.h5", f"{side}/{path}", folder) for side in ("source", "destination"))
        tally.check(f"vision, {name}: as in the dump", near(entry, expected(a, b)), (entry, expected(a, b)))
        reached = names.index(name) >= names.index("blocks/0001/mlp")
        tally.check(f"vision, {name}: {'differs' if reached else 'is equal'}", (entry["max_abs"] > 0) == reached, entry)
    charts = re.findall(r"<svg.*?</svg>", (folder / "0.html").read_text(), re.S)
    marks = [chart.count("<circle") for chart in charts if "vision encoder" in chart]
    tally.check("vision: a chart with a mark for each half-block", marks == [len(names)], marks)


def verbose(fgconv, folder):
    other = damaged(folder, {"model.layers.1.mlp.up_proj.weight": bytes(64)})
    code, text = run(fgconv, ["validate", "-v", SOURCE, other], ranks=0)
    tally.check("-v names the half-blocks", code == 10 and "block 1, mlp: at most" in text, text)
    code, text = run(fgconv, ["validate", SOURCE, other], ranks=0)
    tally.check("without -v they are not printed", "block 1, mlp: at most" not in text, text)


def profiles(fgconv, folder):
    """The limits are printed; each profile that is less strict than one that passes passes."""
    name = "model.layers.1.mlp.up_proj.weight"
    data = tensors(SOURCE)[name][2]
    other, report = damaged(folder, {name: data[:1] + bytes([data[1] ^ 1])}), folder / "profile.json"
    passed = []
    for profile in ("strict", "standard", "relaxed"):
        code, text = run(fgconv, ["validate", "--profile", profile, "--report", report, SOURCE, other], ranks=0)
        proof = load(report)["proof"]
        limits = proof["profile"]
        met = proof["kl"] <= limits["kl"] and proof["kl_p95"] <= limits["kl_p95"] and proof["cosine"] >= limits["cosine"]
        tally.check(f"{profile}: judged by its limits", (code == 0) == met == proof["passed"] and code in (0, 10), f"{code}: {text}")
        tally.check(f"{profile}: they are printed", f"{profile}: KL divergence" in text and f"(at most {limits['kl']:g})" in text, text)
        passed.append(met)
    tally.check("a profile decides", passed == sorted(passed) and len(set(passed)) == 2, passed)
    code, text = run(fgconv, ["validate", SOURCE, other], ranks=0)
    tally.check("the default is exact", code == 10, text)


def not_finite(fgconv, folder):
    size = len(tensors(SOURCE)["model.layers.1.mlp.up_proj.weight"][2]) // math.prod(tensors(SOURCE)["model.layers.1.mlp.up_proj.weight"][1])
    nan = {2: b"\xc0\x7f", 4: b"\0\0\xc0\x7f"}[size]
    other, report = damaged(folder, {"model.layers.1.mlp.up_proj.weight": nan}), folder / "nan.json"
    code, text = run(fgconv, ["validate", "--report", report, SOURCE, other], ranks=0)
    proof = load(report)["proof"]
    mlp = next(e for e in proof["half_blocks"] if (e["part"], e.get("block")) == ("mlp", 1))
    tally.check("NaN are counted", code == 10 and mlp["nan"] > 0 and mlp["max_abs"] is None and proof["nan"] > 0, (text, mlp))


def wide_model(folder):
    """A Llama whose hidden states are wide and whose blocks are cheap."""
    hidden, inner, heads, size, vocab, layers = 4096, 16, 2, 8, 32, 2
    shapes = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,)}
    for i in range(layers):
        at = f"model.layers.{i}."
        for name, shape in (("self_attn.q_proj", (heads * size, hidden)), ("self_attn.k_proj", (size, hidden)), ("self_attn.v_proj", (size, hidden)),
                            ("self_attn.o_proj", (hidden, heads * size)), ("mlp.gate_proj", (inner, hidden)), ("mlp.up_proj", (inner, hidden)),
                            ("mlp.down_proj", (hidden, inner)), ("input_layernorm", (hidden,)), ("post_attention_layernorm", (hidden,))):
            shapes[f"{at}{name}.weight"] = shape
    numbers, held = random.Random(5), {}
    for name, shape in shapes.items():
        values = array.array("f", (numbers.gauss(0, 0.05) for _ in range(math.prod(shape))))
        held[name] = ("float32", list(shape), values.tobytes())
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", held)
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "rms_norm_eps": 1e-5,
              "num_attention_heads": heads, "num_key_value_heads": 1, "head_dim": size, "num_hidden_layers": layers, "vocab_size": vocab,
              "max_position_embeddings": 8192, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def long_prompt(fgconv, folder):
    """More tokens than a rank can keep of a block: the models take turns, and nothing is left out or cut."""
    source = wide_model(folder / "wide")
    other = damaged(folder, {"model.layers.1.mlp.up_proj.weight": bytes(64)}, source)
    tokens, found = ",".join(str(i * 7 % 32) for i in range(3000)), []
    for ranks in (0, 2, 3):
        report = folder / f"{ranks}.json"
        code, text = run(fgconv, ["validate", "--token-ids", tokens, "--report", report, source, other], ranks=ranks)
        tally.check(f"a long prompt, {ranks} ranks: they differ", code == 10, f"{code}: {text}")
        found.append(load(report)["proof"])
    parts = [path_of(entry) for entry in found[0]["half_blocks"]]
    wanted = ["embedding"] + [f"blocks/{b:04}/{part}" for b in range(2) for part in ("mixer", "mlp", "output")] + ["final_norm"]
    tally.check("a long prompt: every half-block is measured", parts == wanted, parts)
    tally.check("a long prompt: the same on any number of ranks", all(f["half_blocks"] == found[0]["half_blocks"] for f in found), found)
    apart = [path_of(entry) for entry in found[0]["half_blocks"] if entry["max_abs"] > 0]
    tally.check("a long prompt: the first difference is the MLP of block 1", apart[:1] == ["blocks/0001/mlp"], apart)


def equal(fgconv, folder):
    report = folder / "equal.json"
    code, text = run(fgconv, ["validate", "--report", report, SOURCE, SOURCE], ranks=0)
    entries = load(report)["proof"]["half_blocks"]
    tally.check("equal models: no difference anywhere", code == 0 and all((e["max_abs"], e["relative"], e["cosine"]) == (0, 0, 1) for e in entries), text)


sys.exit(run_parts(tally, __doc__, (against_the_dump, vision, verbose, profiles, not_finite, long_prompt, equal)))
