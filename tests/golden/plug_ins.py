#!/usr/bin/env python3
"""Plug-ins and the code that they emit: exactly its parameters and keys are written, or nothing is.

    plug_ins.py --fgconv build/fgconv

Each family is Llama or Qwen3 of tests/data/golden under another name, with weights added where a case needs them.
"""
import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from checkpoint import DATA, Tally, digests, load, run, tensors, write_safetensors

tally = Tally()
CODE = DATA.parent.parent / "converters/forgather/code"
HIDDEN, LAYERS = 64, 2  # of the golden models
ARCHITECTURES = {"my_model": "MyModelForCausalLM", "my_qwen2": "MyQwen2ForCausalLM"}


# ---- families and plug-ins ----


def model(directory, family, case="llama_untied_fp32", more=(), **config):
    """A golden model under another name, with zeros of the shapes `more` as further tensors."""
    source = DATA / "golden" / case / "hf"
    directory.mkdir()
    held = tensors(source)
    dtype, size = ("float32", 4) if case.endswith("fp32") else ("bfloat16", 2)
    for name, shape in dict(more).items():
        for i in range(LAYERS):
            held[name.replace("{i}", str(i))] = (dtype, shape, bytes(size * shape[0]))
    write_safetensors(directory / "model.safetensors", held)
    names = {"model_type": family, "architectures": [ARCHITECTURES.get(family, "X")]}
    (directory / "config.json").write_text(json.dumps({**load(source / "config.json"), **names, **config}))
    return directory


def plug_in(directory, family, converter, spec="llama.json", code=None):
    """A plug-in of a family that computes as `spec` does, with a declaration of code of its own where `code` is given."""
    (directory / "models").mkdir(parents=True)
    whole = {"format": "forgather", "extends": "common.json", "model_type": family, "about": "test", "hf": {"architectures": ["X"]}, **converter}
    if code is not None:
        shutil.copy(CODE / "fgconv_causal_lm.py", directory / "own_code.py")
        whole["code"] = {"file": "own_code.py", "config_class": "FgconvConfig", "model_class": "FgconvForCausalLM"}
    if code:
        (directory / "own_code.json").write_text(json.dumps({"extends": "forgather/code/fgconv_causal_lm.json", **code}))
    (directory / f"{family}.json").write_text(json.dumps(whole, indent=1))
    (directory / f"models/{family}.json").write_text(json.dumps({"about": "test", "extends": spec, "model_type": family}))
    return directory


def tensor(name, shape, **more):
    return {f"model.layers.{{i}}.{name}": {"shape": shape, "repeat": "num_hidden_layers", **more}}


def section(**config):
    return {"sections": {"model": {"config": config}}}


def refused(fgconv, name, work, plug, source, *texts, lint=True):
    """Lint and convert, and a dry run, refuse it with exit code 3; the texts and the converter's file are named; nothing is written."""
    family = load(source / "config.json")["model_type"]
    out = work / f"{plug.name}.out"
    commands = [["--converter-path", plug, source, out], ["--converter-path", plug, "--dry-run", source, out]]
    commands += [["lint", "--converter-path", plug, plug / f"{family}.json"]] if lint else []
    for command in commands:
        code, said = run(fgconv, command, ranks=0)
        lacking = [text for text in (*texts, f"{family}.json") if text not in said]
        tally.check(f"{name}: refused by {command[0] if command[0] == 'lint' else 'convert'}",
                    code == 3 and not lacking and not out.exists(), f"exit {code}, lacking {lacking}: {said}")


# ---- refusals ----


def norms(**more):
    rules = [["q_norm\\.", "q_norm."], ["k_norm\\.", "k_norm."], "@projections"]
    return {"tensors": {**tensor("self_attn.q_norm.weight", ["head_dim"]), **tensor("self_attn.k_norm.weight", ["head_dim"])},
            "to_forgather": {"lists": {"attention": rules}}, "to_hf": {"lists": {"attention": rules}}, **more}


def tensors_without_parameters(fgconv, work):
    source = model(work / "norms", "norms", "qwen3_tied_bf16")
    plug = plug_in(work / "norms.plug", "norms", norms(), "qwen3.json")
    refused(fgconv, "norms that config.json does not ask for", work, plug, source, "layers.0.attention.q_norm.weight", '"qk_norm"', "fgconv_causal_lm.py")
    bias = {"model.layers.{i}.self_attn.q_proj.bias": [HIDDEN]}
    source = model(work / "bias", "bias", more=bias)
    plug = plug_in(work / "bias.plug", "bias", {"tensors": tensor("self_attn.q_proj.bias", ["hidden_size"])})
    refused(fgconv, "a bias that config.json does not ask for", work, plug, source, "layers.0.attention.query_linear.bias", '"attention_bias"')
    source = model(work / "fused", "fused", more={"model.layers.{i}.self_attn.qkv_proj.weight": [3 * HIDDEN]})
    rules = {way: {"lists": {"attention": [[pattern + "\\.", name + "."], "@projections"]}}
             for way, pattern, name in (("to_forgather", "qkv_proj", "qkv_linear"), ("to_hf", "qkv_linear", "qkv_proj"))}
    plug = plug_in(work / "fused.plug", "fused", {"tensors": tensor("self_attn.qkv_proj.weight", ["3 * hidden_size"]), **rules})
    refused(fgconv, "fused projections", work, plug, source, "layers.0.attention.qkv_linear.weight", "fgconv_causal_lm.py")


def parameters_without_tensors(fgconv, work):
    source = model(work / "lacks", "lacks")
    plug = plug_in(work / "lacks.plug", "lacks", section(mlp_bias={"constant_import": True}))
    refused(fgconv, "parameters that nothing writes", work, plug, source, "layers.0.feedforward.gate_proj.bias")
    more = {"parameters": {"causal_lm.extra.weight": {"shape": [3]}}}
    plug = plug_in(work / "own.plug", "lacks", {}, code=more)
    refused(fgconv, "a parameter of code of its own", work, plug, source, "causal_lm.extra.weight", "own_code.py")
    wrong = {"parameters": {"causal_lm.layer_stack.layer_norm.weight": {"shape": ["hidden_size", 1]}}}
    plug = plug_in(work / "shape.plug", "lacks", {}, code=wrong)
    refused(fgconv, "another shape", work, plug, source, "causal_lm.layer_stack.layer_norm.weight", ", 1] (hidden_size, 1)")


def ties(fgconv, work):
    source = model(work / "tied", "tied", tie_word_embeddings=True)
    head = {"shape": ["vocab_size", "hidden_size"], "vocabulary": True}
    plug = plug_in(work / "tied.plug", "tied", {"tensors": {"lm_head.weight": head}})
    refused(fgconv, "two tensors that the code ties", work, plug, source, '"lm_head.weight"', "ties them")
    source = model(work / "twice", "twice", "qwen3_tied_bf16")
    code = {"parameters": {"lm_head.weight": {"shape": ["vocab_size", "hidden_size"]}}}
    plug = plug_in(work / "twice.plug", "twice", norms(**section(qk_norm={"constant_import": True})), "qwen3.json", code)
    refused(fgconv, "a pair that the code does not tie", work, plug, source, 'ties "lm_head.weight"', "own_code.py does not")


def keys(fgconv, work):
    source = model(work / "key", "key")
    plug = plug_in(work / "key.plug", "key", section(scale={"constant_import": 2.0}))
    refused(fgconv, "a key that the code does not read", work, plug, source, '"scale" = 2.0', "does not read")
    scaling = {"rename": "rope_scaling", "absent": None, "keys": ["rope_type", "factor", "low_freq_factor", "high_freq_factor",
               "original_max_position_embeddings", "mystery"]}
    rope = {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64, "mystery": 1.5}
    source = model(work / "member", "member", rope_scaling=rope)
    plug = plug_in(work / "member.plug", "member", section(rope_scaling=scaling))
    refused(fgconv, "a member that the code does not read", work, plug, source, '"rope_scaling.mystery" = 1.5', lint=False)
    source = model(work / "value", "value", hidden_act="tanh")
    plug = plug_in(work / "value.plug", "value", section(**{"hidden_act": {"rename": "hidden_act"}, "activation of the target": None}))
    refused(fgconv, "a value that the code refuses", work, plug, source, "activations are silu, gelu", 'hidden_act = "tanh"', lint=False)
    plug = plug_in(work / "absent.plug", "value", section(rms_norm_eps={"ignored": "test", "hf": ["rms_norm_eps"]}, **{"hidden_act": {"ignored": "test", "hf": ["hidden_act"]}}),
                   code={"config": {"rms_norm_eps": {}}})
    refused(fgconv, "a key that the code needs", work, plug, source, '"rms_norm_eps"', "own_code.py reads", lint=False)


def declarations(fgconv, work):
    """Without a declaration, and with a wrong one."""
    source = model(work / "undeclared", "undeclared")
    plug = plug_in(work / "undeclared.plug", "undeclared", {}, code={})
    refused(fgconv, "code without a declaration", work, plug, source, "own_code.json", "--no-code")
    plug = plug_in(work / "null.plug", "undeclared", {"code": None})
    refused(fgconv, "no code for the names in config.json", work, plug, source, "code: is missing")
    refused(fgconv, "no code: what to do", work, plug, source, 'remove "code": null', lint=False)
    for name, code, text in (("an unknown key", {"parameter": {}}, "parameter: unknown key"),
                             ("an unknown member", {"config": {"vocab_size": {"default": 1}}}, "config/vocab_size/default: unknown key"),
                             ("a condition that does not parse", {"requires": [["hidden_size >", "x"]]}, "requires/"),
                             ("a requirement without a message", {"requires": [["hidden_size > 1"]]}, "expected [expression, message]"),
                             ("a name without repeat", {"parameters": {"a.{i}": {"shape": [1]}}}, '"{i}" in the name'),
                             ("a shape of text", {"parameters": {"a": {"shape": ["hidden_size *"]}}}, "parameters/a/shape")):
        plug = plug_in(work / f"{name}.plug", "undeclared", {}, code=code)
        refused(fgconv, name, work, plug, source, text, "own_code.json")


def misspelt_members(fgconv, work):
    """A member of a file of models/ that is not known has no effect, so it is refused."""
    source = model(work / "misspelt", "misspelt")
    plug = plug_in(work / "misspelt.plug", "misspelt", {})
    spec = plug / "models/misspelt.json"
    for name, formats, text, near in (("a member", {"hf": {"onyl": {}}}, "formats/hf/onyl: unknown key", "only"),
                                      ("a role", {"hf": {"config": {"haeds": {"key": "x"}}}}, "formats/hf/config/haeds: unknown key", "heads")):
        spec.write_text(json.dumps({**load(spec), "formats": formats}))
        refused(fgconv, f"misspelt {name} of models/", work, plug, source, "models/misspelt.json:1: " + text, f'did you mean "{near}"?', lint=False)
        code, said = run(fgconv, ["lint", "--converter-path", plug, spec], ranks=0)
        tally.check(f"misspelt {name} of models/: refused by lint", code == 3 and text in said, f"exit {code}: {said}")


# ---- weights that no forward pass reads ----


BIAS = "model.layers.0.mlp.gate_proj.bias"
NO_CODE = {"code": None, **section(architectures={"ignored": "names code"}, auto_map={"ignored": "names code", "keys": ["*"]})}


def unread(fgconv, work):
    """A proof of models that both ignore a weight says nothing of it, so it is refused before anything is written."""
    source = model(work / "ignored", "ignored", more={BIAS.replace("0", "{i}"): [load(DATA / "golden/llama_untied_fp32/hf/config.json")["intermediate_size"]]})
    plug = plug_in(work / "ignored.plug", "ignored", {**NO_CODE, "example": load(source / "config.json"), "tensors": tensor("mlp.gate_proj.bias", ["intermediate_size"])})
    out, given = work / "ignored.out", ["--converter-path", plug]
    for words in ([], ["--dry-run"], ["--to", "forgather"]):
        code, said = run(fgconv, [*given, *words, source, out], ranks=0)
        tally.check(f"a bias that both models ignore: refused {words}", code == 3 and not out.exists() and "models/" in said
                    and f'does not read {LAYERS} of the tensors: "{BIAS}"' in said, f"exit {code}: {said}")
    code, said = run(fgconv, [*given, "--validate", "bytes", source, out], ranks=0)
    tally.check("a bias that both models ignore: bytes can be proved", code == 0 and "logits" not in said, said)
    for command in (["validate", source, out], ["convert", out, work / "ignored.back"], ["finalize", out, work / "ignored.final"]):
        code, said = run(fgconv, [command[0], *given, *command[1:]], ranks=0)
        tally.check(f"a bias that both models ignore: refused by {command[0]} of the result", code == 3 and "does not read" in said, f"exit {code}: {said}")
    files = ("ignored.json", "models/ignored.json")
    lints = {"all files": given, **{f"{file}, found": [*given, plug / file] for file in files}, **{f"{file} alone": [plug / file] for file in files}}
    for name, words in lints.items():
        code, said = run(fgconv, ["lint", *words], ranks=0)
        tally.check(f"a bias that both models ignore: lint of {name} names the file of models/", code == 3 and "1 problem in" in said
                    and re.search(r"bad \S*models/ignored.json: the forward pass does not read .*gate_proj.bias", said), f"exit {code}: {said}")
    spec = plug / "models/ignored.json"
    spec.write_text(json.dumps({**load(spec), "formats": {"hf": {"unread": ["proj.bias"]}, "forgather": {"unread": ["proj.bias"]}}}))
    code, said = run(fgconv, [*given, source, work / "ignored.listed"], ranks=0)
    tally.check("a weight that is listed as unread: converted", code == 0 and "equal bit for bit" in said, said)
    for name, words in lints.items():
        code, said = run(fgconv, ["lint", *words], ranks=0)
        tally.check(f"a weight that is listed as unread: lint of {name}", code == 0, f"exit {code}: {said}")


def read_in_part(fgconv, work):
    """Of a fused tensor that is declared wrongly, one part is read twice and one never."""
    source = model(work / "part", "part")
    plug = plug_in(work / "part.plug", "part", {})
    spec = plug / "models/part.json"
    whole = {"name": "{block}mlp.gate_proj.weight", "part": 0, "of": 2}
    roles = {"mlp.gate": whole, "mlp.up": whole}
    spec.write_text(json.dumps({**load(spec), "formats": {"hf": {"weights": roles}}}))
    config = load(source / "config.json")
    held = tensors(source)
    for i in range(LAYERS):
        dtype, shape, data = held[f"model.layers.{i}.mlp.gate_proj.weight"]
        held[f"model.layers.{i}.mlp.gate_proj.weight"] = (dtype, [2 * shape[0], shape[1]], data + held.pop(f"model.layers.{i}.mlp.up_proj.weight")[2])
    write_safetensors(source / "model.safetensors", held)
    half = config["intermediate_size"] * config["hidden_size"]
    up = {"model.layers.{i}.mlp.up_proj.weight": None, **tensor("mlp.gate_proj.weight", ["2 * intermediate_size", "hidden_size"])}
    rules = {way: {"lists": {"feedforward": [["gate_proj\\.", "gate_proj."], ["down_proj\\.", "down_proj."]]}} for way in ("to_forgather", "to_hf")}
    (plug / "part.json").write_text(json.dumps({**load(plug / "part.json"), **NO_CODE, "tensors": up, **rules}))
    code, said = run(fgconv, ["--converter-path", plug, source, work / "part.out"], ranks=0)
    tally.check("a part that is not read: refused", code == 3 and f"(only {half} of its {2 * half} numbers)" in said, f"exit {code}: {said}")


# ---- what works ----


def without_code(fgconv, work):
    """The summary says that nothing is proved of code that is not written; verify knows the option."""
    source, plug, out = work / "undeclared", work / "undeclared.plug", work / "no_code.out"
    code, said = run(fgconv, ["--converter-path", plug, "--no-code", source, out], ranks=0)
    tally.check("--no-code: converted, and said", code == 0 and re.search(r"code +none is written \(--no-code\): nothing is proved", said)
                and not list(out.glob("*.py")), said)
    code, said = run(fgconv, ["verify", "--converter-path", plug, source, out], ranks=0)
    tally.check("--no-code: verified", code == 0, said)
    code, said = run(fgconv, ["--converter-path", DATA.parent.parent / "converters/examples/documented_norm", DATA / "golden/llama_untied_fp32/hf", work / "documented"], ranks=0)
    tally.check("a converter without code: said", code == 0 and "none is written (the converter has none)" in said, said)


def with_code(fgconv, work):
    """The plug-ins of tests/data/convert, as a round trip, and the directory's other commands."""
    bias = "model.layers.{i}.self_attn.%s.bias"
    biases = {bias % "q_proj": [HIDDEN], bias % "k_proj": [HIDDEN // 2], bias % "v_proj": [HIDDEN // 2]}
    for name, family, case, more in (("q_norm", "my_model", "qwen3_tied_bf16", {}), ("biases", "my_qwen2", "llama_untied_fp32", biases)):
        source, out, back = model(work / family, family, case, more), work / f"{family}.there", work / f"{family}.back"
        given = ["--converter-path", DATA / "convert" / name]
        code, said = run(fgconv, ["lint", DATA / f"convert/{name}/{family}.json"], ranks=0)
        tally.check(f"{family}: linted", code == 0, said)
        code, said = run(fgconv, [*given, "--skip-default-tokens", source, out], ranks=0)
        tally.check(f"{family}: converted", code == 0 and "equal bit for bit" in said and "whose parameters are exactly the tensors written" in said, said)
        tally.check(f"{family}: reported", load(out / "fgconv_report.json")["code"] == {"origin": "converter", "files": ["fgconv_causal_lm.py"], "checked": True, "lacking": 0})
        code, said = run(fgconv, [*given, out, back], ranks=0)
        tally.check(f"{family}: and back", code == 0 and digests(back) == {k: v for k, v in digests(source).items() if k != "lm_head.weight" or "lm_head.weight" in digests(back)}, said)
        own = work / f"{family}.edited"
        shutil.copytree(out, own)
        (own / "fgconv_causal_lm.py").write_text("# edited\n")
        for command in ("finalize", "update-vocab"):
            code, said = run(fgconv, [command, *given, out, work / f"{family}.{command}"], ranks=0)
            tally.check(f"{family}: {command} checks the code that it copies", code == 0 and "whose parameters are exactly" in said, said)
            code, said = run(fgconv, [command, *given, own, work / f"{family}.{command}.edited"], ranks=0)
            tally.check(f"{family}: {command} claims nothing of other code", code == 0 and "of the source: nothing is proved of it" in said, said)
        code, said = run(fgconv, ["update", *given, "--arch", family, "--from-version", "1", out, work / f"{family}.update"], ranks=0)
        tally.check(f"{family}: update", code == 0 and "whose parameters are exactly" in said, said)


def update(fgconv, work):
    """An update checks the result against the code, too; --no-strict says that the code refuses what it leaves."""
    config = load(work / "my_model.there/config.json")
    del config["qk_norm"]
    shutil.copytree(work / "my_model.there", work / "stale")
    (work / "stale/config.json").write_text(json.dumps(config))
    plug = plug_in(work / "stale.plug", "my_model", norms(), "qwen3.json")
    code, said = run(fgconv, ["update", "--converter-path", plug, "--arch", "my_model", "--from-version", "1", work / "stale", work / "stale.out"], ranks=0)
    tally.check("update: refused", code == 3 and "attention.q_norm.weight" in said and "my_model.json" in said and not (work / "stale.out").exists(), said)
    out = work / "gap"
    case = DATA / "golden/llama_untied_fp32/hf"
    run(fgconv, ["--skip-default-tokens", case, out], ranks=0)
    held = tensors(out)
    lost = "causal_lm.layer_stack.layers.1.feedforward.up_proj.weight"
    del held[lost]
    for path in (*out.glob("*.safetensors"), *out.glob("*.index.json")):
        path.unlink()
    write_safetensors(out / "model.safetensors", held)
    code, said = run(fgconv, ["update", "--no-strict", out, work / "gap.out"], ranks=0)
    tally.check("update --no-strict: the code refuses the result", code == 0 and "makes 1 parameter that the destination lacks" in said
                and "refuses to load this" in said, said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fgconv", required=True)
    fgconv = str(pathlib.Path(parser.parse_args().fgconv).resolve())
    with tempfile.TemporaryDirectory() as folder:
        for part in (tensors_without_parameters, parameters_without_tensors, ties, keys, declarations, misspelt_members, unread, read_in_part, without_code, with_code, update):
            part(fgconv, pathlib.Path(folder))
    return tally.end()


if __name__ == "__main__":
    sys.exit(main())
