#!/usr/bin/env python3
"""What a wrong rule that keeps every shape would write ends in exit 10, in each family.

    wrong_rules.py --fgconv build/fgconv [PART...]      "forgather", "fast_llm" or "rules"

"forgather", "fast_llm": a model and its conversion, in which numbers are in another place or a setting is another one. KINDS has what must have been tried for
each family, so that none is left out by chance. "rules": a converter with two names exchanged: nothing is published.
"""
import argparse
import itertools
import json
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, ROOT, Tally, load, run, tensors, write_safetensors
from damage import exchange, fill, reverse, rotate, swap, swap_beginnings

PLAIN = {"gate and up", "keys and values", "queries and keys", "key heads", "query heads", "norms", "layers"}
FUSED = PLAIN | {"biases of keys and values"}
KINDS = {
    "forgather": {
        "llama": PLAIN, "mistral": PLAIN | {"sliding_window"}, "qwen3": PLAIN - {"query heads", "key heads"} | {"norms of queries and keys"},
        "qwen2": FUSED | {"sliding_window"},
        "smollm3": FUSED | {"biases of gate and up", "sliding_window", "no_rope_layers"},
        "gemma2": FUSED | {"four norms", "scale_embeddings", "norm_weight_offset", "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "sliding_window"},
        "gemma3_text": FUSED | {"four norms", "norms of queries and keys", "scale_embeddings", "norm_weight_offset", "query_pre_attn_scalar", "final_logit_softcapping", "sliding_window"},
        "olmo2": FUSED | {"norms of queries and keys, beginnings"},
        "granite": FUSED | {"biases of gate and up", "embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"},
        "phi3": PLAIN | {"partial_rotary_factor", "sliding_window"},
        "glm4": FUSED | {"four norms", "partial_rotary_factor", "rope_interleaved"},
    },
    "fast_llm": {
        "llama": PLAIN | {"biases of keys and values", "biases of gate and up"}, "mistral": PLAIN, "mtp_llama": PLAIN, "diffusion_llama": PLAIN,
        "qwen2": FUSED, "dream": FUSED,
        "mixtral": PLAIN | {"experts", "experts' second layers"},
        "gemma4": PLAIN | {"four norms", "norms of queries and keys", "experts", "experts' second layers", "scale of the router", "scales of experts", "scales of layers", "embedding_scale"},
        "apriel_hybrid_ssm": PLAIN | {"x and b", "z and c", "groups of mamba", "channels of a", "convolution", "v and z", "q and k", "key heads of a gated delta net", "beta and alpha"},
        "apriel2_text": PLAIN | {"x and b", "z and c", "groups of mamba", "channels of a", "bias of dt", "convolution", "v and z", "q and k", "key heads of a gated delta net", "beta and alpha",
                                 "q and k of a kda", "decay and gate", "convolutions of a kda", "dt_bias"},
        "llava": PLAIN | {"patch rows", "rows of the adapter"}, "llava_hybrid_ssm": PLAIN | {"patch rows", "rows of the adapter"},
        "apriel2": PLAIN | {"patch rows", "rows of the adapter", "v and z", "q and k", "beta and alpha", "convolution", "key heads of a gated delta net"},
    },
}
# Settings of the emitted code: one of another computation.
SETTINGS = {
    "scale_embeddings": lambda x: not x, "norm_weight_offset": lambda x: 1.0 - x, "rope_interleaved": lambda x: not x, "partial_rotary_factor": lambda x: 1.0 if x < 1 else 0.5,
    "embedding_multiplier": lambda x: 2 * x, "attention_multiplier": lambda x: 2 * x, "residual_multiplier": lambda x: 2 * x, "logits_scaling": lambda x: 2 * x,
    "query_pre_attn_scalar": lambda x: 4 * x, "attn_logit_softcapping": lambda x: None, "final_logit_softcapping": lambda x: None,
    "sliding_window": lambda x: x + 1, "no_rope_layers": lambda x: [1 - y for y in x],
}
# Settings that the forward pass of a family refuses where they are not the family's own.
REFUSED = {key: (key,) for key in ("scale_embeddings", "norm_weight_offset", "rope_interleaved")} | {"partial_rotary_factor": ("short_factor",)}
tally = Tally()


# ---- what may go wrong ----


def forgather_changes(held, config):
    """(kind, change of the tensors) of one layer of a Forgather model, and of its head count."""
    layers = config["num_hidden_layers"]
    layer = f"causal_lm.layer_stack.layers.{layers - 1}."
    heads, groups = config["num_attention_heads"], config.get("num_key_value_heads") or config["num_attention_heads"]
    part = lambda name, kind="weight": f"{layer}{name}.{kind}"
    query, key, value = (part(f"attention.{name}_linear") for name in ("query", "key", "value"))
    yield "gate and up", lambda t: swap(t, part("feedforward.gate_proj"), part("feedforward.up_proj"))
    yield "keys and values", lambda t: swap(t, key, value)
    yield "queries and keys", lambda t: swap_beginnings(t, query, key)
    if heads > 1:
        yield "query heads", lambda t: rotate(t, query, heads)
    if groups > 1:
        yield "key heads", lambda t: rotate(t, key, groups)
    if layers > 1:
        yield "layers", lambda t: swap(t, part("attention.output_linear"), part("attention.output_linear").replace(f".{layers - 1}.", ".0."))
    for what, one, other in (("keys and values", "attention.key_linear", "attention.value_linear"), ("gate and up", "feedforward.gate_proj", "feedforward.up_proj")):
        if part(one, "bias") in held:
            yield f"biases of {what}", lambda t, a=part(one, "bias"), b=part(other, "bias"): swap(t, a, b)
    norms = [name for name in held if re.fullmatch(re.escape(layer) + r"\w*norm\w*\.weight", name)]
    for one, other in itertools.combinations(norms, 2):
        yield "four norms" if len(norms) == 4 else "norms", lambda t, a=one, b=other: swap(t, a, b)
    if len(norms) == 4:  # the two that stand for those of a llama
        yield "norms", lambda t: swap(t, norms[0], norms[1])
    query_norm, key_norm = part("attention.q_norm"), part("attention.k_norm")
    if query_norm in held:
        same = held[query_norm][1] == held[key_norm][1]
        yield ("norms of queries and keys", lambda t: swap(t, query_norm, key_norm)) if same else ("norms of queries and keys, beginnings", lambda t: swap_beginnings(t, query_norm, key_norm))


def fast_llm_changes(held, _):
    """The same of each block of a Fast-LLM model, of its last block of a kind."""
    blocks = {}
    for name in held:
        found = re.match(r"((?:vision_encoder\.encoder|decoder|multi_token_prediction\.blocks)\.\d+\.)(.*)", name)
        if found:
            blocks.setdefault(found[1], set()).add(found[2])
    changes = {}
    for block, names in sorted(blocks.items()):
        for kind, change in (*block_changes(held, block, names), *mamba_changes(held, block, names), *delta_changes(held, block, names)):
            changes[kind.split(":")[0], block.split(".")[0], kind] = kind.split(":")[0], change
    yield from changes.values()
    yield from vision_changes(held)
    scales = sorted(name for name in held if name.endswith(".output_scale"))
    if scales:
        yield "scales of layers", lambda t: swap(t, scales[0], scales[1])
    outputs = sorted(name for name in held if re.match(r"decoder\.\d+\.mlp\.(dense\.|routed\.)?layer_2\.weight", name))
    alike = [pair for pair in itertools.combinations(outputs, 2) if held[pair[0]][1] == held[pair[1]][1]]
    if alike:
        yield "layers", lambda t: swap(t, *alike[0])


def block_changes(held, block, names):
    mixer = next((f"{block}mixer.{prefix}" for prefix in ("", "mixers.attention.") if f"mixer.{prefix}key_value.weight" in names), None)
    if mixer:
        width = held[f"{mixer}key_value.weight"][1][0] // 2
        groups = width // 8
        yield "keys and values", lambda t: rotate(t, f"{mixer}key_value.weight", 2)
        yield "queries and keys", lambda t: swap_beginnings(t, f"{mixer}query.weight", f"{mixer}key_value.weight")
        yield "query heads", lambda t: rotate(t, f"{mixer}query.weight", held[f"{mixer}query.weight"][1][0] // 8)
        if groups > 1:
            yield "key heads", lambda t: exchange(t, f"{mixer}key_value.weight", [8] * 2 * groups, 0, 1)
        if f"{mixer}key_value.bias" in held:
            yield "biases of keys and values", lambda t: rotate(t, f"{mixer}key_value.bias", 2)
        if f"{mixer}query_norm.weight" in held:
            yield "norms of queries and keys", lambda t: swap(t, f"{mixer}query_norm.weight", f"{mixer}key_norm.weight")
    norms = sorted(block + name for name in names if re.fullmatch(r"(mlp\.\w+\.)?\w*norm\w*\.weight", name))
    for one, other in itertools.combinations(norms, 2):
        yield f"{'norms' if len(norms) == 2 or (one, other) == (norms[-2], norms[-1]) else 'four norms'}:{one}{other}", lambda t, a=one, b=other: swap(t, a, b)
    yield from mlp_changes(held, block, names)


def mlp_changes(held, block, names):
    for name in names:
        found = re.fullmatch(r"mlp\.((?:dense|routed)\.)?layer_1\.(weight|bias)", name)
        if found:
            yield from one_mlp_changes(held, block + name, f"{block}mlp.{found[1] or ''}", "gate and up" if found[2] == "weight" else "biases of gate and up")


def one_mlp_changes(held, first, prefix, halves):
    router, second = f"{prefix}router.weight", f"{prefix}layer_2.weight"
    experts = held[router][1][0] if router in held else 1
    if held[second][1][0] * 2 == held[first][1][0]:  # gated
        yield f"{halves}:{prefix}", lambda t: rotate(t, first, 2 * experts, 2)
    if experts > 1:
        yield "experts", lambda t: rotate(t, router, experts)
        yield "experts' second layers", lambda t: rotate(t, second, experts)
    if f"{prefix}router_scale" in held:
        yield "scale of the router", lambda t: fill(t, f"{prefix}router_scale", 1.0)
        yield "scales of experts", lambda t: rotate(t, f"{prefix}router_per_expert_scale", experts)


def mamba_changes(held, block, names):
    if "mixer.dt_in_proj.weight" not in names:
        return
    mixer = f"{block}mixer."
    inner = held[f"{mixer}out_proj.weight"][1][1]
    width = held[f"{mixer}in_proj.weight"][1][0] // 2 - inner
    parts = [inner, width, width, inner]  # z, x, b, c
    yield "x and b", lambda t: exchange(t, f"{mixer}in_proj.weight", parts, 1, 2)
    yield "z and c", lambda t: exchange(t, f"{mixer}in_proj.weight", parts, 0, 3)
    yield "groups of mamba", lambda t: exchange(t, f"{mixer}in_proj.weight", [inner, width // 2, width // 2, width, inner], 1, 2)
    yield "channels of a", lambda t: rotate(t, f"{mixer}A_log", 4)
    if f"{mixer}dt_proj.bias" in held:
        yield "bias of dt", lambda t: fill(t, f"{mixer}dt_proj.bias", 0.0)
    yield "convolution:mamba", lambda t: reverse(t, f"{mixer}convolution.weight")


def delta_changes(held, block, names):
    """Of gated delta nets and Kimi delta attention."""
    mixer = f"{block}mixer."
    if "mixer.in_proj_qkvz.weight" in names:
        value = held[f"{mixer}out_proj.weight"][1][1]
        key = held[f"{mixer}in_proj_qkvz.weight"][1][0] // 2 - value
        yield "v and z", lambda t: exchange(t, f"{mixer}in_proj_qkvz.weight", [key, key, value, value], 2, 3)
        yield "q and k", lambda t: exchange(t, f"{mixer}in_proj_qkvz.weight", [key, key, value, value], 0, 1)
        yield "key heads of a gated delta net", lambda t: exchange(t, f"{mixer}in_proj_qkvz.weight", [key, key // 2, key // 2, value, value], 1, 2)
        yield "beta and alpha", lambda t: rotate(t, f"{mixer}in_proj_ba.weight", 2)
        yield "convolution:gdn", lambda t: reverse(t, f"{mixer}convolution.weight")
        yield "dt_bias:gdn", lambda t: fill(t, f"{mixer}dt_bias", 0.0)
    if "mixer.f_b_proj.weight" in names:
        yield "q and k of a kda", lambda t: swap(t, f"{mixer}q_proj.weight", f"{mixer}k_proj.weight")
        yield "decay and gate", lambda t: swap(t, f"{mixer}f_b_proj.weight", f"{mixer}g_b_proj.weight")
        yield "convolutions of a kda", lambda t: swap(t, f"{mixer}q_conv.weight", f"{mixer}k_conv.weight")
        yield "convolution:kda", lambda t: reverse(t, f"{mixer}v_conv.weight")
        yield "dt_bias:kda", lambda t: fill(t, f"{mixer}dt_bias", 0.0)


def vision_changes(held):
    patches = "vision_encoder.embeddings.patch_embeddings.weight"
    if patches in held:
        yield "patch rows", lambda t: rotate(t, patches, t[patches][1][0])
        yield "rows of the adapter", lambda t: rotate(t, "vision_encoder.adapter.layer_1.weight", 4)


# ---- trying it ----


def tokens_of(config):
    """More than any window, of which the models have small ones."""
    return ["--token-ids", ",".join(str((7 * i + 3) % config.get("vocab_size", 160)) for i in range(48))]


def copy_model(model, folder):
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.index.json"))


def expect_seen(fgconv, name, source, bad, config, refused=()):
    """The logits differ, or the forward pass refuses what models of this family never have, naming one of these keys."""
    code, text = run(fgconv, ["validate", "--progress", "none", *tokens_of(config), source, bad], ranks=0)
    tally.check(f"seen: {name}", code == 10 or code == 3 and any(f'"{key}"' in text for key in refused), f"{code}: {text[-400:]}")


def weights(fgconv, name, source, model, config, changes, suffix, work):
    """Each change of the weights of `model` in turn; the kinds that there are."""
    whole = {key.removesuffix(suffix): tensor for key, tensor in tensors(model).items()}
    bad, seen = work / "bad", set()
    copy_model(model, bad)
    for kind, change in changes(whole, config):
        held = dict(whole)
        change(held)
        assert held != whole, (name, kind)
        write_safetensors(bad / "model_0.safetensors" if suffix else bad / "model.safetensors", {key + suffix: tensor for key, tensor in held.items()})
        expect_seen(fgconv, f"{name}: {kind}", source, bad, config)
        seen.add(kind)
    shutil.rmtree(bad)
    return seen


def settings(fgconv, name, source, model, config, work):
    seen, bad = set(), work / "bad"
    shutil.copytree(model, bad)
    for key, change in SETTINGS.items():
        if config.get(key) is None or change(config[key]) == config[key]:
            continue
        (bad / "config.json").write_text(json.dumps({**config, key: change(config[key])}))
        expect_seen(fgconv, f"{name}: {key}", source, bad, config, REFUSED.get(key, ()))
        seen.add(key)
    shutil.rmtree(bad)
    return seen


def all_kinds(format, seen):
    for family, kinds in KINDS[format].items():
        missing = sorted(kinds - seen.get(family, set()))
        tally.check(f"{format}, {family}: all was tried", not missing, missing)


def forgather(fgconv):
    cases = [(case.name.split("_")[0], case / "hf") for case in sorted(DATA.glob("golden/*")) if case.name in ("llama_untied_fp32", "mistral_window_to_fp32", "qwen3_tied_bf16", "qwen3_add_tokens_fp32")]
    seen = {}
    for family, source in cases + [(case.parent.name, case) for case in sorted(DATA.glob("families/*/*/"))]:
        with tempfile.TemporaryDirectory() as work:
            work, name = pathlib.Path(work), f"{family}, {(source.parent if source.name == 'hf' else source).name}"
            code, text = run(fgconv, ["--to", "forgather", "--skip-default-tokens", "--validate", "none", source, work / "fg"], ranks=0)
            if tally.check(f"{name}: to Forgather", code == 0, text):
                config = load(work / "fg/config.json")
                found = weights(fgconv, name, source, work / "fg", config, forgather_changes, "", work) | settings(fgconv, name, source, work / "fg", config, work)
                seen.setdefault(family, set()).update(found)
    all_kinds("forgather", seen)


def fast_llm(fgconv):
    seen = {}
    for case in sorted(path.parent for path in DATA.glob("fast_llm/*/*/fast_llm")):
        family = case.parent.name
        with tempfile.TemporaryDirectory() as work:
            found = weights(fgconv, f"{family}/{case.name}", case / "hf", case / "fast_llm", {}, fast_llm_changes, "/weights", pathlib.Path(work))
            bad = pathlib.Path(work, "scale")
            shutil.copytree(case / "fast_llm", bad)
            text = (bad / "metadata.yaml").read_text()
            if re.search(r"embedding_scale: (?!1\.0)", text):
                (bad / "metadata.yaml").write_text(re.sub(r"embedding_scale: \S+", "embedding_scale: 1.0", text))
                expect_seen(fgconv, f"{family}/{case.name}: embedding_scale", case / "hf", bad, {})
                found.add("embedding_scale")
        seen.setdefault(family, set()).update(found)
    all_kinds("fast_llm", seen)


# ---- rules ----


def exchanged_names(tree, one, other):
    """A converter by name rules in which hf's names of two layers lead to each other's tensors, both ways."""
    def matching(direction, place, form):
        rules = [rule for rules in tree.get(direction, {}).get("lists", {}).values() for rule in rules if isinstance(rule, list)]
        return [[rule for rule in rules if rule[place] == form.format(name)] for name in (one, other)]

    done = 0
    for direction, place, form in (("to_forgather", 0, "{}\\."), ("to_hf", 1, "{}.")):
        for a, b in zip(*matching(direction, place, form)):
            a[1], b[1], done = b[1], a[1], done + 1
    return done == 2


def exchanged_text(text, one, other):
    assert text.count(one) == text.count(other) == 1, (one, other)
    return text.replace(one, "\0").replace(other, one).replace("\0", other)


def with_wrong_rules(work, name, change):
    converters = work / name
    shutil.copytree(ROOT / "converters", converters)
    for path in sorted(converters.glob("*/*.json")):
        changed = change(path)
        if changed:
            path.write_text(changed)
    return converters


def not_published(fgconv, name, converters, to, source, target, *more):
    code, said = run(fgconv, ["convert", "--converter-path", converters, "--skip-default-tokens", "--to", to, *more, source, target], ranks=0)
    tally.check(f"a wrong rule: {name}, to {to}", code == 10 and not target.exists(), f"{code}: {said[-400:]}")


def rules(fgconv):
    """Towards each format and back."""
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for one, other in (("gate_proj", "up_proj"), ("k_proj", "v_proj"), ("input_layernorm", "post_attention_layernorm")):
            def change(path, one=one, other=other):
                tree = load(path)
                return json.dumps(tree) if path.parent.name == "forgather" and exchanged_names(tree, one, other) else None

            converters = with_wrong_rules(work, one, change)
            for family, case in sorted({path.parent.parent.name: path.parent for path in DATA.glob("families/*/*/config.json")}.items()):
                if family != "olmo2" or "norm" not in one:  # which has no norm before attention
                    not_published(fgconv, f"{one} as {other}, {family}", converters, "forgather", case, work / f"{one}_{family}")
        gate = '"layer_1.weight": { "hf": ["gate_proj.weight", "up_proj.weight"]'
        pairs = {"gate and up": ("*", gate, gate.replace("gate", "\1").replace("up", "gate").replace("\1", "up")),
                 "keys and values": ("*", '"key_value.weight": { "hf": ["k_proj.weight", "v_proj.weight"]', '"key_value.weight": { "hf": ["v_proj.weight", "k_proj.weight"]'),
                 "q and k of a kda": ("mixers", '"hf": "q_proj.weight"', '"hf": "k_proj.weight"'), "decay and gate": ("mixers", '"hf": "f_b_proj.weight"', '"hf": "g_b_proj.weight"')}
        for what, (file, one, other) in pairs.items():
            def change(path, file=file, one=one, other=other):
                text = path.read_text() if path.parent.name == "fast_llm" and file in ("*", path.stem) else ""
                return None if one not in text else text.replace(one, other) if file == "*" else exchanged_text(text, one, other)

            converters = with_wrong_rules(work, what.replace(" ", "_"), change)
            for case in sorted(path.parent for path in DATA.glob("fast_llm/*/*/fast_llm")):
                if case.name != "hybrid" and file == "mixers" or case.name in ("experts4", "gdn"):
                    continue
                for source, to, more in (("hf", "fast_llm", []), ("fast_llm", "hf", ["--model-type", case.parent.name])):
                    not_published(fgconv, f"{what}, {case.parent.name}/{case.name}", converters, to, case / source, work / f"{what}_{case.parent.name}_{case.name}_{to}".replace(" ", "_"), *more)


PARTS = {"forgather": forgather, "fast_llm": fast_llm, "rules": rules}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fgconv", required=True)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        PARTS[part](arguments.fgconv)
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
