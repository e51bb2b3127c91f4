#!/usr/bin/env python3
"""Names and layouts of weights that are not those of the family: which are read, and what is said about the others.

    weight_names.py --fgconv build/fgconv

Sources are the golden models of tests/data with tensors that were renamed, fused or added here.
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
from checkpoint import DATA, ROOT, Tally, load, run, tensors, write_safetensors

GOLDEN = {name: DATA / path / "hf" for name, path in {
    "llama": "golden/llama_untied_fp32", "qwen3": "golden/qwen3_tied_bf16", "mistral": "golden/mistral_window_to_fp32",
    "mixtral": "fast_llm/mixtral/experts4", "qwen2": "fast_llm/qwen2/tied", "gemma4": "fast_llm/gemma4/dense", "tied llama": "fast_llm/llama/llama3-tied-bias",
    "llava": "fast_llm/llava/basic", "mtp_llama": "fast_llm/mtp_llama/heads2", "dream": "fast_llm/dream/basic"}.items()}
TABLE = ("float32", [2], struct.pack("<2f", 1.0, 0.5))
tally = Tally()


class Case:
    """A model with other weights, converted somewhere."""

    def __init__(self, fgconv, folder):
        self.fgconv, self.folder, self.count = fgconv, pathlib.Path(folder), 0

    def model(self, family, change=lambda held: held, **config):
        """A copy of a golden model; `change` gets name -> tensor and returns the same."""
        self.count += 1
        there = self.folder / f"source{self.count}"
        shutil.copytree(GOLDEN[family], there, ignore=shutil.ignore_patterns("*.safetensors*", "*.bin*"))
        write_safetensors(there / "model.safetensors", change(tensors(GOLDEN[family])))
        (there / "config.json").write_text(json.dumps({**load(there / "config.json"), **config}))
        return there

    def convert(self, source, to, *options, ranks=0):
        self.count += 1
        out = self.folder / f"out{self.count}"
        code, text = run(self.fgconv, ["--to", to, "--progress", "none", *options, source, out], ranks=ranks)
        return code, text, out


def renamed(rule):
    return lambda held: {rule(name): value for name, value in held.items()}


def without_prefix(held):
    return {name.removeprefix("model."): value for name, value in held.items() if name != "lm_head.weight"}


# ---- base models ----

def base_models(case):
    """Names without base_model_prefix, in every family whose embedding is its head."""
    for family, to in (("qwen3", "forgather"), ("qwen3", "fast_llm"), ("tied llama", "fast_llm"), ("qwen2", "fast_llm"), ("gemma4", "fast_llm")):
        architecture = load(GOLDEN[family] / "config.json")["architectures"][0].replace("ForCausalLM", "TextModel" if family == "gemma4" else "Model")
        source = case.model(family, without_prefix, architectures=[architecture])
        code, text, out = case.convert(source, to)
        want = case.convert(case.model(family, lambda held: {n: v for n, v in held.items() if n != "lm_head.weight"}), to)[2]
        tally.check(f"base {family} to {to}", code == 0 and tensors(out) == tensors(want) and "lack \"model.\": the prefix is added" in text, text)
        proof = load(out / "fgconv_report.json").get("proof", {})
        tally.check(f"base {family} to {to}: proof", proof.get("passed") is True, proof)
        tally.check(f"base {family} to {to}: report", any("lack \"model.\"" in w for w in load(out / "fgconv_report.json")["warnings"]))
        code, text = run(case.fgconv, ["verify", source, out], ranks=0)
        tally.check(f"base {family} to {to}: verify", code == 0, text)
        code, text, back = case.convert(out, "hf")
        tally.check(f"base {family} to {to}: back", code == 0 and all(n.startswith("model.") for n in tensors(back)), text)
        code, text = run(case.fgconv, ["validate", source, back], ranks=2)
        tally.check(f"base {family} to {to}: validate", code == 0, text)


def base_models_in_place(case):
    """update-vocab and finalize read them, too."""
    tokens = case.folder / "tokens.yaml"
    tokens.write_text('special_tokens: ["<|more|>"]\n')
    source = case.model("qwen3", without_prefix)
    for command in (["update-vocab", "--add-tokens", tokens], ["finalize"]):
        out = case.folder / f"{command[0]}-out"
        code, text = run(case.fgconv, [*command, "--progress", "none", source, out], ranks=0)
        tally.check(f"{command[0]} of a base model", code == 0 and "model.norm.weight" in tensors(out), text)
    code, text = run(case.fgconv, ["inspect", source], ranks=0)
    tally.check("inspect of a base model", code == 0, text)


def base_models_refused(case):
    for to in ("forgather", "fast_llm"):
        code, text, out = case.convert(case.model("llama", without_prefix), to)
        tally.check(f"an untied base model to {to}", code == 3 and "lm_head.weight" in text and "checkpoint of a base model" in text and not out.exists(), text)
        code, text, _ = case.convert(case.model("qwen3", lambda held: {**held, "norm.weight": held["model.norm.weight"]}), to)
        tally.check(f"a weight under both names to {to}", code == 3 and '"norm.weight"' in text and '"model.norm.weight", too' in text, text)
        code, text, _ = case.convert(case.model("qwen3", renamed(lambda n: "norm.weight" if n == "model.norm.weight" else n)), to)
        tally.check(f"one name without the prefix to {to}", code == 3 and "lacks the prefix" in text, text)
    source = case.model("qwen3", lambda held: {**held, "norm.weight": held["model.norm.weight"]})
    code, text = run(case.fgconv, ["validate", source, GOLDEN["qwen3"]], ranks=0)
    tally.check("a weight under both names in validate", code == 3 and "two names of one tensor" in text, text)


# ---- other names ----

def newer_llava(name):
    """As transformers names its own parameters, and writes them with save_original_format=False."""
    for older, newer in (("language_model.lm_head.", "lm_head."), ("language_model.model.", "model.language_model."), ("vision_tower.", "model.vision_tower."),
                         ("multi_modal_projector.", "model.multi_modal_projector.")):
        if name.startswith(older):
            return newer + name.removeprefix(older)
    raise ValueError(name)


def other_names(case):
    want = case.convert(GOLDEN["llava"], "fast_llm")[2]
    code, text, out = case.convert(case.model("llava", renamed(newer_llava)), "fast_llm")
    tally.check("llava by its newer names", code == 0 and tensors(out) == tensors(want), text)
    code, text, back = case.convert(out, "hf")
    tally.check("llava by its newer names: back", code == 0 and tensors(back) == tensors(GOLDEN["llava"]), text)
    mixed = case.model("llava", lambda held: {**held, "lm_head.weight": held["language_model.lm_head.weight"]})
    code, text, _ = case.convert(mixed, "fast_llm")
    tally.check("llava with a weight under both names", code == 3 and '"language_model.lm_head.weight"' in text and '"lm_head.weight"' in text, text)
    code, text, _ = case.convert(case.model("llava", renamed(lambda n: n.replace("vision_tower.", "model.tower."))), "fast_llm")
    tally.check("llava with names of nobody", code == 3 and "model.tower." in text, text)


# ---- fused experts ----

def fused(held, layers=None, kinds=("gate_up_proj", "down_proj", "gate"), swap=False):
    """As transformers 5 has them with save_original_format=False: gates before ups, experts along a first dimension of their own."""
    held = dict(held)
    pattern = re.compile(r"(model\.layers\.(\d+)\.)block_sparse_moe\.gate\.weight")
    for match in [m for m in map(pattern.fullmatch, list(held)) if m and (layers is None or int(m[2]) in layers)]:
        old, new = match[1] + "block_sparse_moe.", match[1] + "mlp."
        dtype, (experts, _), _ = held[match[0]]
        if "gate" in kinds:
            held[new + "gate.weight"] = held.pop(match[0])
        for kind, parts in (("gate_up_proj", ("w3", "w1") if swap else ("w1", "w3")), ("down_proj", ("w2",))):
            if kind in kinds:
                found = [held.pop(f"{old}experts.{e}.{w}.weight") for e in range(experts) for w in parts]
                rows, columns = found[0][1]
                held[f"{new}experts.{kind}"] = (dtype, [experts, len(parts) * rows, columns], b"".join(data for _, _, data in found))
    return held


def fused_experts(case):
    want = tensors(case.convert(GOLDEN["mixtral"], "fast_llm")[2])
    for name, change in {"all": fused, "one layer": lambda h: fused(h, {1}), "without the router": lambda h: fused(h, kinds=("gate_up_proj", "down_proj")),
                         "only down": lambda h: fused(h, kinds=("down_proj",)), "without the prefix": lambda h: renamed(lambda n: n.removeprefix("model."))(fused(h))}.items():
        source = case.model("mixtral", change)
        for ranks in (0, 3):
            code, text, out = case.convert(source, "fast_llm", ranks=ranks)
            tally.check(f"fused experts, {name}, {ranks} ranks", code == 0 and tensors(out) == want, text)
        proof = load(out / "fgconv_report.json")["proof"]
        tally.check(f"fused experts, {name}: proof", proof["passed"] is True and proof["max_abs"] == 0, proof)
        code, text = run(case.fgconv, ["verify", source, out], ranks=0)
        tally.check(f"fused experts, {name}: verify", code == 0, text)
        code, text, back = case.convert(out, "hf")
        tally.check(f"fused experts, {name}: back", code == 0 and tensors(back) == tensors(GOLDEN["mixtral"]), text)
        code, text, cast = case.convert(source, "fast_llm", "--dtype", "bfloat16")
        tally.check(f"fused experts, {name}: cast", code == 0 and load(cast / "fgconv_report.json")["proof"]["max_abs"] == 0, text)


def fused_experts_refused(case):
    def gate_up(held, change):
        return {n: change(v) if n.endswith("layers.1.mlp.experts.gate_up_proj") else v for n, v in fused(held).items()}

    for name, change, said in (
            ("an expert too few", lambda v: (v[0], [v[1][0] - 1, *v[1][1:]], v[2][:len(v[2]) // v[1][0] * (v[1][0] - 1)]), "gate_up_proj\": found shape"),
            ("rows below each other", lambda v: (v[0], [v[1][0] * v[1][1], v[1][2]], v[2]), "gate_up_proj\": found shape"),
            ("transposed", lambda v: (v[0], [v[1][0], v[1][2], v[1][1]], v[2]), "gate_up_proj\": found shape")):
        code, text, out = case.convert(case.model("mixtral", lambda held: gate_up(held, change)), "fast_llm")
        tally.check(f"fused experts, {name}", code == 3 and said in text and not out.exists(), text)
    both = case.model("mixtral", lambda held: {**held, **{n: v for n, v in fused(held).items() if n.endswith("0.mlp.experts.down_proj")}})
    code, text, _ = case.convert(both, "fast_llm")
    tally.check("fused and separate experts", code == 3 and "which hold the same weight" in text, text)
    source = case.model("mixtral", lambda held: fused(held, swap=True))
    code, text = run(case.fgconv, ["validate", source, GOLDEN["mixtral"]], ranks=0)
    tally.check("ups before gates compute something else", code == 10, text)


def wrong_rule(case):
    """The proof reads fused experts on its own: a converter that takes gates for ups, or a layout that only it knows, does not pass."""
    def convert(name, rules, change):
        plugin = case.folder / f"plugin {name}/fast_llm"
        plugin.mkdir(parents=True)
        (plugin / "mixtral.json").write_text(json.dumps({"extends": "fast_llm/mixtral.json", "model_type": "mixtral", "about": name, "sections": {"mlp": {"weights": rules}}}))
        return case.convert(case.model("mixtral", change), "fast_llm", "--converter-path", plugin.parent)

    layer_1 = {"hf": ["block_sparse_moe.experts.{i}.w3.weight", "block_sparse_moe.experts.{i}.w1.weight"], "each": "experts", "shape": ["intermediate_size", "$hidden"],
               "other": [{"hf": "mlp.experts.gate_up_proj", "shape": ["experts", "2 * intermediate_size", "$hidden"]}]}
    for name, change in (("separate", lambda held: held), ("fused", fused)):
        code, text, out = convert(f"swapped {name}", {"layer_1.weight": layer_1}, change)
        want = 10 if name == "separate" else 0  # the fused tensor is one block, of which the first half is the gates whatever the parts are called
        tally.check(f"a converter that swaps parts, {name}", code == want and out.exists() == (code == 0), text)
    layer_2 = {"hf": "block_sparse_moe.experts.{i}.w2.weight", "each": "experts", "shape": ["$hidden", "intermediate_size"], "permute": [1, 0],
               "other": [{"hf": "mlp.experts.down_proj", "shape": ["experts", "intermediate_size", "$hidden"]}]}

    def sideways(held):
        return {n: (v[0], [v[1][0], v[1][2], v[1][1]], v[2]) if n.endswith("experts.down_proj") else v for n, v in fused(held).items()}

    code, text, out = convert("sideways", {"layer_2.weight": layer_2}, sideways)
    tally.check("a layout that only the converter knows", code == 3 and "for the proof" in text and not out.exists(), text)


# ---- rotary tables ----

def rotary_tables(case):
    layer = "model.layers.0.self_attn.rotary_emb."
    names = {"llama": [layer + "inv_freq", layer + "cos_cached", "model.rotary_emb.inv_freq"], "qwen3": ["model.rotary_emb.inv_freq"],
             "mixtral": [layer + "inv_freq"], "gemma4": ["model.rotary_emb.full_attention_inv_freq", "model.rotary_emb.sliding_attention_original_inv_freq"],
             "llava": ["language_model." + layer + "inv_freq", "vision_tower.patch_positional_embedding.inv_freq"], "mtp_llama": ["model.mtp_heads.0.self_attn.rotary_emb.inv_freq"],
             "dream": [layer + "inv_freq"]}
    for family, tables in names.items():
        for to in ("forgather", "fast_llm") if family in ("llama", "qwen3") else ("fast_llm",):
            code, text, out = case.convert(case.model(family, lambda held: {**held, **dict.fromkeys(tables, TABLE)}), to)
            want = case.convert(GOLDEN[family], to)[2]
            if not tally.check(f"rotary tables of {family} to {to}", code == 0 and tensors(out) == tensors(want), text):
                continue
            dropped = {d["name"]: d["reason"] for d in load(out / "fgconv_report.json")["dropped"]}
            tally.check(f"rotary tables of {family} to {to}: report", all("rotary table" in dropped.get(n, "") for n in tables), dropped)
    code, text, out = case.convert(case.model("qwen3", lambda held: without_prefix({**held, layer + "inv_freq": TABLE})), "fast_llm")
    tally.check("rotary tables of a base model", code == 0, text)
    for to in ("forgather", "fast_llm"):
        code, text, _ = case.convert(case.model("llama", lambda held: {**held, layer + "inv_freq.weight": TABLE}), to)
        tally.check(f"another tensor next to them to {to}", code == 3 and f'covers 1 source tensor: "{layer}inv_freq.weight"' in text, text)


# ---- names of wrappers ----

def wrapped_names(case):
    prefixes = {"_orig_mod.": "torch.compile", "module.": "DataParallel", "base_model.model.": "peft", "module._orig_mod.": "torch.compile", "llm.": "which the names of this family lack"}
    sources = {"llama": GOLDEN["llama"], "mixtral": GOLDEN["mixtral"]}
    for name, source in sources.items():
        for to in ("forgather", "fast_llm") if name == "llama" else ("fast_llm",):
            for prefix, said in prefixes.items():
                code, text, _ = case.convert(case.model(name, renamed(lambda n: prefix + n)), to)
                tally.check(f"{name} with {prefix} to {to}", code == 3 and f'every name begins with "{prefix}"' in text.replace("module._orig_mod.", prefix) or "names have" in text, text)
                tally.check(f"{name} with {prefix} to {to}: says who", said in text and f'"{prefix}' in text, text)
    code, text = run(case.fgconv, ["validate", case.model("llama", renamed(lambda n: "module." + n)), GOLDEN["llama"]], ranks=0)
    tally.check("in validate", code == 3 and 'names such as "module.' in text, text)
    code, text, _ = case.convert(case.model("llama", renamed(lambda n: n.replace(".self_attn", "._fsdp_wrapped_module.self_attn"))), "fast_llm")
    tally.check("inside of names", code == 3 and "FullyShardedDataParallel" in text, text)
    code, text, _ = case.convert(case.model("llama", lambda held: {**held, "extra.weight": TABLE}), "fast_llm")
    tally.check("nothing is missing", code == 3 and 'covers 1 source tensor: "extra.weight"' in text and '"drop"' in text, text)


def wrapped_targets(case):
    """On the way back, too."""
    for to in ("forgather", "fast_llm"):
        out = case.convert(GOLDEN["llama"], to)[2]
        suffix = "/weights" if to == "fast_llm" else ""
        for path in out.glob("*.safetensors"):
            text = path.read_bytes()
            (size,) = struct.unpack("<Q", text[:8])
            entries = {k if k == "__metadata__" else "module." + k: v for k, v in json.loads(text[8:8 + size]).items()}
            head = json.dumps(entries).encode()
            head += b" " * (-len(head) % 8)
            path.write_bytes(struct.pack("<Q", len(head)) + head + text[8 + size:])
        for index in out.glob("*.index.json"):
            document = load(index)
            document["weight_map"] = {"module." + k: v for k, v in document["weight_map"].items()}
            index.write_text(json.dumps(document))
        metadata = out / "metadata.yaml"
        if metadata.exists():
            metadata.write_text(re.sub(rf"(?m)^(\s+)(\S+{suffix}: model_)", r"\1module.\2", metadata.read_text()))
        code, text, _ = case.convert(out, "hf")
        tally.check(f"module. in a directory of {to}", code == 3 and '"module.' in text and "DataParallel" in text, text)


# ---- quantized weights ----

def quantized(case):
    def gptq(held):
        return {n.replace("_proj.weight", "_proj.qweight"): ("int32", [v[1][0], v[1][1] // 8], v[2][:v[1][0] * (v[1][1] // 8) * 4]) if "_proj.weight" in n else v for n, v in held.items()}

    def bitsandbytes(held):
        return {**{n: ("uint8", [v[1][0] * v[1][1], 1], v[2][:v[1][0] * v[1][1]]) if "_proj.weight" in n else v for n, v in held.items()},
                **{n + ".absmax": TABLE for n in held if "_proj.weight" in n}}

    def with_scales(held):
        return {**held, **{n + "_scale_inv": TABLE for n in held if "_proj.weight" in n}}

    for name, change in (("gptq", gptq), ("bitsandbytes", bitsandbytes), ("fp8 scales", with_scales)):
        for to in ("forgather", "fast_llm"):
            code, text, _ = case.convert(case.model("llama", change), to)
            tally.check(f"{name} to {to}", code == 3 and "the weights are quantized" in text and "dequantize" in text, text)


# ---- families ----

def families(case):
    source = case.model("llama", model_type="lama")
    for to in ("forgather", "fast_llm"):
        code, text, _ = case.convert(source, to)
        tally.check(f"no converter to {to}", code == 3 and 'did you mean "llama"' in text, text)
        found = dict(re.findall(r"between hf and (\w+)[^:]*: ([a-z0-9_, ]+)", text))
        for form in ("forgather", "fast_llm"):
            there = {p.stem for p in (ROOT / "converters" / form).glob("*.json") if "model_type" in load(p) and not load(p).get("abstract")}
            tally.check(f"no converter to {to}: all families of {form}", set(found.get(form, "").split(", ")) == there, (found, there))
    code, text, _ = case.convert(GOLDEN["mixtral"], "forgather")
    tally.check("a family of the other format", code == 3 and "this family converts to fast_llm" in text, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    checks = (base_models, base_models_in_place, base_models_refused, other_names, fused_experts, fused_experts_refused, wrong_rule, rotary_tables, wrapped_names, wrapped_targets, quantized, families)
    with tempfile.TemporaryDirectory() as folder:
        case = Case(options.fgconv, folder)
        for check in checks:
            if not options.only or check.__name__ in options.only.split(","):
                check(case)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
