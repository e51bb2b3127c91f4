#!/usr/bin/env python3
"""Keys of config.json as people have them: what comes back, what is said, what is refused, towards both destinations.

    config_keys.py --fgconv build/fgconv

The model is a tiny llama made here; families of which only the configuration matters are changed golden cases through `fgconv config`. The
expected values are those of transformers 4.57 and 5.23 (yarn's defaults, which keys they take out of a file, padding_idx of torch).
"""
import argparse
import copy
import itertools
import json
import math
import pathlib
import random
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, load, run, tensors, write_safetensors

tally = Tally()
BOTH = ("forgather", "fast_llm")
ROWS = 40
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1, "head_dim": 8, "vocab_size": ROWS, "rms_norm_eps": 1e-5, "hidden_act": "silu", "max_position_embeddings": 64,
         "tie_word_embeddings": False, "attention_bias": False, "mlp_bias": False, "bos_token_id": 1, "eos_token_id": 2, "rope_theta": 500000.0}
SHAPES = {"self_attn.q_proj": [16, 16], "self_attn.k_proj": [8, 16], "self_attn.v_proj": [8, 16], "self_attn.o_proj": [16, 16], "mlp.gate_proj": [24, 16],
          "mlp.up_proj": [24, 16], "mlp.down_proj": [16, 24], "input_layernorm": [16], "post_attention_layernorm": [16]}
NEWER = {"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}


def changed(config, change):
    """Paths with dots lead into objects, None takes a key away."""
    config = copy.deepcopy(config)
    for path, value in change.items():
        *above, last = [path] if path in config or "." not in path or path.startswith("transformers.") else path.split(".")
        at = config
        for key in above:
            at = at.setdefault(key, {})
        at.pop(last, None) if value is None else at.__setitem__(last, value)
    return config


class Desk:
    """A directory for one case."""

    def __init__(self, fgconv, work):
        self.fgconv, self.work, self.count = fgconv, work, 0

    def place(self, name):
        self.count += 1
        return self.work / f"{self.count}-{name}"

    def llama(self, change, generation=None):
        directory, draw = self.place("llama"), random.Random(7)
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(changed(LLAMA, change)))
        if generation:
            (directory / "generation_config.json").write_text(json.dumps(generation))
        shapes = {"model.embed_tokens": [ROWS, 16], "lm_head": [ROWS, 16], "model.norm": [16]}
        shapes.update({f"model.layers.{i}.{name}": shape for i in range(2) for name, shape in SHAPES.items()})
        held = {f"{name}.weight": ("float32", shape, struct.pack(f"<{math.prod(shape)}f", *[draw.uniform(-0.3, 0.3) for _ in range(math.prod(shape))]))
                for name, shape in shapes.items()}
        write_safetensors(directory / "model.safetensors", held)
        return directory

    def convert(self, source, *options):
        out = self.place("out")
        code, said = run(self.fgconv, ["--progress", "none", *options, source, out], ranks=0)
        return code, said, out

    def config(self, config, *options):
        file = self.place("config.json")
        file.write_text(json.dumps(config))
        return run(self.fgconv, ["config", *options, file], ranks=0)


def result(said):
    """The document in what `fgconv config` printed among its warnings."""
    return json.loads("\n".join(line for line in said.splitlines() if not line.startswith(("fgconv:", "  hint:"))))


# ---- keys that do not matter ----

UNREAD = {"max_length": 4096, "temperature": 0.9, "do_sample": False, "num_beams": 1, "bad_words_ids": [[3]], "top_h": 1, "is_llama_config": True,
          "transformers.js_config": {"dtype": {"a": "q4"}}, "internal_version": "x", "_commit_hash": "c0ffee", "attn_implementation": "eager",
          "rope_interleaved": False, "base_model_tp_plan": {"layers.*": "colwise"}, "use_cache": True}


def unread_keys(desk):
    source = desk.llama(UNREAD)
    code, said, out = desk.convert(source, "--to", "fast_llm")
    tally.check("unread keys: to Fast-LLM", code == 0, said)
    code, said, back = desk.convert(out)
    config = load(back / "config.json") if not code else {}
    lost = {key: config.get(key) for key, value in UNREAD.items() if config.get(key) != value}
    tally.check("unread keys: they come back from Fast-LLM", not code and not lost, lost or said)
    tally.check("unread keys: the tensors come back", not code and tensors(back) == tensors(source))
    code, said, out = desk.convert(source, "--to", "forgather")
    tally.check("unread keys: to Forgather, with a line on what is left out", code == 0 and "left out" in said and "max_length" in said and "internal_version" in said, said)
    for to in BOTH:
        code, said, _ = desk.convert(desk.llama({"rope_interleaved": True}), "--to", to)
        tally.check(f"rope_interleaved = true is refused: {to}", code == 3 and "rope_interleaved" in said and "--ignore-key" not in said, said)
    llava = load(DATA / "fast_llm/llava/basic/hf/config.json")
    code, said = desk.config(changed(llava, {"text_config.max_length": 5, "text_config._commit_hash": "x"}), "--to", "fast_llm")
    tally.check("unread keys in the configuration of a model inside", code == 0, said)
    apriel = load(DATA / "fast_llm/apriel2_text/attention/hf/config.json")
    code, said = desk.config(changed(apriel, {"decoder.block.mlp.top_k": 2}), "--to", "fast_llm")
    tally.check("the name of a generation setting elsewhere is an unknown key", code == 3 and "decoder/block/mlp/top_k" in said, said)


# ---- --ignore-key ----


def ignored_keys(desk):
    source = desk.llama({"odd": {"x": 3, "y": 4}, "other": 1})
    for to in BOTH:
        code, said, _ = desk.convert(source, "--to", to)
        tally.check(f"an unknown key: the hint names the option: {to}", code == 3 and "--ignore-key odd.x" in said, said)
        code, said, out = desk.convert(source, "--to", to, "--ignore-key", "odd.x", "--ignore-key", "odd.y", "--ignore-key", "other")
        report = load(out / "fgconv_report.json") if not code else {}
        tally.check(f"--ignore-key: {to}", code == 0 and report["options"]["ignore_keys"] == ["odd.x", "odd.y", "other"], said)
        code, said = run(desk.fgconv, ["verify", source, out], ranks=0)
        tally.check(f"--ignore-key: verify reads it from the report: {to}", code == 0, said)
        code, said, back = desk.convert(out)
        tally.check(f"--ignore-key: the way back needs it no more: {to}", code == 0 and (to == "forgather" or load(back / "config.json").get("odd") == {"x": 3, "y": 4}), said)
        code, said = run(desk.fgconv, ["config", "--to", to, "--ignore-key", "odd", "--ignore-key", "other", source / "config.json"], ranks=0)
        tally.check(f"--ignore-key with an object, config: {to}", code == 0, said)
    code, said, _ = desk.convert(source, "--ignore-key", "odd", "--ignore-key", "other", "--ignore-key", "none.such")
    tally.check("--ignore-key: a key that is not there is said", code == 0 and "--ignore-key none.such" in said, said)
    for key in ("hidden_size", "bos_token_id", "rope_scaling.note", "quantization_config", "sliding_window", "logit_scale", "text_config"):
        code, said, _ = desk.convert(source, "--ignore-key", key)
        tally.check(f"--ignore-key {key} is refused", code == 2 and f"--ignore-key {key}" in said, said)
    code, said, out = desk.convert(source, "--to", "forgather", "--ignore-key", "odd", "--ignore-key", "other")
    if not tally.check("--ignore-key: to finalize", code == 0, said):
        return
    changed_out = load(out / "config.json")
    changed_out["mine"] = 5
    (out / "config.json").write_text(json.dumps(changed_out))
    for command in ("finalize", "update-vocab"):
        given = ["--progress", "none", "--validate", "none", out, desk.place(command)]
        code, said = run(desk.fgconv, [command, *given], ranks=0)
        tally.check(f"{command}: an unknown key", code == 3 and "--ignore-key mine" in said, said)
        code, said = run(desk.fgconv, [command, "--ignore-key", "mine", *given], ranks=0)
        kept = not code and load(given[-1] / "config.json").get("mine") == 5
        tally.check(f"{command} --ignore-key: the key stays in the file", kept, said)


def ignored_fields(desk):
    """A Fast-LLM source has no config.json: the option is refused, with an unknown field and without one."""
    code, said, source = desk.convert(desk.llama({}), "--to", "fast_llm")
    if not tally.check("--ignore-key: a Fast-LLM source", code == 0, said):
        return
    metadata = source / "metadata.yaml"
    for key, text in (("heads", metadata.read_text()), ("novel", metadata.read_text().replace("    hidden_size: 16", "    hidden_size: 16\n    novel: 3"))):
        metadata.write_text(text)
        for command in ([], ["config"], ["update-vocab"]):
            code, said = run(desk.fgconv, [*command, "--ignore-key", key, source, *([] if command == ["config"] else [desk.place("out")])], ranks=0)
            tally.check(f"--ignore-key does not apply to Fast-LLM: {key}: {command}", code == 2 and f"--ignore-key {key} does not apply" in said, said)


# ---- rotary settings ----


def spellings(desk):
    """The source's spelling, the way, and --hf-version: HF output follows the option alone."""
    for (spelling, change), to, version in itertools.product((("newer", NEWER), ("older", {})), BOTH, (None, "4", "5")):
        code, said, out = desk.convert(desk.llama(change), "--to", to)
        options = ["--hf-version", version] if version else []
        code, said, back = desk.convert(out, *options)
        config = load(back / "config.json") if not code else {}
        older = config.get("rope_theta") == 500000.0 and "rope_parameters" not in config
        newer = config.get("rope_parameters", {}).get("rope_theta") == 500000.0 and "rope_theta" not in config
        tally.check(f"--hf-version {version}: {spelling} through {to}", newer if version == "5" else older, config or said)


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
NUMBERS = {"attention_factor": 0.1 * math.log(4.0) + 1.0, "beta_fast": 32.0, "beta_slow": 1.0}


def spellings_of_rope_parameters(desk):
    """Families whose declarations see rope_parameters: hf output follows the option all the same."""
    for case in ("dream/basic", "mtp_llama/heads2", "diffusion_llama/yarn", "apriel_hybrid_ssm/attention-mamba"):
        given = changed(load(DATA / "fast_llm" / case / "hf/config.json"), {"rope_parameters.rope_theta": 20000.0})
        code, said = desk.config(given, "--to", "fast_llm")
        if not tally.check(f"--hf-version: {case}: to Fast-LLM", code == 0, said):
            continue
        middle = result(said)
        for version in ("4", "5"):
            code, said = desk.config(middle, "--model-type", given["model_type"], "--hf-version", version)
            config = result(said) if not code else {}
            older = config.get("rope_theta") == 20000.0 and "rope_parameters" not in config and ("yarn" in case) == bool(config["rope_scaling"])
            newer = config.get("rope_parameters") == given["rope_parameters"]
            tally.check(f"--hf-version {version}: {case}", older if version == "4" else newer, said)


def verify_rope_parameters(desk):
    """A directory of an earlier version, which wrote rope_parameters for --hf-version 4, is not another model."""
    code, said, source = desk.convert(desk.llama(NEWER), "--to", "fast_llm")
    code, said, back = desk.convert(source)
    if not tally.check("verify rope_parameters: the conversion", code == 0, said):
        return
    for theta, expected in ((500000.0, 0), (10000.0, 10)):
        config = {key: value for key, value in load(back / "config.json").items() if key not in ("rope_theta", "rope_scaling")}
        (back / "config.json").write_text(json.dumps({**config, "rope_parameters": {"rope_type": "default", "rope_theta": theta}}))
        code, said = run(desk.fgconv, ["verify", source, back], ranks=0)
        tally.check(f"verify rope_parameters: theta {theta}", code == expected and "transformers 4 does not read" in said, said)


def truncate_elsewhere(desk):
    """Only yarn reads it; true is what its absence means."""
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
    for scaling in (llama3, {"rope_type": "default"}):
        for value, expected in ((True, 0), (None, 0), (False, 3)):
            code, said = desk.config(changed(LLAMA, {"rope_scaling": {**scaling, "truncate": value}}), "--to", "fast_llm")
            tally.check(f"truncate = {value} in {scaling['rope_type']}", code == expected and (not code or "rope_scaling/truncate" in said), said)


def refusals_stand_alone(desk):
    """What a translation would warn of does not matter once it is refused."""
    change = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}}
    code, said, _ = desk.convert(desk.llama({**change, "odd": 1}), "--to", "fast_llm")
    tally.check("a refusal comes without warnings", code == 3 and '"odd"' in said and "warning:" not in said, said)
    code, said = desk.config(changed(LLAMA, {**change, "odd": 1}), "--to", "fast_llm")
    tally.check("a refusal comes without warnings: config", code == 3 and '"odd"' in said and "warning:" not in said, said)
    code, said = desk.config(changed(LLAMA, change), "--to", "fast_llm")
    tally.check("what is accepted keeps its warnings", code == 0 and said.count("warning:") == 3, said)


def yarn(desk):
    for name, spell in (("rope_scaling", lambda r: {"rope_scaling": r}), ("rope_parameters", lambda r: {"rope_theta": None, "rope_parameters": dict(r, rope_theta=500000.0)})):
        for count in range(4):
            for given in itertools.combinations(NUMBERS, count):
                code, said = desk.config(changed(LLAMA, spell(dict(YARN, **{k: NUMBERS[k] for k in given}))), "--to", "fast_llm")
                missing = [key for key in NUMBERS if key not in given]
                if count in (0, 3):
                    rotary = result(said)["config"]["base_model"]["decoder"]["block"]["mixer"]["rotary"] if not code else {}
                    tally.check(f"yarn in {name} with {list(given)}", all(math.isclose(rotary.get(key, 0), value, rel_tol=1e-12) for key, value in NUMBERS.items()), said)
                    tally.check(f"yarn in {name}: what is assumed is said", all((f'"{name}/{key}" is absent' in said) == (count == 0) for key in NUMBERS), said)
                else:
                    tally.check(f"yarn in {name} with {list(given)} is refused", code == 3 and all(f'"{name}/{key}" is absent' in said and str(NUMBERS[key])[:6] in said for key in missing), said)
    code, said = desk.config(changed(LLAMA, {"rope_scaling": {k: v for k, v in YARN.items() if k != "factor"}}), "--to", "fast_llm")
    tally.check("yarn without a factor: what follows from it is not refused, too", code == 3 and '"rope_scaling/factor" is absent' in said and "cannot be worked out" not in said, said)
    full = dict(YARN, **NUMBERS)
    for family, base in (("llama", LLAMA), ("mistral", load(DATA / "fast_llm/mistral/window/hf/config.json")), ("qwen2", load(DATA / "fast_llm/qwen2/tied/hf/config.json"))):
        for key, value, good in (("truncate", False, False), ("truncate", True, True), ("mscale", 0.7, False), ("mscale", None, True), ("finetuned", True, True), ("short_factor", [1.0], False), ("note", 1, True)):
            rotary = dict(full, rope_theta=500000.0)
            if value is not None:
                rotary[key] = value
            code, said = desk.config(changed(base, {"rope_theta": None, "rope_scaling": None, "rope_parameters": rotary}), "--to", "fast_llm")
            tally.check(f"{family}: yarn with {key} = {value}", code == 0 if good else code == 3 and f"rope_parameters/{key}" in said, said)
    code, said, _ = desk.convert(desk.llama({"rope_scaling": dict(full, truncate=False)}), "--to", "fast_llm", "--validate", "bytes")
    tally.check("truncate = false is refused whatever the proof, under the file's name", code == 3 and "rope_scaling/truncate" in said, said)


# ---- token ids, quantized weights ----


def token_ids(desk):
    for to in BOTH:
        for key, value, warned in (("pad_token_id", ROWS - 1, False), ("pad_token_id", ROWS, True), ("pad_token_id", -1, False), ("pad_token_id", -ROWS, False), ("pad_token_id", -ROWS - 1, True),
                                   ("eos_token_id", [2, ROWS + 7], True), ("eos_token_id", -1, False), ("bos_token_id", ROWS, True)):
            code, said, _ = desk.convert(desk.llama({key: value}), "--to", to)
            tally.check(f"{key} = {value}: {to}", code == 0 and (f'"{key}" = ' in said) == warned, said)
            tally.check(f"{key} = {value}: what transformers does: {to}", ("transformers cannot load" in said) == (warned and key == "pad_token_id"), said)
        code, said, _ = desk.convert(desk.llama({}, {"pad_token_id": ROWS, "eos_token_id": 2}), "--to", to)
        tally.check(f"generation_config.json: {to}", code == 0 and f'generation_config.json: key "pad_token_id" = {ROWS}' in said, said)
        tally.check(f"generation_config.json: transformers loads the model: {to}", "cannot load" not in said, said)
        for key, value in (("eos_token_id", "0"), ("bos_token_id", 3.0), ("pad_token_id", [1, "x"]), ("sep_token_id", True), ("forced_bos_token_id", 1.5)):
            code, said = desk.config(changed(LLAMA, {key: value}), "--to", to)
            tally.check(f"{key} = {value} is refused: {to}", code == 3 and f'key "{key}" = {json.dumps(value)}: expected a token id, a list of them, or null' in said, said)
        code, said = desk.config({**LLAMA, "mask_token_id": None, "eos_token_id": [1, 2]}, "--to", to)
        tally.check(f"null and lists are token ids: {to}", code == 0, said)
    llava = load(DATA / "fast_llm/llava/basic/hf/config.json")
    rows = llava["text_config"]["vocab_size"]
    code, said = desk.config(changed(llava, {"text_config.pad_token_id": rows}), "--to", "fast_llm")
    tally.check("pad_token_id of a text model inside", code == 0 and f'"text_config/pad_token_id" = {rows}' in said, said)


def quantized(desk):
    methods = ({"quant_method": "fp8"}, {"quant_method": "gptq", "bits": 4}, {"quant_method": "awq", "bits": 4}, {"load_in_4bit": True}, {"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["Linear"]}}})
    for to, method in itertools.product(BOTH, methods):
        code, said, _ = desk.convert(desk.llama({"quantization_config": method}), "--to", to)
        tally.check(f"quantized weights: {method}: {to}", code == 3 and "are quantized" in said and "dequantize" in said and "taken out" not in said and "--ignore-key" not in said, said)
    for to in BOTH:
        code, said, _ = desk.convert(desk.llama({"quantization_config": {}}), "--to", to)
        tally.check(f"an empty quantization_config: {to}", code == 0, said)
    llava = load(DATA / "fast_llm/llava/basic/hf/config.json")
    code, said = desk.config(changed(llava, {"text_config.quantization_config": {"quant_method": "awq"}}), "--to", "fast_llm")
    tally.check("quantized weights of a text model inside", code == 3 and "are quantized" in said, said)


# ---- gemma4's layers ----


def layer_overrides(desk):
    base = changed(load(DATA / "fast_llm/gemma4/dense/hf/config.json"), {"num_hidden_layers": 4, "num_global_key_value_heads": None, "layer_types": ["sliding_attention", "full_attention"] * 2})

    def answer(change):
        return desk.config(changed(base, change), "--to", "fast_llm")

    def same(name, change, older):
        (code, said), (_, expected) = answer(dict(change, global_head_dim=None)), answer(older)
        tally.check(f"per_layer_config: {name}", code == 0 and result(said) == result(expected), said)

    def refused(name, change, key):
        code, said = answer(dict(change, global_head_dim=None))
        tally.check(f"per_layer_config: {name}", code == 3 and f"per_layer_config/{key}" in said, said)

    head, heads = base["head_dim"], base["num_key_value_heads"]
    same("layers that agree", {"per_layer_config": {"1": {"head_dim": 16}, "3": {"head_dim": 16}}}, {"global_head_dim": 16})
    same("numbers with zeros", {"per_layer_config": {"01": {"head_dim": 16}, "03": {"head_dim": 16}}}, {"global_head_dim": 16})
    same("empty", {"per_layer_config": {}}, {"global_head_dim": head})
    same("a sliding layer that repeats what holds", {"per_layer_config": {"0": {"head_dim": head}, "1": {"head_dim": 16}, "3": {"head_dim": 16}}}, {"global_head_dim": 16})
    both = {"head_dim": 16, "num_key_value_heads": 1}
    same("heads too", {"attention_k_eq_v": True, "per_layer_config": {"1": both, "3": both}}, {"attention_k_eq_v": True, "global_head_dim": 16, "num_global_key_value_heads": 1})
    refused("layers that differ", {"per_layer_config": {"1": {"head_dim": 16}, "3": {"head_dim": 32}}}, "3/head_dim")
    refused("one layer alone", {"per_layer_config": {"1": {"head_dim": 2 * head}}}, "3/head_dim")
    refused("another key", {"per_layer_config": {"1": {"head_dim": 16, "intermediate_size": 8}, "3": {"head_dim": 16, "intermediate_size": 8}}}, "1/intermediate_size")
    refused("a sliding layer", {"per_layer_config": {"0": {"head_dim": 2 * head}}}, "0/head_dim")
    refused("a layer that does not exist", {"per_layer_config": {"4": {"head_dim": 16}}}, "4")
    refused("a layer given twice", {"per_layer_config": {"1": {"head_dim": 16}, "01": {"head_dim": 16}, "3": {"head_dim": 16}}}, "01")
    refused("the older name of heads differs", {"attention_k_eq_v": True, "num_global_key_value_heads": 2 * heads, "per_layer_config": {"1": {"head_dim": 16}, "3": {"head_dim": 16}}}, "*/num_key_value_heads")
    refused("the older name of heads, which transformers would not read", {"attention_k_eq_v": False, "num_global_key_value_heads": 2 * heads, "per_layer_config": {"1": {"head_dim": 16}, "3": {"head_dim": 16}}},
            "*/num_key_value_heads")
    refused("heads that do not count", {"attention_k_eq_v": False, "per_layer_config": {"1": {"num_key_value_heads": 2 * heads}, "3": {"num_key_value_heads": 2 * heads}}}, "*/num_key_value_heads")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--fgconv", required=True)
    a = p.parse_args()
    for part in (unread_keys, ignored_keys, ignored_fields, spellings, spellings_of_rope_parameters, verify_rope_parameters, truncate_elsewhere, refusals_stand_alone, yarn, token_ids, quantized, layer_overrides):
        with tempfile.TemporaryDirectory() as work:
            part(Desk(a.fgconv, pathlib.Path(work)))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
